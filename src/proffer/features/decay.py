"""Decayed sums against each other: is it rising, is it moving now."""

from dataclasses import dataclass

from proffer.features.accumulators.sums import Decayed
from proffer.features.base import Accumulator, Column
from proffer.features.batch import Batch
from proffer.features.compile import Floats, log1p
from proffer.features.live import DAY, HOUR


@dataclass(frozen=True)
class TwoPaces:
    """A feature of a short and a long half-life of one scope."""

    name: str
    scope: str
    short: Decayed
    long: Decayed

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return both grids."""
        return ((self.scope, self.short.state), (self.scope, self.long.state))

    @property
    def reads(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def rates(self, batch: Batch, per: float) -> tuple[Floats, Floats]:
        """Return both sums, each per `per` seconds of its half-life."""
        short, long = batch.read(self.scope, self.short), batch.read(self.scope, self.long)
        return short * (per / self.short.half_life), long * (per / self.long.half_life)

    def column(self, formula: str) -> tuple[Column, ...]:
        """Return the column with both windows."""
        return (Column(self.name, formula, f"{self.short.window}, {self.long.window}"),)


@dataclass(frozen=True)
class Acceleration(TwoPaces):
    """Short over long: s / (l + 1), both per day of their half-life."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return self.column("s / (l + 1), sums per day of half-life")

    def values(self, batch: Batch) -> Floats:
        """Return the ratios."""
        short, long = self.rates(batch, DAY)
        return short / (long + 1.0)


@dataclass(frozen=True)
class Trend(TwoPaces):
    """Short against long on a logarithmic scale: ln((s + 1) / (l + 1)), both per day of their half-life."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return self.column("ln((s + 1) / (l + 1)), sums per day of half-life")

    def values(self, batch: Batch) -> Floats:
        """Return the logarithms."""
        short, long = self.rates(batch, DAY)
        return log1p(short) - log1p(long)


@dataclass(frozen=True)
class Velocity(TwoPaces):
    """This hour against the usual hour: s / (1 + l), both per hour of their half-life."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return self.column("s / (1 + l), sums per hour of half-life")

    def values(self, batch: Batch) -> Floats:
        """Return the ratios."""
        short, long = self.rates(batch, HOUR)
        return short / (1.0 + long)
