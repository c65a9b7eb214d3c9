"""Operations that record what people did with recommendations, one by one or many at once."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from proffer.api import answers, events, messages
from proffer.api.advisor import PATH, grouped, owner_of
from proffer.api.operations import TRACK, WRITE, Answer, Call, Operation
from proffer.api.segment_rows import fields_of
from proffer.core.checks import LATEST_AHEAD, check_text
from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid, NotFound, TooLarge
from proffer.core.events import RESERVED, Verdict
from proffer.engine.engine import Engine
from proffer.engine.ingest import as_text, storable

SOURCE = "interactions"


class Interact(messages.Body, frozen=True, kw_only=True):
    """What somebody did: `interaction_value` is the seconds of a view or the stars of a rating.

    Who did it: `user`, else the `user` in the context, else the owner of the recommendation's assessment. `query_id` is
    that of the list it was shown in.
    """

    interaction_type: str
    interaction_value: float | None = None
    context: messages.Members | None = None
    id: messages.Id | None = None
    user: messages.Id | None = None
    query_id: messages.Id | None = None
    at: messages.Moment | None = None


class InteractWith(Interact, frozen=True, kw_only=True):
    """What somebody did with which recommendation."""

    recommendation_id: messages.Id


Interactions = Annotated[list[InteractWith], Meta(min_length=1, max_length=messages.LARGEST_BATCH)]


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an interaction: accepted, or a duplicate of one that was counted before."""

    status: Verdict
    message: str
    id: str


def interact(call: Call) -> Done:
    """Record what somebody did with a recommendation; with an `id` or an Idempotency-Key it counts once.

    Refused, with nothing written: an unknown type or recommendation, stars outside 1..5, a duration below 0.
    """
    engine, item = call.engine, call.path["id"]
    sent: Interact = call.body
    row = row_of(engine, item, msgspec.to_builtins(sent))
    try:
        receipt = events.record_one(engine, row, call.key)
    except Invalid as error:
        raise _of_ours(engine, sent.interaction_type, error) from None
    done = "recorded" if receipt.verdict is Verdict.ACCEPTED else "was recorded before and counts once"
    return Done(status=receipt.verdict, message=f"{sent.interaction_type} of {item} {done}", id=str(receipt.id))


def interact_many(call: Call) -> Answer:
    """Record many interactions with a receipt each; one that cannot be taken is quarantined with its reason."""
    engine = call.engine
    grouped(engine)
    if not isinstance(call.body, list) or not call.body:
        raise Invalid("no list of interactions", field="body", remedy="Send an array.")
    if len(call.body) > messages.LARGEST_BATCH:
        raise TooLarge(f"more than {messages.LARGEST_BATCH} interactions", field="body", remedy="Split it.")
    rows = [
        _row(engine, each, f"{call.key}.{place}" if call.key is not None else None)
        for place, each in enumerate(call.body)
    ]
    return events.record_batch(engine, rows, None)


def _row(engine: Engine, sent: Any, key: str | None) -> dict[str, Any]:
    """Return the row of an interaction of a batch, or the reject that keeps it as it came."""
    try:
        if not isinstance(sent, dict):
            raise Invalid("an interaction is an object", field="body", remedy="Send {recommendation_id, ...}.")
        known = {*InteractWith.__struct_fields__}
        unknown = next((name for name in sent if name not in known), None)
        if unknown is not None:
            raise Invalid("unknown field", field=unknown[:80], remedy=f"Use only {', '.join(sorted(known))}.")
        row: dict[str, Any] = events.keyed_row(engine, row_of(engine, sent.get("recommendation_id"), sent), key)
        now = engine.clock.now()
        try:
            engine.app.schema.read(row, id="unused", latest=now + LATEST_AHEAD, now=now)
        except Invalid as error:
            raise _of_ours(engine, row["type"], error) from None
        return row
    except (Invalid, NotFound) as error:
        named = sent.get("id") if isinstance(sent, dict) else None
        return rejected(sent, named if isinstance(named, str) else None, error, SOURCE)


def rejected(sent: Any, id: str | None, error: Invalid | NotFound, source: str) -> dict[str, Any]:
    """Return the row that quarantines what was sent, as it came, with the reason."""
    return {
        "id": None if id is None else storable(id),
        "reject": {
            "raw": as_text(sent), "reason": f"{error.message}. {error.remedy or ''}".strip(),
            "field": None if error.field is None else storable(error.field), "source": source,
        },
    }  # fmt: skip


def row_of(engine: Engine, item: Any, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of the log that an interaction means. Raises Invalid, or NotFound for an unknown item."""
    group = grouped(engine)
    app, named = engine.app, sent.get("interaction_type")
    types = [event.name for event in app.events if app.item in event.targets]
    if named not in types:
        message = "missing" if named is None else f"unknown type {str(named)[:40]!r}"
        raise Invalid(message, field="interaction_type", remedy=f"Use one of {', '.join(types)}.")
    context = sent.get("context")
    if context is not None and not isinstance(context, Mapping):
        raise Invalid("not an object", field="context", remedy="Send {name: value}.")
    members, value = dict(context or {}), sent.get("interaction_value")
    if value is not None:
        # A value that nothing is made of travels with the event.
        members[app.values.get(named, "interaction_value")] = value
    ref = EntityRef(app.item, check_text(item, "recommendation_id"))
    if not known(engine, ref):
        message = f"no {app.item} {ref.id[:80]!r}"
        raise NotFound(message, field="recommendation_id", remedy=f"Set the {app.item} first, or look at its id.")
    row = {
        "type": named, "actor": _who(engine, ref, group, sent, members), "target": ref._asdict(),
        "fields": fields_of(app.schema.events[named], members),
    }  # fmt: skip
    return row | {name: sent[name] for name in ("id", "query_id", "at") if sent.get(name) is not None}


def _who(engine: Engine, ref: EntityRef, group: str, sent: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
    """Return the id of who did it. Raises Invalid where nobody is named and the group has no owner."""
    named = sent.get("user") if sent.get("user") is not None else context.get("user")
    if named is not None:
        return named
    role = engine.app.schema.entities[ref.kind].role("group")
    assessed = (engine.state.attributes(ref) or {}).get(role or "")
    owner = owner_of(engine, assessed) if isinstance(assessed, str) else None
    if owner is None:
        message = f"nobody is named, and the {group} has no owner"
        raise Invalid(message, field="user", remedy=f"Send the id of the {engine.app.subject}.")
    return owner


def known(engine: Engine, ref: EntityRef) -> bool:
    """Return whether an entity was ever named in the log, also by another process a moment ago."""
    if ref in engine.state.registry.numbers:
        return True
    engine.catch_up()
    return ref in engine.state.registry.numbers


def check_tracked(engine: Engine, type: str, target: EntityRef | None) -> None:
    """Raise Invalid for what a token that may only track may not record: facts, and items nobody knows."""
    if type in RESERVED:
        remedy = "Send it with a token that has the scope write."
        raise Invalid("this token records interactions, no facts", field="type", remedy=remedy)
    if target is not None and not known(engine, target):
        remedy = f"Set the {target.kind} first, then repair this row."
        raise Invalid(f"no {target.kind} of that id", field="target", remedy=remedy)


def _of_ours(engine: Engine, named: str, error: Invalid) -> Invalid:
    """Return an error of the log's check in the words of this operation."""
    ours = {"type": "interaction_type", "actor": "user", f"fields.{engine.app.values.get(named)}": "interaction_value"}
    field = error.field or ""
    field = ours.get(field, f"context.{field.removeprefix('fields.')}" if field.startswith("fields.") else field)
    error.field = field.replace("context.context", "context")
    return error


ONE = {"interaction_type": "view", "interaction_value": 41.5, "user": "u1", "query_id": "q_1", "id": "i1"}

OPERATIONS = (
    Operation(
        name="interactMany",
        method="POST",
        path=f"{PATH}/interact",
        scope=TRACK,
        tag="recommendations",
        summary="Record up to 1,000 interactions, with a receipt each.",
        body=Any,
        shape=Interactions,
        returns=answers.Receipts,
        examples={"two": [{"recommendation_id": "r1", **ONE}, {"recommendation_id": "r2", "interaction_type": "save"}]},
        answer={
            "received": 1, "accepted": 1, "duplicates": 0, "conflicts": 0, "quarantined": 0,
            "receipts": [{"verdict": "accepted", "id": "i1", "sequence": 17}],
        },
        also={507: "The disk refuses; nothing was written."},
        lane=WRITE,
        keyed=True,
        call=interact_many,
    ),
    Operation(
        name="interact",
        method="POST",
        path=f"{PATH}/interact/{{id}}",
        scope=TRACK,
        tag="recommendations",
        summary="Record what somebody did with a recommendation; acknowledged means on disk.",
        body=Interact,
        returns=Done,
        examples={"view": ONE, "done": {"interaction_type": "implement", "context": {"session": "s1"}}},
        answer={"status": "accepted", "message": "view of r1 recorded", "id": "i1"},
        also={409: "The id belongs to another interaction.", 507: "The disk refuses; nothing was written."},
        lane=WRITE,
        keyed=True,
        call=interact,
    ),
)  # fmt: skip
