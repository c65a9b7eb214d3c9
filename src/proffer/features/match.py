"""Matches: whether a candidate is what its group, or the subject, is about."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proffer.core.entities import stable_key
from proffer.features.base import Column, Stateless
from proffer.features.batch import Batch
from proffer.features.compile import Floats, Ints, broadcast, compiled


@compiled
def _same(left: Ints, right: Ints) -> Floats:
    n = broadcast(left.size, right.size)
    out = np.full(n, np.nan)
    for place in range(n):
        one, two = left[place if left.size > 1 else 0], right[place if right.size > 1 else 0]
        if one != 0 and two != 0:
            out[place] = 1.0 if one == two else 0.0
    return out


@compiled
def cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> Floats:
    """Return the cosine of each row of two tables (n, k), one of which may have a single row; NaN for a row of zeros.

    >>> cosines(np.array([[3.0, 4.0]], np.float32), np.array([[3.0, 4.0], [0.0, 0.0]], np.float32))
    array([ 1., nan])
    """
    n = broadcast(len(left), len(right))
    out = np.full(n, np.nan)
    for place in range(n):
        one, two = left[place if len(left) > 1 else 0], right[place if len(right) > 1 else 0]
        product = first = second = 0.0
        for column in range(one.size):
            x, y = np.float64(one[column]), np.float64(two[column])
            product += x * y
            first += x * x
            second += y * y
        if first > 0.0 and second > 0.0:
            out[place] = product / math.sqrt(first * second)
    return out


@dataclass(frozen=True)
class Same(Stateless):
    """1 if two parts have the same key, else 0; NaN where either is unknown.

    Parts are named as in scopes: `target.category` and `group.category`, `actor` and `group.author`.
    """

    name: str
    left: str
    right: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"1 if {self.left} is {self.right}"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the roles and codes."""
        return tuple(part.split(".")[1] for part in (self.left, self.right) if "." in part)

    @property
    def parts(self) -> tuple[str, ...]:
        """Return both parts."""
        return (self.left, self.right)

    def values(self, batch: Batch) -> Floats:
        """Return 1, 0 or NaN."""
        return _same(batch.part(self.left), batch.part(self.right))


@dataclass(frozen=True)
class GroupCosine(Stateless):
    """Cosine of the text sketches of a candidate and of its group; NaN where either is without text."""

    name: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "cos(sketch of the group, sketch of the candidate)"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return title and text."""
        return ("title", "text")

    def values(self, batch: Batch) -> Floats:
        """Return the cosines."""
        return cosines(batch.group_sketches(), batch.sketches())


@dataclass(frozen=True)
class Member(Stateless):
    """1 if a code of the candidate is in a list of its group, else 0; NaN where either is unknown."""

    name: str
    code: str
    list: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"1 if {self.code} is in {self.list} of the group"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the code and the list."""
        return (self.code, self.list)

    def values(self, batch: Batch) -> Floats:
        """Return 1, 0 or NaN."""
        codes = batch.part(f"target.{self.code}")
        held = [attributes.get(self.list) for attributes in batch.attributes("group")]
        known = [{stable_key(self.code, member) for member in each} if each else None for each in held]
        if len(known) == 1:
            known = known * codes.size
        found = [math.nan if keys is None or code == 0 else float(code in keys)
                 for code, keys in zip(codes.tolist(), known, strict=True)]  # fmt: skip
        return np.array(found, np.float64)


@dataclass(frozen=True)
class Members(Stateless):
    """How many members a list of the candidate's group has; NaN where it says none."""

    name: str
    list: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"members of {self.list} of the group"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the list."""
        return (self.list,)

    def values(self, batch: Batch) -> Floats:
        """Return the numbers of members."""
        held = [attributes.get(self.list) for attributes in batch.attributes("group")]
        return np.array([math.nan if each is None else float(len(each)) for each in held], np.float64)
