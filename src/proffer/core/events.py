"""Events: what happened, and the receipt a log gives for each."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import msgspec

from proffer.core.entities import EntityRef

NO_FIELDS: Mapping[str, Any] = MappingProxyType({})

ENTITY_SET = "entity.set"
ENTITY_DELETE = "entity.delete"
ENTITY_MERGE = "entity.merge"
SETTINGS_SET = "settings.set"
ENTITY_ERASE = "entity.erase"
ERASED = "erased"
"""Event types of the engine itself: facts about entities, a visitor who turned out to be a known user, settings, the
note that somebody was erased, and what stands where an erased event stood."""
RESERVED = frozenset((ENTITY_SET, ENTITY_DELETE, ENTITY_MERGE, SETTINGS_SET, ENTITY_ERASE, ERASED, "workspace"))
"""Names that no event type or entity kind of an application may have."""
NOT_NAMED = EntityRef("erased", "erased")
"""The actor of what stands where an erased event stood."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened at a time: an interaction, an outcome, an impression, a fact about an entity.

    `at` is when it happened (aware, UTC); `sequence` is its place in the log, 0 before it has one.

    >>> from datetime import UTC
    >>> event = Event(id="e1", type="like", at=datetime(2026, 1, 1, tzinfo=UTC), actor=EntityRef("user", "u1"),
    ...               target=EntityRef("post", "p1"))
    >>> event.target.id, event.sequence
    ('p1', 0)
    """

    id: str
    type: str
    at: datetime
    actor: EntityRef
    target: EntityRef | None = None
    query_id: str | None = None
    fields: Mapping[str, Any] = NO_FIELDS
    sequence: int = 0

    def digest(self) -> bytes:
        """Return 16 bytes that are equal exactly when the body (all but id and sequence) is equal."""
        body = (self.type, self.at.timestamp(), self.actor, self.target, self.query_id, dict(self.fields))
        return blake2b(msgspec.json.encode(body, order="deterministic"), digest_size=16).digest()


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A row that could be read but not accepted: kept as it came, with the reason, to be repaired and replayed."""

    raw: str
    reason: str
    field: str | None = None
    event_id: str | None = None
    source: str = "api"


class Verdict(StrEnum):
    """What a log did with a row."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    QUARANTINED = "quarantined"


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one row: its verdict, and its sequence (accepted, duplicate) or quarantine number and reason."""

    verdict: Verdict
    id: str | None = None
    sequence: int = 0
    quarantine: int = 0
    field: str | None = None
    reason: str | None = None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows a log ever received and what became of them: the four always add up to `received`."""

    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    quarantined: int = 0

    @property
    def received(self) -> int:
        """Return the sum of the four."""
        return self.accepted + self.duplicates + self.conflicts + self.quarantined

    @classmethod
    def of(cls, receipts: "list[Receipt]") -> "Counts":
        """Count receipts by verdict."""
        seen = [receipt.verdict for receipt in receipts]
        return cls(
            accepted=seen.count(Verdict.ACCEPTED),
            duplicates=seen.count(Verdict.DUPLICATE),
            conflicts=seen.count(Verdict.CONFLICT),
            quarantined=seen.count(Verdict.QUARANTINED),
        )

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            accepted=self.accepted + other.accepted,
            duplicates=self.duplicates + other.duplicates,
            conflicts=self.conflicts + other.conflicts,
            quarantined=self.quarantined + other.quarantined,
        )


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A quarantined row: its number, the row as it came, why it was refused, and whether it has been repaired."""

    number: int
    received_at: datetime
    reject: Reject
    repaired_by: str | None = None
