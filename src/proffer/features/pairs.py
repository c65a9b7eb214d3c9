"""Pairs: what a subject did with this item, category or author before."""

from dataclasses import dataclass

import numpy as np

from proffer.features.accumulators.marks import LastGrade, LastScaled
from proffer.features.base import Accumulator, Amount, Column
from proffer.features.batch import Batch
from proffer.features.compile import Floats


@dataclass(frozen=True)
class Share:
    """What part of a subject's amount falls on the pair with the candidate: pair / whole, NaN while there is none."""

    name: str
    scope: str
    whole: str
    of: Amount

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"sum of {self.scope} / sum of {self.whole}", self.of.window),)

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return the amount in both scopes."""
        return ((self.scope, self.of.state), (self.whole, self.of.state))

    @property
    def reads(self) -> tuple[str, ...]:
        """Return nothing beside the parts of its scopes."""
        return ()

    def values(self, batch: Batch) -> Floats:
        """Return the shares."""
        whole = batch.read(self.whole, self.of)
        return batch.read(self.scope, self.of) / np.where(whole > 0, whole, np.nan)


@dataclass(frozen=True)
class Marked:
    """A feature of a mark of a scope."""

    name: str
    scope: str
    of: LastGrade

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return the mark."""
        return ((self.scope, self.of),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def grades(self, batch: Batch) -> Floats:
        """Return the last grades, NaN before any."""
        return self.of.read(*batch.slots(self.scope, self.of))


@dataclass(frozen=True)
class Grade(Marked):
    """The last grade given, NaN before any."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        formula = "grade of the last event" if isinstance(self.of, LastScaled) else "weight of the last event"
        return (Column(self.name, formula),)

    def values(self, batch: Batch) -> Floats:
        """Return the grades."""
        return self.grades(batch)


@dataclass(frozen=True)
class SwitchedOn(Marked):
    """1 while switched on (`accumulators.flag`), else 0: follows the author, blocks him."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "1 if on"),)

    def values(self, batch: Batch) -> Floats:
        """Return 1 or 0."""
        return (self.grades(batch) > 0).astype(np.float64)
