"""Training: evaluate, fit what was judged on everything, save it, and release it only if it won."""

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import msgspec

from proffer.app import Pipeline
from proffer.core.errors import CannotTrain, Invalid
from proffer.core.ports import ModelVersion
from proffer.engine.evaluate import Outcome, Task, study
from proffer.engine.fitted import Fitted, fit, unfitted
from proffer.engine.golden import golden, golden_queries
from proffer.engine.past import Past
from proffer.engine.plan import Budget
from proffer.engine.previous import previous_of
from proffer.engine.provenance import provenance
from proffer.engine.report import Report
from proffer.engine.walks import walk
from proffer.features.replay import replay
from proffer.features.state import State

if TYPE_CHECKING:
    from proffer.engine.engine import Engine, Progress

FEWEST = 20
REPORT_LISTS = 1500


def train(
    engine: "Engine", pipeline: Pipeline, *, budget: Budget, seed: int, search: bool, progress: "Progress | None"
) -> ModelVersion:  # fmt: skip
    """Evaluate a pipeline on its newest days, fit the champion on all there is and save it.

    Without `search` the recipe that serves is taken over and only fitted and judged anew; where none serves, one is
    searched for. Raises CannotTrain naming what is missing and what serves instead.
    """
    if pipeline.weights:
        raise CannotTrain(f"{pipeline.name} declares its weights", remedy="Train another pipeline.")
    # The past and its state are gone before the final fit makes a state of its own.
    outcome = searched(engine, pipeline, budget=budget, seed=seed, search=search, progress=progress)
    return save(engine, outcome, pipeline)


def searched(
    engine: "Engine", pipeline: Pipeline, *, budget: Budget, seed: int, search: bool, progress: "Progress | None"
) -> Outcome:  # fmt: skip
    """Return what an evaluation on the newest days found."""
    past = Past.read(engine.app, pipeline, engine.settings, engine.stores.log, decisions=engine.stores.decisions)
    if len(past.acts) < FEWEST:
        acts = f"{len(past.acts)} interactions of a {engine.app.subject} with a {engine.app.item} are in the log"
        cannot(engine, pipeline, f"{acts}, {FEWEST} are needed", "Import or record more events, then train again.")
    task = Task(
        pipeline, engine.settings, budget, seed, REPORT_LISTS, previous_of(engine, pipeline), search,
        progress=progress,
    )  # fmt: skip
    try:
        return study(walk(past, "daily", seed=seed), task)
    except (CannotTrain, Invalid) as error:
        cannot(engine, pipeline, error.message, error.remedy)


def cannot(engine: "Engine", pipeline: Pipeline, why: str, remedy: str | None) -> NoReturn:
    """Raise CannotTrain saying why, and what serves instead."""
    serving = engine.fitted[pipeline.name]
    what = f"model {serving.version}" if serving.weights else pipeline.ladder[0]
    raise CannotTrain(f"cannot train because {why}, serving {what} instead", remedy=remedy)


def save(engine: "Engine", outcome: Outcome, pipeline: Pipeline) -> ModelVersion:
    """Fit the champion's recipe on everything and write it with the whole report."""
    # A state of its own: the live one is folded on meanwhile.
    state = replay(
        engine.stores.log, engine.app.view, engine.app.schema, subject=engine.app.subject, item=engine.app.item,
        snapshots=engine.stores.snapshots,
    )  # fmt: skip
    report = outcome.report
    fitted = unfitted(pipeline, settings=outcome.settings, without=report.plan.without)
    fitted = fit(fitted, state, engine.clock.now(), engine.settings.labels)
    return write(engine, replace(fitted, weights=outcome.recipe.weights, ranker=outcome.recipe.ranker), state, report)


def wins(version: ModelVersion) -> bool:
    """Return whether a version's report lets it serve."""
    return bool(version.metrics["gate"]["wins"])


def write(engine: "Engine", fitted: Fitted, state: State, report: Report) -> ModelVersion:
    """Save a fitted pipeline with the whole report and golden rows."""
    parameters, arrays = fitted.parameters()
    queries = golden_queries(state, fitted.pipeline.name, engine.app.subject)
    asked, answered = golden(fitted, engine.settings, state, queries)
    return engine.stores.registry.save(
        fitted.pipeline.name,
        report.champion,
        schema=engine.app.view.version,
        position=state.position,
        parameters=parameters | asked,
        metrics=msgspec.to_builtins(report),
        arrays=arrays | answered,
        at=engine.clock.now(),
        **provenance(state),
    )
