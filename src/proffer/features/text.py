"""Text: likeness to what was read, lengths, language."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proffer.core.entities import stable_key
from proffer.features.accumulators.vectors import Sketch, Tags
from proffer.features.attributes import primary_language
from proffer.features.base import Accumulator, Column, Stateless
from proffer.features.batch import Batch
from proffer.features.compile import Floats, compiled


@compiled
def _cosines(profile: Floats, sketches: NDArray[np.float32]) -> Floats:
    out = np.full(len(sketches), np.nan)
    length = 0.0
    for column in range(profile.size):
        length += profile[column] * profile[column]
    for place in range(len(sketches)):
        product = own = 0.0
        for column in range(profile.size):
            value = np.float64(sketches[place, column])
            product += profile[column] * value
            own += value * value
        if length > 0.0 and own > 0.0:
            out[place] = product / math.sqrt(length * own)
    return out


@dataclass(frozen=True)
class ProfileCosine:
    """Cosine of the subject's decayed text sketch and the candidate's; NaN where either is without text."""

    name: str
    scope: str
    of: Sketch

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "cos(sketch of what was read, sketch of the candidate)", self.of.window),)

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return the sketch."""
        return ((self.scope, self.of),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return title and text."""
        return ("title", "text")

    def values(self, batch: Batch) -> Floats:
        """Return the cosines; the profile is the subject's, so the scope has one row for all candidates."""
        rows, start, index = batch.slots(self.scope, self.of)
        if index[0] < 0:
            return np.full(1, math.nan)
        return _cosines(rows[index[0], start : start + self.of.width].copy(), batch.sketches())


@dataclass(frozen=True)
class TagCosine:
    """Cosine of the subject's decayed sketch of tags and the candidate's; NaN where either is without tags."""

    name: str
    scope: str
    of: Tags

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "cos(tags of what was wanted, tags of the candidate)", self.of.window),)

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return the sketch of tags."""
        return ((self.scope, self.of),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return tags."""
        return ("tags",)

    def values(self, batch: Batch) -> Floats:
        """Return the cosines; the profile is the subject's, so the scope has one row for all candidates."""
        rows, start, index = batch.slots(self.scope, self.of)
        if index[0] < 0:
            return np.full(1, math.nan)
        return _cosines(rows[index[0], start : start + self.of.width].copy(), batch.tag_sketches())


@dataclass(frozen=True)
class Words(Stateless):
    """The number of words of the candidate's title or text (`role`), NaN where it has none."""

    name: str
    role: str = "title"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"words of the {self.role}"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the role."""
        return (self.role,)

    def values(self, batch: Batch) -> Floats:
        """Return the numbers of words."""
        return batch.measure(f"{self.role}_words")


@dataclass(frozen=True)
class LanguageMatch(Stateless):
    """1 if the candidate's language is the subject's, else 0; NaN where either is unknown.

    The subject's language is its attribute, else the member `language` of the query's context.
    """

    name: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "1 if languages agree", stage="request"),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the role."""
        return ("language",)

    def values(self, batch: Batch) -> Floats:
        """Return 1, 0 or NaN."""
        theirs, ours = batch.part("target.language"), int(batch.part("actor.language")[0])
        stated = batch.context.get("language")
        if ours == 0 and isinstance(stated, str) and stated:
            ours = stable_key("language", primary_language(stated))
        match = (theirs == ours).astype(np.float64)
        return np.where((theirs == 0) | (ours == 0), math.nan, match)
