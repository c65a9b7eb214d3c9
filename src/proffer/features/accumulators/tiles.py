"""Tiles: counts by hop of time, for windows with a sharp edge."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from proffer.core.errors import Invalid
from proffer.features.accumulators.simple import Simple, hashed_once, words
from proffer.features.base import Weights
from proffer.features.compile import Floats, Ints, compiled

if TYPE_CHECKING:
    from proffer.features.encode import EventColumns


@compiled
def _fold_tiles(
    rows: Floats, start: int, index: Ints, at: Floats, types: Ints, weights: Floats, hop: float, count: int
) -> None:
    for place in range(index.size):
        row, weight = index[place], weights[types[place]]
        if row < 0 or weight == 0.0:
            continue
        epoch, head = math.floor(at[place] / hop), int(rows[row, start])
        if epoch > head:
            for stale in range(max(head, epoch - count) + 1, epoch + 1):
                rows[row, start + 1 + stale % count] = 0.0
            rows[row, start] = epoch
        if epoch > head - count:
            rows[row, start + 1 + epoch % count] += weight


@compiled
def tiles_of(rows: Floats, start: int, row: int, count: int, now: int, width: int) -> Floats:
    """Return the last `width` tiles of a row up to epoch `now`, oldest first; 0 where the ring has none."""
    out = np.zeros(width)
    if row >= 0:
        head = int(rows[row, start])
        for place in range(width):
            epoch = now - width + 1 + place
            if head - count < epoch <= head:
                out[place] = rows[row, start + 1 + epoch % count]
    return out


@compiled
def _read_tiles(rows: Floats, start: int, index: Ints, count: int, now: int, width: int, active: bool) -> Floats:
    out = np.zeros(index.size)
    for place in range(index.size):
        row = index[place]
        if row < 0:
            continue
        head = int(rows[row, start])
        for epoch in range(max(now - width, head - count) + 1, min(now, head) + 1):
            value = rows[row, start + 1 + epoch % count]
            if active:
                value = 1.0 if value > 0.0 else 0.0
            out[place] += value
    return out


@hashed_once
@dataclass(frozen=True)
class Tiles(Simple):
    """A ring of `count` sums, one for each `hop` seconds of the epoch.

    A late event goes into its own tile as long as the ring has it, else it is dropped. A window ends with the
    running tile and is cut to whole tiles at its far end. Read one through `last(seconds)`.
    """

    weights: Weights
    hop: float
    count: int

    @property
    def slots(self) -> int:
        """Return the ring and the epoch of its head."""
        return self.count + 1

    def last(self, seconds: float) -> "Window":
        """Return the sum of a window, a whole number of hops that the ring holds."""
        if seconds % self.hop or not 0 < seconds <= self.hop * self.count:
            remedy = f"Use a multiple of {words(self.hop)} up to {words(self.hop * self.count)}."
            raise Invalid("not a window of these tiles", field="seconds", remedy=remedy)
        return Window(self, seconds)

    def epoch(self, at: float) -> int:
        """Return the running tile at epoch seconds."""
        return math.floor(at / self.hop)

    def fold(self, rows: Floats, start: int, index: Ints, events: "EventColumns") -> None:
        """Move the head on, then add to the tile."""
        weights = events.weights(self.weights)
        _fold_tiles(rows, start, index, events.at, events.type, weights, float(self.hop), self.count)

    def merge(self, rows: Floats, start: int, into: int, other: int) -> None:
        """Add tile by tile, from the later of both heads back."""
        head = int(max(rows[into, start], rows[other, start]))
        tiles = [tiles_of(rows, start, row, self.count, head, self.count) for row in (into, other)]
        epochs = np.arange(head - self.count + 1, head + 1)
        rows[into, start] = head
        rows[into, start + 1 + epochs % self.count] = tiles[0] + tiles[1]


@hashed_once
@dataclass(frozen=True)
class Window:
    """The sum of the last `seconds` of tiles, as an amount."""

    state: Tiles
    seconds: float

    @property
    def tiles(self) -> int:
        """Return how many tiles it spans."""
        return int(self.seconds // self.state.hop)

    @property
    def window(self) -> str:
        """Return the window and its hop in words."""
        return f"{words(self.seconds)} in hops of {words(self.state.hop)}"

    def read(self, rows: Floats, start: int, index: Ints, at: float) -> Floats:
        """Return the sums of the window that ends at `at`."""
        return _read_tiles(rows, start, index, self.state.count, self.state.epoch(at), self.tiles, False)

    def active(self, rows: Floats, start: int, index: Ints, at: float) -> Floats:
        """Return how many tiles of the window have anything in them."""
        return _read_tiles(rows, start, index, self.state.count, self.state.epoch(at), self.tiles, True)
