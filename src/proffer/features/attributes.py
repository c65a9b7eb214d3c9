"""Encoded attributes: what features read of an entity, as numbers, one row for each version of the entity."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.core.entities import stable_key
from proffer.core.schema import ROLES, EntityKind, Schema
from proffer.features.compile import Floats, Ints
from proffer.features.sketch import DIMENSIONS, TAGS, count_words, sketch, tag_sketch
from proffer.features.vector import Vector

MEASURES = ("published", "expires", "title_words", "text_words")
UNKNOWN = 0


class AttributeTable:
    """Rows of keys by role, measures (NaN unknown) and text sketches; row 0 stands for an entity nobody described.

    A category, language or segment has the key `stable_key(role, value)`, and so has a code by its attribute's name;
    an author that of an entity of the subject's kind, so that it equals the key of whom a follow or block names. Of a
    list the first member counts; several segment attributes make one segment; a language is its primary subtag in
    lower case. Numbers and flags of the schema are measures under their own names, and so are texts of given levels:
    0 for the first.
    """

    def __init__(self, schema: Schema, subject: str) -> None:
        self._kinds = schema.entities
        self._subject = subject
        self._coded = {
            name: {a.name for a in kind.attributes if a.role == "code"} for name, kind in schema.entities.items()
        }
        numeric = [
            a.name for kind in schema.entities.values() for a in kind.attributes
            if a.type in ("number", "flag") or a.levels
        ]  # fmt: skip
        self.measures = {name: place for place, name in enumerate(dict.fromkeys((*MEASURES, *numeric)))}
        self.roles = {name: place for place, name in enumerate((*ROLES, *schema.codes))}
        self._codes = Vector(np.int64, len(self.roles))
        self._measured = Vector(np.float64, len(self.measures), math.nan)
        self._sketches = Vector(np.float32, DIMENSIONS)
        self._tags = Vector(np.float32, TAGS)
        self._free: list[int] = []
        self._grow(1)

    def __len__(self) -> int:
        return len(self._codes)

    def key(self, role: str, rows: Ints) -> Ints:
        """Return the keys of a role or code (n,), 0 where unknown."""
        keys: Ints = self._codes.view[rows, self.roles[role]]
        return keys

    def measure(self, name: str, rows: Ints) -> Floats:
        """Return a measure (n,), NaN where unknown."""
        values: Floats = self._measured.view[rows, self.measures[name]]
        return values

    def sketches(self, rows: Ints) -> NDArray[np.float32]:
        """Return text sketches (n, 24), zeros where there is no text."""
        sketches: NDArray[np.float32] = self._sketches.view[rows]
        return sketches

    def tag_sketches(self, rows: Ints) -> NDArray[np.float32]:
        """Return sketches of tags (n, 16), zeros where there are none."""
        sketches: NDArray[np.float32] = self._tags.view[rows]
        return sketches

    def add(self, kind: str, values: Mapping[str, Any]) -> int:
        """Encode the attributes of an entity of a kind into a free row and return it."""
        declared = self._kinds.get(kind)
        if declared is None:
            return UNKNOWN
        row = self._free.pop() if self._free else self._grow(len(self) + 1)
        self._codes.view[row] = [self._code(declared, role, values) for role in self.roles]
        self._measured.view[row] = self._measures(declared, values)
        title, text = (_text(values.get(declared.role(role) or "")) for role in ("title", "text"))
        self._sketches.view[row] = sketch(title, text) if title or text else 0.0
        tags = values.get(declared.role("tags") or "")
        self._tags.view[row] = tag_sketch(tags) if isinstance(tags, list | tuple) and tags else 0.0
        return row

    def release(self, rows: list[int]) -> None:
        """Give rows back that nothing points to any more."""
        self._free.extend(row for row in rows if row != UNKNOWN)

    def snapshot(self, rows: Ints) -> dict[str, NDArray[Any]]:
        """Return copies of these rows."""
        parts = {"codes": self._codes, "measured": self._measured, "sketches": self._sketches, "tags": self._tags}
        return {name: part.view[rows] for name, part in parts.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over a snapshot's rows as rows 1, 2, 3 ..."""
        self._codes.extend(arrays["codes"])
        self._measured.extend(arrays["measured"])
        self._sketches.extend(arrays["sketches"])
        self._tags.extend(arrays["tags"])

    def _grow(self, size: int) -> int:
        for part in (self._codes, self._measured, self._sketches, self._tags):
            part.grow(size)
        return size - 1

    def _code(self, kind: EntityKind, role: str, values: Mapping[str, Any]) -> int:
        if role == "segment":
            named = [a.name for a in kind.attributes if a.role == "segment"]
            parts = [f"{name}={values[name]}" for name in named if values.get(name) is not None]
            return stable_key("segment", "\x1f".join(parts)) if parts else 0
        if role not in ROLES:
            value = _text(values.get(role)) if role in self._coded[kind.name] else ""
            return stable_key(role, value) if value else 0
        value = _text(values.get(kind.role(role) or ""))
        if role == "language":
            value = primary_language(value)
        return stable_key(self._subject if role == "author" else role, value) if value else 0

    def _measures(self, kind: EntityKind, values: Mapping[str, Any]) -> Floats:
        out = np.full(len(self.measures), math.nan)
        out[:2] = [_time(values.get(kind.role(role) or "")) for role in ("published", "expires")]
        for place, role in ((2, "title"), (3, "text")):
            text = values.get(kind.role(role) or "")
            out[place] = count_words(text) if isinstance(text, str) else math.nan
        for attribute in kind.attributes:
            value = values.get(attribute.name)
            if attribute.levels:
                known = value in attribute.levels
                out[self.measures[attribute.name]] = attribute.levels.index(value) if known else math.nan
            elif attribute.name in self.measures and isinstance(value, int | float):
                out[self.measures[attribute.name]] = float(value)
        return out


def primary_language(tag: str) -> str:
    """Return the primary subtag of a language tag (BCP 47) in lower case.

    >>> primary_language("sv_SE")
    'sv'
    """
    return tag.lower().replace("_", "-").split("-")[0]


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    return "" if value is None else str(value)


def _time(value: Any) -> float:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
        return at.timestamp() if isinstance(at, datetime) and at.tzinfo else math.nan
    except ValueError:
        return math.nan
