"""Times: first and last event, and sessions."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proffer.features.accumulators.simple import Simple, decayed_slot, hashed_once, words
from proffer.features.base import Weights
from proffer.features.compile import Floats, Ints, compiled, remaining

if TYPE_CHECKING:
    from proffer.features.encode import EventColumns


@compiled
def _fold_stamp(rows: Floats, start: int, index: Ints, at: Floats, types: Ints, weights: Floats) -> None:
    for place in range(index.size):
        row = index[place]
        if row < 0 or weights[types[place]] == 0.0:
            continue
        if not rows[row, start] <= at[place]:
            rows[row, start] = at[place]
        if not rows[row, start + 1] >= at[place]:
            rows[row, start + 1] = at[place]


@compiled
def _fold_sessions(
    rows: Floats, start: int, index: Ints, at: Floats, types: Ints, weights: Floats, gap: float, half_life: float
) -> None:
    for place in range(index.size):
        row = index[place]
        if row < 0 or weights[types[place]] == 0.0:
            continue
        ahead = at[place] - rows[row, start + 1]
        if ahead > 0.0:
            rows[row, start] *= remaining(ahead, half_life)
            rows[row, start + 1] = at[place]
        if ahead > gap:
            rows[row, start] += 1.0


@hashed_once
@dataclass(frozen=True)
class Stamp(Simple):
    """The times of the first and of the last event (epoch seconds, NaN before any), by when they happened."""

    weights: Weights

    @property
    def slots(self) -> int:
        """Return two."""
        return 2

    @property
    def blank(self) -> tuple[float, ...]:
        """Return unknown times."""
        return (math.nan, math.nan)

    def fold(self, rows: Floats, start: int, index: Ints, events: "EventColumns") -> None:
        """Keep the earliest and the latest."""
        _fold_stamp(rows, start, index, events.at, events.type, events.weights(self.weights))

    def merge(self, rows: Floats, start: int, into: int, other: int) -> None:
        """Keep the earlier first and the later last."""
        if not rows[into, start] <= rows[other, start] and not math.isnan(rows[other, start]):
            rows[into, start] = rows[other, start]
        if not rows[into, start + 1] >= rows[other, start + 1] and not math.isnan(rows[other, start + 1]):
            rows[into, start + 1] = rows[other, start + 1]


@hashed_once
@dataclass(frozen=True)
class Sessions(Simple):
    """The number of sessions, cut by a gap in seconds, each decayed since it began.

    An event that comes late belongs to a session that has been counted.
    """

    weights: Weights
    gap: float = 1800.0
    half_life: float = math.inf

    @property
    def slots(self) -> int:
        """Return two."""
        return 2

    @property
    def state(self) -> "Sessions":
        """Return itself: it is its own amount."""
        return self

    @property
    def window(self) -> str:
        """Return the half-life in words."""
        return "all" if math.isinf(self.half_life) else f"half-life {words(self.half_life)}"

    def fold(self, rows: Floats, start: int, index: Ints, events: "EventColumns") -> None:
        """Count an event that comes later than the gap after the last one."""
        weights = events.weights(self.weights)
        _fold_sessions(rows, start, index, events.at, events.type, weights, self.gap, self.half_life)

    def merge(self, rows: Floats, start: int, into: int, other: int) -> None:
        """Add both counts at the later of both times."""
        at = max(rows[into, start + 1], rows[other, start + 1])
        kept = rows[into, start] * remaining(at - rows[into, start + 1], self.half_life)
        rows[into, start] = kept + rows[other, start] * remaining(at - rows[other, start + 1], self.half_life)
        rows[into, start + 1] = at

    def read(self, rows: Floats, start: int, index: Ints, at: float) -> Floats:
        """Return the counts at `at`."""
        return decayed_slot(rows, start, start + 1, index, at, self.half_life)
