"""Vectors that decay as one: moments of a field, hours of the day, the words of what was read."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from proffer.features.accumulators.simple import Simple, decayed_slot, hashed_once, words
from proffer.features.base import Weights
from proffer.features.compile import Floats, Ints, compiled, remaining, signed_log
from proffer.features.sketch import DIMENSIONS, TAGS

if TYPE_CHECKING:
    from proffer.features.encode import EventColumns

HOURS = 4.0 * 3600.0
BLOCKS = 6


@compiled
def _fold_vectors(
    rows: Floats, start: int, index: Ints, at: Floats, types: Ints, weights: Floats, added: Floats, half_life: float
) -> None:
    width = added.shape[1]
    last = start + width
    for place in range(index.size):
        row, weight = index[place], weights[types[place]]
        if row < 0 or weight == 0.0 or np.isnan(added[place, 0]):
            continue
        ahead = at[place] - rows[row, last]
        kept = remaining(ahead, half_life)
        taken = weight * remaining(-ahead, half_life)
        for column in range(width):
            rows[row, start + column] = rows[row, start + column] * kept + added[place, column] * taken
        if ahead > 0.0:
            rows[row, last] = at[place]


class Vectorial(Simple):
    """An accumulator that adds a vector for each event to one that decays."""

    weights: Weights
    half_life: float
    width: int

    @property
    def slots(self) -> int:
        """Return the vector and its time."""
        return self.width + 1

    @property
    def window(self) -> str:
        """Return the half-life in words."""
        return "all" if math.isinf(self.half_life) else f"half-life {words(self.half_life)}"

    def added(self, events: "EventColumns") -> Floats:
        """Return what each event adds (n, width); a row that starts with NaN adds nothing."""
        raise NotImplementedError

    def fold(self, rows: Floats, start: int, index: Ints, events: "EventColumns") -> None:
        """Decay and add, event by event."""
        weights = events.weights(self.weights)
        _fold_vectors(rows, start, index, events.at, events.type, weights, self.added(events), self.half_life)

    def merge(self, rows: Floats, start: int, into: int, other: int) -> None:
        """Add at the later of both times."""
        columns = slice(start, start + self.width)
        last = start + self.width
        at = max(rows[into, last], rows[other, last])
        kept = rows[into, columns] * remaining(at - rows[into, last], self.half_life)
        rows[into, columns] = kept + rows[other, columns] * remaining(at - rows[other, last], self.half_life)
        rows[into, last] = at


@hashed_once
@dataclass(frozen=True)
class Moments(Vectorial):
    """Number, sum and sum of squares of a numeric field of events, clipped, with the past fading."""

    weights: Weights
    field: str
    low: float = -math.inf
    high: float = math.inf
    half_life: float = math.inf
    width = 3

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the field."""
        return (self.field,)

    def added(self, events: "EventColumns") -> Floats:
        """Return (1, x, x^2), NaN where the event lacks the field."""
        x = np.clip(events.fields[self.field], self.low, self.high)
        return _powers(x)

    @property
    def number(self) -> "Moment":
        """Return how many values there were, as an amount."""
        return Moment(self, 0)

    @property
    def total(self) -> "Moment":
        """Return the sum of the values, as an amount."""
        return Moment(self, 1)


@hashed_once
@dataclass(frozen=True)
class Moment:
    """Number (0), sum (1) or sum of squares (2) of decayed moments, as an amount."""

    state: Moments
    power: int

    @property
    def window(self) -> str:
        """Return the half-life in words."""
        return self.state.window

    def read(self, rows: Floats, start: int, index: Ints, at: float) -> Floats:
        """Return the moments at `at`."""
        state = self.state
        return decayed_slot(rows, start + self.power, start + state.width, index, at, state.half_life)


@hashed_once
@dataclass(frozen=True)
class Declared(Vectorial):
    """Number, sum and sum of squares of sign(x) ln(1 + |x|) of a number that the targets of events declare."""

    weights: Weights
    attribute: str
    half_life: float
    width = 3

    def added(self, events: "EventColumns") -> Floats:
        """Return (1, x, x^2), NaN where the target does not say."""
        x = signed_log(events.measure(self.attribute))
        return _powers(x)


@hashed_once
@dataclass(frozen=True)
class Blocks(Vectorial):
    """Decayed weight in each 4-hour block of the day (UTC)."""

    weights: Weights
    half_life: float
    width = BLOCKS

    def added(self, events: "EventColumns") -> Floats:
        """Return a 1 in the block of each event."""
        added = np.zeros((events.at.size, BLOCKS))
        added[np.arange(events.at.size), np.floor(events.at / HOURS).astype(np.int64) % BLOCKS] = 1.0
        return added


@hashed_once
@dataclass(frozen=True)
class Sketch(Vectorial):
    """Decayed sum of the text sketches of targets; a target without text adds nothing."""

    weights: Weights
    half_life: float
    width = DIMENSIONS

    def added(self, events: "EventColumns") -> Floats:
        """Return the sketch of each event's target."""
        return events.sketches()


@hashed_once
@dataclass(frozen=True)
class Tags(Vectorial):
    """Decayed sum of the sketches of the tags of targets; a target without tags adds nothing."""

    weights: Weights
    half_life: float
    width = TAGS

    def added(self, events: "EventColumns") -> Floats:
        """Return the sketch of each event's target's tags."""
        return events.tag_sketches()


def _powers(x: Floats) -> Floats:
    """Return (1, x, x^2) of each number, NaN where it is unknown."""
    return np.column_stack((np.where(np.isnan(x), np.nan, 1.0), x, x * x))
