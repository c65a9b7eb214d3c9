"""Rows of JSON become events, or rejects with a reason."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from proffer.core.checks import LATEST_AHEAD
from proffer.core.clock import Ids
from proffer.core.errors import Invalid
from proffer.core.events import Event, Receipt, Reject
from proffer.core.schema import Schema

if TYPE_CHECKING:
    from proffer.engine.engine import Engine


def append(engine: "Engine", read: Sequence[Event | Reject], repairs: int | None = None) -> list[Receipt]:
    """Append rows durably and return a receipt for each; what was erased and is sent again counts as a duplicate.

    A row that cannot be read and names somebody erased is kept without its content.
    """
    known = engine.known_erased
    known.follow(engine.state.erased_at)
    if not len(known):
        return engine.stores.log.append(read, repairs=repairs)
    kinds = tuple(engine.app.schema.entities)
    placed = [known.row(row, kinds) if isinstance(row, Reject) else known.tombstone(row, kinds) or row for row in read]
    receipts = engine.stores.log.append(placed, repairs=repairs)
    return [
        msgspec.structs.replace(receipt, id=row.id) if isinstance(row, Event) and row is not stored else receipt
        for receipt, row, stored in zip(receipts, read, placed, strict=True)
    ]


def read_row(schema: Schema, row: Any, now: datetime, ids: Ids, source: str) -> Event | Reject:
    """Return the event a row means, or the reject that keeps it as it came.

    A row {"id", "reject": {"raw", "reason", "field", "source"}} is one that an importer could not read.
    """
    if isinstance(row, Mapping) and row.keys() == {"id", "reject"}:
        try:
            return msgspec.convert({**row["reject"], "event_id": row["id"]}, Reject)
        except (TypeError, msgspec.ValidationError):
            pass  # not what an importer sends: quarantined below like any other row
    try:
        named = isinstance(row, Mapping) and row.get("id") is not None
        return schema.read(row, id="" if named else ids.new("e"), latest=now + LATEST_AHEAD, now=now)
    except Invalid as error:
        event_id = row.get("id") if isinstance(row, Mapping) else None
        return Reject(
            raw=as_text(row),
            reason=f"{error.message}. {error.remedy or ''}".strip(),
            field=None if error.field is None else storable(error.field),
            event_id=storable(event_id) if isinstance(event_id, str) else None,
            source=source,
        )


def as_text(row: Any) -> str:
    """Return a row as JSON text that any store can keep."""
    try:
        return storable(row if isinstance(row, str) else json.dumps(row, default=str))
    except (TypeError, ValueError, RecursionError):
        return storable(f"<{type(row).__name__} that cannot be written as JSON>")


def storable(text: str) -> str:
    """Return a text that any store can keep: lone surrogates and NUL become escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\u0000")
