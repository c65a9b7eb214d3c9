"""List-relative features: how a candidate stands among the others of its list."""

import math
from dataclasses import dataclass

import numpy as np

from proffer.features.base import Column, Stateless
from proffer.features.batch import Batch
from proffer.features.compile import Floats


@dataclass(frozen=True)
class ListRank(Stateless):
    """Rank percentile of another column, named before it: 0 lowest, 1 highest, ties in the middle, NaN if unknown."""

    name: str
    of: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"rank percentile of {self.of}", "list", "list"),)

    def values(self, batch: Batch) -> Floats:
        """Return the percentiles (n,)."""
        values = batch.columns[self.of]
        known = np.sort(values[~np.isnan(values)])
        if known.size < 2:
            return np.where(np.isnan(values), math.nan, 0.5)
        below = np.searchsorted(known, values, "left")
        middle = (below + np.searchsorted(known, values, "right") - 1) / 2.0
        return np.where(np.isnan(values), math.nan, middle / (known.size - 1))


@dataclass(frozen=True)
class ListDifference(Stateless):
    """Difference of another column, named before it, to the list's median; NaN if unknown."""

    name: str
    of: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"{self.of} - median of the list", "list", "list"),)

    def values(self, batch: Batch) -> Floats:
        """Return the differences (n,)."""
        values = batch.columns[self.of]
        known = np.sort(values[~np.isnan(values)])
        if not known.size:
            return values
        median = float(known[(known.size - 1) // 2] + known[known.size // 2]) / 2.0
        return values - median


@dataclass(frozen=True)
class ListShare(Stateless):
    """The share of the list that has the candidate's category (or another role); NaN if unknown."""

    name: str
    role: str = "category"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"share of the list with the candidate's {self.role}", "list", "list"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the role."""
        return (self.role,)

    def values(self, batch: Batch) -> Floats:
        """Return the shares (n,)."""
        keys = batch.part(f"target.{self.role}")
        _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
        return np.where(keys == 0, math.nan, counts[place] / max(batch.n, 1))


@dataclass(frozen=True)
class ListLength(Stateless):
    """The number of candidates."""

    name: str = "n_candidates"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "number of candidates", "list", "request"),)

    def values(self, batch: Batch) -> Floats:
        """Return the length (1,)."""
        return np.array([float(batch.n)])
