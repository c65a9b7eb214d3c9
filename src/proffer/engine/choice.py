"""Which contender is put in charge: simplest first, replaced only by what leads it beyond doubt on unseen lists."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from proffer.app import Pipeline
from proffer.engine.heads import add_head
from proffer.engine.importance import list_values
from proffer.engine.judge import Judge, Recipe, singles
from proffer.engine.learned import Lists
from proffer.engine.measure import CUTS, RANDOM
from proffer.engine.metrics import Interval, intervals
from proffer.engine.plan import Plan, Skipped
from proffer.engine.protocols import Judged, Walk
from proffer.engine.report import BLEND, PREVIOUS, Choice, Phase, Step
from proffer.engine.served import ListsWalk
from proffer.engine.tables import TRAIN, Tables
from proffer.models.base import Ranker
from proffer.models.rankers.blend import Blend

if TYPE_CHECKING:
    from proffer.engine.engine import Progress

FEWEST = 10
"""With fewer lists to choose on, the fallback stays in charge."""
NO_TIME = "there is no earlier time to choose on"
FEWEST_HEADS = 30
BLEND_LISTS = 500
SIMPLE = ("linear", "pointwise", "lambdarank")
"""Rankers, the simpler first; one that is not named counts as the least simple."""
CHOOSING = ("blend", "learn", "choose")
TRAIN_LISTS = 300


def fallback_of(pipeline: Pipeline, recipes: Mapping[str, Recipe]) -> str:
    """Return the first rung of the ladder that takes part."""
    return next((rung for rung in pipeline.ladder if rung in recipes), pipeline.ladder[-1])


@dataclass
class Chosen:
    """What the choosing phases gave: the choice, every contender for the report, what fitting a ranker took."""

    choice: Choice
    recipes: dict[str, Recipe]
    phases: list[Phase]
    skipped: list[Skipped] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    train: dict[str, dict[str, Interval]] = field(default_factory=dict)


class Choosing:
    """Reads the three choosing phases once and keeps what is learned from them."""

    def __init__(
        self, walk: Walk, pipeline: Pipeline, plan: Plan, *, seed: int, tuned: Collection[str] = (),
        previous: Recipe | None = None, progress: "Progress | None" = None,
    ) -> None:  # fmt: skip
        self.walk, self.pipeline, self.plan, self.seed, self.progress = walk, pipeline, plan, seed, progress
        self.sources = walk.fitted.sources
        self.tables = Tables(since=dict.fromkeys(tuned, 1) | {BLEND: 1})
        self.recipes: dict[str, Recipe] = singles(walk.fitted)
        if previous is not None:
            self.recipes[PREVIOUS] = previous
        self.phases: list[Phase] = []
        self.scores: list[Lists] = []
        self.heads: list[Lists] = []
        self.skipped: list[Skipped] = []
        self.seconds: dict[str, float] = {}
        self.decided = 0
        self._done = 0

    def read(self) -> Chosen:
        """Read the phases in order, fitting the blend after the first and the rankers in the midst of the second."""
        self._read_ahead()
        self._phase("blend")
        if len(self.scores[0]):
            self.recipes[BLEND] = Recipe(self._weights(self.scores[0]))
        self._phase("learn")
        self._rankers(self.heads[1])
        self._name_unfitted(self.heads[1])
        self._phase("choose")
        choice = self._refitted(self._choice())
        return Chosen(choice, self.recipes, self.phases, self.skipped, self.seconds, self._train())

    def retraced(self, name: str) -> Chosen:
        """Take the previous recipe over as it is, only its ranker fitted anew: nothing is chosen."""
        recipe = self.recipes.pop(PREVIOUS)
        single = fallback = fallback_of(self.pipeline, self.recipes)
        if recipe.ranker is not None:
            self.recipes[BLEND] = Recipe(recipe.weights)
            self._read_ahead()
            for phase in CHOOSING:
                self._phase(phase)
            self._rankers(self.heads[1].joined(self.heads[2]))
            single = self._best_single() if self.tables.lists() else fallback
        if name not in self.recipes:
            self.recipes[name] = recipe
        champion = self.recipes[name]
        choice = Choice(
            champion=name, single=single, weights=dict(champion.weights), lists=self.tables.lists(),
            ranker=None if champion.ranker is None else champion.ranker.name, why="the recipe that serves, fitted anew",
        )  # fmt: skip
        return Chosen(choice, self.recipes, self.phases, self.skipped, self.seconds, self._train())

    def _read_ahead(self) -> None:
        if isinstance(self.walk, ListsWalk):
            self.walk.read_ahead(self.plan.lists)

    def _phase(self, name: str) -> None:
        """Judge the contenders so far on each list, and keep what blend and rankers learn from.

        In the midst of the learn phase rankers are fitted on what it gave so far, so that its rest judges them too.
        """
        chance = isinstance(self.walk, ListsWalk)
        judge, rng = Judge(self.recipes, chance=chance), np.random.default_rng(self.seed)
        scores, heads = Lists(self.sources), Lists(())
        stage_one, half = self.recipes.get(BLEND), self._half() if name == "learn" else None
        useful = users = lists = 0
        judges = [judge]
        for judged in self._lists(name):
            decided, shared = judged.learn, None
            if decided:
                self.decided += 1
            else:
                if half is not None and len(judge.users) >= half:
                    self._rankers(heads)
                    judge, half = Judge(self.recipes, chance=chance), None
                    judges.append(judge)
                shared = judge.look(judged)
            if stage_one is not None and self.plan.rankers:
                add_head(heads, judged, stage_one, shared)
            if decided or not judged.relevant.any():
                continue
            useful += 1
            place = useful - 1 if useful <= BLEND_LISTS else int(rng.integers(0, useful))
            if place < BLEND_LISTS:
                seen = slice(None) if judged.seen is None else judged.seen
                scores.put(place, judged.pool.scores[seen], judged.due()[seen], judged.missed)
        if name == "learn" and len(judges) == 1:
            judges.append(Judge(self.recipes, chance=chance))
        self.tables.judges += judges
        self.scores.append(scores)
        self.heads.append(heads)
        span = self.walk.size().phases[name]
        lists, users = sum(len(one.users) for one in judges), len({user for one in judges for user in one.users})
        self.phases.append(Phase(name=name, since=span.since, until=span.until, lists=lists, users=users))

    def _half(self) -> int | None:
        """Return about half the lists of the learn phase, going by how many of the blend phase's wanted anything."""
        spans = self.walk.size().phases
        offered = {phase: min(spans[phase].lists, self.plan.lists) for phase in CHOOSING}
        if BLEND not in self.recipes or not offered["blend"]:
            return None
        return max(int(offered["learn"] * self.tables.lists() / offered["blend"] / 2), FEWEST_HEADS)

    def _train(self) -> dict[str, dict[str, Interval]]:
        """Return NDCG@5 and @10 on the lists before the report: of a ranker on the newest that it learned from."""
        found = {}
        heads = self.heads[1].joined(self.heads[2]).newest(TRAIN_LISTS) if len(self.heads) > 2 else Lists(())
        for name, recipe in self.recipes.items():
            if recipe.family == "ranker" and recipe.ranker is not None and len(heads):
                values = list_values(recipe.ranker, heads, tuple(CUTS[cut] for cut in TRAIN))
                found[name] = intervals(values, np.arange(len(values)), TRAIN, self.seed, weights=heads.weights)
            elif told := self.tables.train(name, self.seed):
                found[name] = told
        if told := self.tables.train(RANDOM, self.seed):
            found[RANDOM] = told
        return found

    def _lists(self, name: str) -> Iterator[Judged]:
        spans = self.walk.size().phases
        total = sum(min(spans[phase].lists, self.plan.lists) for phase in CHOOSING)
        for judged in self.walk.phase(name, self.plan.lists):
            yield judged
            self._done += 1
            if self.progress is not None and self._done % 20 == 0:
                self.progress("choosing", min(self._done, total), total)
        if self.progress is not None:
            self.progress("choosing", total if name == "choose" else min(self._done, total), total)

    def _weights(self, lists: Lists) -> dict[str, float]:
        """Return the blend's weights that rank these lists best."""
        started = time.perf_counter()
        rng = np.random.default_rng(self.seed)
        model = Blend().fit(lists.X, lists.y, lists.sizes, columns=self.sources, rng=rng, missed=lists.missed)
        self.seconds[BLEND] = time.perf_counter() - started
        return {name: weight for name, weight in model.weights.items() if weight > 0}

    def _rankers(self, heads: Lists) -> None:
        """Fit each ranker on these heads, as far as there are enough; from now on it is a contender."""
        stage_one = self.recipes.get(BLEND)
        if stage_one is None or len(heads) < FEWEST_HEADS:
            return
        for ranker in self._makes():
            self.tables.since.setdefault(ranker.name, len(self.tables.judges) + (len(self.heads) == 1))
            self.recipes[ranker.name] = Recipe(stage_one.weights, self._fit(ranker, heads), family="ranker")

    def _name_unfitted(self, heads: Lists) -> None:
        why = f"{len(heads)} lists with a wanted item among the best to learn from, {FEWEST_HEADS} are needed"
        self.skipped += [Skipped(name=one.name, why=why) for one in self._makes() if one.name not in self.recipes]

    def _makes(self) -> list[Ranker]:
        """Return the planned rankers, unfitted, the simpler first."""
        made = [ranker for ranker in (make() for make in self.pipeline.rankers) if ranker.name in self.plan.rankers]
        return sorted(made, key=lambda one: SIMPLE.index(one.name) if one.name in SIMPLE else len(SIMPLE))

    def _fit(self, ranker: Ranker, heads: Lists) -> Ranker:
        started = time.perf_counter()
        fitted = ranker.fit(
            heads.X, heads.y, heads.sizes, columns=heads.columns, rng=np.random.default_rng(self.seed),
            missed=heads.missed, positions=heads.positions,
        )  # fmt: skip
        self.seconds[ranker.name] = time.perf_counter() - started
        return fitted

    def _choice(self) -> Choice:
        """Go from the simplest to the least simple contender, and replace only what is led beyond doubt."""
        fallback, lists = fallback_of(self.pipeline, self.recipes), self.tables.lists()
        if lists < FEWEST:
            why = f"only {lists} lists to choose on, {FEWEST} are needed" if lists else NO_TIME
            return Choice(champion=fallback, single=fallback, weights={fallback: 1.0}, lists=lists, why=why)
        single = self._best_single()
        champion, steps = fallback, []
        for challenger in (single, BLEND, *(ranker.name for ranker in self._makes()), PREVIOUS):
            if challenger not in self.recipes or challenger == champion:
                continue
            step = self.tables.step(challenger, champion, self.seed)
            if step is not None:
                steps.append(step)
                champion = challenger if step.taken else champion
        weights = dict(self.recipes[champion].weights)
        return Choice(
            champion=champion, single=single, weights=weights, steps=steps, lists=lists, why=reason(champion, steps)
        )

    def _best_single(self) -> str:
        """Return the source that ranks best on its own, on lists that none was tuned on; the earlier of equals."""
        tuned = any(self.tables.since.get(name) for name in self.sources)
        since = 1 if tuned and self.tables.lists(1) >= FEWEST else 0
        return max(self.sources, key=lambda name: self.tables.mean(name, since))

    def _refitted(self, choice: Choice) -> Choice:
        """Fit blend and rankers once more, on all phases read so far: what would be deployed now."""
        if BLEND not in self.recipes:
            return choice
        self._rankers(self.heads[1].joined(self.heads[2]))
        every = self.scores[0].joined(self.scores[1]).joined(self.scores[2])
        self.recipes[BLEND] = Recipe(self._weights(every))
        final = self.recipes[choice.champion]
        name = None if final.ranker is None else final.ranker.name
        return Choice(
            champion=choice.champion, single=choice.single, weights=dict(final.weights), ranker=name,
            steps=choice.steps, lists=choice.lists, why=choice.why,
        )  # fmt: skip


def reason(champion: str, steps: Sequence[Step]) -> str:
    """Say in words what decided."""
    taken = [step for step in steps if step.taken]
    tied = [step.challenger for step in steps if not step.taken and step.incumbent == champion]
    led = f"{champion} leads {taken[-1].incumbent} beyond doubt" if taken else f"nothing leads {champion} beyond doubt"
    more = f", and {' and '.join(tied)} do{'es' if len(tied) == 1 else ''} not lead it" if taken and tied else ""
    return f"{led}{more}"


def settings_of(settings: Mapping[str, Mapping[str, Any]], weights: Mapping[str, float]) -> dict[str, Any]:
    """Return the settings of the sources with a weight."""
    return {name: dict(values) for name, values in settings.items() if weights.get(name)}
