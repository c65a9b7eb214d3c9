"""Batches: a subject and candidates at a time, with the rows and attributes that features read."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from proffer.features.attributes import UNKNOWN
from proffer.features.base import Accumulator, Amount
from proffer.features.compile import Floats, Ints
from proffer.features.registry import NOBODY

if TYPE_CHECKING:
    from proffer.features.reads import Reads
    from proffer.features.state import State

_NOTHING: Mapping[str, Any] = {}


class Batch:
    """One subject and n candidates, read from a state as it is now and as of epoch seconds `at`.

    `items` are the ordinals of the candidates, -1 for one the catalogue does not know; `context` is the query's;
    `sources` maps names to scores (n,) of retrievers. It looks into the live rows: use it before the next fold.
    Whatever is the same for all candidates has length 1.
    """

    def __init__(
        self, state: "State", subject: int, items: Ints, at: float, context: Mapping[str, Any],
        sources: Mapping[str, NDArray[np.floating]],
    ) -> None:  # fmt: skip
        self.n = items.size
        self.items = items
        self.at = at
        self.context = context
        self.sources = sources
        self.columns: dict[str, Floats] = {}
        self._state = state
        self._subject = subject
        known = state.registry
        if self.n and items.min() >= 0:
            self._numbers: Ints = known.item_numbers.view[items]
            self._rows: Ints = known.item_rows.view[items]
        else:
            some = len(known.item_ids) > 0
            self._numbers = np.where(items >= 0, known.item_numbers.view[items] if some else 0, NOBODY)
            self._rows = np.where(items >= 0, known.item_rows.view[items] if some else 0, UNKNOWN)
        self._subject_row = np.array([known.rows[subject]], np.int64)
        self._groups: tuple[Ints, Ints] | None = None
        self._parts: dict[str, Ints] = {}
        self._index: dict[str, Ints] = {}
        self._read: dict[tuple[str, Amount], Floats] = {}

    def part(self, name: str) -> Ints:
        """Return the key of a part for each candidate (n,), or (1,) for the subject's; 0 where unknown."""
        if name not in self._parts:
            self._parts[name] = np.ascontiguousarray(self._part(name))
        return self._parts[name]

    def slots(self, scope: str, accumulator: Accumulator) -> tuple[Floats, int, Ints]:
        """Return a scope's rows, the first slot of an accumulator, and the row of each candidate (-1: none)."""
        held = self._state.scopes[scope]
        if scope not in self._index:
            self._index[scope] = held.table.find(held.scope.key(self.part))
        return held.table.rows, self._state.layout.starts[scope, accumulator], self._index[scope]

    def read(self, scope: str, amount: Amount) -> Floats:
        """Return an amount for each candidate, float64 (n,) or (1,); read once however many features ask."""
        found = self._read.get((scope, amount))
        if found is None:
            rows, start, index = self.slots(scope, amount.state)
            found = self._read[scope, amount] = amount.read(rows, start, index, self.at)
        return found

    def foresee(self, reads: "Reads") -> None:
        """Read at once what features are going to ask for."""
        held = [self.slots(scope, state) for scope, state in zip(reads.scopes, reads.states, strict=True)]
        rows, index = tuple(rows for rows, _, _ in held), tuple(index for _, _, index in held)
        self._read.update(zip(reads.keys, reads.read(rows, index, self.at, self.n), strict=True))

    def reads(self) -> tuple[tuple[str, Amount], ...]:
        """Return what was read so far, as (name of a scope, amount)."""
        return tuple(self._read)

    def measure(self, name: str) -> Floats:
        """Return a measure of the candidates (n,): published, expires, title_words, text_words or a number's name."""
        return self._state.registry.encoded.measure(name, self._rows)

    def subject_measure(self, name: str) -> Floats:
        """Return a measure of the subject (1,)."""
        return self._state.registry.encoded.measure(name, self._subject_row)

    def group_measure(self, name: str) -> Floats:
        """Return a measure of each candidate's group (n,), or (1,) where all are members of one; NaN if unknown."""
        return self._state.registry.encoded.measure(name, self._group[1])

    def declared(self, name: str, side: str) -> Floats:
        """Return a measure of the candidates ("target"), of the subject ("actor") or of the candidates' groups."""
        sides = {"target": self.measure, "actor": self.subject_measure, "group": self.group_measure}
        return sides[side](name)

    def group_sketches(self) -> NDArray[np.float32]:
        """Return the text sketch of each candidate's group (n, 24), or (1, 24) where all are members of one."""
        return self._state.registry.encoded.sketches(self._group[1])

    def subject_sketch(self) -> NDArray[np.float32]:
        """Return the sketch of the subject's own text (1, 24)."""
        return self._state.registry.encoded.sketches(self._subject_row)

    def attributes(self, side: Literal["actor", "target", "group"]) -> list[Mapping[str, Any]]:
        """Return what is known of a side, in plain Python: n mappings, or one where it is the same for all.

        For what no key and no measure tells, such as lists; the vectors above are faster.
        """
        numbers = {"actor": lambda: [self._subject], "target": self._numbers.tolist, "group": self._group[0].tolist}
        known = self._state.registry.attributes
        return [known.get(number, _NOTHING) for number in numbers[side]()]

    def published(self) -> Floats:
        """Return when each candidate appeared (n,): its attribute, else its first mention; NaN if unknown."""
        first = np.where(self._numbers == NOBODY, math.nan, self._state.registry.first.view[self._numbers])
        stated = self.measure("published")
        return np.where(np.isnan(stated), first, stated)

    def sketches(self) -> NDArray[np.float32]:
        """Return the text sketch of each candidate (n, 24)."""
        return self._state.registry.encoded.sketches(self._rows)

    def tag_sketches(self) -> NDArray[np.float32]:
        """Return the sketch of each candidate's tags (n, 16)."""
        return self._state.registry.encoded.tag_sketches(self._rows)

    def _part(self, name: str) -> Ints:
        known = self._state.registry
        if name == "all":
            return np.ones(1, np.int64)
        if name == "actor":
            return known.keys.view[[self._subject]]
        if name == "target":
            return known.keys.view[self._numbers]
        if name in ("group", "target.group"):
            return known.keys.view[self._group[0]]
        side, role = name.split(".")
        if side == "group":
            return known.encoded.key(role, self._group[1])
        return known.encoded.key(role, self._subject_row if side == "actor" else self._rows)

    @property
    def _group(self) -> tuple[Ints, Ints]:
        """The numbers of the candidates' groups and their rows of attributes: (n,), or (1,) where it is one group."""
        if self._groups is None:
            known = self._state.registry
            groups = np.full(self.n, NOBODY)
            if known.groups.kind is not None and known.item_ids:
                groups = np.where(self.items >= 0, known.groups.of_items.view[self.items], NOBODY)
            if self.n and (groups == groups[0]).all():
                groups = groups[:1]
            self._groups = groups, np.array([known.rows[group] for group in groups.tolist()], np.int64)
        return self._groups
