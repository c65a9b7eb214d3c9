"""What if over a period: a sample of past decisions made again under another model, and what would have come of it."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from proffer.core.clock import first_id
from proffer.core.decisions import Decision
from proffer.core.errors import CannotReplay, Invalid, NotFound
from proffer.core.ports import ModelVersion, Review
from proffer.engine.chances import Policy
from proffer.engine.clicks import Clicks, Shown, expected, unusable
from proffer.engine.metrics import Interval, intervals
from proffer.engine.replay import Again, Change, Past, make_again
from proffer.engine.verdict import compare
from proffer.engine.wanted import wanted
from proffer.experiments.agreement import correlation, overlap

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

SHADOW = "shadow"
SAMPLE, MOST = 1000, 10_000
DEPTHS = (1, 5, 10)
PAGE = 1000
EARLY = timedelta(days=1)
GONE = "model, log or page of then is gone"


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two over the same decisions: the model that was logged, or the one it is compared with.

    `p50_ms` and `p99_ms` are what a decision took in this replay; `fallback` is the share that the ladder answered;
    `items` counts the items that stood in some top 10, `coverage` is their share of the catalogue.
    """

    p50_ms: float
    p99_ms: float
    fallback: float
    items: int
    coverage: float


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """A period under another model.

    `decisions` of the pipeline were made from `since` to before `until`; `replayed` is a seeded sample of them, without
    those `left_out` for the reasons given. `verdicts` counts how the logged decisions came out again. `agreement` holds
    means with intervals over subjects: `kendall` and `spearman` of the scores of the candidates both consider,
    `overlap@k` of the slates, and `candidates`, the share of the logged candidates that the model considers too.
    `clicks` are those to expect.
    """

    version: str
    pipeline: str
    since: datetime
    until: datetime
    seed: int
    decisions: int
    replayed: int
    left_out: dict[str, int]
    versions: dict[str, int]
    verdicts: dict[str, int]
    agreement: dict[str, Interval]
    logged: Side
    model: Side
    clicks: Clicks


class Place(NamedTuple):
    """Where to find a decision of the period: ids alone, so that a period may hold millions."""

    as_of: int
    id: str
    at: datetime


def what_if(
    engine: "Engine", version: str, since: datetime | None = None, until: datetime | None = None, *,
    sample: int = SAMPLE, seed: int = 0, progress: Callable[[str, int, int], None] | None = None,
) -> WhatIf:  # fmt: skip
    """Replay a sample of a period's decisions under a version and keep what is found as the version's review.

    Raises NotFound for an unknown version, Invalid for a period without decisions or a sample out of range,
    CannotReplay for a version that cannot be loaded, Busy while somebody else replays.
    """
    found = listed(engine, version)
    _check(since, until, sample, seed)
    places = period(engine, found.pipeline, since, until)
    if not places:
        remedy = "Widen the period; see which decisions there are with GET /decisions."
        raise Invalid(f"no decisions of {found.pipeline} in the period", field="from", remedy=remedy)
    chosen = np.random.default_rng(seed).choice(len(places), min(sample, len(places)), replace=False)
    walked = Walked(engine, found)
    with engine.past.held() as past:
        for number, place in enumerate(sorted(places[row] for row in chosen.tolist())):
            if progress is not None:
                progress("Replaying", number, len(chosen))
            walked.visit(past, place.id)
    told = walked.told(
        since=since or min(place.at for place in places), until=until or max(place.at for place in places), seed=seed,
        decisions=len(places),
    )  # fmt: skip
    if engine.stores.writable:
        review = Review(version=found.id, kind=SHADOW, at=engine.clock.now(), body=msgspec.to_builtins(told))
        engine.stores.registry.review(review)
    return told


def listed(engine: "Engine", version: str) -> ModelVersion:
    """Return a listed version. Raises NotFound."""
    for pipeline in engine.app.pipelines:
        for found in engine.stores.registry.history(pipeline.name):
            if found.id == version:
                return found
    raise NotFound(f"no model version {version[:40]!r}", field="model", remedy="See the list of versions.")


def period(engine: "Engine", pipeline: str, since: datetime | None, until: datetime | None) -> list[Place]:
    """Return where the decisions of a period are, in order of id.

    Ids sort by time of making: what was made a day and more before the period is not read, for nobody asks so early.
    """
    found, after = [], "" if since is None else first_id("d", since - EARLY)
    while page := engine.stores.decisions.find(after=after, limit=PAGE):
        after = page[-1].id
        found += [
            Place(one.as_of, one.id, one.query.at)
            for one in page
            if one.query.pipeline == pipeline
            and (since is None or one.query.at >= since)
            and (until is None or one.query.at < until)
        ]
    return found


@dataclass
class Walked:
    """What a walk over decisions of a period found so far."""

    engine: "Engine"
    version: ModelVersion
    users: list[str] = field(default_factory=list)
    measures: list[tuple[float, ...]] = field(default_factory=list)
    took: list[tuple[float, float]] = field(default_factory=list)
    fallbacks: list[tuple[bool, bool]] = field(default_factory=list)
    items: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))
    left_out: Counter[str] = field(default_factory=Counter)
    unclicked: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    shown: list[Shown] = field(default_factory=list)
    catalogue: int = 0

    def visit(self, past: Past, id: str) -> None:
        """Make a decision again, as it was and under the version, and keep what is told of the two."""
        decision = self.engine.stores.decisions.get(id)
        if decision is None:
            self.left_out["removed meanwhile"] += 1
            return
        try:
            # The state is folded before the clock starts: serving has it at hand.
            state = past.at(decision.as_of)
        except CannotReplay:
            self.left_out[GONE] += 1
            return
        change = Change(model=self.version.id)
        if not self.took:
            self._make(past, decision, change)
        made = self._make(past, decision, None)
        other = self._make(past, decision, change)
        if made is None or other is None:
            self.left_out[GONE] += 1
            return
        self.catalogue = int(state.available().sum())
        self._compare(decision, made, other)
        self._show(decision, made[0], other[0])

    def told(self, *, since: datetime, until: datetime, seed: int, decisions: int) -> WhatIf:
        """Return the report. Raises CannotReplay where no decision could be made again."""
        if not self.took:
            reasons = ", ".join(f"{count:,}: {reason}" for reason, count in self.left_out.items())
            raise CannotReplay(f"none of the decisions can be made again ({reasons})", remedy="Take another period.")
        answers = wanted(
            self.engine, self.engine.app.pipeline(self.version.pipeline), [(one.id, one.query) for one in self.shown]
        )
        clicks = expected(self.shown, answers, self.unclicked, seed)
        return WhatIf(
            version=self.version.id, pipeline=self.version.pipeline, since=since, until=until, seed=seed,
            decisions=decisions, replayed=len(self.took), left_out=dict(self.left_out), versions=dict(self.versions),
            verdicts=dict(self.verdicts), agreement=self._agreement(seed), logged=self._side(0), model=self._side(1),
            clicks=clicks,
        )  # fmt: skip

    def _make(self, past: Past, decision: Decision, change: Change | None) -> tuple[Again, float] | None:
        start = time.perf_counter()
        try:
            made = make_again(past, decision) if change is None else make_again(past, decision, change)
        except (CannotReplay, NotFound) as error:
            if change is not None and error.field == "model":
                raise
            return None
        return made, (time.perf_counter() - start) * 1000

    def _compare(self, decision: Decision, made: tuple[Again, float], other: tuple[Again, float]) -> None:
        one, two = made[0].decision, other[0].decision
        self.users.append(decision.query.subject.id)
        self.measures.append(agreement(decision, two))
        self.took.append((made[1], other[1]))
        self.fallbacks.append((one.fallback is not None, two.fallback is not None))
        for held, slate in zip(self.items, (decision.slate, two.slate), strict=True):
            held |= {placed.id for placed in slate[: DEPTHS[-1]]}
        self.versions[decision.model] += 1
        self.verdicts[compare(decision, one)[0]] += 1

    def _show(self, decision: Decision, made: Again, other: Again) -> None:
        """Keep what a decision tells of clicks."""
        engine = self.engine
        window = engine.app.labels_in_force(engine.settings).window.total_seconds()
        why = unusable(decision, self.version.position, engine.clock.now().timestamp() - window)
        if why is None and compare(decision, made.decision)[0] == "differs":
            why = "they do not come out again as they were logged"
        if why is not None:
            self.unclicked[why] += 1
            return
        slate = [placed.id for placed in other.decision.slate]
        self.shown.append(Shown.of(decision, Policy(made), Policy(other), slate))

    def _agreement(self, seed: int) -> dict[str, Interval]:
        codes = {user: code for code, user in enumerate(dict.fromkeys(self.users))}
        users = np.array([codes[user] for user in self.users])
        found: dict[str, Interval] = {}
        for name, values in zip(MEASURES, np.array(self.measures, np.float64).T, strict=True):
            known = ~np.isnan(values)
            if known.any():
                found |= intervals(values[known, None], users[known], [name], seed)
        return found

    def _side(self, place: int) -> Side:
        took = np.array(self.took)[:, place]
        items = len(self.items[place])
        return Side(
            p50_ms=round(float(np.quantile(took, 0.5)), 3), p99_ms=round(float(np.quantile(took, 0.99)), 3),
            fallback=float(np.mean([each[place] for each in self.fallbacks])), items=items,
            coverage=items / max(self.catalogue, 1),
        )  # fmt: skip


MEASURES = ("kendall", "spearman", *(f"overlap@{depth}" for depth in DEPTHS), "candidates")


def agreement(logged: Decision, other: Decision) -> tuple[float, ...]:
    """Return how much two decisions for one query agree, in order of `MEASURES`; NaN where nothing can be compared."""
    then = dict(zip(logged.considered.ids, logged.considered.scores, strict=True))
    now = dict(zip(other.considered.ids, other.considered.scores, strict=True))
    both = [id for id in then if id in now]
    found = correlation([then[id] for id in both], [now[id] for id in both])
    shown, instead = ([placed.id for placed in one.slate] for one in (logged, other))
    overlaps = [overlap(shown, instead, depth) for depth in DEPTHS]
    share = len(both) / len(then) if then else None
    return tuple(float("nan") if value is None else value for value in (*found, *overlaps, share))


def _check(since: datetime | None, until: datetime | None, sample: int, seed: int) -> None:
    for name, at in (("from", since), ("until", until)):
        if at is not None and at.tzinfo is None:
            raise Invalid("the time has no zone", field=name, remedy="Send for example 2026-03-01T12:00:00Z.")
    if since is not None and until is not None and since >= until:
        raise Invalid("the period ends before it begins", field="until", remedy="Send a later time.")
    if not 1 <= sample <= MOST:
        raise Invalid(f"a sample holds 1 to {MOST:,} decisions", field="sample", remedy="Send such a number.")
    if seed < 0:
        raise Invalid("a seed is not below 0", field="seed", remedy="Send 0 or more.")
