"""What a request says of itself."""

import math
from dataclasses import dataclass

import numpy as np

from proffer.features.base import Column, Stateless
from proffer.features.batch import Batch
from proffer.features.compile import Floats


@dataclass(frozen=True)
class Said(Stateless):
    """1 if the query's context has this text in a member (compared without case), else 0; NaN where it says none."""

    name: str
    member: str
    value: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"1 if the context's {self.member} is {self.value}", stage="request"),)

    def values(self, batch: Batch) -> Floats:
        """Return 1, 0 or NaN (1,)."""
        said = batch.context.get(self.member)
        if not isinstance(said, str) or not said:
            return np.full(1, math.nan)
        return np.array([float(said.casefold() == self.value.casefold())])
