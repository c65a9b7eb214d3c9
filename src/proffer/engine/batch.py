"""Slates for many subjects at once, decided at one time and not logged."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from proffer.core.checks import check_id
from proffer.core.entities import EntityRef
from proffer.core.queries import Query
from proffer.engine import serve
from proffer.engine.engine import Engine
from proffer.engine.queries import check_n


class Recommended(NamedTuple):
    """One row of a batch."""

    user: str
    item: str
    score: float
    rank: int


def recommend_all(
    engine: Engine, subjects: Sequence[str], *, n: int, at: datetime, pipeline: str | None = None,
    group: str | None = None,
) -> Iterator[list[Recommended]]:  # fmt: skip
    """Yield each subject's slate in the order given, as of the same position of the log and the same time.

    With a group its members are the candidates. Nothing is logged or counted: a batch is not a decision somebody saw.
    Raises Invalid for an impossible `n`, NotFound for an unknown group.
    """
    name = engine.app.pipeline(pipeline).name if pipeline else engine.app.pipelines[0].name
    check_n(n)
    for number, subject in enumerate(subjects):
        ref = EntityRef(engine.app.subject, check_id(subject, "user"))
        query = Query(id=f"batch_{number}", pipeline=name, subject=ref, at=at, n=n, group=group)
        decision = serve.recommend(engine, query, time.perf_counter(), drawing=False)
        yield [Recommended(subject, placed.id, placed.score, placed.rank) for placed in decision.slate]
