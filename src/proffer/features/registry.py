"""The registry of entities: a number for each in order of first mention, aliases, and what is known of them."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.entities import EntityRef, stable_key
from proffer.core.schema import Schema
from proffer.features.attributes import UNKNOWN, AttributeTable
from proffer.features.compile import Ints
from proffer.features.groups import NONE, Groups
from proffer.features.vector import Vector

NOBODY = 0


class Registry:
    """Entities by number; number 0 is nobody, whose keys are 0 and whose ordinals are -1.

    `rows` has the row of each entity's present attributes. Subjects and items have ordinals of their own, in order
    of first mention. A merged visitor keeps his number, which nothing leads to any more.
    """

    def __init__(self, schema: Schema, subject: str, item: str) -> None:
        self._subject, self._item = subject, item
        self.numbers: dict[EntityRef, int] = {}
        self.refs: list[EntityRef] = [EntityRef("", "")]
        self.rows: list[int] = [UNKNOWN]
        self.attributes: dict[int, dict[str, Any]] = {}
        self.encoded = AttributeTable(schema, subject)
        self.groups = Groups(schema, item)
        self.item_ids: list[str] = []
        self.item_numbers = Vector(np.int64)
        self.item_rows = Vector(np.int64)
        self.deleted = Vector(np.bool_)
        self.revised = Vector(np.int64)
        self.first = Vector(np.float64)
        self.keys = Vector(np.int64)
        self.subject_ordinals = Vector(np.int64)
        self.item_ordinals = Vector(np.int64)
        self.subjects = 0
        self._aliases: dict[int, list[EntityRef]] = {}
        self._retired: list[int] = []
        self._number(0.0, 0, -1, -1)
        self.groups.add(NOBODY, "", -1)

    def add(self, ref: EntityRef, at: float) -> int:
        """Return a number for an entity that is mentioned for the first time."""
        number = len(self.refs)
        self.refs.append(ref)
        self.rows.append(UNKNOWN)
        subject = item = -1
        if ref.kind == self._subject:
            subject, self.subjects = self.subjects, self.subjects + 1
        if ref.kind == self._item:
            item = len(self.item_ids)
            self.item_ids.append(ref.id)
            self.item_numbers.append(number)
            self.item_rows.append(UNKNOWN)
            self.deleted.append(False)
            self.revised.append(0)
        self._number(at, stable_key(ref.kind, ref.id), subject, item)
        self.groups.add(number, ref.kind, item)
        self.numbers[ref] = number  # last, so that who looks it up meanwhile finds it whole or not at all
        return number

    def set(self, number: int, values: Mapping[str, Any], sequence: int, at: float) -> None:
        """Add to what is known of an entity from a sequence on; null unsets. A group it names is mentioned by that."""
        merged = {**self.attributes.get(number, {}), **values}
        self.attributes[number] = {name: value for name, value in merged.items() if value is not None}
        row = self.encoded.add(self.refs[number].kind, self.attributes[number])
        self._point(number, row, sequence, deleted=False)
        self._join(number, at)
        self.groups.gone.discard(number)

    def delete(self, number: int, sequence: int) -> None:
        """Forget an entity's attributes and take it off the catalogue; a group keeps its members, but is gone."""
        self.attributes.pop(number, None)
        self._point(number, UNKNOWN, sequence, deleted=True)
        self._join(number, 0.0)
        if self.refs[number].kind == self.groups.kind:
            self.groups.gone.add(number)

    def merge(self, into: int, other: int, sequence: int) -> None:
        """Let every name of `other` lead to `into` from now on; `into` learns the attributes it lacks."""
        aliases = [self.refs[other], *self._aliases.pop(other, [])]
        self._aliases.setdefault(into, []).extend(aliases)
        self.numbers.update(dict.fromkeys(aliases, into))
        theirs = self.attributes.pop(other, None)
        self._point(other, UNKNOWN, sequence, deleted=True)
        self._join(other, 0.0)
        if self.refs[into].kind == self.groups.kind:
            self.groups.merge(into, other, self.item_numbers.view)
        if theirs is not None and not self._is_deleted(into):
            self.set(into, {**theirs, **self.attributes.get(into, {})}, sequence, self.first.view[into])

    def names(self, ref: EntityRef) -> tuple[EntityRef, ...]:
        """Return every name an entity has: the one it goes by, and those of what was merged into it."""
        number = self.numbers.get(ref)
        return (ref,) if number is None else (self.refs[number], *self._aliases.get(number, ()))

    def settle(self) -> None:
        """Free the attribute rows that were replaced, once no event refers to them any more."""
        self.encoded.release(self._retired)
        self._retired = []

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the registry as arrays."""
        kinds = list(dict.fromkeys(ref.kind for ref in self.refs))
        rows = np.array(self.rows)
        known = np.flatnonzero(rows != UNKNOWN)
        aliased = [(n, alias.id) for n, aliases in self._aliases.items() for alias in aliases]
        parts = {
            "kinds": texts(kinds)["bytes"],
            "kind_ends": texts(kinds)["ends"],
            "kind": np.array([kinds.index(ref.kind) for ref in self.refs], np.int16),
            "first": self.first.view.copy(),
            "deleted": self.deleted.view.copy(),
            "revised": self.revised.view.copy(),
            "attributes": np.frombuffer(msgspec.json.encode(list(self.attributes.items())), np.uint8),
            "aliases": np.frombuffer(msgspec.json.encode(aliased), np.uint8),
            "gone": np.array(sorted(self.groups.gone), np.int64),
            "known": known,
        }
        ids = {f"ids.{name}": part for name, part in texts([ref.id for ref in self.refs]).items()}
        encoded = {f"encoded.{name}": part for name, part in self.encoded.snapshot(rows[known]).items()}
        return {**parts, **ids, **encoded}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over a snapshot."""
        kinds = read_texts(arrays["kinds"], arrays["kind_ends"])
        ids = read_texts(arrays["ids.bytes"], arrays["ids.ends"])
        for kind, name, at in zip(arrays["kind"][1:], ids[1:], arrays["first"][1:].tolist(), strict=True):
            self.add(EntityRef(kinds[kind], name), at)
        self.deleted.view[:] = arrays["deleted"]
        self.attributes = dict(
            msgspec.json.decode(arrays["attributes"].tobytes(), type=list[tuple[int, dict[str, Any]]])
        )
        for number, name in msgspec.json.decode(arrays["aliases"].tobytes()):
            alias = EntityRef(self.refs[number].kind, name)
            self._aliases.setdefault(number, []).append(alias)
            self.numbers[alias] = number
        self.encoded.restore({name[8:]: part for name, part in arrays.items() if name.startswith("encoded.")})
        for row, number in enumerate(arrays["known"].tolist(), 1):
            self._point(number, row, 0, deleted=self._is_deleted(number))
        self._retired = []
        self.revised.view[:] = arrays["revised"]
        for number in self.attributes:
            self._join(number, 0.0)
        self.groups.gone = set(arrays["gone"].tolist())

    def _number(self, at: float, key: int, subject: int, item: int) -> None:
        self.first.append(at)
        self.keys.append(key)
        self.subject_ordinals.append(subject)
        self.item_ordinals.append(item)

    def _is_deleted(self, number: int) -> bool:
        if number in self.groups.gone:
            return True
        item = int(self.item_ordinals.view[number])
        return item >= 0 and bool(self.deleted.view[item])

    def _join(self, number: int, at: float) -> None:
        """Make an item a member of the group that its attributes name now."""
        if self.groups.kind is None or self.refs[number].kind != self._item:
            return
        named = self.groups.named(self.attributes.get(number, {}))
        group = NONE
        if named is not None:
            ref = EntityRef(self.groups.kind, named)
            known = self.numbers.get(ref)
            group = self.add(ref, at) if known is None else known
        self.groups.join(number, int(self.item_ordinals.view[number]), group)

    def _point(self, number: int, row: int, sequence: int, *, deleted: bool) -> None:
        self._retired.append(self.rows[number])
        self.rows[number] = row
        item = int(self.item_ordinals.view[number])
        if item >= 0:
            self.item_rows.view[item], self.deleted.view[item], self.revised.view[item] = row, deleted, sequence


def texts(values: list[str]) -> dict[str, NDArray[Any]]:
    """Return texts as one run of UTF-8 bytes and the end of each."""
    encoded = [value.encode() for value in values]
    ends: Ints = np.cumsum([len(value) for value in encoded], dtype=np.int64)
    return {"bytes": np.frombuffer(b"".join(encoded), np.uint8), "ends": ends}


def read_texts(run: NDArray[np.uint8], ends: Ints) -> list[str]:
    """Return the texts that `texts` wrote."""
    blob, stops = run.tobytes(), ends.tolist()
    return [blob[start:stop].decode() for start, stop in zip([0, *stops[:-1]], stops, strict=True)]
