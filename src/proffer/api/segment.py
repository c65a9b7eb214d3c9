"""Segment's HTTP tracking API: its clients, pointed here, record into the workspace their write key opens."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from proffer.api import answers, messages
from proffer.api.interactions import check_tracked, rejected
from proffer.api.operations import TRACK, WRITE, Call, Operation
from proffer.api.segment_rows import moment_of, row_of
from proffer.core.checks import LATEST_AHEAD
from proffer.core.errors import Invalid, TooLarge
from proffer.core.events import Counts, Receipt, Verdict
from proffer.engine.engine import Engine

KINDS = ("track", "identify", "page", "screen", "group", "alias")
SOURCE = "segment"


class Tracked(msgspec.Struct, frozen=True, kw_only=True):
    """What became of messages: the four counts add up to `received`; `refused` has the receipts of what was not taken.

    `success` says that they were read and kept, be it in quarantine: nothing is to be sent again.
    """

    success: bool
    received: int
    accepted: int
    duplicates: int
    conflicts: int
    quarantined: int
    refused: list[Receipt]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as Segment's clients send it; further members are taken and not computed with."""

    type: str | None = None
    messageId: str | None = None  # noqa: N815 (their name)
    userId: str | int | None = None  # noqa: N815
    anonymousId: str | int | None = None  # noqa: N815
    previousId: str | int | None = None  # noqa: N815
    event: str | None = None
    properties: answers.Members | None = None
    traits: answers.Members | None = None
    context: answers.Members | None = None
    timestamp: str | None = None
    sentAt: str | None = None  # noqa: N815
    writeKey: str | None = None  # noqa: N815


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Messages with the token (where no header has it) and when they were sent by the client's clock."""

    batch: list[Message]
    sentAt: str | None = None  # noqa: N815
    writeKey: str | None = None  # noqa: N815


def batch(call: Call) -> Tracked:
    """Record a batch of messages; what is not understood is quarantined with its reason, and the answer is 200.

    The token is the write key: user name of Basic authentication, Bearer token, or `writeKey` in the body. With the
    scope `track` only interactions with items that are known are recorded, no attributes of users and no merges.
    """
    found = call.body.get("batch") if isinstance(call.body, dict) else None
    if not isinstance(found, list) or not found:
        raise Invalid("no list of messages", field="batch", remedy='Send {"batch": [{"type": "track", ...}]}.')
    if len(found) > messages.LARGEST_BATCH:
        message = f"a batch has 1 to {messages.LARGEST_BATCH} messages, this one {len(found)}"
        raise TooLarge(message, field="batch", remedy="Split it.")
    return _record(call, found, call.body.get("sentAt"))


def _one(kind: str) -> Any:
    def record(call: Call) -> Tracked:
        if not isinstance(call.body, dict):
            raise Invalid("not a message", field="body", remedy="Send an object.")
        return _record(call, [{**call.body, "type": kind}], call.body.get("sentAt"))

    record.__doc__ = f"Record one {kind} message, as the batch does."
    return record


def _record(call: Call, found: list[Any], sent_at: Any) -> Tracked:
    engine = call.engine
    facts, now = WRITE in call.scopes, engine.clock.now()
    receipts = engine.record([_row(engine, each, sent_at, now, facts) for each in found], source=SOURCE)
    counts = Counts.of(receipts)
    return Tracked(
        success=True, received=counts.received, accepted=counts.accepted, duplicates=counts.duplicates,
        conflicts=counts.conflicts, quarantined=counts.quarantined,
        refused=[one for one in receipts if one.verdict in (Verdict.CONFLICT, Verdict.QUARANTINED)],
    )  # fmt: skip


def _row(engine: Engine, message: Any, sent_at: Any, now: datetime, facts: bool) -> dict[str, Any]:
    """Return the row of a message, or the reject that keeps the message as it came."""
    try:
        row = row_of(engine.app, message)
        at, sure = moment_of(message, sent_at, now)
        event = engine.app.schema.read({**row, "at": at}, id="unused", latest=now + LATEST_AHEAD, now=now)
        if not facts:
            check_tracked(engine, event.type, event.target)
        # Sent again, it means what it meant first, whatever the clocks say by now.
        before = engine.stores.log.get(event.id) if "id" in row and not sure else None
        at = at if before is None else before.at
        return row if at is None else {**row, "at": at.isoformat()}
    except Invalid as error:
        id = message.get("messageId") if isinstance(message, Mapping) else None
        return rejected(_without_key(message), id if isinstance(id, str) else None, error, SOURCE)


def _without_key(message: Any) -> Any:
    """Return a message without the secret that may travel in it: what is quarantined can be read."""
    if not isinstance(message, Mapping):
        return message
    return {name: value for name, value in message.items() if name != "writeKey"}


TRACKED = {
    "type": "track", "event": "save", "messageId": "m1", "userId": "u1", "timestamp": "2026-01-31T12:00:00Z",
    "properties": {"target": "r1", "query_id": "q_1"},
}  # fmt: skip
EXAMPLES = {
    "track": TRACKED,
    "identify": {"type": "identify", "messageId": "m2", "userId": "u1", "traits": {"role": "engineer"}},
    "page": {"type": "page", "messageId": "m3", "userId": "u1", "properties": {}},
    "screen": {"type": "screen", "messageId": "m4", "userId": "u1", "properties": {}},
    "group": {"type": "group", "messageId": "m5", "userId": "u1", "traits": {}},
    "alias": {"type": "alias", "messageId": "m6", "userId": "u1", "previousId": "visitor-7"},
}
ANSWER = {
    "success": True, "received": 1, "accepted": 1, "duplicates": 0, "conflicts": 0, "quarantined": 0, "refused": [],
}  # fmt: skip


def _operation(name: str, path: str, summary: str, call: Any, shape: Any, example: Any) -> Operation:
    return Operation(
        name=name, method="POST", path=path, scope=TRACK, tag="segment", summary=summary, body=Any, shape=shape,
        returns=Tracked, examples={"one": example}, answer=ANSWER, lane=WRITE, foreign=True, call=call,
        also={507: "The disk refuses; nothing was written."},
    )  # fmt: skip


OPERATIONS = (
    _operation(
        "segmentBatch", "/v1/batch", "Record a batch of messages of Segment's clients.", batch, Batch,
        {"batch": [TRACKED], "sentAt": "2026-01-31T12:00:01Z"},
    ),
    *(
        _operation(
            f"segment{kind.title()}", f"/v1/{kind}", f"Record one {kind} message of Segment's clients.", _one(kind),
            Message, EXAMPLES[kind],
        )
        for kind in KINDS
    ),
)  # fmt: skip
