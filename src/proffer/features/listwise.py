"""List-relative features: how a candidate stands among the others of its list."""

from dataclasses import dataclass

import numpy as np

from proffer.features.base import Column, Stateless
from proffer.features.batch import Batch
from proffer.features.compile import Floats, Ints, compiled


@compiled
def _middles(values: Floats) -> Floats:
    known = np.sort(values[~np.isnan(values)])
    out = np.full(values.size, np.nan)
    for place in range(values.size):
        if np.isnan(values[place]):
            continue
        if known.size < 2:
            out[place] = 0.5
            continue
        below = np.searchsorted(known, values[place])
        upto = np.searchsorted(known, values[place], side="right")
        out[place] = (below + upto - 1) / 2.0 / (known.size - 1)
    return out


@compiled
def _differences(values: Floats) -> Floats:
    known = np.sort(values[~np.isnan(values)])
    median = np.nan if known.size == 0 else (known[(known.size - 1) // 2] + known[known.size // 2]) / 2.0
    out: Floats = values - median
    return out


@compiled
def _shares(keys: Ints) -> Floats:
    ordered = np.sort(keys)
    out = np.full(keys.size, np.nan)
    for place in range(keys.size):
        if keys[place] != 0:
            first = np.searchsorted(ordered, keys[place])
            out[place] = (np.searchsorted(ordered, keys[place], side="right") - first) / keys.size
    return out


@compiled
def _parts(values: Floats) -> Floats:
    whole = 0.0
    for place in range(values.size):
        if values[place] > 0.0:
            whole += values[place]
    out = np.full(values.size, np.nan)
    for place in range(values.size):
        if whole > 0.0 and not np.isnan(values[place]):
            out[place] = max(values[place], 0.0) / whole
    return out


@compiled
def _others(values: Floats, keys: Ints) -> Floats:
    out = np.full(keys.size, np.nan)
    for place in range(keys.size):
        known, total = 0, 0.0
        for other in range(keys.size):
            if other != place and keys[other] == keys[place] and keys[place] != 0 and not np.isnan(values[other]):
                known += 1
                total += values[other]
        if known > 0:
            out[place] = total / known
    return out


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
        return _middles(batch.columns[self.of])


@dataclass(frozen=True)
class ListLow(Stateless):
    """Rank percentile of another column, named before it, where less is better: 0 highest, 1 lowest, NaN if unknown."""

    name: str
    of: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"rank percentile of {self.of}, 1 for the lowest", "list", "list"),)

    def values(self, batch: Batch) -> Floats:
        """Return the percentiles (n,)."""
        return 1.0 - _middles(batch.columns[self.of])


@dataclass(frozen=True)
class ListPart(Stateless):
    """What part of the list's sum of another column, named before it, is the candidate's; below 0 counts as 0."""

    name: str
    of: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"{self.of} / sum of the list", "list", "list"),)

    def values(self, batch: Batch) -> Floats:
        """Return the parts (n,)."""
        return _parts(batch.columns[self.of])


@dataclass(frozen=True)
class ListMean(Stateless):
    """Mean of another column, named before it, over the list, unknown values left out: the same for all candidates."""

    name: str
    of: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"mean of {self.of} over the list", "list", "list"),)

    def values(self, batch: Batch) -> Floats:
        """Return the mean (1,)."""
        known = batch.columns[self.of]
        known = known[~np.isnan(known)]
        return np.array([known.sum() / known.size if known.size else np.nan])


@dataclass(frozen=True)
class ListOthers(Stateless):
    """Mean of another column, named before it, over the other candidates of the same category (or another role)."""

    name: str
    of: str
    role: str = "category"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"mean of {self.of} over others of the candidate's {self.role}", "list", "list"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the role."""
        return (self.role,)

    def values(self, batch: Batch) -> Floats:
        """Return the means (n,)."""
        return _others(batch.columns[self.of], batch.part(f"target.{self.role}"))


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
        return _differences(batch.columns[self.of])


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
        return _shares(batch.part(f"target.{self.role}"))


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
