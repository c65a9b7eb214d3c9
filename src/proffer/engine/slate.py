"""From scored candidates to a slate: boosts, diversity, caps, pins, reasons."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proffer.app import Exploration, Settings
from proffer.core.candidates import Candidates
from proffer.core.decisions import Placed
from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.engine.explore import Drawn, Walk, exploration_of, explore
from proffer.engine.fitted import Fitted
from proffer.engine.pool import Pool
from proffer.engine.ranking import Ranked, ranking
from proffer.engine.reasons import Reasons
from proffer.engine.rules import RuleSet
from proffer.features.state import State
from proffer.models.base import Similar, can_weigh
from proffer.models.rerankers.mmr import MMR

DIVERSIFIED = 4
"""MMR chooses among this many times the slate's length of the best candidates."""
NOTHING_DRAWN = Drawn([])
logger = logging.getLogger("proffer.serve")


class Lineup(NamedTuple):
    """Rows on the way to a slate: `scores` (m,) after boosts, `kept` those that stay when every cap is kept and every
    pin stands, best first. `propensity` and `explored` are those of `Drawn`."""

    scores: NDArray[np.float32]
    kept: list[int]
    propensity: Mapping[int, float] = NOTHING_DRAWN.propensity
    explored: frozenset[int] = NOTHING_DRAWN.explored


class Arranged(NamedTuple):
    """A pool before chance, caps and pins have their say: rows best first after MMR (m,), `scores` after boosts (m,),
    and (position, row) of what is pinned."""

    order: NDArray[np.int64]
    scores: NDArray[np.float32]
    fixed: list[tuple[int, int]]

    def walk(self, pool: Pool, rules: RuleSet, exploration: Exploration) -> Walk:
        """Return the places in which exploration draws, none filled yet."""
        pinned = [row for _, row in self.fixed]
        return Walk(self.order.tolist(), self.scores, pool.ordinals, rules, exploration, pinned)


def arrange(ranked: Ranked, fitted: Fitted, settings: Settings, rules: RuleSet, query: Query) -> Arranged:
    """Return a pool's rows after boosts and MMR, with what is pinned."""
    pool, state = ranked.pool, rules.state
    scores = ranked.scores + lift(ranked, rules)
    order = ranking(scores, pool.ordinals, state.ids)
    order = diversify(order, scores, pool, fitted, settings, state, query)
    return Arranged(order, scores, pinned_rows(pool, rules))


def line_up(ranked: Ranked, fitted: Fitted, settings: Settings, rules: RuleSet, query: Query) -> Lineup:
    """Return a pool's rows after boosts, MMR, exploration, caps and pins."""
    pool = ranked.pool
    order, scores, fixed = arranged = arrange(ranked, fitted, settings, rules, query)
    exploration = exploration_of(fitted.pipeline, settings)
    if exploration.policy != "off":
        drawn = explore(arranged.walk(pool, rules, exploration), query.id)
        return Lineup(scores, pin(drawn.rows, fixed), drawn.propensity, drawn.explored)
    order = order[rules.capped(pool.ordinals[order].tolist())]
    return Lineup(scores, pin(order.tolist(), fixed))


def make_slate(lineup: Lineup, ranked: Ranked, fitted: Fitted, state: State, query: Query) -> tuple[Placed, ...]:
    """Return the first `n` places of a line-up, each with its reasons."""
    rows, pool = lineup.kept[: query.n], ranked.pool
    told = Reasons(ranked, rows, fitted, state, query)
    scores, ordinals = lineup.scores[rows].tolist(), pool.ordinals[rows].tolist()
    return tuple(
        Placed(
            id=state.ids[ordinal],
            rank=place + 1,
            score=score,
            # A score that is not itself is unknown.
            sources={name: value for name, value in zip(pool.sources, said, strict=True) if value == value},
            reasons=told.of(row),
            propensity=lineup.propensity.get(row),
            explored=row in lineup.explored,
        )
        for place, (row, score, ordinal, said) in enumerate(
            zip(rows, scores, ordinals, pool.scores[rows].tolist(), strict=True)
        )
    )


def lift(ranked: Ranked, rules: RuleSet) -> NDArray[np.float32]:
    """Return what boosts add (m,), in units of the spread of the list's scores."""
    if not rules.of("boost") or not len(ranked.scores):
        return np.zeros(len(ranked.scores), np.float32)
    spread = float(np.std(ranked.scores)) or 1.0
    return (rules.boosts(ranked.pool.ordinals) * spread).astype(np.float32)


def diversify(
    order: NDArray[np.int64], scores: NDArray[np.float32], pool: Pool, fitted: Fitted, settings: Settings, state: State,
    query: Query,
) -> NDArray[np.int64]:  # fmt: skip
    """Return rows in the order of MMR over the head of the list; lambda: the query's, the settings', the default."""
    mmr = MMR(settings.diversity.get(fitted.pipeline.name, fitted.pipeline.diversity))
    share = mmr.share if query.diversity is None else query.diversity
    if share == 1.0 or len(order) < 3:
        return order
    alike = similarity(fitted, settings.content)
    if alike is None:
        return order
    head = order[: max(DIVERSIFIED * query.n, 50)]
    ids = tuple(state.ids[ordinal] for ordinal in pool.ordinals[head])
    found = Candidates(state.kind, ids, pool.ordinals[head], scores[head])
    try:
        chosen = mmr.rerank(query, found, lambda ordinals: alike(ordinals, state), len(head))
    except Exception as error:
        logger.warning("the slate keeps its order of relevance: %s", error)
        return order
    row_of = {ordinal: row for row, ordinal in zip(head.tolist(), pool.ordinals[head].tolist(), strict=True)}
    return np.array(
        [*(row_of[ordinal] for ordinal in chosen.ordinals.tolist()), *order[len(head) :].tolist()], np.int64
    )


def similarity(
    fitted: Fitted, content: Mapping[str, float] | None = None
) -> Callable[[NDArray[np.int64], LiveState], NDArray[np.float32]] | None:
    """Return what tells how alike items are (m, m), from the first retriever that can.

    `content` weighs the attributes; None leaves them as they were weighed last.
    """
    retriever = next((one for one in fitted.retrievers.values() if isinstance(one, Similar)), None)
    if retriever is None:
        return None
    alike = retriever.similarity
    # Nobody may have asked it for scores since the settings changed.
    if content is not None and can_weigh(retriever):
        retriever.weigh(content)
    return alike


def pinned_rows(pool: Pool, rules: RuleSet) -> list[tuple[int, int]]:
    """Return (position, row) of every pinned item that is in the pool, by position; later pages have no pins."""
    if rules.query.after is not None or not rules.of("pin"):
        return []
    row_of = {rules.state.ids[ordinal]: row for row, ordinal in enumerate(pool.ordinals)}
    pins = sorted(rules.of("pin"), key=lambda rule: rule.position or 0)
    return [(rule.position or 1, row_of[str(rule.item)]) for rule in pins if str(rule.item) in row_of]


def pin(rows: list[int], fixed: Sequence[tuple[int, int]]) -> list[int]:
    """Return the rows with every (position, row) at its position."""
    for position, row in fixed:
        rows = [other for other in rows if other != row]
        rows.insert(position - 1, row)
    return rows
