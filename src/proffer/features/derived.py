"""Columns made of columns that stand before them."""

from dataclasses import dataclass

import numpy as np

from proffer.features.base import Column, Stateless
from proffer.features.batch import Batch
from proffer.features.compile import Floats


@dataclass(frozen=True)
class MeanOf(Stateless):
    """The mean of other columns of the same candidate, named before it, unknown ones left out; NaN if all are."""

    name: str
    of: tuple[str, ...]
    window: str = "all"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"mean of {', '.join(self.of)}", self.window),)

    def values(self, batch: Batch) -> Floats:
        """Return the means (n,)."""
        total, known = np.zeros(batch.n), np.zeros(batch.n)
        # Added one after the other, so that the bits do not depend on how many candidates there are.
        for name in self.of:
            values = batch.columns[name]
            there = ~np.isnan(values)
            total[there] += values[there]
            known += there
        return total / np.where(known > 0, known, np.nan)
