"""Ratios: what an entity declares, against something else that it or another one declares."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from proffer.features.base import Column, Stateless
from proffer.features.batch import Batch
from proffer.features.compile import Floats, broadcast, compiled, signed_log

Side = Literal["target", "actor", "group"]


@dataclass(frozen=True)
class Of:
    """A number of the candidate, of the subject, or of the candidate's group, by the name of its attribute."""

    attribute: str
    side: Side = "target"

    def read(self, batch: Batch) -> Floats:
        """Return the numbers (n,) or (1,), NaN where unknown."""
        return batch.declared(self.attribute, self.side)

    def __str__(self) -> str:
        return self.attribute if self.side == "target" else f"{self.attribute} of the {self.side}"


@compiled
def _quotients(over: Floats, under: Floats) -> Floats:
    n = broadcast(over.size, under.size)
    out = np.full(n, np.nan)
    for place in range(n):
        one, two = over[place if over.size > 1 else 0], under[place if under.size > 1 else 0]
        if two > 0.0 and not np.isnan(one):
            # Of a ratio beyond all numbers the logarithm would be none.
            ratio = min(abs(one / two), 1e300)
            out[place] = math.copysign(math.log1p(ratio), one)
    return out


@compiled
def _portions(part: Floats, rest: Floats) -> Floats:
    n = broadcast(part.size, rest.size)
    out = np.full(n, np.nan)
    for place in range(n):
        one, two = max(part[place if part.size > 1 else 0], 0.0), max(rest[place if rest.size > 1 else 0], 0.0)
        most = max(one, two)
        if most > 0.0:
            # Beside the larger one, since the sum of two numbers may be beyond all numbers.
            out[place] = (one / most) / (one / most + two / most)
    return out


@compiled
def _products(left: Floats, right: Floats) -> Floats:
    out = np.empty(broadcast(left.size, right.size))
    for place in range(out.size):
        out[place] = left[place if left.size > 1 else 0] * right[place if right.size > 1 else 0]
    return out


@dataclass(frozen=True)
class Ratio(Stateless):
    """ln(1 + |a / b|) with the sign of a; NaN where either is unknown or b is not above 0."""

    name: str
    over: Of
    under: Of

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"ln(1 + {self.over} / {self.under})"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return both attributes."""
        return (self.over.attribute, self.under.attribute)

    def values(self, batch: Batch) -> Floats:
        """Return the logarithms."""
        return _quotients(self.over.read(batch), self.under.read(batch))


@dataclass(frozen=True)
class Portion(Stateless):
    """a / (a + b), numbers below 0 counting as 0; NaN where either is unknown or both are 0."""

    name: str
    part: Of
    rest: Of

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"{self.part} / ({self.part} + {self.rest})"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return both attributes."""
        return (self.part.attribute, self.rest.attribute)

    def values(self, batch: Batch) -> Floats:
        """Return the portions, 0 to 1."""
        part, rest = self.part.read(batch), self.rest.read(batch)
        return np.where(np.isnan(part) | np.isnan(rest), math.nan, _portions(part, rest))


@dataclass(frozen=True)
class Product(Stateless):
    """a x b; NaN where either is unknown."""

    name: str
    left: Of
    right: Of

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"{self.left} x {self.right}"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return both attributes."""
        return (self.left.attribute, self.right.attribute)

    def values(self, batch: Batch) -> Floats:
        """Return the products."""
        return _products(self.left.read(batch), self.right.read(batch))


@dataclass(frozen=True)
class Logged(Stateless):
    """sign(x) ln(1 + |x|) of a number; NaN where unknown."""

    name: str
    number: Of

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"ln(1 + {self.number})"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the attribute."""
        return (self.number.attribute,)

    def values(self, batch: Batch) -> Floats:
        """Return the logarithms."""
        return signed_log(np.ascontiguousarray(self.number.read(batch)))
