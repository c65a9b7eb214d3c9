"""What an application's events and entities may hold, and the check of every row against it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from proffer.core import checks
from proffer.core.entities import EntityRef
from proffer.core.errors import CannotStart, Invalid
from proffer.core.events import ENTITY_DELETE, ENTITY_MERGE, ENTITY_SET, SETTINGS_SET, Event

FieldType = Literal["text", "number", "flag", "time", "list", "map"]


class Field(msgspec.Struct, frozen=True):
    """A named value of an event: its type, its bounds, whether it must be there."""

    name: str
    type: FieldType
    doc: str = ""
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None


class Attribute(msgspec.Struct, frozen=True):
    """A named value of an entity.

    `role` tells the engine what it means: published, expires, visibility, category, author, language, title, text,
    tags, segment, group, code; "" for none. The `group` of an item holds the id of an entity of `kind` whose member the
    item is; a `code` is a short text that features count and compare by, under the attribute's own name. `levels` are
    the values a text may have, lowest first: features read it as a number, 0 for the first, and any other is refused.
    `known_at_decision` is False for a value filled in only after the outcome: features and models refuse it.
    """

    name: str
    type: FieldType
    doc: str = ""
    role: str = ""
    known_at_decision: bool = True
    kind: str = ""
    levels: tuple[str, ...] = ()


class EventType(msgspec.Struct, frozen=True):
    """A type of event: who acts, on which kinds of target (the first is meant when only an id is given), its fields.

    `weight` is the default grade of the event as a label: above 0 wanted, below 0 unwanted, 0 no answer.
    """

    name: str
    actor: str
    targets: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    weight: float = 0.0
    doc: str = ""


class EntityKind(msgspec.Struct, frozen=True):
    """A kind of entity and its attributes."""

    name: str
    attributes: tuple[Attribute, ...] = ()
    doc: str = ""

    def role(self, role: str) -> str | None:
        """Return the name of the attribute that plays the role, None when none does."""
        return next((attribute.name for attribute in self.attributes if attribute.role == role), None)


ROLES = ("category", "author", "language", "segment")
"""The roles whose values features count by, beside groups and codes; a code may not be called like one."""
_CONTEXT = Field("context", "map", "Free members that travel with the event.")
_EXTRA = Attribute("extra", "map", "Free members nobody computes with.")
_WIRE = ("id", "type", "at", "actor", "target", "query_id", "fields")


class Schema:
    """The event types and entity kinds of one application."""

    def __init__(self, events: tuple[EventType, ...], entities: tuple[EntityKind, ...]) -> None:
        self.events = {event.name: event for event in events}
        self.entities = {kind.name: kind for kind in entities}
        self._fields = {name: {f.name: f for f in (*event.fields, _CONTEXT)} for name, event in self.events.items()}
        self._attributes = {
            name: {a.name: a for a in (*kind.attributes, _EXTRA)} for name, kind in self.entities.items()
        }

    def group(self, item: str) -> str | None:
        """Return the kind of entity that items of a kind are members of, None where they are nobody's."""
        declared = self.entities.get(item)
        return next((a.kind for a in declared.attributes if a.role == "group"), None) if declared else None

    @property
    def codes(self) -> tuple[str, ...]:
        """Return the names of the attributes of role `code`, of all kinds, each once."""
        named = (a.name for kind in self.entities.values() for a in kind.attributes if a.role == "code")
        return tuple(dict.fromkeys(named))

    def read(self, row: Mapping[str, Any], *, id: str, latest: datetime, now: datetime) -> Event:
        """Return the event a row of JSON means; `id` and `now` stand in where it has none.

        Raises Invalid naming the field at fault and the remedy.
        """
        if not isinstance(row, Mapping):
            raise Invalid("an event is an object", remedy="Send {type, actor, target, at, ...}.")
        _only(row, _WIRE, "")
        name = checks.check_text(row.get("type"), "type")
        kind = self.events.get(name)
        if kind is None and name not in (ENTITY_SET, ENTITY_DELETE, ENTITY_MERGE):
            raise Invalid(
                f"unknown event type {name[:40]!r}", field="type", remedy=f"Use one of {', '.join(self.events)}."
            )
        at = checks.check_time(row["at"], "at", latest=latest) if row.get("at") is not None else now
        event_id = checks.check_id(row["id"], "id") if row.get("id") is not None else id
        query_id = checks.check_id(row["query_id"], "query_id") if row.get("query_id") is not None else None
        fields = {} if row.get("fields") is None else row["fields"]
        if kind is None:
            return self._fact(name, event_id, at, row, fields)
        actor = self._ref(row.get("actor"), (kind.actor,), "actor")
        if not kind.targets and row.get("target") is not None:
            raise Invalid(f"a {name} has no target", field="target", remedy="Leave it out.")
        target = self._ref(row.get("target"), kind.targets, "target") if kind.targets else None
        values = _values(fields, self._fields[name], "fields")
        return Event(id=event_id, type=name, at=at, actor=actor, target=target, query_id=query_id, fields=values)

    def attributes(self, kind: str, values: Any) -> dict[str, Any]:
        """Return an entity's attributes after checking each against its declaration; null unsets one."""
        if kind not in self.entities:
            raise Invalid(f"unknown kind {kind[:40]!r}", field="kind", remedy=f"Use one of {', '.join(self.entities)}.")
        return _values(values, self._attributes[kind], "fields", nulls=True)

    def _fact(self, name: str, event_id: str, at: datetime, row: Mapping[str, Any], fields: Any) -> Event:
        actor = self._ref(row.get("actor"), tuple(self.entities), "actor")
        target = None
        if name == ENTITY_MERGE:
            target = self._ref(row.get("target"), (actor.kind,), "target")
            if target == actor:
                raise Invalid("an entity cannot be merged into itself", field="target", remedy="Name the visitor.")
        elif row.get("target") is not None:
            raise Invalid(f"{name} has no target", field="target", remedy="Name the entity as actor.")
        values = self.attributes(actor.kind, fields) if name == ENTITY_SET else _values(fields, {}, "fields")
        return Event(id=event_id, type=name, at=at, actor=actor, target=target, fields=values)

    def _ref(self, value: Any, kinds: tuple[str, ...], field: str) -> EntityRef:
        if isinstance(value, str):
            return EntityRef(kinds[0], checks.check_id(value, field))
        if not isinstance(value, Mapping):
            remedy = f'Send an id, or {{"kind": "{kinds[0]}", "id": ...}}.'
            raise Invalid("missing, or neither an id nor an object", field=field, remedy=remedy)
        _only(value, ("kind", "id"), field)
        if value.get("kind") not in kinds:
            raise Invalid("not a kind this event takes", field=f"{field}.kind", remedy=f"Use {' or '.join(kinds)}.")
        return EntityRef(value["kind"], checks.check_id(value.get("id"), f"{field}.id"))


def check_kinds(kinds: tuple[EntityKind, ...], item: str) -> None:
    """Raise CannotStart for an attribute whose group, code or levels cannot be what they are declared to be."""
    names = {kind.name for kind in kinds}
    for kind in kinds:
        for one in kind.attributes:
            at = f"{one.name} of {kind.name}"
            if one.role == "group" and (one.type != "text" or one.kind not in names - {item}):
                raise CannotStart(f"{at} is no text that holds the id of a declared kind other than {item}")
            if one.role == "code" and (one.type not in ("text", "list") or one.name in (*ROLES, "group")):
                raise CannotStart(f"{at} is no code: it is neither text nor list, or has the name of a role")
            if one.levels and (one.type != "text" or len(set(one.levels)) < max(2, len(one.levels))):
                raise CannotStart(f"{at} has levels, but is no text, or they are fewer than two or not distinct")


def settings_event(id: str, at: datetime, workspace: str, values: Mapping[str, Any]) -> Event:
    """Return the event that changes a workspace's settings from its place in the log on."""
    return Event(id=id, type=SETTINGS_SET, at=at, actor=EntityRef("workspace", workspace), fields=dict(values))


def _only(row: Mapping[str, Any], names: tuple[str, ...], field: str) -> None:
    if row.keys() <= frozenset(names):
        return
    unknown = next((name for name in row if name not in names), None)
    if unknown is not None:
        where = f"{field}.{unknown}" if field else str(unknown)
        raise Invalid("unknown field", field=where[:80], remedy=f"Use only {', '.join(names)}.")


def _values(
    values: Any, declared: Mapping[str, Field | Attribute], field: str, *, nulls: bool = False
) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise Invalid("expected an object", field=field, remedy="Send {name: value}.")
    _only(values, tuple(declared), field)
    for name, spec in declared.items():
        if isinstance(spec, Field) and spec.required and values.get(name) is None:
            raise Invalid("missing", field=f"{field}.{name}", remedy=f"Send it: {spec.doc}")
    kept = {name: value for name, value in values.items() if nulls or value is not None}
    return {
        name: None if value is None else _value(value, declared[name], f"{field}.{name}")
        for name, value in kept.items()
    }


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"of {high} or less" if low is None else f"of {low} or more"
    return f"from {low} to {high}"


def _value(value: Any, spec: Field | Attribute, field: str) -> Any:
    if spec.type == "text":
        text = checks.check_text(value, field)
        levels = getattr(spec, "levels", ())
        if levels and text not in levels:
            raise Invalid(f"{text[:40]!r} is no level", field=field, remedy=f"Use one of {', '.join(levels)}.")
        return text
    if spec.type == "flag":
        return checks.check_flag(value, field)
    if spec.type == "time":
        return checks.check_time(value, field).isoformat()
    if spec.type == "number":
        number = checks.check_number(value, field)
        low, high = getattr(spec, "minimum", None), getattr(spec, "maximum", None)
        if (low is not None and number < low) or (high is not None and number > high):
            raise Invalid("out of range", field=field, remedy=f"Send a number {_range(low, high)}.")
        return number
    wanted = list if spec.type == "list" else dict
    if not isinstance(value, wanted):
        raise Invalid(
            f"expected a {spec.type}", field=field, remedy="Send a JSON array." if wanted is list else "Send an object."
        )
    if spec.type == "list":
        if len(value) > 100:
            raise Invalid("at most 100 members", field=field, remedy="Send fewer.")
        return [checks.check_text(member, field) for member in value]
    return checks.check_json(value, field)
