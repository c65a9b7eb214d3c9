"""A tally: how often each of several types of event happened, with the past fading, in one place."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from proffer.core.errors import Invalid
from proffer.features.accumulators.simple import Simple, hashed_once, words
from proffer.features.accumulators.sums import merge_decayed
from proffer.features.base import Weights, graded
from proffer.features.compile import Floats, Ints, compiled, remaining

if TYPE_CHECKING:
    from proffer.features.encode import EventColumns


@compiled
def _fold_tally(
    rows: Floats, start: int, index: Ints, at: Floats, types: Ints, places: Floats, width: int, half_life: float
) -> None:
    last = start + width
    for event in range(index.size):
        row, place = index[event], int(places[types[event]])
        if row < 0 or place == 0:
            continue
        ahead = at[event] - rows[row, last]
        if ahead > 0.0:
            kept = remaining(ahead, half_life)
            for column in range(start, last):
                rows[row, column] *= kept
            rows[row, last] = at[event]
        rows[row, start + place - 1] += remaining(-ahead, half_life)


@compiled
def _sums(rows: Floats, start: int, index: Ints, weights: Floats, at: float, half_life: float) -> Floats:
    out = np.zeros(index.size)
    last = start + weights.size
    for place in range(index.size):
        row = index[place]
        if row < 0:
            continue
        for column in range(weights.size):
            out[place] += weights[column] * rows[row, start + column]
        if out[place] != 0.0:
            out[place] *= remaining(at - rows[row, last], half_life)
    return out


@compiled
def _largest(rows: Floats, start: int, index: Ints, width: int, at: float, half_life: float) -> Floats:
    out = np.zeros(index.size)
    last = start + width
    for place in range(index.size):
        row = index[place]
        if row < 0:
            continue
        for column in range(start, last):
            out[place] = max(out[place], rows[row, column])
        if out[place] != 0.0:
            out[place] *= remaining(at - rows[row, last], half_life)
    return out


@hashed_once
@dataclass(frozen=True)
class Tally(Simple):
    """Decayed counts of `types`, one slot each, that share one time and one half-life (seconds, may be infinite).

    Read sums of them through `of`, and how often something was before somebody at least through `exposures`.
    """

    types: tuple[str, ...]
    half_life: float = math.inf

    @property
    def slots(self) -> int:
        """Return one for each type and one for the time."""
        return len(self.types) + 1

    @property
    def weights(self) -> Weights:
        """Return the types, each with the number of its slot from 1."""
        return tuple((name, float(place)) for place, name in enumerate(self.types, 1))

    def of(self, *types: str, **grades: float) -> "Tallied":
        """Return the amount of these types together, each event counting 1 or its grade. Raises Invalid for others."""
        wanted = graded({**dict.fromkeys(types, 1.0), **grades})
        unknown = sorted({name for name, _ in wanted} - set(self.types))
        if unknown:
            raise Invalid("is not tallied", field=unknown[0], remedy=f"Use {', '.join(self.types)}.")
        return Tallied(self, wanted)

    @property
    def exposures(self) -> "Exposures":
        """Return the amount that says how often it was before somebody."""
        return Exposures(self)

    def fold(self, rows: Floats, start: int, index: Ints, events: "EventColumns") -> None:
        """Decay and count, event by event."""
        places = events.weights(self.weights)
        _fold_tally(rows, start, index, events.at, events.type, places, len(self.types), self.half_life)

    def merge(self, rows: Floats, start: int, into: int, other: int) -> None:
        """Add at the later of both times."""
        merge_decayed(rows, start, (self.half_life,) * len(self.types), into, other)

    @property
    def window(self) -> str:
        """Return the half-life in words."""
        return "all" if math.isinf(self.half_life) else f"half-life {words(self.half_life)}"


@hashed_once
@dataclass(frozen=True)
class Tallied:
    """A weighted sum of the counts of a tally, as an amount."""

    state: Tally
    grades: Weights

    @cached_property
    def weights(self) -> Floats:
        """What each type of the tally counts for, in order (types,)."""
        grades = dict(self.grades)
        return np.array([grades.get(name, 0.0) for name in self.state.types])

    @property
    def window(self) -> str:
        """Return the half-life in words."""
        return self.state.window

    def read(self, rows: Floats, start: int, index: Ints, at: float) -> Floats:
        """Return the sums at `at`."""
        return _sums(rows, start, index, self.weights, at, self.state.half_life)


@hashed_once
@dataclass(frozen=True)
class Exposures:
    """The largest count of a tally, as an amount: whatever was clicked or done was seen, whichever types are tracked.

    A page that reports no impressions, or no views, still gives rates a denominator.
    """

    state: Tally

    @property
    def window(self) -> str:
        """Return the half-life in words."""
        return self.state.window

    def read(self, rows: Floats, start: int, index: Ints, at: float) -> Floats:
        """Return the largest counts at `at`."""
        return _largest(rows, start, index, len(self.state.types), at, self.state.half_life)
