"""Events on their way into columns: the one loop over Python objects."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from proffer.core.entities import EntityRef
from proffer.core.events import Event
from proffer.features.encode import EventColumns, EventTypes
from proffer.features.registry import NOBODY, Registry

_NOTHING: Mapping[str, Any] = {}


class Pending:
    """Events gathered until something must see them folded; each with the attributes known when it was added."""

    def __init__(self, registry: Registry, types: EventTypes, fields: tuple[str, ...], *, plain: bool) -> None:
        self._registry, self._types, self._names, self._plain = registry, types, fields, plain
        self._extras = bool(fields) or plain
        self._grouped = registry.groups.kind is not None
        self._clear()

    def number(self, ref: EntityRef, event: Event) -> int:
        """Return the number of an entity, a new one if it was never mentioned."""
        number = self._registry.numbers.get(ref)
        return self._registry.add(ref, event.at.timestamp()) if number is None else number

    def take(self, events: Sequence[Event], start: int) -> int:
        """Add events from a place on, up to the first that is not of a declared type; return where that stands."""
        codes, rows, numbers = self._types.codes, self._registry.rows, self._registry.numbers
        at, kind, actors, targets, actor_rows, target_rows, groups, group_rows = self._columns
        grouped, group_of = self._grouped, self._registry.groups.of
        for place in range(start, len(events)):
            event = events[place]
            code = codes.get(event.type)
            if code is None:
                return place
            happened, target = event.at.timestamp(), event.target
            actor = numbers.get(event.actor)
            if actor is None:
                actor = self._registry.add(event.actor, happened)
            other = NOBODY if target is None else numbers.get(target)
            if other is None:
                other = self._registry.add(cast(EntityRef, target), happened)
            if self._extras and (event.fields or self._plain):
                self._extra(event, actor, other, len(at))
            at.append(happened)
            kind.append(code)
            actors.append(actor)
            targets.append(other)
            actor_rows.append(rows[actor])
            target_rows.append(rows[other])
            if grouped:
                groups.append(group_of[other])
                group_rows.append(rows[groups[-1]])
        return len(events)

    def columns(self) -> EventColumns:
        """Return what was gathered as columns, and start anew."""
        columns = EventColumns(self._registry, self._types, self._columns)
        for name, found in self._fields.items():
            values = columns.fields[name] = np.full(columns.at.size, math.nan)
            if found:
                places, numbers = zip(*found, strict=True)
                values[list(places)] = numbers
        columns.sources, columns.facts = self._sources, self._facts
        self._clear()
        return columns

    def _extra(self, event: Event, actor: int, target: int, place: int) -> None:
        """Keep the fields an accumulator reads, and what a plain feature asks for."""
        for name, found in self._fields.items():
            value = event.fields.get(name)
            if isinstance(value, int | float):
                found.append((place, float(value)))
        if self._plain:
            known = self._registry.attributes
            self._sources.append(event)
            self._facts.append({"actor": known.get(actor, _NOTHING), "target": known.get(target, _NOTHING)})

    def _clear(self) -> None:
        self._columns: tuple[list[Any], ...] = ([], [], [], [], [], [], [], [])
        self._fields: dict[str, list[tuple[int, float]]] = {name: [] for name in self._names}
        self._sources: list[Event] = []
        self._facts: list[Mapping[str, Mapping[str, Any]]] = []
