"""What a state keeps for retrievers beside the rows of its view."""

import math

from proffer.core.schema import Schema
from proffer.features.accumulators.sums import Decayed, DecayGrid
from proffer.features.base import Scope, Weights, each

HOUR, DAY = 3600.0, 86_400.0
HALF_LIVES = (HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 4 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, math.inf)
SEGMENT_HALF_LIFE = 7 * DAY
SEGMENT_ITEM = Scope("live.segment_item", ("actor.segment", "target"))


def wanted(schema: Schema) -> Weights:
    """Return weights of 1 for the event types declared with a weight above 0."""
    return each(*(event.name for event in schema.events.values() if event.weight > 0))


def popularity(schema: Schema) -> DecayGrid:
    """Return the decayed counts of wanted events that every state keeps of its items."""
    return DecayGrid(wanted(schema), HALF_LIVES)


def in_segment(schema: Schema) -> Decayed:
    """Return the decayed count of wanted events kept for each pair of a segment and an item."""
    return DecayGrid(wanted(schema), (SEGMENT_HALF_LIFE,)).at(SEGMENT_HALF_LIFE)
