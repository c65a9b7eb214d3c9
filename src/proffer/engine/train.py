"""Training: choose on earlier time, report on later time, fit on all, save, promote."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from proffer.app import Pipeline
from proffer.core.errors import CannotTrain
from proffer.core.ports import ModelVersion
from proffer.engine.backtest import EPOCH, Past, fit
from proffer.engine.evaluate import Report, choose, judge, read
from proffer.engine.fitted import Fitted, unfitted
from proffer.features.replay import replay
from proffer.features.state import State

if TYPE_CHECKING:
    from proffer.engine.engine import Engine, Progress

FEWEST = 20
REPORT_LISTS = 1500
SEED = 0


def train(engine: "Engine", pipeline: Pipeline, progress: "Progress | None") -> ModelVersion:
    """Back-test and fit a pipeline and save the version. Raises CannotTrain naming what is missing."""
    if pipeline.weights:
        raise CannotTrain(f"{pipeline.name} declares its weights", remedy="Train another pipeline.")
    past = Past.of(engine.app, pipeline, engine.settings, read(engine))
    acts = [event.at for event in past.events if past.acts(event)]
    if len(acts) < FEWEST:
        missing = f"{len(acts)} interactions of a {engine.app.subject} with a {engine.app.item} are in the log"
        raise CannotTrain(f"{missing}, {FEWEST} are needed", remedy="Import or record more events, then train again.")
    since = reporting_start(past, acts)
    choice = choose(past, since, seed=SEED, progress=progress)
    report = judge(
        past, choice, since, acts[-1] + timedelta(seconds=1), lists=REPORT_LISTS, seed=SEED, progress=progress
    )
    # A state of its own: the live one is folded on meanwhile.
    state = replay(
        engine.stores.log, engine.app.view, engine.app.schema, subject=engine.app.subject, item=engine.app.item,
        snapshots=engine.stores.snapshots,
    )  # fmt: skip
    fitted = fit(unfitted(pipeline), state, engine.clock.now(), engine.settings.labels)
    return save(engine, Fitted(pipeline, fitted.retrievers, choice.weights), state, report)


def reporting_start(past: Past, acts: list[datetime]) -> datetime:
    """Return the day that leaves the newest tenth of user-days to report on: at least 50, no more than half."""
    days = past.user_days(acts[0], acts[-1] + timedelta(seconds=1))
    keep = min(max(len(days) // 10, 50), REPORT_LISTS, len(days) // 2)
    return EPOCH + timedelta(days=days[len(days) - max(keep, 1)][0])


def save(engine: "Engine", fitted: Fitted, state: State, report: Report) -> ModelVersion:
    """Write the fitted parts with the table of the back-test."""
    parameters, arrays = fitted.parameters()
    return engine.stores.registry.save(
        fitted.pipeline.name,
        report.champion,
        schema=engine.app.view.version,
        position=state.position,
        parameters=parameters,
        metrics=msgspec.to_builtins(report),
        arrays=arrays,
        at=engine.clock.now(),
    )
