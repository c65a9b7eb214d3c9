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
