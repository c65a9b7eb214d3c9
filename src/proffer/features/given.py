"""Columns that come as they are: scores of retrievers, and numbers that entities declare."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from proffer.features.base import Column, Stateless
from proffer.features.batch import Batch
from proffer.features.compile import Floats


@dataclass(frozen=True)
class Source(Stateless):
    """The score a retriever of this name (`source`) gave each candidate; NaN where it did not propose it."""

    name: str
    source: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"score of the retriever {self.source}", "model version", "model"),)

    def values(self, batch: Batch) -> NDArray[np.floating]:
        """Return the scores handed to the batch."""
        scores = batch.sources.get(self.source)
        return np.full(1, math.nan) if scores is None else scores


@dataclass(frozen=True)
class Number(Stateless):
    """A number, flag or level that the candidate (or the subject, or the group) has as an attribute; NaN if unknown."""

    name: str
    attribute: str
    side: Literal["target", "actor", "group"] = "target"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"{self.attribute} of the {self.side}"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the attribute."""
        return (self.attribute,)

    def values(self, batch: Batch) -> Floats:
        """Return the numbers."""
        return batch.declared(self.attribute, self.side)
