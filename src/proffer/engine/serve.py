"""One decision, from query to logged slate, read top to bottom."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from proffer.app import Settings
from proffer.core.checks import check_json
from proffer.core.decisions import Considered, Decision, Placed
from proffer.core.errors import Busy, Invalid, ProfferError
from proffer.core.queries import Query
from proffer.engine.explore import without_exploration
from proffer.engine.fitted import Fitted
from proffer.engine.pool import Pool, gather, given, permitted, pinned, rules_of
from proffer.engine.provenance import made
from proffer.engine.ranking import Ranked, rank
from proffer.engine.rules import RuleSet
from proffer.engine.slate import Lineup, line_up, make_slate
from proffer.features.state import State
from proffer.models.base import can_score_some, can_weigh

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

LARGEST = 500
LANGUAGES = ("en", "sv")
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

    def pool(self, names: Sequence[str], heuristics: Sequence[str]) -> Pool:
        """Return the pool of the named retrievers, each asked before, scored by the named heuristics too."""
        dense = {name: self.scored[name] for name in names}
        return gather(
            self.fitted, self.settings, self.query, self.state, self.allowed, dense, heuristics, self.added.tolist(),
            self.given,
        )  # fmt: skip


class Decided(NamedTuple):
    """An answer with how it came about: the ranking of a rung, the line-up after rules, the slate."""

    ranked: Ranked
    lineup: Lineup
    slate: tuple[Placed, ...]
    rung: str
    fallback: str | None


def decide(asked: Asked, started: float, deadline_ms: float) -> Decided:
    """Answer a query from the highest rung that works."""
    return answer(asked, *climb_down(asked, started, deadline_ms))


def answer(asked: Asked, ranked: Ranked, rung: str, fallback: str | None) -> Decided:
    """Turn the ranking of a rung into a slate: rules, diversity, exploration, reasons."""
    lineup = line_up(ranked, asked.fitted, asked.settings, asked.rules, asked.query)
    slate = make_slate(lineup, ranked, asked.fitted, asked.state, asked.query)
    return Decided(ranked, lineup, slate, rung, fallback)


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
    )


def check(engine: "Engine", query: Query) -> None:
    """Raise Invalid for a query that cannot be answered, naming the field."""
    engine.app.pipeline(query.pipeline)
    check_n(query.n)
    if query.diversity is not None and not 0 <= query.diversity <= 1:
        raise Invalid("lambda lies in 0..1", field="diversity", remedy="1 means relevance only.")
    if query.language not in LANGUAGES:
        raise Invalid("reasons speak en or sv", field="language", remedy="Send en or sv.")
    if query.at.tzinfo is None:
        raise Invalid("the time has no zone", field="at", remedy="Give one, for example UTC.")
    # What cannot be logged could not be made again.
    check_json(dict(query.context), "context")
    if query.subject.kind != engine.app.subject:
        raise Invalid(f"the subject is a {engine.app.subject}", field="subject", remedy="Send its id.")
    if query.candidates is not None:
        _check_candidates(engine, query.candidates)


def check_n(n: int) -> None:
    """Raise Invalid for a slate of no items or of too many."""
    if not 1 <= n <= LARGEST:
        raise Invalid(f"n lies in 1..{LARGEST}", field="n", remedy="Page with `after` for more.")


def _check_candidates(engine: "Engine", candidates: tuple[str, ...]) -> None:
    if not candidates:
        raise Invalid("there are no candidates", field="candidates", remedy="Send at least one, or call recommend.")
    if len(set(candidates)) < len(candidates):
        twice = next(id for id, times in Counter(candidates).items() if times > 1)
        raise Invalid(f"{twice[:40]!r} stands twice", field="candidates", remedy="Send each candidate once.")
    ordinals = engine.state.ordinals(candidates)
    if (ordinals < 0).any():
        missing = [id for id, row in zip(candidates, ordinals.tolist(), strict=True) if row < 0]
        names = ", ".join(repr(id[:40]) for id in missing[:5])
        remedy = f"Set each {engine.app.item} first, or leave it out."
        raise Invalid(f"{len(missing)} do not exist, among them {names}", field="candidates", remedy=remedy)


def earlier_pages(engine: "Engine", query: Query) -> tuple[str, ...]:
    """Return what the pages before this one showed; raises NotFound or Invalid for a foreign cursor."""
    shown: list[str] = []
    after = query.after
    while after is not None:
        page = engine.reader.decision(after)
        if (page.query.subject, page.query.pipeline) != (query.subject, query.pipeline):
            raise Invalid("the page before belongs to another subject or pipeline", field="after", remedy="Start anew.")
        shown += [placed.id for placed in page.slate]
        after = page.query.after
    return tuple(shown)


def climb_down(asked: Asked, started: float, deadline_ms: float) -> tuple[Ranked, str, str | None]:
    """Return the first rung's ranking that works, its name, and why no higher one did."""
    why = [asked.fitted.why] if asked.fitted.why else []
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
    pool = asked.pool(names, [name for name in asked.fitted.pipeline.heuristics if asked.fitted.weights.get(name)])
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
