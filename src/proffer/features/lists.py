"""Lists: how varied the last things are, and how much of them is like the candidate."""

import math
from dataclasses import dataclass

import numpy as np

from proffer.features.accumulators.lists import LastN
from proffer.features.base import Accumulator, Column
from proffer.features.batch import Batch
from proffer.features.compile import Floats, Ints, compiled


@compiled
def _entropies(rows: Floats, start: int, index: Ints, n: int) -> Floats:
    out = np.full(index.size, np.nan)
    for place in range(index.size):
        row = index[place]
        size = 0 if row < 0 else min(n, int(rows[row, start]))
        if size == 0:
            continue
        out[place] = 0.0
        # Each entry adds -ln(p) / size of its own key, which sums to -sum of p ln(p) over the keys.
        for left in range(size):
            same = 0
            for right in range(size):
                same += rows[row, start + 1 + left] == rows[row, start + 1 + right]
            out[place] -= math.log(same / size) / size
    return out


@compiled
def _shares(rows: Floats, start: int, index: Ints, n: int, keys: Ints) -> Floats:
    out = np.full(keys.size, np.nan)
    for place in range(keys.size):
        row = index[place % index.size]
        size = 0 if row < 0 else min(n, int(rows[row, start]))
        if size == 0 or keys[place] == 0:
            continue
        same = 0
        for entry in range(size):
            same += rows[row, start + 1 + entry] == keys[place]
        out[place] = same / size
    return out


@dataclass(frozen=True)
class Listed:
    """A feature of a list of last keys."""

    name: str
    scope: str
    of: LastN

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return the list."""
        return ((self.scope, self.of),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return nothing beside the part the list keeps."""
        return ()

    @property
    def window(self) -> str:
        """Return the length in words."""
        return f"last {self.of.n}"


@dataclass(frozen=True)
class Entropy(Listed):
    """How varied the list is: -sum of p ln(p) over its keys; NaN while it is empty."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"-sum p ln p over {self.of.of}", self.window),)

    def values(self, batch: Batch) -> Floats:
        """Return the entropies."""
        return _entropies(*batch.slots(self.scope, self.of), self.of.n)


@dataclass(frozen=True)
class Affinity(Listed):
    """The share of the list that is the candidate's (its category, author ...); NaN while it is empty or unknown."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"share of the list with the candidate's {self.of.of}", self.window),)

    def values(self, batch: Batch) -> Floats:
        """Return the shares."""
        rows, start, index = batch.slots(self.scope, self.of)
        return _shares(rows, start, index, self.of.n, batch.part(self.of.of))
