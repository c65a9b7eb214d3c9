"""Rows of a table become rows the log reads, after a mapping."""

from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Members
from typing import Any, Protocol

from proffer.app import App
from proffer.core.checks import check_time
from proffer.core.errors import Invalid
from proffer.core.events import ENTITY_SET
from proffer.core.schema import EventType
from proffer.engine.imports.columns import (
    Taken,
    check_declared,
    facts_of,
    listed,
    members_of,
    optional_place,
    place_of,
    taken_from,
)
from proffer.engine.imports.convert import Missing, text_of, time_reader, to_number
from proffer.engine.imports.held import Held
from proffer.engine.imports.mapping import BELOW, Mapping

_WIRE = frozenset({"id", "type", "at", "actor", "target", "query_id", "fields"})


_Kind = tuple[str, tuple[Taken, ...], tuple[tuple[str, int], ...]]


class Reading(Protocol):
    """Turns the values of one row into a held one.

    `unused` counts values that events of their type do not take; `types` says how values of the type were read.
    """

    unused: Counter[str]
    types: dict[str, str]

    def read(self, values: Sequence[Any]) -> Held:
        """Return the row. Raises Invalid naming the member at fault."""
        ...


def reading(mapping: Mapping, app: App, columns: Sequence[str]) -> Reading:
    """Return what reads the rows of a file with these columns. Raises Invalid for a mapping that does not fit."""
    if mapping.wire:
        return WireRows()
    places = {name: place for place, name in enumerate(columns)}
    return (EntityRows if mapping.entities else EventRows)(mapping, app, places)


class EventRows:
    """Reads rows that are events."""

    def __init__(self, mapping: Mapping, app: App, columns: Members[str, int]) -> None:
        if mapping.actor is None:
            raise Invalid("no actor column", field="--actor", remedy=f"Name it; the file has {listed(columns)}.")
        self.unused: Counter[str] = Counter()
        self.types: dict[str, str] = {}
        self._mapping, self._schema, self._missing = mapping, app.schema, Missing(mapping.missing)
        self._actor = place_of(mapping.actor, columns, "--actor")
        self._target = optional_place(mapping.target, columns, "--target")
        self._target_kind = mapping.target_kind
        self._id = optional_place(mapping.id, columns, "--id")
        self._query = optional_place(mapping.query, columns, "--query")
        self._time = optional_place(mapping.time, columns, "--time")
        self._read_time = time_reader(mapping)
        self._at = _fixed(mapping)
        self._columns = columns
        self._kinds: dict[str, _Kind] = {}
        self._name = self._naming(columns)
        fields = {field.name for event in app.schema.events.values() for field in event.fields}
        check_declared(mapping.fields, fields | {"context"}, "--field")
        item = mapping.target_kind or app.item
        self._actor_facts = facts_of(mapping.actor_attributes, app, app.subject, mapping, columns, "--actor-attribute")
        self._target_facts = facts_of(mapping.target_attributes, app, item, mapping, columns, "--target-attribute")

    def read(self, values: Sequence[Any]) -> Held:
        """Return the event a row means."""
        name, taken, unused = self._name(values)
        actor = values[self._actor]
        if self._missing(actor):
            raise Invalid("the actor is missing", field="actor", remedy=f"Fill in {self._mapping.actor}.")
        held = Held(type=name, at=self._when(values), actor=text_of(actor))
        if self._target is not None and not self._missing(values[self._target]):
            target = text_of(values[self._target])
            held.target = {"kind": self._target_kind, "id": target} if self._target_kind else target
        if self._id is not None:
            held.id = _id(values[self._id], self._missing, self._mapping)
        if self._query is not None and not self._missing(values[self._query]):
            held.query = text_of(values[self._query])
        if taken:
            held.fields = members_of(taken, values, self._missing)
        for path, place in unused:
            if not self._missing(values[place]):
                self.unused[f"{path} of {name}"] += 1
        if self._actor_facts:
            held.actor_facts = members_of(self._actor_facts, values, self._missing)
        if self._target_facts and held.target is not None:
            held.target_facts = members_of(self._target_facts, values, self._missing)
        return held

    def _when(self, values: Sequence[Any]) -> float | None:
        if self._time is None:
            return self._at
        value = values[self._time]
        if self._missing(value):
            raise Invalid("the time is missing", field="at", remedy=f"Fill in {self._mapping.time}.")
        return self._read_time(value)

    def _naming(self, columns: Members[str, int]) -> Callable[[Sequence[Any]], _Kind]:
        mapping = self._mapping
        if mapping.fixed_type is not None:
            fixed = self._kind(mapping.fixed_type)
            return lambda values: fixed  # noqa: ARG005 - every row is of this type
        if mapping.rating is not None:
            place = place_of(mapping.rating, columns, "--rating")
            steps = _steps(mapping.grades)
            kinds = [(least, self._kind(name)) for least, name in steps]
            return lambda values: self._graded(values[place], kinds)
        if mapping.type is None:
            raise Invalid("no type", field="--type", remedy="Name a column with --type, or give --fixed-type.")
        place = place_of(mapping.type, columns, "--type")
        for name in mapping.types.values():
            self._kind(name)
        return lambda values: self._named(values[place])

    def _named(self, value: Any) -> _Kind:
        found = self._kinds.get(value) if isinstance(value, str) else None
        if found is None:
            text = "" if self._missing(value) else text_of(value)
            if not text:
                raise Invalid("the type is missing", field="type", remedy=f"Fill in {self._mapping.type}.")
            name = self._mapping.types.get(text) or alike(text, self._schema.events)
            if name is None:
                remedy = f'Say what it is: --types "{text[:40]}=..." with one of {", ".join(self._schema.events)}.'
                raise Invalid(f"unknown event type {text[:40]!r}", field="type", remedy=remedy)
            found = self._kinds[text] = self._kind(name)
            self.types[text] = name
        return found

    def _graded(self, value: Any, kinds: list[tuple[float, Any]]) -> _Kind:
        if self._missing(value):
            raise Invalid("the rating is missing", field="type", remedy=f"Fill in {self._mapping.rating}.")
        number = to_number(value, self._mapping.decimal)
        found = next((kind for least, kind in kinds if number >= least), None)
        if found is None:
            remedy = f'Add "{BELOW}=..." to --grades.'
            raise Invalid(f"the rating {number:g} lies below every grade", field="type", remedy=remedy)
        return found  # type: ignore[no-any-return]

    def _kind(self, name: str) -> _Kind:
        event: EventType | None = self._schema.events.get(name)
        if event is None:
            remedy = f"Use one of {', '.join(self._schema.events)}."
            raise Invalid(f"unknown event type {name[:40]!r}", field="--types", remedy=remedy)
        declared = {field.name: field.type for field in event.fields}
        taken, unused = [], []
        for path, text in self._mapping.fields.items():
            field = path.partition(".")[0]
            one = taken_from(path, declared.get(path, "text"), text, self._mapping, self._columns, "--field")
            if field in declared or field == "context":
                taken.append(one)
            else:
                unused.append((path, one[2]))
        return name, tuple(taken), tuple(unused)


class EntityRows:
    """Reads rows that are entities: one `entity.set` each."""

    def __init__(self, mapping: Mapping, app: App, columns: Members[str, int]) -> None:
        if mapping.entities is None or mapping.id is None:
            raise Invalid("no id column", field="--id", remedy=f"Name it; the file has {listed(columns)}.")
        self.unused: Counter[str] = Counter()
        self.types: dict[str, str] = {}
        self._kind, self._missing, self._mapping = mapping.entities, Missing(mapping.missing), mapping
        self._id = place_of(mapping.id, columns, "--id")
        self._time = optional_place(mapping.time, columns, "--time")
        self._read_time, self._at = time_reader(mapping), _fixed(mapping)
        if not mapping.attributes:
            raise Invalid("no attributes", field="--attribute", remedy="Map one, for example --attribute title=title.")
        self._taken = facts_of(mapping.attributes, app, self._kind, mapping, columns, "--attribute")

    def read(self, values: Sequence[Any]) -> Held:
        """Return what a row says of its entity."""
        id = _id(values[self._id], self._missing, self._mapping)
        at = self._at
        if self._time is not None and not self._missing(values[self._time]):
            at = self._read_time(values[self._time])
        fields = members_of(self._taken, values, self._missing)
        return Held(type=ENTITY_SET, at=at, actor={"kind": self._kind, "id": id}, fields=fields)


class WireRows:
    """Reads rows that are events already, as `proffer events --json` writes them."""

    def __init__(self) -> None:
        self.unused: Counter[str] = Counter()
        self.types: dict[str, str] = {}

    def read(self, values: Sequence[Any]) -> Held:
        """Return the event a row is."""
        row = values[0]
        unknown = next((name for name in row if name not in _WIRE and name != "sequence"), None)
        if unknown is not None:
            raise Invalid("unknown member", field=unknown[:80], remedy=f"Use only {', '.join(sorted(_WIRE))}.")
        if not isinstance(row.get("type"), str) or not isinstance(row.get("fields", {}), dict):
            raise Invalid("not an event", field="type", remedy="Send type as a text and fields as an object.")
        at = None if row.get("at") is None else check_time(row["at"], "at").timestamp()
        return Held(
            type=row["type"], at=at, actor=row.get("actor"), target=row.get("target"),
            query=row.get("query_id"), fields=row.get("fields"), id=row.get("id"),
        )  # fmt: skip


def alike(text: str, names: Members[str, Any]) -> str | None:
    """Return the declared type a value means when it differs in case, separators or words after the first.

    >>> alike("COMMENT CREATED", {"comment": 1}), alike("buy", {"comment": 1})
    ('comment', None)
    """
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    joined = "_".join(words)
    return joined if joined in names else words[0] if words and words[0] in names else None


def _steps(grades: Members[str, str]) -> list[tuple[float, str]]:
    if not grades:
        remedy = 'For example --grades "4=like,2.5=view,below=hide".'
        raise Invalid("a rating needs grades", field="--grades", remedy=remedy)
    try:
        steps = [(float("-inf") if least == BELOW else to_number(least), name) for least, name in grades.items()]
    except Invalid as error:
        raise Invalid(error.message, field="--grades", remedy=f"Write LOWEST=TYPE, or {BELOW}=TYPE.") from None
    return sorted(steps, reverse=True)


def _fixed(mapping: Mapping) -> float | None:
    return None if mapping.at is None else check_time(mapping.at, "--at").timestamp()


def _id(value: Any, missing: Missing, mapping: Mapping) -> str:
    if missing(value):
        raise Invalid("the id is missing", field="id", remedy=f"Fill in {mapping.id}.")
    return text_of(value)
