"""Events and decisions to try stores with."""

from datetime import UTC, datetime, timedelta
from typing import Any

from proffer.core.decisions import Considered, Decision, Placed, Reason
from proffer.core.entities import EntityRef
from proffer.core.events import Event
from proffer.core.queries import Query

START = datetime(2026, 1, 1, tzinfo=UTC)

NAUGHTY = (
    "caf\u00e9", "cafe\u0301", "\U0001f600\U0001f3fd", "\u202eevil\u202c", "\u0645\u0631\u062d\u0628\u0627",
    "a\u200bb", "'; DROP TABLE events; --", "%_*[a-z]", '{"id": 1}', " leading", "trailing ", "NULL", "0", "-0",
    "\u00c5", "\u212b", "\ufeffx", "\U0010ffff", "x" * 256,
)  # fmt: skip
"""Ids that differ byte by byte and must come back as they were: composed and decomposed, right to left, 4 bytes."""


def sample_event(
    id: str, *, type: str = "like", user: str = "u1", post: str | None = "p1", after: float = 0.0,
    query_id: str | None = None, **fields: Any,
) -> Event:  # fmt: skip
    """Return an event of a user with a post, `after` seconds from the start of 2026.

    >>> sample_event("e1", after=60).at.isoformat()
    '2026-01-01T00:01:00+00:00'
    """
    target = None if post is None else EntityRef("post", post)
    at = START + timedelta(seconds=after)
    return Event(
        id=id, type=type, at=at, actor=EntityRef("user", user), target=target, query_id=query_id, fields=fields
    )


def sample_decision(id: str, *, user: str = "u1", items: int = 3) -> Decision:
    """Return a decision of that many posts for a user."""
    ids = tuple(f"p{place}" for place in range(items))
    scores = tuple(1.0 / (place + 3) for place in range(items))
    reason = Reason(code="popular", text="Much read today", values={"count": 7.0})
    return Decision(
        id=id,
        query=Query(id=f"q_{id}", pipeline="main", subject=EntityRef("user", user), at=START, n=items),
        as_of=7,
        considered=Considered(sources=("newest",), ids=ids, scores=scores, proposed=(1,) * items),
        slate=tuple(
            Placed(id=post, rank=rank, score=score, sources={"newest": score}, reasons=(reason,))
            for rank, (post, score) in enumerate(zip(ids, scores, strict=True), 1)
        ),
        model="m_1",
        schema="v1",
    )
