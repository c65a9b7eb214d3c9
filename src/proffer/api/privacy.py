"""Operations for somebody's rights: a copy of everything that is kept of an entity, and its erasure."""

from typing import Any

from proffer.api import messages
from proffer.api.entities import PATH
from proffer.api.operations import ADMIN, WRITE, Call, Operation
from proffer.core.entities import EntityRef
from proffer.engine.erase import Erased
from proffer.engine.export import Export


def export(call: Call) -> Export:
    """Return everything that is kept of an entity; others in it go by pseudonyms."""
    return call.engine.export(EntityRef(call.path["kind"], call.path["id"]))


def erase(call: Call) -> Erased:
    """Erase an entity from the log and all that follows from it, for good; repeat it where it was interrupted.

    Without `texts` an id stays where it stands among other words in a text of somebody else, and `mentions` counts
    those. What has the id of an erased event and is sent again counts as a duplicate.
    """
    asked: messages.EraseQuery = call.query
    return call.engine.erase([EntityRef(call.path["kind"], call.path["id"])], texts=asked.texts)


PSEUDONYM = "1-eb7ab53e19c6e9a1cb6ec4ef94d3a0ad"
EXPORTED: dict[str, Any] = {
    "workspace": "feed", "kind": "user", "id": "u1", "at": "2026-01-31T12:00:00Z", "as_of": 4, "names": ["visitor-7"],
    "attributes": {"language": "sv"}, "entities": ["post/p7"], "features": {"user_events": 2.0},
    "rows": [{"scope": "user", "values": {"user_events": 2.0}}],
    "events": [
        {"id": "e1", "type": "like", "at": "2026-01-31T11:00:00Z", "sequence": 3,
         "actor": {"kind": "user", "id": "u1"}, "target": {"kind": "post", "id": "p1"}},
    ],
    "decisions": [], "quarantined": [],
}  # fmt: skip
ERASED: dict[str, Any] = {
    "kind": "user", "pseudonyms": [PSEUDONYM], "sequence": 5, "at": "2026-01-31T12:00:00Z", "names": 2, "events": 3,
    "decisions": 1,
}  # fmt: skip

OPERATIONS = (
    Operation(
        name="exportEntity",
        method="GET",
        path=f"{PATH}/export",
        scope=ADMIN,
        summary="Return everything that is kept of an entity: events, attributes, state, decisions, refused rows.",
        returns=Export,
        answer=EXPORTED,
        call=export,
    ),
    Operation(
        name="eraseEntity",
        method="POST",
        path=f"{PATH}/erase",
        scope=ADMIN,
        summary="Erase an entity from everything that is kept, for good.",
        query=messages.EraseQuery,
        returns=Erased,
        answer=ERASED,
        also={409: "The pseudonym key is not the one of earlier erasures.", 507: "The disk refuses."},
        lane=WRITE,
        call=erase,
    ),
)
