"""An evaluation from plan to report: settings tried, a champion chosen, the report phase read once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from proffer.app import App, Pipeline, Settings
from proffer.core.errors import CannotTrain, Invalid
from proffer.engine.choice import Choosing, Chosen, fallback_of, settings_of
from proffer.engine.findings import examination_of, explain_ranker, nothing, ranking_recipe
from proffer.engine.fitted import unfitted
from proffer.engine.gate import gate, regret, segments
from proffer.engine.heads import add_head
from proffer.engine.importance import LISTS as SHUFFLED
from proffer.engine.judge import Judge, Recipe
from proffer.engine.learned import Lists
from proffer.engine.measure import RANDOM, TARGET
from proffer.engine.options import DEFAULT, Options
from proffer.engine.past import Past
from proffer.engine.plan import Budget, Plan, plan
from proffer.engine.previous import Previous, previous_of
from proffer.engine.protocols import Judged, Walk
from proffer.engine.report import PREVIOUS, Cost, Phase, Report, Row, Tried
from proffer.engine.served import ListsWalk
from proffer.engine.splits import SplitReport, split_walk
from proffer.engine.tuning import tune
from proffer.engine.walks import walk as walk_of
from proffer.features.state import State

if TYPE_CHECKING:
    from proffer.engine.engine import Engine, Progress

LISTS = 20_000
FEW = 30


@dataclass(frozen=True)
class Outcome:
    """A report with what would be deployed by it; `recipes` are all contenders by name, as they were judged.

    `state` is what the walk has folded, where it followed the log's own order from its beginning.
    """

    report: Report
    recipe: Recipe
    settings: dict[str, dict[str, Any]]
    recipes: dict[str, Recipe] = field(default_factory=dict)
    state: State | None = None


@dataclass(frozen=True)
class Task:
    """What is evaluated how: a pipeline under these settings, with this budget and seed, at most so many lists.

    Unless `debias`, the places at which lists were shown tell nothing.
    """

    pipeline: Pipeline
    settings: Settings
    budget: Budget
    seed: int = 0
    lists: int = LISTS
    previous: Previous | None = None
    search: bool = True
    progress: "Progress | None" = None
    notes: list[str] = field(default_factory=list)
    options: Options = DEFAULT
    debias: bool = True

    def walk(self, past: Past, protocol: str, since: datetime | None = None, until: datetime | None = None) -> Walk:
        """Return the walk of a protocol over a past, as this task is told to go."""
        return walk_of(
            past, protocol, since=since, until=until, seed=self.seed, split=self.options.validation_split,
            lookback=self.options.lookback_days, debias=self.debias,
        )  # fmt: skip


def evaluate(
    engine: "Engine", pipeline: Pipeline, since: datetime | None, until: datetime | None, *, protocol: str | None,
    lists: int, seed: int, budget: Budget, progress: "Progress | None", options: Options = DEFAULT, debias: bool = True,
) -> Report:  # fmt: skip
    """Choose on earlier phases and read the report phase once. Raises Invalid for a period without lists."""
    if since is not None and until is not None and since >= until:
        raise Invalid("the period is empty", field="until", remedy="Name a later end.")
    stores = engine.stores
    past = Past.read(engine.app, pipeline, engine.settings, stores.log, until=until, decisions=stores.decisions)
    previous, options = previous_of(engine, pipeline), options.over(engine.settings.training)
    task = Task(
        options.grown(pipeline), engine.settings, budget, seed, lists, previous, progress=progress, options=options,
        debias=debias,
    )  # fmt: skip
    return study(task.walk(past, protocol or pipeline.protocol, since, until), task).report


def evaluate_split(
    app: App, pipeline: Pipeline, train: Path, test: Path, *, lists: int = LISTS, seed: int = 0, budget: Budget,
    progress: "Progress | None" = None,
) -> Report:  # fmt: skip
    """Judge fixed files of user, item and time: everything is fitted and chosen on `train`, `test` is read once."""
    walk, found = split_walk(app, pipeline, train, test, seed=seed)
    task = Task(pipeline, Settings(), budget, seed, lists, progress=progress, notes=split_notes(found))
    return msgspec.structs.replace(study(walk, task).report, split=found)


def split_notes(found: SplitReport) -> list[str]:
    """Say what of two split files could not be used, or counts as a miss."""
    notes = [f"train was cut for the earlier phases as the test seems to have been: {found.cut}"]
    for name, file in (("train", found.train), ("test", found.test)):
        if file.damaged:
            first = file.damages[0]
            notes.append(f"{file.damaged} damaged rows of {name} are left out, first line {first.line}: {first.reason}")
    if found.unknown_items:
        notes.append(f"{found.unknown_items} wanted items of the test are unknown to train: misses for every row")
    if found.unknown_users:
        notes.append(f"{found.unknown_users} users of the test are unknown to train: cold lists")
    return notes


def study(walk: Walk, task: Task) -> Outcome:
    """Plan, try settings, choose, and judge what was chosen: the phases of a walk read once, in order.

    Raises CannotTrain when nobody wanted anything new in the report phase.
    """
    planned = planned_for(walk, task)
    held = task.previous.settings if task.previous is not None else {}
    walk.skipped, walk.refits = planned.without, planned.refits
    walk.fitted = unfitted(task.pipeline, settings={} if task.search else held, without=planned.without)
    settings, tried = {name: dict(values) for name, values in held.items()}, list[Tried]()
    if task.search:
        settings, tried = tune(walk, task.pipeline, task.settings, planned, held, task.progress)
        walk.fitted = unfitted(task.pipeline, settings=settings, without=planned.without)
    notes = [*task.notes, *plan_notes(walk, task, planned)]
    previous = comparable(walk, task, settings, notes)
    choosing = Choosing(
        walk, task.pipeline, planned, seed=task.seed, tuned={one.name for one in tried},
        previous=None if previous is None else previous.recipe, progress=task.progress,
    )  # fmt: skip
    chosen = choosing.read() if task.search or previous is None else choosing.retraced(previous.name)
    chosen = replace(chosen, choice=msgspec.structs.replace(chosen.choice, settings=settings))
    if isinstance(walk, ListsWalk):
        notes += walk.notes()
    if choosing.decided:
        notes.append(f"{choosing.decided} logged decisions were offered to the rankers")
    report = judge(walk, chosen, task, planned, tried, notes)
    state = walk.state if isinstance(walk, ListsWalk) else None
    return Outcome(report, chosen.recipes[report.champion], settings, chosen.recipes, state)


def planned_for(walk: Walk, task: Task) -> Plan:
    """Return the plan for a walk's size."""
    size = walk.size()
    fits = sum(span.boundaries for span in size.phases.values())
    keep = task.previous.recipe.weights if task.previous is not None else ()
    offered = {phase: span.lists for phase, span in size.phases.items()}
    return plan(
        task.pipeline, size.users, size.items, size.wanted, task.budget, fits, events=size.events,
        offered=offered | {"report": min(offered["report"], task.lists)}, keep=keep, search=task.search,
    )  # fmt: skip


def plan_notes(walk: Walk, task: Task, planned: Plan) -> list[str]:
    """Say where a budget is too small for the least there is to do, or for all lists of the report phase."""
    notes, offered = [], min(walk.size().phases["report"].lists, task.lists)
    if planned.seconds > planned.budget.seconds:
        took = f"{planned.seconds:.3g} s by what is declared"
        notes.append(f"the least there is to do takes {took}, more than the budget of {planned.budget.seconds:g} s")
    if planned.reported < offered:
        notes.append(
            f"the budget allows {planned.reported} of the report phase's {offered} lists, drawn without favour"
        )
    return notes


def comparable(walk: Walk, task: Task, settings: Mapping[str, Mapping[str, Any]], notes: list[str]) -> Previous | None:
    """Return the previous model where its sources still take part; add what is to be said of it to the notes."""
    previous = task.previous
    if previous is None:
        return None
    gone = set(previous.recipe.weights) - set(walk.fitted.sources)
    if gone:
        names = ", ".join(sorted(gone))
        notes.append(f"the previous model {previous.version} uses {names}, left out now: it is not compared")
        return None
    notes += previous.notes(walk.size().phases["report"].since, settings)
    return previous


def judge(
    walk: Walk, chosen: Chosen, task: Task, planned: Plan, tried: list[Tried], notes: list[str]
) -> Report:  # fmt: skip
    """Read the report phase once, with the choice made before it."""
    choice, table = chosen.choice, Judge(chosen.recipes, beyond=True, chance=isinstance(walk, ListsWalk))
    learned: dict[str, Any] = {}
    heads, reader = Lists(()), ranking_recipe(chosen)
    for judged in told(walk, task, planned):
        shared = table.look(judged)
        if reader is not None and len(heads) < SHUFFLED:
            add_head(heads, judged, reader, shared)
        learned = {name: retriever.parameters()[0] for name, retriever in judged.fitted.retrievers.items()}
    if not table.users:
        raise CannotTrain(nothing(walk), remedy="Name an earlier or longer period.")
    if isinstance(walk, ListsWalk) and table.even == len(table.users):
        why = f"there is one class only: each of the {table.even} lists to judge by got the same answer to all of it"
        raise CannotTrain(why, remedy="Record what people pass over too: show more than they take.")
    people, named = table.people(), [*table.tallies, *([RANDOM] if table.random is not None else [])]
    leads = {name: table.lead(choice.champion, name, task.seed) for name in named if name != choice.champion}
    fallback = fallback_of(task.pipeline, chosen.recipes)
    span = walk.size().phases["report"]
    last = Phase(name="report", since=span.since, until=span.until, lists=len(people), users=len(set(table.users)))
    if last.lists < FEW:
        notes.append(f"only {last.lists} lists were judged: the intervals are wide")
    important, explained = explain_ranker(chosen, table, heads, task.seed)
    before = None
    if PREVIOUS in table.tallies and choice.champion != PREVIOUS:
        before = table.lead(PREVIOUS, fallback, task.seed)
    return Report(
        protocol=walk.name, pipeline=task.pipeline.name, phases=[*chosen.phases, last], since=span.since,
        until=span.until, lists=last.lists, users=last.users, wanted=table.wanted,
        unknown_share=table.unknown / max(table.wanted, 1), champion=choice.champion, fallback=fallback, choice=choice,
        rows=rows(table, chosen, planned, task.seed), leads=leads,
        segments=segments(table, choice, fallback, task.seed), regret=regret(table, choice.champion, task.seed),
        gate=gate(choice.champion, fallback, leads, before), plan=planned,
        skipped=[*planned.skipped, *chosen.skipped], tried=tried, notes=notes, learned=learned,
        costs=costs(walk, table, chosen), examination=examination_of(walk), importances=important,
        explained=explained,
    )  # fmt: skip


def told(walk: Walk, task: Task, planned: Plan) -> Iterator[Judged]:
    """Yield the report's lists and tell of progress."""
    most = min(planned.reported, task.lists)
    total = min(walk.size().phases["report"].lists, most)
    for number, judged in enumerate(walk.phase("report", most)):
        yield judged
        if task.progress is not None and number % 20 == 0:
            task.progress("judging", number, total)
    if task.progress is not None:
        task.progress("judging", total, total)


def rows(table: Judge, chosen: Chosen, planned: Plan, seed: int) -> list[Row]:
    """Return a row per contender, best NDCG@10 first."""
    measured = table.measured(seed)
    declared = {one.name: one for one in planned.retrievers}
    found = []
    for name, tally in table.tallies.items():
        recipe, used = tally.recipe, [declared[one] for one in tally.recipe.weights if one in declared]
        found.append(
            Row(
                name=name, family=recipe.family, metrics=measured[name],
                weights={source: weight for source, weight in recipe.weights.items() if weight},
                ranker=None if recipe.ranker is None else recipe.ranker.name,
                settings=settings_of(chosen.choice.settings, recipe.weights),
                memory=sum(one.memory for one in used), declared_seconds=sum(one.seconds for one in used),
                train=chosen.train.get(name, {}),
            )
        )  # fmt: skip
    if table.random is not None:
        found.append(
            Row(name=RANDOM, family=RANDOM, weights={}, metrics=measured[RANDOM], train=chosen.train.get(RANDOM, {}))
        )
    return sorted(found, key=lambda row: -row.metrics[TARGET].value)


def costs(walk: Walk, table: Judge, chosen: Chosen) -> dict[str, Cost]:
    """Return what each row took on this machine: one fit of all its parts, and one list."""
    found = {}
    for name, tally in table.tallies.items():
        used = [walk.costs[one] for one in tally.recipe.of(walk.fitted).proposing() if one in walk.costs]
        fit = sum(one.fit_seconds / one.fits for one in used if one.fits) + chosen.seconds.get(name, 0.0)
        asked = sum(one.ask_seconds / one.lists for one in used if one.lists)
        ranked = tally.seconds / max(len(tally.values), 1)
        fits = max((one.fits for one in used), default=0)
        found[name] = Cost(fit_seconds=round(fit, 6), fits=fits, list_ms=round(1000 * (asked + ranked), 4))
    return found
