"""Exporting: everything that is kept of one entity, as JSON; others in it go by pseudonyms."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid, NotFound
from proffer.core.events import ENTITY_ERASE, ENTITY_MERGE, Event, Quarantined
from proffer.engine.erase import PAGE, named
from proffer.engine.erasing import TELLING, spelled_out, words
from proffer.features.state import State

if TYPE_CHECKING:
    from proffer.engine.engine import Engine


class ExportedEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event of the entity, or one by somebody else about it, then without its fields."""

    id: str
    type: str
    at: datetime
    sequence: int
    actor: dict[str, str]
    target: dict[str, str] | None = None
    query_id: str | None = None
    fields: dict[str, Any] = {}


class ExportedRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a row of state counts for the entity, by column; `of` is what it counts of, where it is a pair's."""

    scope: str
    values: dict[str, float | None]
    of: str | None = None


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of an entity as of a position of the log.

    `names` are the ids that were merged into it; `attributes` what is known of it; `entities` those that name it as
    their author, or are its members. `features` are the columns a model reads of it, `rows` the state they come from.
    `events` are its own and those about it, `decisions` the slates made for it, `quarantined` the rows that could not
    be read and name it.
    """

    workspace: str
    kind: str
    id: str
    at: datetime
    as_of: int
    names: tuple[str, ...]
    attributes: dict[str, Any]
    entities: tuple[str, ...]
    features: dict[str, float | None]
    rows: tuple[ExportedRow, ...]
    events: tuple[ExportedEvent, ...]
    decisions: tuple[Decision, ...]
    quarantined: tuple[Quarantined, ...]


def export_entity(engine: "Engine", ref: EntityRef) -> Export:
    """Return everything that is kept of an entity. Raises Invalid for an unknown kind, NotFound for an unknown id."""
    kinds, log = engine.app.schema.entities, engine.stores.log
    if ref.kind not in kinds:
        raise Invalid("unknown kind", field="kind", remedy=f"Use one of {', '.join(kinds)}.")
    refs = named(log.scan(types=[ENTITY_MERGE]), [ref])
    with engine.lock:
        state = engine.state
        features, rows = _features(engine, ref), tuple(_rows(state, ref))
        attributes, entities = dict(state.attributes(ref) or {}), tuple(_naming(state, ref, engine.app.subject))
        as_of = state.position
    found = Export(
        workspace=engine.workspace, kind=ref.kind, id=ref.id, at=engine.clock.now(), as_of=as_of,
        names=tuple(one.id for one in refs[1:]), attributes=attributes, entities=entities, features=features, rows=rows,
        events=tuple(_exported(engine, event, refs) for event in _events(engine, refs)),
        decisions=tuple(_decisions(engine, refs)), quarantined=tuple(_quarantined(engine, refs)),
    )  # fmt: skip
    if not (found.events or found.decisions or found.quarantined or found.attributes):
        raise NotFound(f"nothing is known of a {ref.kind} of that id", field="id", remedy="Look at its kind and id.")
    return found


def _events(engine: "Engine", refs: Sequence[EntityRef]) -> list[Event]:
    found: dict[int, Event] = {}
    for ref in refs:
        after = 0
        while page := engine.stores.log.find(entity=ref, after=after, limit=PAGE):
            after = page[-1].sequence
            found |= {event.sequence: event for event in page}
    return [found[sequence] for sequence in sorted(found) if found[sequence].type != ENTITY_ERASE]


def _exported(engine: "Engine", event: Event, refs: Sequence[EntityRef]) -> ExportedEvent:
    own, actor, target = event.actor in refs, event.actor._asdict(), event.target and event.target._asdict()
    if own:
        return ExportedEvent(
            id=event.id, type=event.type, at=event.at, sequence=event.sequence, actor=actor, target=target,
            query_id=event.query_id, fields=dict(event.fields),
        )  # fmt: skip
    actor["id"] = engine.pseudonyms.of(event.actor)
    id = engine.pseudonyms.tombstones(event.id)[0]
    return ExportedEvent(id=id, type=event.type, at=event.at, sequence=event.sequence, actor=actor, target=target)


def _decisions(engine: "Engine", refs: Sequence[EntityRef]) -> Iterator[Decision]:
    for ref in refs:
        after = ""
        while page := engine.stores.decisions.find(subject=ref, after=after, limit=PAGE):
            after = page[-1].id
            yield from page


def _quarantined(engine: "Engine", refs: Sequence[EntityRef]) -> Iterator[Quarantined]:
    ids = {ref.id for ref in refs}
    telling = {id for id in ids if len(id) >= TELLING}
    number = 0
    while page := engine.stores.log.quarantined(after=number, limit=PAGE, open_only=False):
        number = page[-1].number
        for row in page:
            texts = spelled_out(row.reject.raw)
            # A short id may be any word of somebody else's row: it counts where it is a value of its own.
            if not ids.isdisjoint(texts) or (telling and any(words(telling).search(text) for text in texts)):
                yield row


def _naming(state: State, ref: EntityRef, subject: str) -> Iterator[str]:
    """Yield the entities whose author or group this is."""
    if ref.kind == state.group_kind:
        yield from (f"{state.kind}/{state.ids[ordinal]}" for ordinal in state.members(ref.id).tolist())
    if ref.kind != subject:
        return
    roles = {kind.name: kind.role("author") for kind in state.schema.entities.values()}
    for number, values in state.registry.attributes.items():
        other = state.registry.refs[number]
        author = values.get(roles.get(other.kind) or "")
        if ref.id == author or (isinstance(author, list) and ref.id in author):
            yield "/".join(other)


def _features(engine: "Engine", ref: EntityRef) -> dict[str, float | None]:
    """Return the columns of the matrix that speak of a subject or an item alone; none for any other kind."""
    app = engine.app
    try:
        if ref.kind == app.subject:
            return engine.reader.features(ref.id, None)
        if ref.kind == app.item:
            return engine.reader.features(None, ref.id)
    except NotFound:
        pass
    return {}


def _rows(state: State, ref: EntityRef) -> Iterator[ExportedRow]:
    number = state.registry.numbers.get(ref)
    if number is None:
        return
    key = int(state.registry.keys.view[number])
    side = {
        "actor": state.subject_kind,
        "target": state.kind,
        "group": state.group_kind,
        "target.group": state.group_kind,
    }
    wanted = {part for part, kind in side.items() if kind == ref.kind}
    for name, held in state.scopes.items():
        if len(held.scope.parts) == 1 and held.scope.parts[0] in wanted:
            row = state.row(name, key)
            if row is not None:
                yield ExportedRow(scope=name, values=_values(state, name, row))
        elif held.scope.pair and held.scope.parts[0] == "actor" and "actor" in wanted:
            others, rows = held.owned(number)
            called = _called(state, ref)
            for other, row in zip(others.tolist(), rows, strict=True):
                values = _values(state, name, row)
                yield ExportedRow(scope=name, values=values, of=called.get(other, str(other)))


def _called(state: State, ref: EntityRef) -> dict[int, str]:
    """Return the ids of the items a subject did something with, by the key that rows of state know them by."""
    ordinals = state.touched(ref)
    keys = state.registry.keys.view[state.registry.item_numbers.view[ordinals]]
    return {int(key): state.ids[ordinal] for key, ordinal in zip(keys, ordinals.tolist(), strict=True)}


def _values(state: State, scope: str, row: Any) -> dict[str, float | None]:
    """Return a row's slots by the column that reads them and their number."""
    columns: dict[Any, str] = {}
    for feature in state.view.features:
        for where, accumulator in feature.states:
            columns.setdefault((where, accumulator), feature.columns[0].name)
    found: dict[str, float | None] = {}
    for accumulator, start in state.layout.accumulators(scope):
        called = columns.get((scope, accumulator), type(accumulator).__name__.lower())
        for slot in range(accumulator.slots):
            name = called if accumulator.slots == 1 else f"{called}.{slot}"
            found[name if name not in found else f"{name}.{start + slot}"] = _number(row[start + slot])
    return found


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
