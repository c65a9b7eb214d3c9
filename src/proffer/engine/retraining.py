"""Why a pipeline is trained before its plan says so, or left alone although it does."""

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from proffer.app import Pipeline
from proffer.core import jobs
from proffer.engine.live_quality import LiveQuality, live_quality
from proffer.engine.train import MIN_INTERACTIONS

if TYPE_CHECKING:
    from proffer.engine.engine import Engine


RECENT = 50
"""So many of the last trainings are looked through for one of the same cause."""


class Cause(NamedTuple):
    """Why a training is asked for; `key` is the same in every process, so that of several one asks, and once."""

    by: jobs.Cause
    key: str
    text: str


def interactions(engine: "Engine") -> int:
    """Return how many answers of a subject to an item the log holds."""
    return len(engine.state.interactions().item)


def enough(engine: "Engine") -> int:
    """Return how many interactions are worth a training."""
    return int(engine.settings.training.get("min_interactions", MIN_INTERACTIONS))


def first(engine: "Engine", pipeline: Pipeline) -> Cause | None:
    """Return why a pipeline without any version that this code can serve is trained, None where too little happened.

    A try that fails, for all its interactions, is made again when they have doubled, and with another feature view.
    """
    count, needed, view = interactions(engine), enough(engine), engine.app.view.version
    if count < needed or any(version.schema == view for version in engine.stores.registry.history(pipeline.name)):
        return None
    cause = Cause(
        "first", f"first {pipeline.name} {view} {int(math.log2(count / needed))}",
        f"{count:,} interactions are in the log, {needed:,} are enough for a first training",
    )  # fmt: skip
    return None if asked(engine, pipeline, cause) else cause


def asked(engine: "Engine", pipeline: Pipeline, cause: Cause) -> bool:
    """Return whether a training was asked for by the same cause."""
    return any(job.key == cause.key for job in engine.stores.jobs.find(pipeline=pipeline.name, limit=RECENT))


def drifted(engine: "Engine", pipeline: Pipeline) -> tuple[LiveQuality | None, Cause | None]:
    """Return how good what serves is, and why to train anew where that is worse than its report promised."""
    quality = live_quality(engine, pipeline)
    if quality is None or not quality.broken:
        return quality, None
    assert quality.ndcg is not None
    assert quality.promise is not None
    text = (
        f"{quality.version} ranks worse than promised: NDCG@10 {quality.ndcg.value:.3f} on {quality.lists:,} served "
        f"lists, at most {quality.ndcg.high:.3f}, where its report says at least {quality.promise.low:.3f}"
    )
    cause = Cause("drift", f"drift {pipeline.name} {quality.version}", text)
    return quality, None if asked(engine, pipeline, cause) else cause


def quiet(engine: "Engine", pipeline: Pipeline, now: datetime) -> str | None:
    """Return why a planned training can wait: too little happened since the last one, and that one is not old."""
    newest = next(iter(engine.stores.registry.history(pipeline.name)), None)
    if pipeline.quiet is None or pipeline.name in engine.settings.schedule or newest is None:
        return None
    due = newest.created_at + pipeline.quiet
    since = int((engine.state.interactions().at >= newest.created_at.timestamp()).sum())
    if since >= enough(engine) or now >= due - timedelta(days=1):
        return None
    some = f"{since:,} interactions since the last training"
    return f"{some}, {enough(engine):,} are worth another one before {due:%Y-%m-%d}"
