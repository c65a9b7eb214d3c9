"""GF-CF: the smooth part of who wanted what, by a linear and an ideal filter over the graph of both."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.blas import one_thread
from proffer.models.compiled import compiled
from proffer.models.gram import members_of, places_of
from proffer.models.links import strongest
from proffer.models.retrievers.linked import Linked, all_wanted
from proffer.models.wanted import Wanted, wanted_matrix

_BESIDE, _ROUNDS = 16, 4
"""How many directions more than asked for are followed, and how often, before the strongest are kept."""


class GFCF(Linked):
    """Score = sum over the subject's wanted items of how far the two are joined in the graph of who wanted what.

    With R the matrix divided by the roots of its row and column sums, the join of two items is R^T R, which is one
    step over common people, plus `alpha` x D^-1/2 V V^T D^1/2, where V are the `factors` strongest right singular
    vectors of R and D the columns' sums: what is left of the graph when only its smoothest parts pass. Each item keeps
    the `kept` strongest joins. Both parts are made some rows at a time, so nothing grows with the square of the
    catalogue but the work.

    Shen, Wu, Zhang, Shan, Zhang, Letaief and Li, "How Powerful is Graph Convolution for Recommendation?", CIKM 2021.
    """

    name = "gfcf"
    settings = ("alpha", "factors", "history", "kept", "most", "seed")
    alternatives = ({"factors": 32}, {"alpha": 0.1}, {"factors": 128}, {"alpha": 1.0}, {"alpha": 0.0})

    def __init__(
        self, alpha: float = 0.3, *, factors: int = 64, history: int = 500, kept: int = 200, most: int = 30_000,
        seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.alpha, self.factors, self.seed = alpha, factors, seed
        self.history, self.kept, self.most = history, kept, most

    @one_thread()
    def fit(self, state: LiveState, *, at: float, weights: Mapping[str, float]) -> Self:
        """Make the filter of what every subject wanted before `at`, and return self."""
        self.weights = dict(weights)
        n = len(state.ids)
        wanted = wanted_matrix(state.interactions(), self.weights, until=at, limit=self.history, items=n)
        sums = np.bincount(wanted.columns, minlength=n)
        members = members_of(sums, self.most)
        matrix = _normalised(wanted, sums, places_of(members, n))
        by_item = matrix.transposed(len(members))
        smooth = _strongest_directions(matrix, by_item, self.factors, self.seed)
        roots = np.sqrt(sums[members]).astype(np.float32)
        left, right = smooth * (np.float32(self.alpha) / roots[:, None]), (smooth * roots[:, None]).T

        def rows(begin: int, end: int) -> NDArray[np.float32]:
            block: NDArray[np.float32] = left[begin:end] @ right
            _add_steps(*by_item, *matrix, begin, block)
            return block

        self.links = strongest(rows, members, n, self.kept)
        return self

    def recalled(self, query: Query, state: LiveState) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the last `history` different items the subject wanted, each counting 1."""
        return all_wanted(query, state, self.weights, self.history)

    def memory(self, users: int, items: int, interactions: int) -> int:
        """Return the bytes of who wanted what by user and by item, of the directions, and of the links kept."""
        members = min(items, self.most)
        wide = 12 * (self.factors + _BESIDE) * (users + members)
        return 40 * interactions + wide + 8 * users + 8 * members * min(self.kept, members) + 1_200 * items

    def seconds(self, users: int, items: int, interactions: int) -> float:
        """Return what the directions, the steps over common people, and choosing the joins take."""
        members, wide = float(min(items, self.most)), self.factors + _BESIDE
        pairs = interactions * min(interactions / max(users, 1), self.history)
        directions = 2 * _ROUNDS * wide * (5e-10 * interactions + 1e-10 * wide * (users + members))
        return 3e-7 * interactions + directions + 2e-9 * pairs + (2e-11 * self.factors + 1.2e-8) * members**2


def _normalised(wanted: Wanted, sums: NDArray[Any], places: NDArray[np.int32]) -> Wanted:
    """Return the members' part of the matrix, each value 1 / sqrt(row sum x column sum)."""
    rows = np.repeat(np.arange(len(wanted.start) - 1), np.diff(wanted.start))
    values = 1.0 / np.sqrt(np.diff(wanted.start)[rows].astype(np.float64) * sums[wanted.columns])
    inside = places[wanted.columns] >= 0
    start = np.concatenate([[0], np.cumsum(inside)])[wanted.start].astype(np.int64)
    return Wanted(start, places[wanted.columns][inside], values[inside].astype(np.float32))


def _strongest_directions(matrix: Wanted, by_item: Wanted, factors: int, seed: int) -> NDArray[np.float32]:
    """Return the strongest right singular vectors (c, f) by subspace iteration (Halko, Martinsson and Tropp, 2011)."""
    rows, size = len(matrix.start) - 1, len(by_item.start) - 1
    wide = min(factors + _BESIDE, size, rows)
    if not wide:
        return np.zeros((size, 1), np.float32)
    V = np.random.default_rng(seed).standard_normal((size, wide)).astype(np.float32)
    for _ in range(_ROUNDS):
        V = np.linalg.qr(V)[0]
        V = _times(*by_item, _times(*matrix, V))
    V = np.linalg.qr(V)[0]
    _, _, turn = np.linalg.svd(_times(*matrix, V), full_matrices=False)
    return np.ascontiguousarray((V @ turn.T)[:, :factors])


@compiled
def _times(start, columns, values, dense):  # type: ignore[no-untyped-def]
    """Return the product of a sparse matrix and a dense one (c, f), sums in order of the columns held."""
    out = np.zeros((len(start) - 1, dense.shape[1]), np.float32)
    for row in range(len(start) - 1):
        for place in range(start[row], start[row + 1]):
            value, other = values[place], columns[place]
            for column in range(dense.shape[1]):
                out[row, column] += value * dense[other, column]
    return out


@compiled
def _add_steps(  # type: ignore[no-untyped-def]
    item_start, users, item_values, user_start, items, user_values, begin, block
):  # fmt: skip
    for row in range(len(block)):
        for place in range(item_start[begin + row], item_start[begin + row + 1]):
            user, value = users[place], item_values[place]
            for other in range(user_start[user], user_start[user + 1]):
                block[row, items[other]] += value * user_values[other]
