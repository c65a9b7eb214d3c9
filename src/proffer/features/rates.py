"""Rates: how often what was shown was taken, smoothed towards what is known more broadly."""

from dataclasses import dataclass

import numpy as np

from proffer.features.accumulators.simple import slot
from proffer.features.accumulators.vectors import Moments
from proffer.features.base import Accumulator, Amount, Column
from proffer.features.batch import Batch
from proffer.features.compile import Floats

_Z = 1.959963984540054


@dataclass(frozen=True)
class Rate:
    """Hits among trials, smoothed level by level: (hits + prior x broader rate) / (trials + prior).

    `scopes` go from the narrowest to the broadest (item, author, category, all), whose rate is taken as it is and is
    NaN as long as it has no trials.
    """

    name: str
    scopes: tuple[str, ...]
    hits: Amount
    trials: Amount
    prior: float = 10.0

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        back = " -> ".join(self.scopes)
        formula = f"(hits + {self.prior:g} g) / (trials + {self.prior:g}), g by {back}"
        return (Column(self.name, formula, self.trials.window),)

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return hits and trials on every level."""
        return tuple((scope, amount.state) for scope in self.scopes for amount in (self.hits, self.trials))

    @property
    def reads(self) -> tuple[str, ...]:
        """Return nothing beside the parts of its scopes."""
        return ()

    def values(self, batch: Batch) -> Floats:
        """Return the smoothed rates."""
        *narrow, broadest = self.scopes
        rate = _ratio(batch.read(broadest, self.hits), batch.read(broadest, self.trials))
        for scope in reversed(narrow):
            hits, trials = batch.read(scope, self.hits), batch.read(scope, self.trials)
            rate = (hits + self.prior * rate) / (trials + self.prior)
        return rate


@dataclass(frozen=True)
class WilsonLow:
    """Lower bound of the 95 % interval of a rate (Wilson 1927), NaN without trials."""

    name: str
    scope: str
    hits: Amount
    trials: Amount

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "Wilson 95 % lower bound of hits / trials", self.trials.window),)

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return hits and trials."""
        return ((self.scope, self.hits.state), (self.scope, self.trials.state))

    @property
    def reads(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def values(self, batch: Batch) -> Floats:
        """Return the bounds; hits beyond the trials count as all of them."""
        trials = batch.read(self.scope, self.trials)
        rate = np.minimum(_ratio(batch.read(self.scope, self.hits), trials), 1.0)
        z = _Z * _Z / np.where(trials > 0, trials, 1.0)
        spread = np.sqrt(z * (rate * (1.0 - rate) + z / 4.0))
        low: Floats = (rate + z / 2.0 - spread) / (1.0 + z)
        return low


@dataclass(frozen=True)
class Mean:
    """The mean of a numeric field of events, NaN before any."""

    name: str
    scope: str
    of: Moments

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"sum of {self.of.field} / n", self.of.window),)

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return the moments."""
        return ((self.scope, self.of),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def values(self, batch: Batch) -> Floats:
        """Return the means: number and sum decay alike, so the time has no part in them."""
        rows, start, index = batch.slots(self.scope, self.of)
        return _ratio(slot(rows, start + 1, index, 0.0), slot(rows, start, index, 0.0))


def _ratio(hits: Floats, trials: Floats) -> Floats:
    """Return hits / trials, NaN without trials."""
    rate: Floats = np.divide(hits, trials, out=np.full(trials.shape, np.nan), where=trials > 0)
    return rate
