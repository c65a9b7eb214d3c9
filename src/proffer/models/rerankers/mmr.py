"""Maximal marginal relevance: good, and not the same thing again."""

import numpy as np
from numpy.typing import NDArray

from proffer.core.candidates import Candidates
from proffer.core.errors import Invalid
from proffer.core.queries import Query
from proffer.models.base import Similarity
from proffer.models.compiled import compiled


class MMR:
    """Places, one after the other, the candidate of highest lambda x relevance - (1 - lambda) x closest placed.

    Relevance is the score scaled to 0..1 within the list (unknown scores 0), so that lambda means the same for every
    ranker: 1 keeps the order of relevance exactly, 0 looks at diversity alone after the first. The query's `diversity`
    is its lambda, else `share`. Ties go to the more relevant, then to the smaller id.

    Carbonell and Goldstein, SIGIR 1998.
    """

    def __init__(self, share: float = 1.0) -> None:
        self.share = _checked(share)

    def rerank(self, query: Query, candidates: Candidates, similarity: Similarity, n: int) -> Candidates:
        """Return the first `n` in their new order; `similarity` (m, m) in 0..1 is that of the candidates as given.

        A callable gets the candidates' ordinals in order of relevance and is not asked when lambda is 1.
        """
        share = self.share if query.diversity is None else _checked(query.diversity)
        if share == 1.0 or candidates.scores is None or len(candidates) < 2:
            return candidates.top(n)
        order = _by_relevance(candidates)
        ranked = candidates.take(order)
        close = similarity(ranked.ordinals) if callable(similarity) else similarity[np.ix_(order, order)]
        close = np.ascontiguousarray(close, np.float32)
        if close.shape != (len(order), len(order)):
            raise Invalid("the similarity is not one row and column per candidate", remedy="Pass a matrix (m, m).")
        assert ranked.scores is not None
        return ranked.take(_greedy(_scaled(ranked.scores), close, share, min(n, len(ranked))))


def diversity(similarity: NDArray[np.float32]) -> float:
    """Return 1 - the mean similarity of two different items of a slate (m, m); NaN for fewer than two.

    >>> diversity(np.array([[1.0, 0.25], [0.25, 1.0]], np.float32))
    0.75
    """
    size = len(similarity)
    if size < 2:
        return float("nan")
    above = similarity[np.triu_indices(size, 1)].astype(np.float64)
    return float(1.0 - above.mean())


def _checked(share: float) -> float:
    if not 0.0 <= share <= 1.0:
        raise Invalid("lambda is not between 0 and 1", field="diversity", remedy="Send 1 for relevance only.")
    return share


def _by_relevance(candidates: Candidates) -> NDArray[np.int64]:
    assert candidates.scores is not None
    key = np.where(np.isnan(candidates.scores), -np.inf, candidates.scores)
    return np.asarray(sorted(range(len(key)), key=lambda row: (-key[row], candidates.ids[row])), np.int64)


def _scaled(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    values = scores.astype(np.float64)
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    return np.clip(np.nan_to_num((values - low) / ((high - low) or 1.0), nan=0.0), 0.0, 1.0)


@compiled
def _greedy(relevance, similarity, share, n):  # type: ignore[no-untyped-def]
    placed, free = np.empty(n, np.int64), np.ones(len(relevance), np.bool_)
    closest = np.zeros(len(relevance), np.float32)
    for place in range(n):
        best, highest = -1, -np.inf
        for row in range(len(relevance)):
            if free[row]:
                value = share * relevance[row] - (1.0 - share) * closest[row]
                if value > highest:
                    best, highest = row, value
        placed[place], free[best] = best, False
        closest = np.maximum(closest, similarity[best])
    return placed
