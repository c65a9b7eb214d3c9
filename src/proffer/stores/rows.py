"""Events as rows of the database, and rows as events."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from sys import intern
from typing import Any

import msgspec

from proffer.core.entities import EntityRef
from proffer.core.events import NO_FIELDS, Event, Quarantined, Reject
from proffer.stores.seals import seal

COLUMNS = "sequence, id, type, at, actor_kind, actor_id, target_kind, target_id, query_id, fields"
REJECT_COLUMNS = "number, received_at, raw, reason, field, event_id, source, repaired_by"
SHARED = 1 << 18

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Return an aware time as whole microseconds since 1970.

    >>> micros(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (at - _EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    """Return the UTC time of whole microseconds since 1970."""
    return _EPOCH + timedelta(0, 0, at)


def event_row(event: Event) -> tuple[Any, ...]:
    """Return the columns of an event from `id` on, and its digest. Raises Invalid for what JSON cannot hold."""
    fields, digest = seal(event)
    target = event.target or (None, None)
    return (event.id, event.type, micros(event.at), *event.actor, *target, event.query_id, fields, digest)


def reject_row(reject: Reject, received_at: int) -> tuple[Any, ...]:
    """Return the columns of a quarantined row from `received_at` on; texts as bytes, for they may hold anything."""
    texts = (reject.raw, reject.reason, reject.field, reject.event_id, reject.source)
    return (received_at, *(None if text is None else text.encode("utf-8", "surrogatepass") for text in texts))


def quarantined(row: tuple[Any, ...]) -> Quarantined:
    """Return a quarantined row from its columns."""
    number, received_at, *texts, repaired_by = row
    raw, reason, field, event_id, source = (text and text.decode("utf-8", "surrogatepass") for text in texts)
    reject = Reject(raw=raw or "", reason=reason or "", field=field, event_id=event_id, source=source or "")
    return Quarantined(number=number, received_at=moment(received_at), reject=reject, repaired_by=repaired_by)


class _Refs(dict[str, EntityRef]):
    """One EntityRef per id of a kind, so that a million events share those of their entities."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, id: str) -> EntityRef:
        if len(self) >= SHARED:
            self.clear()
        ref = self[id] = EntityRef(self._kind, id)
        return ref


class _Kinds(dict[str, _Refs]):
    def __missing__(self, kind: str) -> _Refs:
        refs = self[kind] = _Refs(intern(kind))
        return refs


class EventReader:
    """Makes events of rows, sharing what many of them hold."""

    def __init__(self) -> None:
        self._kinds = _Kinds()
        self._fields = msgspec.json.Decoder().decode

    def events(self, rows: Iterable[tuple[Any, ...]]) -> list[Event]:
        """Return the events of rows with `COLUMNS`."""
        kinds, fields, epoch = self._kinds, self._fields, _EPOCH
        return [
            Event(
                id=event_id,
                type=intern(name),
                at=epoch + timedelta(0, 0, at),
                actor=kinds[actor_kind][actor],
                target=None if target is None else kinds[target_kind][target],
                query_id=query_id,
                fields=NO_FIELDS if values is None else fields(values),
                sequence=sequence,
            )
            for sequence, event_id, name, at, actor_kind, actor, target_kind, target, query_id, values in rows
        ]
