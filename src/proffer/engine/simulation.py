"""The loop in a toy world: rounds of serving, tracking and training, beside the order of before and the best possible.

A simulation, and named so wherever its figures stand: people are drawn by chance from a world that is declared before.
Everything else is the real engine, in memory, on a clock that is moved.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.app import App, LivingWorld, Pipeline, Visit
from proffer.core.clock import FixedClock
from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.core.errors import CannotTrain, Invalid
from proffer.core.events import Event
from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.engine.engine import Engine
from proffer.engine.fitted import Fitted, unfitted
from proffer.engine.metrics import DISCOUNT, Interval, intervals
from proffer.engine.plan import Budget
from proffer.engine.serve import Asked
from proffer.engine.similar import diversity_score
from proffer.models.base import ScoringRetriever

BEFORE, LEARNT, BEST = "before", "learnt", "best"
ARMS = (BEFORE, LEARNT, BEST)
"""What serves the same visitors: the fallback that is never trained, what is trained after each round, the truth."""
NDCG, DIVERSITY, BY_MODEL = "ndcg@10", "diversity", "by model"
PLACES = 10
"""So many first places of a page are measured."""
TRUTH = "truth"
SECONDS = 120.0
"""Of a training's budget, as declared."""
PATIENCE_MS = 600_000.0

NewEngine = Callable[[App, FixedClock], Engine]
Tell = Callable[[str, int, int], None]


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What a round's training came to: the champion's name, whether it serves, and why."""

    round: int
    champion: str | None
    wins: bool
    why: str


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One round of one arm: its lists, and each measure's mean over seeds with a bootstrap interval over them."""

    arm: str
    round: int
    lists: float
    measures: dict[str, Interval]


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """A simulation: each arm's rounds, and by what share the learnt and the best last round are above the first arm's.

    `changes` are ratios minus 1 in the same round with the same visitors, `trainings` those of each seed.
    """

    app: str
    pipeline: str
    size: str
    rounds: int
    seeds: int
    fallback: str
    table: list[Round]
    changes: dict[str, dict[str, Interval]]
    trainings: list[list[Trained]]


@dataclass
class Tally:
    """What was counted in one round of one arm, on the first places of its pages."""

    lists: int = 0
    ndcg: list[float] = field(default_factory=list)
    diversity: list[float] = field(default_factory=list)
    by_model: int = 0
    events: dict[str, int] = field(default_factory=dict)

    def measures(self, rates: Mapping[str, tuple[str, str]]) -> dict[str, float]:
        """Return each measure; NaN where its denominator is nought."""
        found = {NDCG: _mean(self.ndcg)}
        for name, (counted, per) in rates.items():
            below = self.lists if per == "list" else self.events.get(per, 0)
            found[name] = self.events.get(counted, 0) / below if below else float("nan")
        return found | {DIVERSITY: _mean(self.diversity), BY_MODEL: self.by_model / self.lists if self.lists else 0.0}


class Truth(ScoringRetriever):
    """Scores items by what the world itself knows: the order that nothing can beat."""

    name = TRUTH

    def __init__(self, world: LivingWorld) -> None:
        self.world = world

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return the utility of every item (n,)."""
        return self.some(query, state, np.arange(len(state.ids)))

    def some(self, query: Query, state: LiveState, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the utility of these items (m,)."""
        return self.world.utilities(query.subject.id, [state.ids[row] for row in ordinals.tolist()], query.at)


class Ran(NamedTuple):
    """One arm with one seed: a tally a round, and what its trainings came to."""

    tallies: list[Tally]
    trained: list[Trained]


@dataclass
class Arm:
    """One arm of a simulation: a world of its own, alike for all arms of a seed, and an engine."""

    name: str
    world: LivingWorld
    engine: Engine
    clock: FixedClock
    pipeline: Pipeline
    seed: int
    ruler: Fitted
    tallies: list[Tally] = field(default_factory=list)
    trained: list[Trained] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, app: App, pipeline: Pipeline, world: LivingWorld, make: NewEngine, seed: int) -> "Arm":
        """Set up an arm; but for the learnt one it serves as it is: by relevance alone, nothing drawn by chance."""
        clock = FixedClock(world.start)
        if name == BEST:
            told = replace(pipeline, retrievers=(*pipeline.retrievers, lambda: Truth(world)), ladder=(TRUTH,))
            others = tuple(other for other in app.pipelines if other.name != pipeline.name)
            app, pipeline = replace(app, pipelines=(told, *others)), told
        engine = make(app, clock)
        engine.deadline_ms = PATIENCE_MS
        if name != LEARNT:
            engine.configure({"diversity": {pipeline.name: 1.0}, "exploration": {pipeline.name: {"policy": "off"}}})
        # A training teaches the similarity which words are rare: all arms are measured as if none had been.
        return cls(name, world, engine, clock, pipeline, seed, unfitted(pipeline))

    def run(self, round: int, *, train: bool) -> None:
        """Serve and track a round; at its end let the learnt arm train, and the gate decide."""
        self._record(self.world.news(round))
        tally = Tally()
        for number, visit in enumerate(self.world.visits(round)):
            self._visit(visit, f"{self.seed}-{round}-{number}", tally)
        self.tallies.append(tally)
        if train and self.name == LEARNT:
            self.trained.append(self._train(round))

    def _visit(self, visit: Visit, name: str, tally: Tally) -> None:
        self.clock.at = max(self.clock.at, visit.at)
        subject = EntityRef(self.engine.app.subject, visit.subject)
        query = Query(
            id=f"q-{name}", pipeline=self.pipeline.name, subject=subject, at=visit.at, n=self.world.page,
            group=visit.group,
        )  # fmt: skip
        decision = self.engine.recommend(query)
        self._measure(decision, tally)
        shown = [one.id for one in decision.slate]
        first = set(shown[:PLACES])
        for event in self._record(self.world.answers(visit, shown, query.id)):
            if event.target is not None and event.target.id in first:
                tally.events[event.type] = tally.events.get(event.type, 0) + 1

    def _measure(self, decision: Decision, tally: Tally) -> None:
        tally.lists += 1
        tally.by_model += decision.model == decision.version
        shown = [one.id for one in decision.slate[:PLACES]]
        tally.ndcg.append(self._ndcg(decision, shown))
        state = self.engine.state
        found = diversity_score(state.ordinals(shown), self.ruler, self.engine.settings, state)
        if found is not None:
            tally.diversity.append(found)

    def _ndcg(self, decision: Decision, shown: Sequence[str]) -> float:
        """Return NDCG@10 with the true chances as gains, against the best order of all that could be shown."""
        query = decision.query
        gains = self.world.utilities(query.subject.id, shown, query.at)
        state = self.engine.state
        asked = Asked.of(query, self.engine.fitted[self.pipeline.name], self.engine.settings, state)
        rows = np.flatnonzero(asked.allowed) if asked.given is None else asked.given
        most = self.world.utilities(query.subject.id, [state.ids[row] for row in rows.tolist()], query.at)
        most = np.sort(most)[::-1][:PLACES]
        best = float(most @ DISCOUNT[: len(most)])
        return float(gains @ DISCOUNT[: len(gains)]) / best if best else float("nan")

    def _record(self, events: Sequence[Event]) -> Sequence[Event]:
        if events:
            self.clock.at = max(self.clock.at, max(event.at for event in events))
            receipts = self.engine.record([_row(event) for event in events])
            wrong = next((one for one in receipts if one.verdict != "accepted"), None)
            if wrong is not None:
                raise Invalid(f"the toy world's event {wrong.id} is {wrong.verdict}: {wrong.reason}")
        return events

    def _train(self, round: int) -> Trained:
        try:
            version = self.engine.train(self.pipeline.name, budget=Budget.of(SECONDS), seed=self.seed)
        except CannotTrain as error:
            return Trained(round=round, champion=None, wins=False, why=error.message)
        gate = version.metrics["gate"]
        return Trained(round=round, champion=version.name, wins=bool(gate["wins"]), why=str(gate["why"]))


def simulate(
    app: App, make: NewEngine, *, size: str = "small", rounds: int = 6, seeds: int = 3, first_seed: int = 0,
    arms: Sequence[str] = ARMS, tell: Tell | None = None,
) -> Simulated:  # fmt: skip
    """Run each arm of each seed through its rounds and return the table.

    Raises Invalid where the application has no toy world that answers, or for fewer than one round or seed.
    """
    if rounds < 1 or seeds < 1:
        raise Invalid("at least 1", field="rounds" if rounds < 1 else "seeds", remedy="Give a larger number.")
    ran: dict[str, list[Ran]] = {arm: [] for arm in arms}
    steps, done = len(arms) * seeds * rounds, 0
    for seed in range(first_seed, first_seed + seeds):
        for name in arms:
            found = Arm.of(name, app, app.pipelines[0], living(app, seed, size), make, seed)
            try:
                for round in range(rounds):
                    found.run(round, train=round + 1 < rounds)
                    done += 1
                    if tell is not None:
                        tell("simulating", done, steps)
            finally:
                found.engine.close()
            ran[name].append(Ran(found.tallies, found.trained))
    return _told(app, size, rounds, ran)


def living(app: App, seed: int, size: str) -> LivingWorld:
    """Return an application's toy world that answers what it is shown. Raises Invalid where it has none."""
    world = app.simulate(seed, size) if app.simulate is not None else None
    if world is None or not all(hasattr(world, name) for name in ("start", "rates", "news", "visits", "answers")):
        raise Invalid(f"application {app.name} has no toy world that answers", field="app", remedy="Use advisor.")
    return world  # type: ignore[return-value]


def _told(app: App, size: str, rounds: int, ran: Mapping[str, Sequence[Ran]]) -> Simulated:
    rates = living(app, 0, size).rates
    names = [NDCG, *rates, DIVERSITY, BY_MODEL]
    # Of each arm its measures (seeds, rounds, m).
    values = {
        arm: np.array([[[*tally.measures(rates).values()] for tally in one.tallies] for one in runs])
        for arm, runs in ran.items()
    }
    table = [
        Round(
            arm=arm,
            round=round + 1,
            lists=float(np.mean([one.tallies[round].lists for one in ran[arm]])),
            measures=_over_seeds(values[arm][:, round], names),
        )
        for arm in ran
        for round in range(rounds)
    ]
    told = names[:-1]
    changes = {
        arm: _over_seeds(values[arm][:, -1, : len(told)] / values[BEFORE][:, -1, : len(told)] - 1, told)
        for arm in ran
        if arm != BEFORE and BEFORE in ran
    }
    pipeline = app.pipelines[0]
    return Simulated(
        app=app.name, pipeline=pipeline.name, size=size, rounds=rounds, seeds=len(next(iter(ran.values()))),
        fallback=pipeline.ladder[0], table=table, trainings=[one.trained for one in ran.get(LEARNT, ())],
        changes=changes,
    )  # fmt: skip


def _over_seeds(values: NDArray[np.float64], names: Sequence[str]) -> dict[str, Interval]:
    """Return means over seeds (s, m); one seed has no interval."""
    if len(values) == 1:
        return {name: Interval(value=float(value)) for name, value in zip(names, values[0], strict=True)}
    return intervals(values, np.arange(len(values)), names, 0)


def _row(event: Event) -> dict[str, Any]:
    row: dict[str, Any] = {"id": event.id, "type": event.type, "at": event.at.isoformat(), "fields": dict(event.fields)}
    row["actor"] = event.actor._asdict()
    if event.target is not None:
        row["target"] = event.target._asdict()
    if event.query_id is not None:
        row["query_id"] = event.query_id
    return row


def _mean(values: Sequence[float]) -> float:
    return float(np.nanmean(values)) if len(values) else float("nan")
