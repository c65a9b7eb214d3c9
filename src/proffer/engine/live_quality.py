"""How good what serves is by what people answered to it, beside what its report promised."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from proffer.app import Pipeline
from proffer.core.clock import first_id
from proffer.core.decisions import Decision
from proffer.core.labels import Labels
from proffer.core.ports import ModelVersion
from proffer.engine.comparison import Comparison
from proffer.engine.lists import Answers
from proffer.engine.measure import TARGET
from proffer.engine.metrics import Interval, due_gains, gains, intervals, list_ndcg
from proffer.engine.protocols import SERVED
from proffer.engine.wanted import answers_of
from proffer.models.examination import Examination

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

FEWEST = 30
"""Fewer answered lists say nothing of a model."""
MOST, PAGE = 2_000, 500
STEP, OLDEST, SEED = timedelta(days=1), timedelta(days=90), 0


class LiveQuality(msgspec.Struct, frozen=True, kw_only=True):
    """NDCG@10 of the lists that a version served since it was put in charge and that were answered, with an interval.

    It is that of the order of relevance, before diversity and chance, measured as the report measures: `promise` is the
    report's. None of both below 30 answered lists, or where the report judged something else than served lists.
    """

    version: str
    since: datetime
    lists: int
    ndcg: Interval | None = None
    promise: Interval | None = None

    @property
    def broken(self) -> bool:
        """Return whether it lies below the promise by more than both intervals."""
        if self.ndcg is None or self.promise is None or self.ndcg.high is None or self.promise.low is None:
            return False
        return self.ndcg.high < self.promise.low


def live_quality(engine: "Engine", pipeline: Pipeline) -> LiveQuality | None:
    """Return how good the version that serves a pipeline is, None where none does or its report judged otherwise."""
    version, _ = engine.stores.registry.champion(pipeline.name)
    if version is None or version.metrics.get("protocol") != SERVED:
        return None
    promoted = [one.at for one in engine.stores.registry.promotions(pipeline.name) if one.version == version.id]
    since = max(promoted, default=version.created_at)
    served = closed(engine, pipeline, version, since)
    answered = answers_of(engine, pipeline, [(one.id, one.query) for one in served])
    lists = [(one, found) for one in served if (found := answered[one.id]).wanted]
    told = LiveQuality(version=version.id, since=since, lists=len(lists))
    if len(lists) < FEWEST:
        return told
    labels, chances = engine.app.labels_in_force(engine.settings), version.metrics.get("examination")
    examination = None if chances is None else Examination(chances)
    measured = np.array([_measured(one, found, examination, labels) for one, found in lists])
    kept = measured[:, 1] > 0
    people = np.unique([one.query.subject.id for one, _ in lists], return_inverse=True)[1]
    ndcg = intervals(measured[kept, :1], people[kept], [TARGET], SEED, weights=measured[kept, 1])[TARGET]
    return msgspec.structs.replace(told, ndcg=ndcg, promise=Comparison.of(version.metrics).ndcg)


def closed(engine: "Engine", pipeline: Pipeline, version: ModelVersion, since: datetime) -> list[Decision]:
    """Return the newest decisions that a version made by itself and that nothing can answer any more.

    One whose request weighed objectives was not ordered by relevance alone.
    """
    until = engine.clock.now() - engine.app.labels_in_force(engine.settings).window
    since, found = max(since, until - OLDEST), list[Decision]()
    while until > since and len(found) < MOST:
        start = max(since, until - STEP)
        found = [*_made(engine, pipeline, version, start, until), *found]
        until = start
    return found[-MOST:]


def _made(
    engine: "Engine", pipeline: Pipeline, version: ModelVersion, since: datetime, until: datetime
) -> list[Decision]:
    after, end, found = first_id("d", since), first_id("d", until), list[Decision]()
    while page := engine.stores.decisions.find(after=after, limit=PAGE):
        found += [
            one
            for one in page
            if one.id < end and one.model == version.id and one.tradeoff is None
            and one.query.pipeline == pipeline.name
        ]  # fmt: skip
        if (after := page[-1].id) >= end:
            break
    return found


def _measured(
    decision: Decision, found: Answers, examination: Examination | None, labels: Labels
) -> tuple[float, float]:  # fmt: skip
    """Return NDCG@10 of a decision's order of relevance, and how much the list counts: as a report of the protocol.

    What stood where few look counts for all the times it was not looked at, what was not shown for half of the rest.
    """
    grades = dict(zip(found.items, found.grades.tolist(), strict=True))
    ranks = {placed.id: placed.rank for placed in decision.slate}
    ids = decision.considered.ids
    positions = np.array([ranks.get(id, 0) for id in ids], np.int64)
    held = np.array([grades.get(id, 0.0) for id in ids])
    told, seen = found.telling(held, positions)
    if seen is not None:
        positions, held, told = positions[seen], held[seen], told[seen]
    chances = np.ones(len(held)) if examination is None or seen is not None else examination.at(positions)
    due = due_gains(gains(held, labels.gain), chances, told)
    return list_ndcg(due * chances, chances, np.arange(len(held)), 10)
