"""Training: evaluate, fit what was judged on everything, save it, and release it only if it won."""

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import msgspec
import numpy as np

from proffer.app import Pipeline
from proffer.core.errors import CannotTrain, Invalid
from proffer.core.ports import ModelVersion
from proffer.engine.evaluate import Outcome, Task, study
from proffer.engine.fitted import Fitted, fit, unfitted
from proffer.engine.golden import golden, golden_queries
from proffer.engine.options import DEFAULT, Options
from proffer.engine.past import DAY, Past
from proffer.engine.plan import Budget
from proffer.engine.previous import previous_of
from proffer.engine.protocols import SERVED
from proffer.engine.provenance import provenance
from proffer.engine.report import Report
from proffer.features.replay import last_erasure, replay
from proffer.features.state import State

if TYPE_CHECKING:
    from proffer.engine.engine import Engine, Progress

FEWEST = 20
MIN_INTERACTIONS = 100
"""So many are worth a training that nobody asked for."""
REPORT_LISTS = 1500


def train(
    engine: "Engine", pipeline: Pipeline, *, budget: Budget, seed: int, search: bool, progress: "Progress | None",
    options: Options = DEFAULT, debias: bool = True,
) -> ModelVersion:  # fmt: skip
    """Evaluate a pipeline on its newest days, fit the champion on all there is and save it.

    Without `search` the recipe that serves is taken over and only fitted and judged anew; where none serves, one is
    searched for. Raises CannotTrain naming what is missing and what serves instead.
    """
    if pipeline.weights:
        raise CannotTrain(f"{pipeline.name} declares its weights", remedy="Train another pipeline.")
    # The past and its state are gone before the final fit makes a state of its own.
    outcome = searched(
        engine, pipeline, budget=budget, seed=seed, search=search, progress=progress, options=options, debias=debias
    )
    return save(engine, outcome, pipeline)


def searched(
    engine: "Engine", pipeline: Pipeline, *, budget: Budget, seed: int, search: bool, progress: "Progress | None",
    options: Options = DEFAULT, debias: bool = True,
) -> Outcome:  # fmt: skip
    """Return what an evaluation on the newest days found."""
    cleared = last_erasure(engine.stores.log)
    past = Past.read(engine.app, pipeline, engine.settings, engine.stores.log, decisions=engine.stores.decisions)
    options = options.over(engine.settings.training)
    check_enough(engine, pipeline, past, options)
    task = Task(
        options.grown(pipeline), engine.settings, budget, seed, REPORT_LISTS, previous_of(engine, pipeline), search,
        progress=progress, options=options, debias=debias,
    )  # fmt: skip
    try:
        outcome = study(task.walk(past, pipeline.protocol), task)
    except (CannotTrain, Invalid) as error:
        cannot(engine, pipeline, error.message, error.remedy)
    if outcome.state is not None:
        outcome.state.cleared = cleared
    return outcome


def check_enough(engine: "Engine", pipeline: Pipeline, past: Past, options: Options) -> None:
    """Raise CannotTrain where the log holds too few interactions, or all say the same, telling what is missing."""
    acts = past.acts
    since = 0.0 if options.lookback_days is None or not len(acts) else acts.at[-1] - options.lookback_days * DAY
    telling = (acts.touches | (acts.weight != 0)) if pipeline.protocol == SERVED else np.ones(len(acts), np.bool_)
    count = int((telling & (acts.at >= since)).sum())
    need = options.min_interactions or (MIN_INTERACTIONS if pipeline.protocol == SERVED else FEWEST)
    if count < need:
        within = f" in the last {options.lookback_days:g} days" if options.lookback_days else ""
        found = f"{count} interactions of a {engine.app.subject} with a {engine.app.item} are in the log{within}"
        remedy = f"{need - count} are missing. Import or record more events, then train again."
        cannot(engine, pipeline, f"{found}, {need} are needed", remedy)
    if pipeline.protocol == SERVED and not (acts.weight > 0).any():
        why = f"there is one class only: none of {count} interactions says that something was wanted"
        cannot(engine, pipeline, why, "Record what is wanted too, or weigh its events above 0 in settings.labels.")


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
        snapshots=engine.stores.snapshots, begun=outcome.state,
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
