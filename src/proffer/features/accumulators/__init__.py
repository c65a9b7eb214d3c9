"""State primitives: what a row can keep of the events that touch it."""

from proffer.features.accumulators.lists import LastN
from proffer.features.accumulators.marks import LastGrade, LastScaled, flag
from proffer.features.accumulators.sums import Decayed, DecayGrid, Total, decay
from proffer.features.accumulators.tally import Tally
from proffer.features.accumulators.tiles import Tiles, Window
from proffer.features.accumulators.times import Sessions, Stamp
from proffer.features.accumulators.vectors import Blocks, Declared, Moments, Sketch, Tags

__all__ = [
    "Blocks",
    "DecayGrid",
    "Decayed",
    "Declared",
    "LastGrade",
    "LastN",
    "LastScaled",
    "Moments",
    "Sessions",
    "Sketch",
    "Stamp",
    "Tags",
    "Tally",
    "Tiles",
    "Total",
    "Window",
    "decay",
    "flag",
]
