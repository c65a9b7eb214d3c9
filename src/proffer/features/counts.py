"""Counts: how much of something there is."""

from dataclasses import dataclass

import numpy as np

from proffer.features.accumulators.tiles import Window
from proffer.features.base import Accumulator, Amount, Column
from proffer.features.batch import Batch
from proffer.features.compile import Floats, log1p


@dataclass(frozen=True)
class Counting:
    """A feature of one amount of a scope."""

    name: str
    scope: str
    of: Amount

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return the amount's accumulator."""
        return ((self.scope, self.of.state),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()


@dataclass(frozen=True)
class Count(Counting):
    """An amount as it is; 0 where nothing was ever counted."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "sum", self.of.window),)

    def values(self, batch: Batch) -> Floats:
        """Return the amounts."""
        return batch.read(self.scope, self.of)


@dataclass(frozen=True)
class LogCount(Counting):
    """The logarithm of an amount: ln(1 + sum)."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "ln(1 + sum)", self.of.window),)

    def values(self, batch: Batch) -> Floats:
        """Return the logarithms."""
        return log1p(batch.read(self.scope, self.of))


@dataclass(frozen=True)
class Below(Counting):
    """1 while an amount is below a threshold, else 0: who is still cold."""

    threshold: float = 3.0

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"1 if sum < {self.threshold:g}", self.of.window),)

    def values(self, batch: Batch) -> Floats:
        """Return 1 or 0."""
        return (batch.read(self.scope, self.of) < self.threshold).astype(np.float64)


@dataclass(frozen=True)
class Active:
    """In how many tiles of a window anything happened: active days when the hop is a day."""

    name: str
    scope: str
    of: Window

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "tiles with an event", self.of.window),)

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return the tiles."""
        return ((self.scope, self.of.state),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def values(self, batch: Batch) -> Floats:
        """Return the numbers of tiles."""
        return self.of.active(*batch.slots(self.scope, self.of.state), batch.at)
