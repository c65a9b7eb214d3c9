"""Feature views: the features of one application, as a matrix."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Invalid
from proffer.core.schema import ROLES, Schema
from proffer.features.base import Column, Feature, Scope
from proffer.features.batch import Batch
from proffer.features.layout import Layout
from proffer.features.reads import Reads

_LARGEST = float(np.finfo(np.float32).max)
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
        self._named = tuple((feature, tuple(column.name for column in feature.columns)) for feature in features)
        self._foreseen: Reads | None = None
        self._foreseen_of: dict[tuple[str, ...], Reads] = {}
        self._partial: dict[tuple[str, ...], tuple[Feature, ...]] = {}
        self.fields = tuple(sorted({field for _, accumulator in self.layout.starts for field in accumulator.fields}))

    def check(self, schema: Schema) -> None:
        """Refuse a part that the schema has no attribute for, and a feature that reads what is not known when a
        decision is made. Raises Invalid."""
        roles = {*ROLES, *schema.codes}
        grouped = any(a.role == "group" for kind in schema.entities.values() for a in kind.attributes)
        for feature in self.features:
            read = set(feature.reads)
            for part in getattr(feature, "parts", ()):
                _check_part(part, f"of column {feature.columns[0].name}", roles, grouped=grouped)
            for scope, state in feature.states:
                parts = (*self.layout.scopes[scope].parts, *state.parts)
                for part in parts:
                    _check_part(part, scope, roles, grouped=grouped)
                read |= {part.split(".")[1] for part in parts if "." in part}
                read |= {"group"} if any(part.split(".")[0] == "group" for part in parts) else set()
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
        if self._foreseen is not None and self._foreseen.keys and batch.n:
            batch.foresee(self._foreseen)
        columns = np.empty((len(self.columns), batch.n), np.float64)
        place = 0
        for feature, names in self._named:
            values = feature.values(batch)
            if len(names) == 1:
                columns[place] = values
            else:
                columns[place : place + len(names)] = values.T
            for name in names:
                batch.columns[name] = columns[place]
                place += 1
        if self._foreseen is None:
            # What the first batch was asked for is what every batch will be.
            self._foreseen = Reads(batch.reads(), self.layout.starts)
        return _narrow(columns.T)

    def some(self, batch: Batch, names: Sequence[str]) -> NDArray[np.float32]:
        """Return the named columns alone, float32 (n, names): the values of `matrix`, without reading the rest."""
        wanted = tuple(names)
        foreseen = self._foreseen_of.get(wanted)
        if foreseen is not None and foreseen.keys and batch.n:
            batch.foresee(foreseen)
        for feature in self._reading(wanted):
            values = np.asarray(feature.values(batch), np.float64)
            for place, column in enumerate(feature.columns):
                one = values if len(feature.columns) == 1 else np.ascontiguousarray(values[:, place])
                # Most columns are whole already; one value is for all, and any other number of them is an error.
                batch.columns[column.name] = one if one.shape == (batch.n,) else np.full(batch.n, one.item())
        if foreseen is None:
            self._foreseen_of[wanted] = Reads(batch.reads(), self.layout.starts)
        return _narrow(np.stack([batch.columns[name] for name in names], axis=1))

    def relative(self, names: Sequence[str]) -> bool:
        """Return whether any of these columns depends on which candidates a list has."""
        return any(column.window == "list" for column in self.described if column.name in names)

    def _reading(self, names: tuple[str, ...]) -> tuple[Feature, ...]:
        """Return the features that give these columns, in order, with those that list-relative ones go by."""
        if names not in self._partial:
            wanted, found = set(names), list[Feature]()
            for feature in reversed(self.features):
                if wanted & {column.name for column in feature.columns}:
                    found.append(feature)
                    of = getattr(feature, "of", None)
                    wanted |= {of} if isinstance(of, str) else set(of) if isinstance(of, tuple) else set()
            self._partial[names] = tuple(reversed(found))
        return self._partial[names]

    def describe(self) -> list[tuple[str, str, str, str]]:
        """Return name, formula, window and stage of each column."""
        return [(column.name, column.formula, column.window, column.stage) for column in self.described]


def _narrow(columns: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return columns as float32, a number beyond what it holds as the largest it does; NaN stays NaN."""
    return np.ascontiguousarray(np.clip(columns, -_LARGEST, _LARGEST), np.float32)


def _check_part(part: str, scope: str, roles: set[str], *, grouped: bool) -> None:
    """Raise Invalid for a part that no attribute of the schema gives."""
    if not grouped and (part == "target.group" or part.split(".")[0] == "group"):
        message = f"there are no groups for {part}"
        raise Invalid(message, field=f"scope {scope}", remedy="Declare an attribute of the item with the role group.")
    role = part.partition(".")[2]
    if role and role != "group" and role not in roles:
        message = f"unknown part {part}: no attribute has that role or is a code of that name"
        raise Invalid(message, field=f"scope {scope}", remedy=f"Use one of {', '.join(sorted(roles))}.")
