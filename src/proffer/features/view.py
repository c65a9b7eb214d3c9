"""Feature views: the features of one application, as a matrix."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Invalid
from proffer.core.schema import Schema
from proffer.features.base import Column, Feature, Scope
from proffer.features.batch import Batch
from proffer.features.layout import Layout

MEANING = 1
"""Goes up whenever a kernel or formula changes what it computes, so that old rows are not read as new ones."""


class FeatureView:
    """Scopes and the features read from them, in the order of the matrix's columns.

    `version` is a hash of the declaration: a view that differs in anything that matters has another one. Raises
    Invalid for two columns of one name, an unknown scope, or rows beyond their budget.
    """

    def __init__(self, name: str, scopes: Sequence[Scope], features: Sequence[Feature]) -> None:
        self.name = name
        self.scopes = tuple(scopes)
        self.features = tuple(features)
        self.described: tuple[Column, ...] = tuple(column for feature in features for column in feature.columns)
        self.columns = tuple(column.name for column in self.described)
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise Invalid("two columns have one name", field=f"column {twice[0]}", remedy="Rename one.")
        self.layout = Layout(scopes, [state for feature in features for state in feature.states])
        self.widths = self.layout.widths
        declared = f"{MEANING} {name} {self.layout!r} {self.features!r}"
        self.version = blake2b(declared.encode(), digest_size=8).hexdigest()
        self.fields = tuple(sorted({field for _, accumulator in self.layout.starts for field in accumulator.fields}))

    def check(self, schema: Schema) -> None:
        """Refuse a feature that reads what is not known when a decision is made. Raises Invalid."""
        for feature in self.features:
            read = set(feature.reads)
            for scope, state in feature.states:
                parts = (*self.layout.scopes[scope].parts, *state.parts)
                read |= {part.split(".")[1] for part in parts if "." in part}
            for kind in schema.entities.values():
                for attribute in kind.attributes:
                    if not attribute.known_at_decision and read & {attribute.name, attribute.role} - {""}:
                        raise Invalid(
                            f"{attribute.name} of a {kind.name} is only known after the outcome",
                            field=f"column {feature.columns[0].name}",
                            remedy="Leave the feature out, or declare the attribute known_at_decision.",
                        )

    def matrix(self, batch: Batch) -> NDArray[np.float32]:
        """Return a row for each candidate of a batch, float32 (n, d)."""
        matrix = np.empty((batch.n, len(self.columns)), np.float64)
        place = 0
        for feature in self.features:
            values = np.asarray(feature.values(batch), np.float64)
            names = feature.columns
            if len(names) == 1:
                matrix[:, place] = values
            else:
                matrix[:, place : place + len(names)] = values
            for column in names:
                batch.columns[column.name] = matrix[:, place]
                place += 1
        return matrix.astype(np.float32)

    def describe(self) -> list[tuple[str, str, str, str]]:
        """Return name, formula, window and stage of each column."""
        return [(column.name, column.formula, column.window, column.stage) for column in self.described]
