"""What was wanted in answer to some decisions: read by index, not by reading the whole log."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from proffer.app import Pipeline
from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.core.events import Event
from proffer.core.queries import Query
from proffer.engine.grades import Grader
from proffer.engine.lists import Answers
from proffer.engine.logged import Joined, answers_to

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

PAGE = 1000
NO_ANSWERS = Answers((), np.empty(0))


def wanted(engine: "Engine", pipeline: Pipeline, asked: Sequence[tuple[str, Query]]) -> dict[str, frozenset[str]]:
    """Return for decisions, given by id and query, the items wanted in answer to each within `Labels.window`."""
    return {id: frozenset(found.wanted) for id, found in answers_of(engine, pipeline, asked).items()}


def answers_of(engine: "Engine", pipeline: Pipeline, asked: Sequence[tuple[str, Query]]) -> dict[str, Answers]:
    """Return for decisions, given by id and query, the grade of each item answered to within `Labels.window`.

    Events join decisions as in training: by the query they name, else the subject's last decision that considered the
    item.
    """
    by_subject: dict[EntityRef, dict[str, Query]] = {}
    for id, query in asked:
        by_subject.setdefault(query.subject, {})[id] = query
    labels = engine.app.labels_in_force(engine.settings)
    found: dict[str, Answers] = {}
    for subject, queries in by_subject.items():
        joined = _joined(engine, pipeline, subject, [*queries.values()])
        found |= {id: joined[id].graded(labels) if id in joined else NO_ANSWERS for id in queries}
    return found


def _joined(engine: "Engine", pipeline: Pipeline, subject: EntityRef, asked: Sequence[Query]) -> dict[str, Joined]:
    """Return a subject's decisions by id, with the events that answer those asked for."""
    grader = Grader(engine.app, engine.settings)
    window = grader.labels.window
    since, until = min(query.at for query in asked), max(query.at for query in asked) + window
    mine = {one.id: Joined(one) for one in _decisions(engine, subject, pipeline, since - window, until)}
    ordered = sorted(mine.values(), key=lambda one: one.at)
    by_query = {one.decision.query.id: one for one in ordered}
    for event in _events(engine, subject, asked, window):
        weight, target, at = grader(event), event.target, event.at.timestamp()
        if weight and target is not None and target.kind == engine.app.item:
            one = answers_to(event, target.id, at, by_query, ordered, window.total_seconds())
            # A query may be named later: by then its decision is closed.
            if one is not None and one.at <= at <= one.at + window.total_seconds():
                one.answer(event, target.id, weight, grader.labels)
    return mine


def _decisions(
    engine: "Engine", subject: EntityRef, pipeline: Pipeline, since: datetime, until: datetime
) -> Iterator[Decision]:
    after = ""
    while page := engine.stores.decisions.find(subject=subject, after=after, limit=PAGE):
        yield from (one for one in page if one.query.pipeline == pipeline.name and since <= one.query.at <= until)
        after = page[-1].id


def _events(engine: "Engine", subject: EntityRef, asked: Sequence[Query], window: timedelta) -> Iterator[Event]:
    """Yield what may answer some decisions of a subject, each event once: what it did, and what names their queries."""
    since, until = min(query.at for query in asked), max(query.at for query in asked) + window
    seen: set[int] = set()
    for event in _pages(engine, since, until, entity=subject):
        if event.actor == subject:
            seen.add(event.sequence)
            yield event
    for query in asked:
        for event in _pages(engine, query.at, query.at + window, query_id=query.id):
            if event.sequence not in seen:
                yield event


def _pages(
    engine: "Engine", since: datetime, until: datetime, *, entity: EntityRef | None = None, query_id: str | None = None
) -> Iterator[Event]:
    after = 0
    while page := engine.stores.log.find(
        entity=entity, query_id=query_id, since=since, until=until, after=after, limit=PAGE
    ):
        yield from page
        after = page[-1].sequence
