"""From scored candidates to a slate: objectives, boosts, diversity, caps, pins, reasons."""

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proffer.app import Exploration, Pipeline, Settings
from proffer.core.candidates import Candidates
from proffer.core.decisions import Placed, TradeOff
from proffer.core.queries import Query
from proffer.engine.explore import Drawn, Walk, exploration_of, explore
from proffer.engine.fitted import Fitted
from proffer.engine.objectives import Aimed, trade_off
from proffer.engine.pool import Pool
from proffer.engine.ranking import Ranked, ranking
from proffer.engine.reasons import Reasons
from proffer.engine.rules import RuleSet
from proffer.engine.similar import diversity_score, similarity
from proffer.features.state import State
from proffer.models.rerankers.mmr import MMR

DIVERSIFIED = 4
"""MMR chooses among this many times the slate's length of the best candidates."""
NOTHING_DRAWN = Drawn([])
logger = logging.getLogger("proffer.serve")


class Lineup(NamedTuple):
    """Rows on the way to a slate: `scores` (m,) after objectives and boosts, `kept` those that stay when every cap is
    kept and every pin stands, best first. `propensity` and `explored` are those of `Drawn`."""

    scores: NDArray[np.float32]
    kept: list[int]
    propensity: Mapping[int, float] = NOTHING_DRAWN.propensity
    explored: frozenset[int] = NOTHING_DRAWN.explored


class Arranged(NamedTuple):
    """A pool before chance, caps and pins have their say: rows best first after MMR (m,), `scores` after objectives and
    boosts (m,), and (position, row) of what is pinned."""

    order: NDArray[np.int64]
    scores: NDArray[np.float32]
    fixed: list[tuple[int, int]]

    def walk(self, pool: Pool, rules: RuleSet, exploration: Exploration) -> Walk:
        """Return the places in which exploration draws, none filled yet."""
        pinned = [row for _, row in self.fixed]
        return Walk(self.order.tolist(), self.scores, pool.ordinals, rules, exploration, pinned)


def arrange(
    ranked: Ranked, fitted: Fitted, settings: Settings, rules: RuleSet, query: Query, aimed: Aimed | None = None
) -> Arranged:
    """Return a pool's rows after objectives, boosts and MMR, with what is pinned; nothing `aimed` at is relevance."""
    pool, state = ranked.pool, rules.state
    scores = ranked.scores if aimed is None else aimed.scores
    scores = scores + lift(scores, pool, rules)
    order = ranking(scores, pool.ordinals, state.ids)
    order = diversify(order, scores, pool, fitted, settings, state, query)
    return Arranged(order, scores, pinned_rows(pool, rules))


def line_up(
    ranked: Ranked, fitted: Fitted, settings: Settings, rules: RuleSet, query: Query, aimed: Aimed | None = None
) -> Lineup:
    """Return a pool's rows after objectives, boosts, MMR, exploration, caps and pins."""
    pool = ranked.pool
    order, scores, fixed = arranged = arrange(ranked, fitted, settings, rules, query, aimed)
    exploration = exploration_of(fitted.pipeline, settings)
    if exploration.policy != "off":
        drawn = explore(arranged.walk(pool, rules, exploration), query.id)
        return Lineup(scores, pin(drawn.rows, fixed), drawn.propensity, drawn.explored)
    order = order[rules.capped(pool.ordinals[order].tolist())]
    return Lineup(scores, pin(order.tolist(), fixed))


def make_slate(
    lineup: Lineup, ranked: Ranked, fitted: Fitted, state: State, query: Query, aimed: Aimed | None = None
) -> tuple[Placed, ...]:
    """Return the first `n` places of a line-up, each with its reasons."""
    rows, pool = lineup.kept[: query.n], ranked.pool
    told = Reasons(ranked, rows, fitted, state, query, aimed)
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


def spread_of(
    lineup: Lineup, ranked: Ranked, fitted: Fitted, settings: Settings, state: State, query: Query
) -> float | None:
    """Return how different the items of a slate are, None in a pipeline that never diversifies.

    There nobody may have read the catalogue's texts yet, which takes longer than a decision may.
    """
    if fitted.pipeline.diversity == 1.0 and share_of(fitted.pipeline, settings, query) == 1.0:
        return None
    try:
        return diversity_score(ranked.pool.ordinals[lineup.kept[: query.n]], fitted, settings, state)
    except Exception as error:
        logger.warning("nobody can tell how diverse the slate is: %s", error)
        return None


def gained_by(
    aimed: Aimed, lineup: Lineup, ranked: Ranked, fitted: Fitted, settings: Settings, rules: RuleSet, query: Query
) -> TradeOff:
    """Return what a slate gains and costs beside the one that relevance alone would have given."""
    alone = lineup
    if aimed.scores is not ranked.scores:
        alone = line_up(ranked, fitted, settings, rules, query)
    shown, instead = lineup.kept[: query.n], alone.kept[: query.n]
    return trade_off(aimed, fitted.pipeline, ranked.scores, shown, instead, query.language)


def lift(scores: NDArray[np.float32], pool: Pool, rules: RuleSet) -> NDArray[np.float32]:
    """Return what boosts add to scores (m,), in units of their spread."""
    if not rules.of("boost") or not len(scores):
        return np.zeros(len(scores), np.float32)
    spread = float(np.std(scores)) or 1.0
    return (rules.boosts(pool.ordinals) * spread).astype(np.float32)


def diversify(
    order: NDArray[np.int64], scores: NDArray[np.float32], pool: Pool, fitted: Fitted, settings: Settings, state: State,
    query: Query,
) -> NDArray[np.int64]:  # fmt: skip
    """Return rows in the order of MMR over the head of the list; lambda: the query's, the settings', the default."""
    share = share_of(fitted.pipeline, settings, query)
    if share == 1.0 or len(order) < 3:
        return order
    alike = similarity(fitted, settings.content)
    if alike is None:
        return order
    head = order[: max(DIVERSIFIED * query.n, 50)]
    ids = tuple(state.ids[ordinal] for ordinal in pool.ordinals[head])
    found = Candidates(state.kind, ids, pool.ordinals[head], scores[head])
    try:
        chosen = MMR(share).rerank(query, found, lambda ordinals: alike(ordinals, state), len(head))
    except Exception as error:
        logger.warning("the slate keeps its order of relevance: %s", error)
        return order
    row_of = {ordinal: row for row, ordinal in zip(head.tolist(), pool.ordinals[head].tolist(), strict=True)}
    return np.array(
        [*(row_of[ordinal] for ordinal in chosen.ordinals.tolist()), *order[len(head) :].tolist()], np.int64
    )


def share_of(pipeline: Pipeline, settings: Settings, query: Query) -> float:
    """Return the lambda of MMR in force: the query's, the settings', the pipeline's."""
    if query.diversity is not None:
        return query.diversity
    return settings.diversity.get(pipeline.name, pipeline.diversity)


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
