"""Deviations: how unlike a candidate's number is to those of what the subject wanted."""

import math
from dataclasses import dataclass

import numpy as np

from proffer.features.accumulators.vectors import Declared
from proffer.features.base import Accumulator, Column
from proffer.features.batch import Batch
from proffer.features.compile import Floats, Ints, broadcast, compiled, signed_log

LEAST = 0.1
"""A spread below this, in logarithms, counts as this: two things of one price do not make all others strange."""


@compiled
def _deviations(rows: Floats, start: int, index: Ints, logs: Floats) -> Floats:
    out = np.full(broadcast(index.size, logs.size), np.nan)
    for place in range(out.size):
        row, x = index[place if index.size > 1 else 0], logs[place if logs.size > 1 else 0]
        if row < 0 or not rows[row, start] > 0.0:
            continue
        mean = rows[row, start + 1] / rows[row, start]
        spread = math.sqrt(max(rows[row, start + 2] / rows[row, start] - mean * mean, 0.0))
        out[place] = (x - mean) / max(spread, LEAST)
    return out


@dataclass(frozen=True)
class Deviation:
    """How many standard deviations a candidate's number lies from the mean of those the subject wanted, in logarithms.

    NaN where the candidate does not say, or the subject has wanted nothing that did.
    """

    name: str
    scope: str
    of: Declared

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        what = self.of.attribute
        return (Column(self.name, f"(ln(1 + {what}) - mean of wanted) / sd, sd at least {LEAST:g}", self.of.window),)

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return the moments."""
        return ((self.scope, self.of),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the attribute."""
        return (self.of.attribute,)

    def values(self, batch: Batch) -> Floats:
        """Return the deviations: number and sums decay alike, so the time has no part in them."""
        rows, start, index = batch.slots(self.scope, self.of)
        return _deviations(rows, start, index, signed_log(np.ascontiguousarray(batch.measure(self.of.attribute))))
