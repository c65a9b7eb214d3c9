"""One decision, from query to logged slate, read top to bottom."""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from proffer.app import NO_EXPLORATION, Pipeline, Settings
from proffer.core.decisions import Considered, Decision, Placed, TradeOff
from proffer.core.errors import Busy, ProfferError
from proffer.core.queries import Query
from proffer.engine.explore import without_exploration
from proffer.engine.fitted import Fitted
from proffer.engine.objectives import Aimed, aim
from proffer.engine.pool import Pool, gather, given, permitted, pinned, rules_of
from proffer.engine.provenance import made
from proffer.engine.queries import check, earlier_pages
from proffer.engine.ranking import Ranked, rank
from proffer.engine.rules import RuleSet
from proffer.engine.slate import Lineup, gained_by, line_up, make_slate, spread_of
from proffer.features.state import State
from proffer.models.base import can_score_some, can_weigh

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

logger = logging.getLogger("proffer.serve")


class DeadlineError(ProfferError):
    """The model's step took longer than it may."""


@dataclass(frozen=True)
class Asked:
    """A query with what it is answered from: fitted pipeline, settings, state, rules, which items may be shown.

    `candidates` are the ordinals that the query gives (c,), whether or not they may be shown, None where it gives none;
    `scored` keeps what each retriever said of the catalogue (n,), or of the candidates that the query gives (m,), so
    that the ladder asks none of them twice.
    """

    query: Query
    fitted: Fitted
    settings: Settings
    state: State
    rules: RuleSet
    allowed: NDArray[np.bool_]
    added: NDArray[np.int64]
    candidates: NDArray[np.int64] | None = None
    scored: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def of(cls, query: Query, fitted: Fitted, settings: Settings, state: State, shown: Sequence[str] = ()) -> "Asked":
        """Work out what may be shown; `shown` stood on earlier pages."""
        rules = rules_of(fitted, settings, query, state)
        candidates = given(query, state)
        allowed = permitted(fitted, rules, shown, candidates)
        return cls(query, fitted, settings, state, rules, allowed, pinned(fitted, rules), candidates)

    @cached_property
    def given(self) -> NDArray[np.int64] | None:
        """The candidates that the query gives and that may be shown (m,), None where it gives none."""
        return None if self.candidates is None else np.asarray(self.candidates[self.allowed[self.candidates]])

    @property
    def nothing(self) -> str | None:
        """Why a group gives no candidates, in words; None where it does or none was asked for, and after a page."""
        if self.query.group is None or self.query.after is not None or self.candidates is None:
            return None
        if self.given is None or len(self.given):
            return None
        of = f"the {self.state.group_kind} {self.query.group}"
        return (
            f"no {self.state.kind} of {of} may be shown" if len(self.candidates) else f"{of} has no {self.state.kind}s"
        )

    def ask(self, name: str) -> None:
        """Let a retriever score the catalogue, or no more of it than the query gives."""
        if name in self.scored:
            return
        retriever = self.fitted.retrievers[name]
        if can_weigh(retriever):
            retriever.weigh(self.settings.content)
        if self.given is None:
            self.scored[name] = retriever.scores(self.query, self.state)
        elif can_score_some(retriever):
            self.scored[name] = retriever.some(self.query, self.state, self.given)
        else:
            self.scored[name] = retriever.scores(self.query, self.state)[self.given]

    def pool(self, names: Sequence[str], heuristics: Sequence[str], *, whole: bool = False) -> Pool:
        """Return the pool of the named retrievers, each asked before, scored by the named heuristics too.

        With `whole`, every column of a group's members is read at once: a ranker is going to.
        """
        dense = {name: self.scored[name] for name in names}
        return gather(
            self.fitted, self.settings, self.query, self.state, self.allowed, dense, heuristics, self.added.tolist(),
            self.given, whole=whole,
        )  # fmt: skip


class Decided(NamedTuple):
    """An answer with how it came about: the ranking of a rung, what it was aimed at, the line-up after rules, the
    slate, and what is told of it as a whole."""

    ranked: Ranked
    lineup: Lineup
    slate: tuple[Placed, ...]
    rung: str
    fallback: str | None
    aimed: Aimed | None = None
    diversity_score: float | None = None
    tradeoff: TradeOff | None = None


def decide(asked: Asked, started: float, deadline_ms: float) -> Decided:
    """Answer a query from the highest rung that works."""
    return answer(asked, *climb_down(asked, started, deadline_ms))


def answer(asked: Asked, ranked: Ranked, rung: str, fallback: str | None) -> Decided:
    """Turn the ranking of a rung into a slate: objectives, rules, diversity, exploration, reasons."""
    fitted, settings, query = answering(asked, rung), asked.settings, asked.query
    aimed = aim(ranked, fitted.pipeline, settings, asked.state, query)
    lineup = line_up(ranked, fitted, settings, asked.rules, query, aimed)
    slate = make_slate(lineup, ranked, fitted, asked.state, query, aimed)
    spread = spread_of(lineup, ranked, asked.fitted, settings, asked.state, query)
    gained = None if aimed is None else gained_by(aimed, lineup, ranked, fitted, settings, asked.rules, query)
    return Decided(ranked, lineup, slate, rung, fallback, aimed, spread, gained)


def answering(asked: Asked, rung: str) -> Fitted:
    """Return what arranges the answer of a rung: the model's, or a plain one of the ladder."""
    if rung == asked.fitted.version:
        return asked.fitted
    return dataclasses.replace(asked.fitted, pipeline=plain(asked.fitted.pipeline))


def plain(pipeline: Pipeline) -> Pipeline:
    """Return a pipeline as it arranges what the ladder answers: nothing is diversified or drawn that nobody asked for.

    A rung's order is a promise, newest first or surest first; the request and the settings may still say otherwise.
    """
    return dataclasses.replace(pipeline, diversity=1.0, exploration=NO_EXPLORATION)


def recommend(engine: "Engine", query: Query, started: float, *, drawing: bool = True) -> Decision:
    """Return the decision for a query: pool, scores, rules, reasons; the ladder answers where the model cannot.

    Unless `drawing`, nothing is explored: what nobody logs cannot be learned from.
    """
    shown = earlier_pages(engine, query)
    with engine.lock:
        check(engine, query)
        settings = engine.settings if drawing else without_exploration(engine.app, engine.settings)
        asked = Asked.of(query, engine.fitted[query.pipeline], settings, engine.state, shown)
        decided = decide(asked, started, engine.deadline_ms)
        decision = written(engine.ids.new("d"), asked, decided)
    return replace(decision, took_ms=round((time.perf_counter() - started) * 1000, 3))


def written(id: str, asked: Asked, decided: Decided) -> Decision:
    """Return an answer as it is logged, with all that is needed to make it again."""
    fitted, state = asked.fitted, asked.state
    return Decision(
        id=id,
        query=asked.query,
        as_of=state.position,
        considered=considered(decided.ranked, fitted, state.ids),
        slate=decided.slate,
        model=decided.rung,
        schema=state.view.version,
        fallback=decided.fallback,
        version=fitted.version,
        asked=tuple(name for name in fitted.retrievers if name in asked.scored),
        made=made(),
        diversity_score=decided.diversity_score,
        tradeoff=decided.tradeoff,
    )


def climb_down(asked: Asked, started: float, deadline_ms: float) -> tuple[Ranked, str, str | None]:
    """Return the first rung's ranking that works, its name, and why no higher one did."""
    why = [told] if (told := asked.nothing or asked.fitted.why) else []
    late = False
    if not why:
        try:
            ranked = by_model(asked, deadline(started, deadline_ms))
            return ranked, asked.fitted.version, ranked.why
        except Exception as error:
            logger.warning("model %s failed: %s", asked.fitted.version, error)
            why.append(f"model: {type(error).__name__}: {error}")
            late = isinstance(error, DeadlineError)
    for name in asked.fitted.pipeline.ladder:
        try:
            return by_rung(asked, name, late=late), name, "; ".join(why)
        except Exception as error:
            logger.warning("rung %s failed: %s", name, error)
            why.append(f"{name}: {type(error).__name__}: {error}")
    raise Busy("no rung of the ladder could answer", remedy="Look at /health and try again.")


def by_model(asked: Asked, check_time: Callable[[], None] = lambda: None) -> Ranked:
    """Rank by the champion: its blend of sources, and its ranker where it has one."""
    names = asked.fitted.proposing()
    for name in names:
        asked.ask(name)
        check_time()
    heuristics = [name for name in asked.fitted.pipeline.heuristics if asked.fitted.weights.get(name)]
    pool = asked.pool(names, heuristics, whole=asked.fitted.ranker is not None)
    check_time()
    return rank(pool, asked.fitted, asked.query, asked.state, check_time)


def by_rung(asked: Asked, name: str, *, late: bool = False) -> Ranked:
    """Rank by one retriever or heuristic; a heuristic judges what every working retriever proposes.

    When it is `late`, nobody is asked who has not answered yet, but for the last rung.
    """
    if name in asked.fitted.retrievers:
        asked.ask(name)
        return by_one(asked, name, (name,))
    names = working(asked, asked.fitted.pipeline.ladder[-1:] if late else tuple(asked.fitted.retrievers))
    return by_one(asked, name, names)


def by_one(asked: Asked, name: str, names: Sequence[str]) -> Ranked:
    """Rank what these retrievers, each asked before, propose by one source alone."""
    weights = np.array([float(source == name) for source in asked.fitted.sources])
    heuristics = () if name in asked.fitted.retrievers else (name,)
    return Ranked.by(asked.pool(names, heuristics), asked.fitted, weights, asked.state.ids)


def working(asked: Asked, names: Sequence[str]) -> tuple[str, ...]:
    """Ask these retrievers; return all that have scored this query without an error."""
    for name in names:
        try:
            asked.ask(name)
        except Exception as error:
            logger.warning("source %s failed: %s", name, error)
    return tuple(name for name in asked.fitted.retrievers if name in asked.scored)


def deadline(started: float, milliseconds: float) -> Callable[[], None]:
    """Return a check that raises DeadlineError once the time is up."""

    def check_time() -> None:
        if (time.perf_counter() - started) * 1000 > milliseconds:
            raise DeadlineError(f"the model took more than {milliseconds:.0f} ms")

    return check_time


def considered(ranked: Ranked, fitted: Fitted, ids: Sequence[str]) -> Considered:
    """Return what the decision log keeps of the candidates, best first."""
    order = ranked.order
    bits = ranked.pool.proposed @ (1 << np.arange(len(fitted.sources), dtype=np.int64))
    return Considered(
        sources=fitted.sources,
        ids=tuple(ids[ordinal] for ordinal in ranked.pool.ordinals[order]),
        scores=tuple(ranked.scores[order].tolist()),
        proposed=tuple(bits[order].tolist()),
    )
