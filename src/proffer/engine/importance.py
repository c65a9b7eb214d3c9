"""What a ranker goes by: how much each column gained while it learned, and what is lost when a column is shuffled."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.engine.learned import Lists
from proffer.engine.metrics import CUTOFF, list_ndcg
from proffer.models.base import Ranker, gained
from proffer.models.rankers.linear import LinearRanker

LISTS, COLUMNS, TOLD = 200, 30, 20
"""So many lists at most, and so many columns by gain, are shuffled; so many are told."""


class Importance(msgspec.Struct, frozen=True, kw_only=True):
    """A column that a ranker goes by.

    `gain` is its share of all that splits (or weights) gained in learning; `permutation` how much NDCG@10 of the report
    is lost when its values are shuffled over all rows (Breiman 2001), below 0 where it does better without; None where
    nothing was shuffled.
    """

    name: str
    gain: float
    permutation: float | None = None


def importances(ranker: Ranker, heads: Lists, seed: int) -> list[Importance]:
    """Return the columns of most gain, and of these what shuffling costs on lists that taught the ranker nothing."""
    total = gained(ranker)
    whole = sum(total.values())
    if whole <= 0:
        return []
    best = sorted(total, key=lambda name: (-total[name], name))[:COLUMNS]
    lost = permuted(ranker, heads, best, seed) if len(heads) else {}
    found = [
        Importance(name=name, gain=total[name] / whole, permutation=lost.get(name)) for name in best if total[name] > 0
    ]
    return found[:TOLD]


def permuted(ranker: Ranker, heads: Lists, names: list[str], seed: int) -> dict[str, float]:
    """Return how much NDCG@10 is lost when each of these columns is shuffled over all rows, each by itself."""
    rng = np.random.default_rng(seed)
    X, sizes = heads.X, heads.sizes
    places = {name: place for place, name in enumerate(heads.columns)}
    whole = _mean_ndcg(ranker, X, heads, sizes)
    found = {}
    for name in names:
        if name in places:
            shuffled = X.copy()
            shuffled[:, places[name]] = rng.permutation(X[:, places[name]])
            found[name] = whole - _mean_ndcg(ranker, shuffled, heads, sizes)
    return found


def list_values(ranker: Ranker, heads: Lists, cuts: tuple[int, ...]) -> NDArray[np.float64]:
    """Return NDCG of each list in a ranker's order at each of these depths (lists, cuts), by what each row adds."""
    return _values(ranker, heads.X, heads, heads.sizes, cuts)


def _mean_ndcg(ranker: Ranker, X: NDArray[np.float32], heads: Lists, sizes: NDArray[np.int64]) -> float:
    return float(np.average(_values(ranker, X, heads, sizes, (CUTOFF,))[:, 0], weights=heads.weights))


def _values(
    ranker: Ranker, X: NDArray[np.float32], heads: Lists, sizes: NDArray[np.int64], cuts: tuple[int, ...]
) -> NDArray[np.float64]:  # fmt: skip
    ends = np.cumsum(sizes)
    found = np.empty((len(sizes), len(cuts)))
    gained, missed = heads.gained, heads.missed
    scores = _scores(ranker, X, sizes, heads.columns)
    for number, (end, size) in enumerate(zip(ends.tolist(), sizes.tolist(), strict=True)):
        rows = slice(end - size, end)
        order = np.argsort(-scores[rows], kind="stable")
        every = np.concatenate([gained[rows], np.ones(missed[number])])
        found[number] = [list_ndcg(every, None, order, k)[0] for k in cuts]
    return found


def _scores(
    ranker: Ranker, X: NDArray[np.float32], sizes: NDArray[np.int64], columns: Sequence[str]
) -> NDArray[np.float32]:
    """Return a ranker's scores of lists laid end to end (total,), all at once where it can tell them so."""
    if getattr(ranker, "by_row", False):
        return ranker.predict(X, columns)
    if isinstance(ranker, LinearRanker):
        return ranker.predict_lists(X, sizes, columns)
    lists = np.split(X, np.cumsum(sizes)[:-1].tolist())
    return np.concatenate([ranker.predict(rows, columns) for rows in lists])
