"""Held rows go into the log, batch by batch, each accounted for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from proffer.core.checks import LATEST_AHEAD
from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid
from proffer.core.events import ENTITY_SET, Verdict
from proffer.engine.imports.arrivals import Refused
from proffer.engine.imports.held import Held, content_id
from proffer.engine.imports.mapping import Mapping as Columns
from proffer.engine.imports.report import Tally, why
from proffer.engine.imports.targets import SOURCE, Known, Target

FACT = -1


class Sending:
    """Makes events of held rows, gives them their ids, and sends them.

    A row without a time happened when the import began; where it says nothing new of its entity, it is a duplicate.
    """

    def __init__(self, known: Known, target: Target, mapping: Columns, now: datetime) -> None:
        self.rows, self.facts = Tally(), Tally()
        self._known, self._target, self._now = known, target, now
        self._schema = known.app.schema
        self._separate = mapping.ids == "row"
        self._item = mapping.target_kind or known.app.item
        self._copies: dict[bytes, int] = {}
        self._seen: dict[EntityRef, dict[str, Any]] = {}
        self._told: dict[EntityRef, Mapping[str, Any]] = {}
        self._quarantined = _quarantined(known)
        self._batch: list[Mapping[str, Any]] = []
        self._places: list[tuple[int, str | None]] = []
        self._size = 0
        self.batches = 0

    def put(self, number: int, packed: bytes, held: Held) -> None:
        """Send a row after what it tells of its actor and its target, sooner or later."""
        at = self._now.timestamp() if held.at is None else held.at
        if held.actor_facts:
            self._fact(EntityRef(self._known.app.subject, held.actor), held.actor_facts, at)
        if held.target_facts:
            target = held.target["id"] if isinstance(held.target, dict) else held.target
            self._fact(EntityRef(self._item, target), held.target_facts, at)
        if held.type == ENTITY_SET and held.at is None:
            ref = EntityRef(str(held.actor["kind"]), str(held.actor["id"]))
            if not self._news(ref, held.fields or {}):
                self.rows.add(Verdict.DUPLICATE, None, number)
                return
            packed += repr(at).encode()
        self._add(held.event(held.id or self._id(packed, at), at), number, len(packed))

    def refuse(self, row: Refused) -> None:
        """Send a row that cannot become an event into the quarantine, unless it is there."""
        id = self._id(row.raw.encode(), 0.0)
        if id in self._quarantined:
            self.rows.add(Verdict.DUPLICATE, None, row.number)
            return
        self._quarantined.add(id)
        reject = {"raw": row.raw, "reason": row.reason, "field": row.field, "source": SOURCE}
        self._append({"id": id, "reject": reject}, row.number, len(row.raw), _reason(row))

    def flush(self) -> None:
        """Send what waits."""
        if not self._batch:
            return
        batch, places = self._batch, self._places
        self._batch, self._places, self._size = [], [], 0
        self.batches += 1
        for (number, reason), receipt in zip(places, self._target.send(batch), strict=True):
            (self.facts if number == FACT else self.rows).add(receipt.verdict, reason or why(receipt), number)

    def _id(self, content: bytes, at: float) -> str:
        if not self._separate:
            return content_id(content, at)
        copy = self._copies.get(content, 0)
        self._copies[content] = copy + 1
        return content_id(content, at, copy)

    def _fact(self, ref: EntityRef, attributes: dict[str, Any], at: float) -> None:
        if self._news(ref, attributes):
            held = Held(type=ENTITY_SET, at=at, actor={"kind": ref.kind, "id": ref.id}, fields=attributes)
            packed = msgspec.msgpack.encode(held)
            self._add(held.event(content_id(packed, at), at), FACT, len(packed))

    def _news(self, ref: EntityRef, attributes: Mapping[str, Any]) -> bool:
        """Return whether attributes differ from what is known of an entity, and know them from now on."""
        if self._told.get(ref) == attributes:
            return False
        self._told[ref] = attributes
        try:
            attributes = self._schema.attributes(ref.kind, attributes)
        except Invalid:
            return True
        known = self._seen.get(ref)
        if known is None:
            found = self._known.attributes(ref)
            known = self._seen[ref] = dict(found or {})
            if found is None:
                known.update(attributes)
                return True
        missing = object()
        if all(known.get(name, missing) == value for name, value in attributes.items()):
            return False
        known.update(attributes)
        return True

    def _add(self, row: dict[str, Any], number: int, size: int) -> None:
        if row["id"] in self._quarantined and not self._readable(row):
            if number != FACT:
                self.rows.add(Verdict.DUPLICATE, None, number)
            return
        self._append(row, number, size)

    def _append(self, row: Mapping[str, Any], number: int, size: int, reason: str | None = None) -> None:
        self._batch.append(row)
        self._places.append((number, reason))
        self._size += size
        if len(self._batch) >= self._target.rows or self._size >= self._target.size:
            self.flush()

    def _readable(self, row: Mapping[str, Any]) -> bool:
        try:
            self._schema.read(row, id=row["id"], latest=self._now + LATEST_AHEAD, now=self._now)
        except Invalid:
            return False
        return True


def _reason(row: Refused) -> str:
    return f"{row.field}: {row.reason}" if row.field else row.reason


def _quarantined(known: Known) -> set[str]:
    """Return the ids of all rows that ever went into the quarantine."""
    found: set[str] = set()
    after = 0
    while rows := known.log.quarantined(after=after, limit=1_000, open_only=False):
        found.update(row.reject.event_id for row in rows if row.reject.event_id)
        after = rows[-1].number
    return found
