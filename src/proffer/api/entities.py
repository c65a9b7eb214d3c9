"""Operations on entities: each is an event of the log."""

from typing import Any

from proffer.api.events import record_one
from proffer.api.operations import BASE, READ, WRITE, Answer, Call, Operation
from proffer.core.entities import EntityRef
from proffer.core.errors import NotFound
from proffer.core.events import ENTITY_DELETE, ENTITY_SET


def put(call: Call) -> dict[str, Any]:
    """Replace an entity's attributes: what is left out is unset.

    Every declared attribute is named in the event, so that it means the same whatever was known before.
    """
    ref = EntityRef(call.path["kind"], call.path["id"])
    values = call.engine.app.schema.attributes(ref.kind, call.body)
    declared = call.engine.app.schema.entities[ref.kind].attributes
    fields = {**{attribute.name: None for attribute in declared}, "extra": None, **values}
    row = {"type": ENTITY_SET, "actor": ref._asdict(), "fields": fields}
    record_one(call.engine, row, call.key)
    return call.engine.reader.entity(*ref)


def get(call: Call) -> dict[str, Any]:
    """Return an entity's attributes."""
    return call.engine.reader.entity(call.path["kind"], call.path["id"])


def delete(call: Call) -> Answer:
    """Take an entity out of every slate from now on; its events stay in the log."""
    ref = EntityRef(call.path["kind"], call.path["id"])
    if ref.kind not in call.engine.app.schema.entities or call.engine.state.attributes(ref) is None:
        raise NotFound(f"no {ref.kind[:40]} of that id", field="id", remedy="Look at its kind and id.")
    record_one(call.engine, {"type": ENTITY_DELETE, "actor": ref._asdict()})
    return Answer(status=204)


PATH = f"{BASE}/entities/{{kind}}/{{id}}"
POST = {"title": "Harvest in the north", "category": "farming", "author": "u7", "published_at": "2026-01-31T08:00:00Z"}

OPERATIONS = (
    Operation(
        name="putEntity",
        method="PUT",
        path=PATH,
        scope=WRITE,
        summary="Set what is known of an entity; attributes left out are unset.",
        body=dict[str, Any],
        returns=dict[str, Any],
        examples={"post": POST},
        answer=POST,
        also={409: "The Idempotency-Key belongs to another change.", 507: "The disk refuses; nothing was written."},
        lane=WRITE,
        keyed=True,
        call=put,
    ),
    Operation(
        name="getEntity",
        method="GET",
        path=PATH,
        scope=READ,
        summary="Return what is known of an entity.",
        returns=dict[str, Any],
        answer=POST,
        from_memory=True,
        call=get,
    ),
    Operation(
        name="deleteEntity",
        method="DELETE",
        path=PATH,
        scope=WRITE,
        summary="Take an entity out of every slate from now on.",
        status=204,
        lane=WRITE,
        call=delete,
    ),
)
