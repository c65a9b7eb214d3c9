"""Marks: the last answer, and what is switched on."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from proffer.features.accumulators.simple import Simple, hashed_once, slot
from proffer.features.base import Scales, Weights
from proffer.features.compile import Floats, Ints, compiled

if TYPE_CHECKING:
    from proffer.features.encode import EventColumns


@compiled
def _fold_mark(rows: Floats, start: int, index: Ints, at: Floats, types: Ints, weights: Floats) -> None:
    for place in range(index.size):
        row, weight = index[place], weights[types[place]]
        if row >= 0 and weight != 0.0 and not rows[row, start + 1] > at[place]:
            rows[row, start], rows[row, start + 1] = weight, at[place]


@hashed_once
@dataclass(frozen=True)
class LastGrade(Simple):
    """The weight and time of the event that happened last (the later in the log where two share a time)."""

    weights: Weights

    @property
    def slots(self) -> int:
        """Return two."""
        return 2

    @property
    def blank(self) -> tuple[float, ...]:
        """Return no grade at no time."""
        return (math.nan, math.nan)

    def fold(self, rows: Floats, start: int, index: Ints, events: "EventColumns") -> None:
        """Let each event that did not happen before the last one take its place."""
        _fold_mark(rows, start, index, events.at, events.type, events.weights(self.weights))

    def merge(self, rows: Floats, start: int, into: int, other: int) -> None:
        """Keep the later."""
        if not rows[into, start + 1] >= rows[other, start + 1] and not math.isnan(rows[other, start + 1]):
            rows[into, start : start + 2] = rows[other, start : start + 2]

    def read(self, rows: Floats, start: int, index: Ints) -> Floats:
        """Return the last weight, NaN before any."""
        return slot(rows, start, index, math.nan)


@hashed_once
@dataclass(frozen=True)
class LastScaled(LastGrade):
    """The grade and time of the event that happened last, of some types by a field, as labels grade them."""

    scales: Scales

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the fields of the scales."""
        return tuple(dict.fromkeys(scale.field for _, scale in self.scales))

    def fold(self, rows: Floats, start: int, index: Ints, events: "EventColumns") -> None:
        """Let each event that did not happen before the last one take its place; one of grade 0 says nothing."""
        grades = events.grades(self.weights, self.scales)
        _fold_mark(rows, start, index, events.at, np.arange(grades.size), grades)


def flag(on: tuple[str, ...], off: tuple[str, ...] = ()) -> LastGrade:
    """Return a mark that is above 0 when the last of these events switched it on, below 0 when it switched it off."""
    return LastGrade(tuple(sorted([*((name, 1.0) for name in on), *((name, -1.0) for name in off)])))
