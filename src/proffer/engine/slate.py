"""From scored candidates to a slate: boosts, diversity, caps, pins, reasons."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proffer.app import Settings
from proffer.core.candidates import Candidates
from proffer.core.decisions import Placed
from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.engine.fitted import Fitted
from proffer.engine.pool import Pool
from proffer.engine.reasons import Reasons
from proffer.engine.rules import RuleSet
from proffer.features.state import State
from proffer.models.base import Similar
from proffer.models.rankers.blend import Blend
from proffer.models.rerankers.mmr import MMR

DIVERSIFIED = 4
"""MMR chooses among this many times the slate's length of the best candidates."""
logger = logging.getLogger("proffer.serve")


@dataclass(frozen=True)
class Ranked:
    """A pool in the order of a blend: `scores` float32 (m,) and `order`, the rows best first, ties by id."""

    pool: Pool
    scores: NDArray[np.float32]
    order: NDArray[np.int64]

    @classmethod
    def by(cls, pool: Pool, fitted: Fitted, weights: NDArray[np.float64], ids: Sequence[str]) -> "Ranked":
        """Rank by weighted z-scores of the sources."""
        scores = Blend(dict(zip(fitted.sources, weights, strict=True))).predict(pool.scores, fitted.sources)
        return cls(pool, scores, ranking(scores, pool.ordinals, ids))


def ranking(scores: NDArray[np.floating], ordinals: NDArray[np.int64], ids: Sequence[str]) -> NDArray[np.int64]:
    """Return rows best first, equal scores in order of id."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    borders = np.flatnonzero(np.diff(ordered) != 0) + 1
    for start, stop in zip([0, *borders.tolist()], [*borders.tolist(), len(order)], strict=True):
        if stop - start > 1:
            order[start:stop] = sorted(order[start:stop].tolist(), key=lambda row: ids[int(ordinals[row])])
    return order.astype(np.int64)


class Lineup(NamedTuple):
    """Rows on the way to a slate: `scores` (m,) after boosts, `kept` those that stay when every cap is kept and every
    pin stands, best first."""

    scores: NDArray[np.float32]
    kept: list[int]


def line_up(ranked: Ranked, fitted: Fitted, settings: Settings, rules: RuleSet, query: Query) -> Lineup:
    """Return a pool's rows after boosts, MMR, caps and pins."""
    pool, state = ranked.pool, rules.state
    scores = ranked.scores + lift(ranked, rules)
    order = ranking(scores, pool.ordinals, state.ids)
    order = diversify(order, scores, pool, fitted, settings, state, query)
    order = order[rules.capped(pool.ordinals[order].tolist())]
    return Lineup(scores, pin(order.tolist(), pool, rules))


def make_slate(lineup: Lineup, pool: Pool, fitted: Fitted, state: State, query: Query) -> tuple[Placed, ...]:
    """Return the first `n` places of a line-up, each with its reasons."""
    told = Reasons(pool, fitted, state, query)
    return tuple(
        Placed(
            id=state.ids[pool.ordinals[row]],
            rank=place + 1,
            score=float(lineup.scores[row]),
            sources=sources_of(pool, fitted, row),
            reasons=told.of(row),
        )
        for place, row in enumerate(lineup.kept[: query.n])
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
    alike = similarity(fitted)
    share = mmr.share if query.diversity is None else query.diversity
    if share == 1.0 or alike is None or len(order) < 3:
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


def similarity(fitted: Fitted) -> Callable[[NDArray[np.int64], LiveState], NDArray[np.float32]] | None:
    """Return what tells how alike items are (m, m), from the first retriever that can."""
    return next((r.similarity for r in fitted.retrievers.values() if isinstance(r, Similar)), None)


def pin(rows: list[int], pool: Pool, rules: RuleSet) -> list[int]:
    """Return the rows with every pinned item that is in the pool at its place; later pages have no pins."""
    if rules.query.after is not None or not rules.of("pin"):
        return rows
    row_of = {rules.state.ids[ordinal]: row for row, ordinal in enumerate(pool.ordinals)}
    for rule in sorted(rules.of("pin"), key=lambda rule: rule.position or 0):
        row = row_of.get(str(rule.item))
        if row is not None:
            rows = [other for other in rows if other != row]
            rows.insert((rule.position or 1) - 1, row)
    return rows


def sources_of(pool: Pool, fitted: Fitted, row: int) -> dict[str, float]:
    """Return the score of each source that scored the row."""
    found = pool.scores[row]
    return {name: float(found[place]) for place, name in enumerate(fitted.sources) if not np.isnan(found[place])}
