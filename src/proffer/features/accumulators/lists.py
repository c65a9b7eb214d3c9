"""Lists: the last things a subject turned to."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proffer.features.accumulators.simple import Simple, hashed_once
from proffer.features.base import Weights
from proffer.features.compile import Floats, Ints, compiled

if TYPE_CHECKING:
    from proffer.features.encode import EventColumns


@compiled
def _fold_last(rows: Floats, start: int, index: Ints, keys: Ints, types: Ints, weights: Floats, n: int) -> None:
    for place in range(index.size):
        row = index[place]
        if row < 0 or keys[place] == 0 or weights[types[place]] == 0.0:
            continue
        count = int(rows[row, start])
        rows[row, start + 1 + count % n] = keys[place]
        rows[row, start] = count + 1


@hashed_once
@dataclass(frozen=True)
class LastN(Simple):
    """A ring of the keys of the last `n` targets (or their categories, authors ...) in order of the log.

    An event whose target lacks the part leaves the list alone.
    """

    weights: Weights
    n: int
    of: str = "target.category"

    @property
    def slots(self) -> int:
        """Return the ring and how many were ever put in."""
        return self.n + 1

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the part whose keys it keeps."""
        return (self.of,)

    def fold(self, rows: Floats, start: int, index: Ints, events: "EventColumns") -> None:
        """Put each key in the place of the oldest."""
        _fold_last(rows, start, index, events.part(self.of), events.type, events.weights(self.weights), self.n)

    def merge(self, rows: Floats, start: int, into: int, other: int) -> None:
        """Append the other list as if all of it came now: a visitor is recognised in his newest session."""
        count = int(rows[other, start])
        for place in range(max(0, count - self.n), count):
            end = int(rows[into, start])
            rows[into, start + 1 + end % self.n] = rows[other, start + 1 + place % self.n]
            rows[into, start] = end + 1
