"""Operations on the log: record, look up, mend."""

from collections.abc import Mapping
from typing import Any

from proffer.api import answers, messages
from proffer.api.operations import BASE, READ, WRITE, Answer, Call, Operation
from proffer.core.checks import LATEST_AHEAD, check_time
from proffer.core.entities import EntityRef
from proffer.core.errors import Conflict, Invalid, NotFound, TooLarge
from proffer.core.events import Counts, Receipt, Verdict
from proffer.engine.engine import Engine


def record(call: Call) -> Answer:
    """Record one event or a batch; a single event that cannot be read is refused with nothing written.

    Besides the application's types there are `entity.set` (actor: the entity, fields: attributes that are added to what
    is known, null unsets one), `entity.delete`, and `entity.merge` (actor: the known user, target: the anonymous
    visitor who from then on is that user). In a batch a row that cannot be read is quarantined; its receipt says why.
    """
    engine = call.engine
    if isinstance(call.body, list):
        return record_batch(engine, call.body, call.key)
    if not isinstance(call.body, dict):
        raise Invalid("neither an event nor a list of events", field="body", remedy="Send an object or an array.")
    return Answer(value=record_one(engine, call.body, call.key))


def record_batch(engine: Engine, rows: list[Any], key: str | None) -> Answer:
    """Record rows with a receipt each; with a key, rows without an id get the key and their place."""
    if not 1 <= len(rows) <= messages.LARGEST_BATCH:
        message = f"a batch has 1 to {messages.LARGEST_BATCH} events, this one {len(rows)}"
        if rows:
            raise TooLarge(message, field="body", remedy="Split it.")
        raise Invalid(message, field="body", remedy="Send at least one event.")
    keyed = [keyed_row(engine, row, f"{key}.{place}" if key else None) for place, row in enumerate(rows)]
    receipts = engine.record(keyed)
    counts = Counts.of(receipts)
    return Answer(
        value=answers.Receipts(
            received=counts.received,
            accepted=counts.accepted,
            duplicates=counts.duplicates,
            conflicts=counts.conflicts,
            quarantined=counts.quarantined,
            receipts=receipts,
        )
    )


def record_one(engine: Engine, row: Mapping[str, Any], key: str | None = None, repairs: int | None = None) -> Receipt:
    """Record one row. Raises Invalid for one that is no event, Conflict where its id has another body."""
    row = keyed_row(engine, row, key)
    now = engine.clock.now()
    engine.app.schema.read(row, id="unused", latest=now + LATEST_AHEAD, now=now)
    receipt = engine.record([row], repairs=repairs)[0]
    if receipt.verdict is Verdict.CONFLICT:
        message = f"the id {receipt.id!r} belongs to an event with another body; that one stays"
        raise Conflict(message, field="id", remedy="Send a new id for a new event.")
    if receipt.verdict is Verdict.QUARANTINED:
        raise Invalid(receipt.reason or "not an event", field=receipt.field, remedy="Mend the field named.")
    return receipt


def keyed_row(engine: Engine, row: Any, key: str | None) -> Any:
    """Return the row with the key as its id where it has none, and the time it was first recorded with.

    A retry of an event without `at` must mean the same event as the first try, not one a second later.
    """
    if not isinstance(row, dict):
        return row
    if key is not None and row.get("id") is None:
        row = {**row, "id": key}
    event_id = row.get("id")
    if row.get("at") is None and isinstance(event_id, str) and event_id.isprintable() and len(event_id) <= 256:
        before = engine.stores.log.get(event_id)
        if before is not None:
            row = {**row, "at": before.at.isoformat()}
    return row


def look_up(call: Call) -> answers.Events:
    """Return a page of the log."""
    asked: messages.EventsQuery = call.query
    if (asked.kind is None) != (asked.id is None):
        raise Invalid("kind and id go together", field="kind" if asked.id else "id", remedy="Send both or neither.")
    found = call.engine.stores.log.find(
        entity=EntityRef(asked.kind, asked.id) if asked.kind and asked.id else None,
        query_id=asked.query_id,
        type=asked.type,
        since=check_time(asked.since, "since") if asked.since is not None else None,
        until=check_time(asked.until, "until") if asked.until is not None else None,
        after=asked.after,
        limit=asked.limit,
    )
    last = found[-1].sequence if len(found) == asked.limit else None
    return answers.Events(events=[answers.LoggedEvent.of(event) for event in found], next=last)


def quarantine(call: Call) -> answers.Quarantine:
    """Return a page of the rows that could not become events."""
    asked: messages.QuarantineQuery = call.query
    found = call.engine.stores.log.quarantined(after=asked.after, limit=asked.limit, open_only=not asked.all)
    rows = [
        answers.QuarantinedRow(
            number=row.number,
            received_at=row.received_at,
            raw=row.reject.raw,
            reason=row.reject.reason,
            field=row.reject.field,
            event_id=row.reject.event_id,
            source=row.reject.source,
            repaired_by=row.repaired_by,
        )
        for row in found
    ]
    return answers.Quarantine(rows=rows, next=found[-1].number if len(found) == asked.limit else None)


def repair(call: Call) -> Receipt:
    """Record the mended event in place of a quarantined row."""
    text = call.path["number"]
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 17 else 0
    found = call.engine.stores.log.quarantined(after=number - 1, limit=1, open_only=False) if number else []
    if not found or found[0].number != number:
        raise NotFound("no such row in quarantine", field="number", remedy="Take the number from GET /quarantine.")
    if found[0].repaired_by is not None:
        message = f"the row was repaired by the event {found[0].repaired_by!r}"
        raise Conflict(message, field="number", remedy="Nothing is left to do.")
    return record_one(call.engine, call.body, call.key, repairs=number)


EVENT = {"type": "like", "actor": "u1", "target": "p1", "at": "2026-01-31T12:00:00Z", "id": "e1"}
VIEW = {"type": "view", "actor": "u1", "target": "p1", "query_id": "q_1", "fields": {"seconds": 41}}
MERGE = {"type": "entity.merge", "actor": "u1", "target": "visitor-7"}
RECEIPT = {"verdict": "accepted", "id": "e1", "sequence": 1}

OPERATIONS = (
    Operation(
        name="recordEvents",
        method="POST",
        path=f"{BASE}/events",
        scope=WRITE,
        summary="Record one event, or an array of up to 1,000; acknowledged means on disk.",
        body=Any,
        shape=(messages.SentEvent, messages.SentBatch),
        returns=(Receipt, answers.Receipts),
        examples={"one": EVENT, "batch": [EVENT, VIEW], "visitor becomes user": MERGE},
        answer=RECEIPT,
        also={409: "The id belongs to an event with another body.", 507: "The disk refuses; nothing was written."},
        lane=WRITE,
        keyed=True,
        call=record,
    ),
    Operation(
        name="listEvents",
        method="GET",
        path=f"{BASE}/events",
        scope=READ,
        summary="Look up events in order of the log, by entity, query, type and time.",
        query=messages.EventsQuery,
        returns=answers.Events,
        answer={"events": [], "next": None},
        call=look_up,
    ),
    Operation(
        name="listQuarantine",
        method="GET",
        path=f"{BASE}/quarantine",
        scope=READ,
        summary="List rows that could be read but not accepted, with the reason.",
        query=messages.QuarantineQuery,
        returns=answers.Quarantine,
        answer={"rows": [], "next": None},
        call=quarantine,
    ),
    Operation(
        name="repairQuarantined",
        method="POST",
        path=f"{BASE}/quarantine/{{number}}/repair",
        scope=WRITE,
        summary="Record the mended event in place of a quarantined row.",
        body=dict[str, Any],
        shape=messages.SentEvent,
        returns=Receipt,
        examples={"mended": EVENT},
        answer=RECEIPT,
        also={409: "Already repaired, or the id belongs to an event with another body."},
        lane=WRITE,
        keyed=True,
        call=repair,
    ),
)
