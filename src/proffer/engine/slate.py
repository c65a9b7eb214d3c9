"""From scored candidates to a slate: boosts, diversity, caps, pins, reasons."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proffer.app import Settings
from proffer.core.candidates import Candidates
from proffer.core.decisions import Placed
from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.engine.fitted import Fitted
from proffer.engine.pool import Pool
from proffer.engine.reasons import reasons
from proffer.engine.rules import RuleSet
from proffer.features.state import State
from proffer.models.base import Similar
from proffer.models.rankers.blend import Blend
from proffer.models.rerankers.mmr import MMR

DIVERSIFIED = 4
"""MMR chooses among this many times the slate's length of the best candidates."""


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
    values, places = scores.tolist(), ordinals.tolist()
    return np.array(sorted(range(len(values)), key=lambda row: (-values[row], ids[places[row]])), np.int64)


def make_slate(ranked: Ranked, fitted: Fitted, settings: Settings, rules: RuleSet, query: Query) -> tuple[Placed, ...]:
    """Return the first `n` places after boosts, MMR, caps and pins, each with its reasons."""
    pool, state = ranked.pool, rules.state
    lifted = ranked.scores + lift(ranked, rules)
    order = ranking(lifted, pool.ordinals, state.ids)
    order = diversify(order, lifted, pool, fitted, settings, rules.state, query)
    order = order[rules.capped(pool.ordinals[order].tolist())]
    rows = pin(order.tolist(), pool, rules)[: query.n]
    return tuple(
        Placed(
            id=state.ids[pool.ordinals[row]],
            rank=place + 1,
            score=float(lifted[row]),
            sources=sources_of(pool, fitted, row),
            reasons=reasons(pool, row, fitted, state, query),
        )
        for place, row in enumerate(rows)
    )


def lift(ranked: Ranked, rules: RuleSet) -> NDArray[np.float32]:
    """Return what boosts add (m,), in units of the spread of the list's scores."""
    if not rules.of("boost"):
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
    if alike is None or len(order) < 3:
        return order
    head = order[: max(DIVERSIFIED * query.n, 50)]
    ids = tuple(state.ids[ordinal] for ordinal in pool.ordinals[head])
    found = Candidates(state.kind, ids, pool.ordinals[head], scores[head])
    chosen = mmr.rerank(query, found, lambda ordinals: alike(ordinals, state), len(head))
    row_of = {ordinal: row for row, ordinal in zip(head.tolist(), pool.ordinals[head].tolist(), strict=True)}
    return np.array(
        [*(row_of[ordinal] for ordinal in chosen.ordinals.tolist()), *order[len(head) :].tolist()], np.int64
    )


def similarity(fitted: Fitted) -> Callable[[NDArray[np.int64], LiveState], NDArray[np.float32]] | None:
    """Return what tells how alike items are (m, m), from the first retriever that can."""
    return next((r.similarity for r in fitted.retrievers.values() if isinstance(r, Similar)), None)


def pin(rows: list[int], pool: Pool, rules: RuleSet) -> list[int]:
    """Return the rows with every pinned item that is in the pool at its place."""
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
