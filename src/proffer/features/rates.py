"""Rates: how often what was shown was taken, smoothed towards what is known more broadly."""

import math
from dataclasses import dataclass

import numpy as np

from proffer.features.accumulators.simple import slot
from proffer.features.accumulators.vectors import Moments
from proffer.features.base import Accumulator, Amount, Column
from proffer.features.batch import Batch
from proffer.features.compile import Floats, compiled

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
            rate = _smoothed(batch.read(scope, self.hits), batch.read(scope, self.trials), rate, self.prior)
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
        return _lows(batch.read(self.scope, self.hits), batch.read(self.scope, self.trials))


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


@compiled
def _ratio(hits: Floats, trials: Floats) -> Floats:
    """Return hits / trials, NaN without trials."""
    out = np.full(trials.size, np.nan)
    for place in range(trials.size):
        if trials[place] > 0.0:
            out[place] = hits[place] / trials[place]
    return out


@compiled
def _smoothed(hits: Floats, trials: Floats, broader: Floats, prior: float) -> Floats:
    """Return the rates (n,) drawn towards broader ones (n,) or (1,), or the one rate towards many broader ones."""
    out = np.empty(max(hits.size, broader.size) if min(hits.size, broader.size) else 0)
    for place in range(out.size):
        own = place if hits.size > 1 else 0
        wide = broader[place if broader.size > 1 else 0]
        out[place] = (hits[own] + prior * wide) / (trials[own] + prior)
    return out


@compiled
def _lows(hits: Floats, trials: Floats) -> Floats:
    """Return the lower bounds of rates (n,), NaN without trials."""
    out = np.full(trials.size, np.nan)
    for place in range(trials.size):
        if trials[place] > 0.0:
            rate = min(hits[place] / trials[place], 1.0)
            z = _Z * _Z / trials[place]
            spread = math.sqrt(z * (rate * (1.0 - rate) + z / 4.0))
            out[place] = (rate + z / 2.0 - spread) / (1.0 + z)
    return out
