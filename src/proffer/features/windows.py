"""Windows of tiles against each other: bursts and slopes."""

import math
from dataclasses import dataclass

import numpy as np

from proffer.features.accumulators.simple import words
from proffer.features.accumulators.tiles import Window, tiles_of
from proffer.features.base import Accumulator, Column
from proffer.features.batch import Batch
from proffer.features.compile import Floats, Ints, compiled


@compiled
def _slopes(rows: Floats, start: int, index: Ints, count: int, now: int, width: int) -> Floats:
    out = np.zeros(index.size)
    middle = (width - 1) / 2.0
    spread = width * (width * width - 1) / 12.0
    for place in range(index.size):
        tiles = tiles_of(rows, start, index[place], count, now, width)
        for tile in range(width):
            out[place] += (tile - middle) * tiles[tile]
        out[place] /= spread
    return out


@dataclass(frozen=True)
class Burst:
    """How far the running tile stands out of a window: (n - m) / sqrt(m + 1), m the mean of the window's tiles."""

    name: str
    scope: str
    of: Window

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "(n - m) / sqrt(m + 1), n the running tile, m the mean tile", self.of.window),)

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return the tiles."""
        return ((self.scope, self.of.state),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def values(self, batch: Batch) -> Floats:
        """Return the bursts."""
        mean = batch.read(self.scope, self.of) / self.of.tiles
        return (batch.read(self.scope, self.of.state.last(self.of.state.hop)) - mean) / np.sqrt(mean + 1.0)


@dataclass(frozen=True)
class Slope:
    """Least-squares slope of the tiles of a window: events a tile gained or lost with each tile. Needs two tiles."""

    name: str
    scope: str
    of: Window

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"least-squares slope of counts per {words(self.of.state.hop)}", self.of.window),)

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return the tiles."""
        return ((self.scope, self.of.state),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def values(self, batch: Batch) -> Floats:
        """Return the slopes."""
        tiles = self.of.state
        rows, start, index = batch.slots(self.scope, tiles)
        if self.of.tiles < 2:
            return np.full(index.size, math.nan)
        return _slopes(rows, start, index, tiles.count, tiles.epoch(batch.at), self.of.tiles)
