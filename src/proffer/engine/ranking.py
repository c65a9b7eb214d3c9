"""The one way from a scored pool to an order: the blend of sources, then a ranker over the best of it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import CannotServe
from proffer.core.queries import Query
from proffer.engine.fitted import Fitted
from proffer.engine.pool import Pool
from proffer.features.state import State
from proffer.models.base import Ranker
from proffer.models.rankers.blend import Blend
from proffer.models.rankers.standing import standings

HEAD = 100
"""So many of the blend's best are re-ordered by a ranker; of given candidates all are."""
GAP = 1e-3
"""How far below the head the rest begins, in units of the head's lowest score or of 1."""
logger = logging.getLogger("proffer.serve")


class Head(NamedTuple):
    """The rows of a pool that a ranker orders (h,), and what it reads of them (h, D)."""

    rows: NDArray[np.int64]
    matrix: NDArray[np.float32]
    columns: tuple[str, ...]

    def places(self) -> dict[int, int]:
        """Return the place in the head of each row of the pool that is in it."""
        return {row: place for place, row in enumerate(self.rows.tolist())}


@dataclass(frozen=True)
class Ranked:
    """A pool in order: `scores` float32 (m,) and `order`, the rows best first, ties by id.

    `head` is what the ranker read, None where the blend alone decided; `why` says so where a ranker should have.
    """

    pool: Pool
    scores: NDArray[np.float32]
    order: NDArray[np.int64]
    head: Head | None = None
    why: str | None = None

    @classmethod
    def by(cls, pool: Pool, fitted: Fitted, weights: NDArray[np.float64], ids: Sequence[str]) -> "Ranked":
        """Rank by weighted z-scores of the sources (s,) alone."""
        scores = blend(pool, fitted.sources, weights)
        return cls(pool, scores, ranking(scores, pool.ordinals, ids))


def rank(
    pool: Pool, fitted: Fitted, query: Query, state: State, check_time: Callable[[], None] = lambda: None
) -> Ranked:
    """Rank a pool by what a version learned: the blend, and the ranker over its best where there is one.

    A ranker that fails, or for which `check_time` says it is too late, leaves the order to the blend: that is the
    second best a training found, and above every rung of the ladder. Where the pipeline wants the ladder then, its
    error is raised.
    """
    blended = blend(pool, fitted.sources, fitted.vector())
    if fitted.ranker is None:
        return Ranked(pool, blended, ranking(blended, pool.ordinals, state.ids))
    try:
        check_time()
        head = read_head(pool, fitted, query, state, blended)
        return reorder(fitted.ranker, head, pool, blended, state.ids)
    except Exception as error:
        if fitted.pipeline.without_ranker == "ladder":
            raise
        logger.warning("ranker %s of %s failed: %s", fitted.ranker.name, fitted.version, error)
        why = f"ranker {fitted.ranker.name}: {type(error).__name__}: {error}; the blend alone"
        return Ranked(pool, blended, ranking(blended, pool.ordinals, state.ids), why=why)


def blend(pool: Pool, sources: Sequence[str], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the weighted sum of the sources' z-scores in the pool (m,)."""
    return Blend(dict(zip(sources, weights.tolist(), strict=True))).predict(pool.scores, sources)


def head_size(query: Query) -> int | None:
    """Return how many of the blend's best a ranker orders, None for all."""
    return None if query.given else HEAD


def head_rows(
    pool: Pool, blended: NDArray[np.floating], ids: Sequence[str], most: int | None = HEAD
) -> NDArray[np.int64]:
    """Return the rows of the `most` best of a blend (m,), best first, ties by id; None means all."""
    return ranking(blended, pool.ordinals, ids)[:most]


def read_head(pool: Pool, fitted: Fitted, query: Query, state: State, blended: NDArray[np.float32]) -> Head:
    """Return the head of a blended pool (m,) with the columns of a version's ranker.

    Members of a group stand in the order they were mentioned in, in which their columns may have been read already; in
    no case has the order that candidates were given in any part in what is read of them.
    """
    if query.group is not None:
        rows = np.argsort(pool.ordinals, kind="stable")
    else:
        rows = head_rows(pool, blended, state.ids, head_size(query))
    columns = ranker_columns(state.view.columns, fitted.counting)
    return Head(rows, ranker_matrix(query, state, pool, rows, blended, fitted.counting), columns)


def ranker_columns(view_columns: Sequence[str], sources: Sequence[str]) -> tuple[str, ...]:
    """Return the names of what a ranker reads: the view's columns, two of each source, two of the blend."""
    return (*view_columns, *(f"{name}:{of}" for name in (*sources, "blend") for of in ("z", "rank")))


def ranker_matrix(
    query: Query, state: State, pool: Pool, rows: NDArray[np.int64], blended: NDArray[np.floating],
    sources: Sequence[str],
) -> NDArray[np.float32]:  # fmt: skip
    """Return what a ranker reads of these rows of a pool, float32 (h, D) with the columns of `ranker_columns`.

    List-relative columns of the view are relative to these rows. A source's z-score and rank percentile (1 = best
    known) are within them too, NaN where it does not score an item. Nothing says at which place an item stands.
    """
    if pool.matrix is not None and np.array_equal(rows, np.arange(len(pool.ordinals))):
        view = pool.matrix
    else:
        view = state.view.matrix(state.batch(query.subject, pool.ordinals[rows], query.at.timestamp(), query.context))
    places = np.array([pool.sources.index(name) for name in sources], np.int64)
    scores = np.column_stack([pool.scores[rows[:, None], places], np.asarray(blended[rows], np.float32)])
    return np.hstack([view, standings(scores)])


def read_columns(
    ranked: Ranked, rows: Sequence[int], names: Sequence[str], state: State, query: Query
) -> NDArray[np.float32]:
    """Return columns of the view of these rows of a pool (h, names).

    What was read for the scores is not read again. A list-relative column is relative to the list it was read with: the
    ranker's head where it has all these rows, else the pool.
    """
    view, places = state.view, list(rows)
    if not names or not places:
        return np.empty((len(places), len(names)), np.float32)
    if ranked.head is not None and set(places) <= (held := ranked.head.places()).keys():
        found = ranked.head.matrix[[held[row] for row in places]]
        return np.asarray(found[:, [view.columns.index(name) for name in names]])
    whole = view.relative(names)
    ordinals = ranked.pool.ordinals if whole else ranked.pool.ordinals[places]
    batch = state.batch(query.subject, ordinals, query.at.timestamp(), query.context)
    return np.asarray(view.some(batch, names)[places if whole else slice(None)])


def reorder(ranker: Ranker, head: Head, pool: Pool, blended: NDArray[np.float32], ids: Sequence[str]) -> Ranked:
    """Return a blended pool (m,) with its head in the order of a ranker and the rest below, as it was.

    Raises CannotServe where the ranker gives a row no finite score.
    """
    predicted = ranker.predict(head.matrix, head.columns)
    if predicted.shape != head.rows.shape or not np.isfinite(predicted).all():
        raise CannotServe("it gives no sound score for each candidate", remedy="Train again.")
    return placed_below(predicted, head, pool, blended, ids)


def placed_below(
    predicted: NDArray[np.float32], head: Head, pool: Pool, blended: NDArray[np.float32], ids: Sequence[str]
) -> Ranked:
    """Return a blended pool (m,) with these scores of its head (h,), and the rest shifted below the lowest."""
    scores = np.asarray(blended, np.float64).copy()
    if len(head.rows):
        lowest = float(predicted.min())
        rest = np.ones(len(scores), np.bool_)
        rest[head.rows] = False
        best = scores[rest].max() if rest.any() else 0.0
        scores[rest] += lowest - best - GAP * max(1.0, abs(lowest))
        scores[head.rows] = predicted
    final = scores.astype(np.float32)
    return Ranked(pool, final, ranking(final, pool.ordinals, ids), head)


def ranking(scores: NDArray[np.floating], ordinals: NDArray[np.int64], ids: Sequence[str]) -> NDArray[np.int64]:
    """Return rows best first, equal scores in order of id."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    borders = np.flatnonzero(np.diff(ordered) != 0) + 1
    for start, stop in zip([0, *borders.tolist()], [*borders.tolist(), len(order)], strict=True):
        if stop - start > 1:
            order[start:stop] = sorted(order[start:stop].tolist(), key=lambda row: ids[int(ordinals[row])])
    return order.astype(np.int64)
