"""Recency: how long ago something happened or appeared."""

from dataclasses import dataclass

import numpy as np

from proffer.features.accumulators.simple import slot, words
from proffer.features.accumulators.times import Stamp
from proffer.features.base import Accumulator, Column, Stateless
from proffer.features.batch import Batch
from proffer.features.compile import Floats, left_after, log1p, signed_log
from proffer.features.live import DAY, HOUR


@dataclass(frozen=True)
class Stamped:
    """A feature of the first or last time of events of a scope."""

    name: str
    scope: str
    of: Stamp

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return the stamp."""
        return ((self.scope, self.of),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def ages(self, batch: Batch, which: int) -> Floats:
        """Return the seconds since the first (0) or last (1) event, at least 0, NaN before any."""
        rows, start, index = batch.slots(self.scope, self.of)
        return np.maximum(batch.at - slot(rows, start + which, index, np.nan), 0.0)


@dataclass(frozen=True)
class Recency(Stamped):
    """ln(1 + seconds since the last event), NaN before any."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "ln(1 + seconds since the last event)"),)

    def values(self, batch: Batch) -> Floats:
        """Return the logarithms."""
        return log1p(self.ages(batch, 1))


@dataclass(frozen=True)
class Tenure(Stamped):
    """Days since the first event, NaN before any."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "days since the first event"),)

    def values(self, batch: Batch) -> Floats:
        """Return the days."""
        return self.ages(batch, 0) / DAY


@dataclass(frozen=True)
class Age(Stateless):
    """ln(1 + hours since the candidate was published), by its attribute or else its first mention."""

    name: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "ln(1 + hours since publication)"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the attribute."""
        return ("published",)

    def values(self, batch: Batch) -> Floats:
        """Return the logarithms."""
        return log1p(np.maximum(batch.at - batch.published(), 0.0) / HOUR)


@dataclass(frozen=True)
class Freshness(Stateless):
    """2^(-age / half-life) of the candidate since it was published."""

    name: str
    half_life: float = 7 * DAY

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "2^(-age / half-life)", f"half-life {words(self.half_life)}"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the attribute."""
        return ("published",)

    def values(self, batch: Batch) -> Floats:
        """Return what is left of 1."""
        return left_after(batch.at - batch.published(), self.half_life)


@dataclass(frozen=True)
class GroupAge(Stateless):
    """ln(1 + hours since the candidate's group was published), NaN where it does not say."""

    name: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "ln(1 + hours since publication of the group)"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the attribute."""
        return ("published",)

    def values(self, batch: Batch) -> Floats:
        """Return the logarithms."""
        return log1p(np.maximum(batch.at - batch.group_measure("published"), 0.0) / HOUR)


@dataclass(frozen=True)
class Left(Stateless):
    """ln(1 + hours until the candidate expires), below 0 when it has; NaN where it does not say."""

    name: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "ln(1 + hours until it expires)"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the attribute."""
        return ("expires",)

    def values(self, batch: Batch) -> Floats:
        """Return the logarithms."""
        return signed_log((batch.measure("expires") - batch.at) / HOUR)
