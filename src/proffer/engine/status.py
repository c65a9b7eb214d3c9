"""What serves each pipeline and why: the model or the ladder, where the model comes from, and how it compared."""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from proffer.app import Exploration, Pipeline
from proffer.core.jobs import Job
from proffer.core.ports import ModelVersion, Promotion
from proffer.engine.comparison import Comparison
from proffer.engine.explore import exploration_of
from proffer.engine.live_quality import LiveQuality
from proffer.engine.release import none_serves

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

RECENT = 5


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model version comes from: see `ModelVersion`; `age_s` is how long ago it was fitted."""

    id: str
    name: str
    created_at: datetime
    age_s: float
    code: str
    schema: str
    position: int
    since: datetime | None
    until: datetime | None
    events: int

    @classmethod
    def of(cls, version: ModelVersion, now: datetime) -> "Origin":
        """Return the origin of a version, seen from now."""
        told = {name: getattr(version, name) for name in cls.__struct_fields__ if name != "age_s"}
        return cls(age_s=round((now - version.created_at).total_seconds(), 3), **told)


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """The newest version, and how it compared."""

    model: Origin
    comparison: Comparison


class PipelineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What answers for a pipeline: a `model`, the `declared` weights, or the `ladder`, whose first rung is `rung`.

    `why` says why no model serves. `model` and `comparison` are those of the version that serves, `latest` is the
    newest one where that is another. `revision` is what to promote against, `schema` the feature view in force. `live`
    says how good what serves is by what was answered to it, as of the last look of the process that trains.
    """

    pipeline: str
    serves: Literal["model", "declared", "ladder"]
    rung: str | None
    why: str | None
    revision: int
    schema: str
    exploration: Exploration
    promotions: list[Promotion]
    model: Origin | None = None
    comparison: Comparison | None = None
    latest: Trained | None = None
    job: Job | None = None
    next_training: datetime | None = None
    live: LiveQuality | None = None


def status(engine: "Engine", pipeline: Pipeline, next_training: datetime | None = None) -> PipelineStatus:
    """Return what serves a pipeline and why, with the last training that was asked for."""
    registry, now, name = engine.stores.registry, engine.clock.now(), pipeline.name
    fitted, (champion, revision) = engine.fitted[name], registry.champion(name)
    model = champion if champion is not None and fitted.version == champion.id else None
    newest = next(iter(registry.history(name)), None)
    why = fitted.why
    if champion is None and why is not None:
        why = none_serves(registry, name) or why
    return PipelineStatus(
        pipeline=name,
        serves="model" if model else "ladder" if why is not None else "declared",
        rung=None if model or why is None else pipeline.ladder[0],
        why=why,
        revision=revision,
        schema=engine.app.view.version,
        exploration=exploration_of(pipeline, engine.settings),
        promotions=registry.promotions(name)[:RECENT],
        model=None if model is None else Origin.of(model, now),
        comparison=None if model is None else Comparison.of(model.metrics),
        latest=None if newest is None or newest == model else trained(newest, now),
        job=engine.jobs.last(name),
        next_training=next_training,
        live=engine.jobs.live.get(name),
    )


def trained(version: ModelVersion, now: datetime) -> Trained:
    """Return where a version comes from and how it compared."""
    return Trained(model=Origin.of(version, now), comparison=Comparison.of(version.metrics))
