"""Events as columns: what accumulators fold."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from proffer.core.events import Event
from proffer.features.base import Scales, Weights
from proffer.features.compile import Floats, Ints
from proffer.features.registry import Registry


class EventTypes:
    """The event types of a schema as codes 0, 1, 2 ..., and the weights of accumulators by code."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self.codes = {name: code for code, name in enumerate(self.names)}
        self._tables: dict[Weights | None, Floats] = {}

    def table(self, weights: Weights | None) -> Floats:
        """Return what each type counts for, 1 for all where no weights are given."""
        if weights not in self._tables:
            known = dict.fromkeys(self.names, 1.0) if weights is None else dict(weights)
            self._tables[weights] = np.array([known.get(name, 0.0) for name in self.names])
        return self._tables[weights]


class EventColumns:
    """A run of n events as columns, with the attributes of actor and target as of each event's place in the log.

    `at` is in epoch seconds, `type` a code, `actor`, `target` and `group` (the target's) are entity numbers (0:
    nobody), `actor_row`, `target_row` and `group_row` their rows of encoded attributes; where items are nobody's
    members the group has neither. `fields` are numeric fields (NaN where an event lacks one). `sources`
    and `facts` are the events themselves and the attributes of their actors and targets, kept only where a plain
    feature asks for them.
    """

    def __init__(self, registry: Registry, types: EventTypes, columns: tuple[list[Any], ...]) -> None:
        at, kind, actor, target, actor_row, target_row, group, group_row = columns
        self.at: Floats = np.array(at, np.float64)
        self.type: Ints = np.array(kind, np.int64)
        self.actor: Ints = np.array(actor, np.int64)
        self.target: Ints = np.array(target, np.int64)
        self.actor_row: Ints = np.array(actor_row, np.int64)
        self.target_row: Ints = np.array(target_row, np.int64)
        self.group: Ints = np.array(group, np.int64)
        self.group_row: Ints = np.array(group_row, np.int64)
        self.fields: dict[str, Floats] = {}
        self.sources: list[Event] = []
        self.facts: list[Mapping[str, Mapping[str, Any]]] = []
        self._registry = registry
        self._types = types
        self._parts: dict[str, Ints] = {}
        self._sketches: Floats | None = None

    def part(self, name: str) -> Ints:
        """Return the key of each event's part (n,), 0 where it has none."""
        if name not in self._parts:
            self._parts[name] = np.ascontiguousarray(self._part(name))
        return self._parts[name]

    def weights(self, weights: Weights | None) -> Floats:
        """Return what each type code counts for."""
        return self._types.table(weights)

    def grades(self, weights: Weights, scales: Scales) -> Floats:
        """Return the grade of each event (n,): by its type's scale where it has the field, else the type's weight."""
        table = self.weights(weights)
        found = table[self.type]
        for name, scale in scales:
            code = self._types.codes[name]
            values = self.fields[scale.field]
            told = (self.type == code) & ~np.isnan(values) & (table[code] != 0.0)
            reached, grades = np.array(scale.points).T
            found[told] = np.interp(values[told], reached, grades)
        return found

    def sketches(self) -> Floats:
        """Return the text sketch of each event's target (n, 24), NaN where it has no text."""
        if self._sketches is None:
            sketches = self._registry.encoded.sketches(self.target_row).astype(np.float64)
            sketches[~sketches.any(axis=1)] = np.nan
            self._sketches = sketches
        return self._sketches

    def tag_sketches(self) -> Floats:
        """Return the sketch of each event's target's tags (n, 16), NaN where it has none."""
        sketches = self._registry.encoded.tag_sketches(self.target_row).astype(np.float64)
        sketches[~sketches.any(axis=1)] = np.nan
        return sketches

    def measure(self, name: str) -> Floats:
        """Return a measure of each event's target (n,), NaN where unknown."""
        return self._registry.encoded.measure(name, self.target_row)

    def _part(self, name: str) -> Ints:
        known = self._registry
        if name == "all":
            return np.ones(self.at.size, np.int64)
        if name == "actor":
            return np.where(known.subject_ordinals.view[self.actor] >= 0, known.keys.view[self.actor], 0)
        if name == "target":
            return np.where(known.item_ordinals.view[self.target] >= 0, known.keys.view[self.target], 0)
        if name in ("group", "target.group"):
            return known.keys.view[self.group]
        side, role = name.split(".")
        rows = {"actor": self.actor_row, "target": self.target_row, "group": self.group_row}
        keys = known.encoded.key(role, rows[side])
        if name == "target.author":
            themselves = np.where(known.subject_ordinals.view[self.target] >= 0, known.keys.view[self.target], 0)
            return np.where(keys == 0, themselves, keys)
        return keys
