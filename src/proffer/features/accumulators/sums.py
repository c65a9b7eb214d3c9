"""Sums: of everything, and of everything with the past fading at one or several half-lives."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from proffer.core.errors import Invalid
from proffer.features.accumulators.simple import Simple, decayed_slot, hashed_once, slot, words
from proffer.features.base import Weights
from proffer.features.compile import Floats, Ints, compiled, remaining

if TYPE_CHECKING:
    from proffer.features.encode import EventColumns


@compiled
def _fold_total(rows: Floats, start: int, index: Ints, types: Ints, weights: Floats) -> None:
    for place in range(index.size):
        if index[place] >= 0:
            rows[index[place], start] += weights[types[place]]


@compiled
def _fold_grid(
    rows: Floats, start: int, index: Ints, at: Floats, types: Ints, weights: Floats, half_lives: Floats
) -> None:
    last = start + half_lives.size
    for place in range(index.size):
        row, weight = index[place], weights[types[place]]
        if row < 0 or weight == 0.0:
            continue
        ahead = at[place] - rows[row, last]
        for column in range(half_lives.size):
            if ahead >= 0.0:
                kept = rows[row, start + column] * remaining(ahead, half_lives[column])
                rows[row, start + column] = kept + weight
            else:
                rows[row, start + column] += weight * remaining(-ahead, half_lives[column])
        if ahead > 0.0:
            rows[row, last] = at[place]


def merge_decayed(rows: Floats, start: int, half_lives: tuple[float, ...], into: int, other: int) -> None:
    """Add one row's decayed slots to another's, both brought to the later of their times."""
    last = start + len(half_lives)
    at = max(rows[into, last], rows[other, last])
    for column, half_life in enumerate(half_lives, start):
        kept = rows[into, column] * remaining(at - rows[into, last], half_life)
        rows[into, column] = kept + rows[other, column] * remaining(at - rows[other, last], half_life)
    rows[into, last] = at


@hashed_once
@dataclass(frozen=True)
class Total(Simple):
    """The sum of the weights of all events."""

    weights: Weights
    window = "all"

    @property
    def state(self) -> "Total":
        """Return itself: it is its own amount."""
        return self

    def fold(self, rows: Floats, start: int, index: Ints, events: "EventColumns") -> None:
        """Add each event's weight."""
        _fold_total(rows, start, index, events.type, events.weights(self.weights))

    def merge(self, rows: Floats, start: int, into: int, other: int) -> None:
        """Add."""
        rows[into, start] += rows[other, start]

    def read(self, rows: Floats, start: int, index: Ints, at: float) -> Floats:  # noqa: ARG002
        """Return the sums; `at` has no part in them."""
        return slot(rows, start, index, 0.0)


@hashed_once
@dataclass(frozen=True)
class DecayGrid(Simple):
    """Decayed sums at several half-lives (seconds, may be infinite) that share one time.

    A late event is added as it has decayed by the time of the newest one, so the order of the log decides the last
    bits and nothing else. Read one of them through `at(half_life)`.
    """

    weights: Weights
    half_lives: tuple[float, ...]

    @property
    def slots(self) -> int:
        """Return one for each half-life and one for the time."""
        return len(self.half_lives) + 1

    def at(self, half_life: float) -> "Decayed":
        """Return the amount at one of the half-lives."""
        if half_life not in self.half_lives:
            known = ", ".join(words(each) for each in self.half_lives)
            raise Invalid(f"no half-life of {words(half_life)}", field="half_life", remedy=f"Use one of {known}.")
        return Decayed(self, half_life)

    def fold(self, rows: Floats, start: int, index: Ints, events: "EventColumns") -> None:
        """Decay and add, event by event."""
        half_lives = np.array(self.half_lives)
        _fold_grid(rows, start, index, events.at, events.type, events.weights(self.weights), half_lives)

    def merge(self, rows: Floats, start: int, into: int, other: int) -> None:
        """Add at the later of both times."""
        merge_decayed(rows, start, self.half_lives, into, other)


def decay(weights: Weights, half_life: float) -> "Decayed":
    """Return the decayed sum at one half-life (seconds)."""
    return DecayGrid(weights, (half_life,)).at(half_life)


@hashed_once
@dataclass(frozen=True)
class Decayed:
    """One half-life of a grid, as an amount: sum of weight x 2^(-age / half-life)."""

    state: DecayGrid
    half_life: float

    @property
    def window(self) -> str:
        """Return the half-life in words."""
        return "all" if math.isinf(self.half_life) else f"half-life {words(self.half_life)}"

    def read(self, rows: Floats, start: int, index: Ints, at: float) -> Floats:
        """Return the decayed sums at `at`."""
        column = start + self.state.half_lives.index(self.half_life)
        return decayed_slot(rows, column, start + self.state.slots - 1, index, at, self.half_life)
