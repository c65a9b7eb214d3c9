"""Small pasts, worked out by hand."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from proffer.app import Pipeline, Settings
from proffer.apps.feed.app import HOME, app
from proffer.core.entities import EntityRef
from proffer.core.events import Event
from proffer.engine.past import Past
from proffer.engine.protocols import Judged, Walk
from proffer.models.retrievers.newest import Newest
from proffer.models.retrievers.popularity import DecayedPopularity
from tests.engine.worlds import START

HOUR = timedelta(hours=1)
TWO = replace(HOME, retrievers=(Newest, DecayedPopularity), heuristics={}, ladder=("newest",), templates=())
"""The home pipeline with two sources."""


def happens(hours: float, type: str, actor: str, target: str | None = None, kind: str = "post") -> Event:
    """Return an event so many hours after the start; a fact is about a post."""
    ref = None if target is None else EntityRef(kind, target)
    doer = EntityRef("post" if type == "entity.set" else "user", actor)
    return Event(id=f"{hours}/{type}/{actor}", type=type, at=START + hours * HOUR, actor=doer, target=ref)


BY_HAND = [
    happens(8, "entity.set", "a"),
    happens(9, "entity.set", "b"),
    happens(10, "view", "u1", "a"),
    happens(11, "view", "u2", "a"),
    happens(12, "view", "u2", "b"),
    happens(32, "entity.set", "c"),
    happens(33, "impression", "u1", "c"),  # u1's list is made here: c and b, for a was touched.
    happens(33.1, "view", "u1", "c"),
    happens(33.2, "view", "u1", "a"),  # nothing new to u1
    happens(34, "entity.set", "d"),
    happens(34.5, "view", "u2", "d"),  # u2's list is made here, just before: d and c.
    happens(35, "entity.set", "e"),
    happens(35.5, "view", "u2", "e"),  # e did not exist then: a miss for every list
    happens(35.6, "view", "u2", "c"),
    happens(36, "hide", "u3", "a"),  # wanted nothing: no list
]
"""A day of two lists, with all that can be wanted, missed and unknown."""


def past(events: Iterable[Event], pipeline: Pipeline = TWO, settings: Settings | None = None) -> Past:
    """Return the past of a log with these events in this order."""
    numbered = [
        Event(id=e.id, type=e.type, at=e.at, actor=e.actor, target=e.target, query_id=e.query_id, fields=e.fields,
              sequence=place)
        for place, e in enumerate(events, 1)
    ]  # fmt: skip
    return Past.of(replace(app, pipelines=(pipeline,)), pipeline, settings or Settings(), numbered)


def made_of(judged: Judged) -> tuple[Sequence[str], bytes, bytes]:
    """Return what a list is made of: the ids of its pool, every source's scores, who proposed what."""
    ids = [judged.state.ids[ordinal] for ordinal in judged.pool.ordinals]
    return ids, judged.pool.scores.tobytes(), judged.pool.proposed.tobytes()


def phases(walk: Walk, lists: int = 1000) -> dict[str, list[tuple[str, int, int, int]]]:
    """Return (user, wanted in the pool, missed, unknown) of every list, phase by phase."""
    return {
        phase: [(one.user, int(one.relevant.sum()), one.missed, one.unknown) for one in walk.phase(phase, lists)]
        for phase in ("blend", "learn", "choose", "report")
    }
