"""A weighted sum of sources, each made comparable within the list."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Invalid
from proffer.models.base import Parameters
from proffer.models.compiled import compiled
from proffer.models.gains import ideal, mean_ndcg
from proffer.models.rankers.standing import standard

CUTOFF = 10
TIE = 1e-4
"""Two blends closer than this in mean NDCG are equal, and the one of fewer sources is taken."""


class Blend:
    """Score = sum of weight x z-score of each source within the list.

    A source that does not propose an item (NaN) gives it the lower of 0 and its lowest score in the list before the
    z-scores are made: no evidence is no better than the weakest. z-scores are not cut, since a source of few strong
    opinions would lose the order among its best; a source that says the same of all gives 0.

    `fit` looks for non-negative weights that sum to 1 and maximise mean NDCG@10 (gain = grade): each source alone,
    all alike, a seeded random search, then coordinate ascent; at last sources are dropped that do not pay.

    >>> X = np.array([[3.0, 0.0], [1.0, 0.0], [2.0, 0.0]], np.float32)
    >>> Blend({"newest": 1.0}).predict(X, ("newest", "other")).round(2)
    array([ 1.22, -1.22,  0.  ], dtype=float32)
    """

    name = "blend"

    def __init__(self, weights: Mapping[str, float] | None = None, *, draws: int = 60, rounds: int = 3) -> None:
        self.weights = dict(weights or {})
        self.draws = draws
        self.rounds = rounds
        self.gain: float | None = None

    def fit(
        self, X: NDArray[np.float32], y: NDArray[np.float64], sizes: NDArray[np.int64], *,
        columns: Sequence[str], rng: np.random.Generator, missed: NDArray[np.int64] | None = None,
        positions: NDArray[np.int64] | None = None,  # noqa: ARG002
    ) -> Self:  # fmt: skip
        """Choose the weights of `columns` and return self; without a wanted item in any list all weigh the same."""
        if int(sizes.sum()) != len(X) or len(X) != len(y) or X.shape[1] != len(columns):
            raise Invalid("lists, rows, grades and columns do not match in length", remedy="Pass one size per list.")
        best = ideal(y, sizes, missed, CUTOFF)
        search = _Search(standard(np.asarray(X, np.float32), sizes), np.asarray(y, np.float64), sizes, best)
        even = np.full(len(columns), 1.0 / max(len(columns), 1))
        weights = even
        if (y > 0).any():
            weights = search.pruned(search.ascent(search.start(even, self.draws, rng), self.rounds))
        self.gain = search.gain(weights)
        self.weights = {name: float(weight) for name, weight in zip(columns, weights, strict=True)}
        return self

    def contributions(self, X: NDArray[np.float32], columns: Sequence[str]) -> NDArray[np.float32]:
        """Return what each source adds to each row's score (n, d), 0 for a column without a weight."""
        weights = np.array([self.weights.get(name, 0.0) for name in columns], np.float64)
        values = standard(np.asarray(X, np.float32), np.array([len(X)], np.int64))
        return np.asarray(values * weights, np.float32)

    def predict(self, X: NDArray[np.float32], columns: Sequence[str]) -> NDArray[np.float32]:
        """Return the blended score of each row (n,) of one list X (n, d) with these columns."""
        parts = self.contributions(X, columns)
        total = np.zeros(len(parts), np.float32)
        for column in range(parts.shape[1]):
            total += parts[:, column]
        return total

    def parameters(self) -> Parameters:
        """Return the weights by source, and the mean NDCG@10 they were chosen for."""
        return {"weights": self.weights, "gain": self.gain}, {}

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG002
        """Take over weights and return self."""
        self.weights, self.gain = dict(values["weights"]), values.get("gain")
        return self


class _Search:
    """The search for weights over standardised lists."""

    def __init__(
        self, z: NDArray[np.float64], y: NDArray[np.float64], sizes: NDArray[np.int64], best: NDArray[np.float64]
    ) -> None:
        self.z, self.y, self.sizes, self.best = z, y, np.asarray(sizes, np.int64), best

    def gain(self, weights: NDArray[np.float64]) -> float:
        """Return the mean NDCG@10 of these weights."""
        return float(mean_ndcg(_weighted(self.z, weights), self.y, self.sizes, self.best, CUTOFF))

    def start(self, even: NDArray[np.float64], draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return the best of each source alone, all alike, and random mixtures; the sparser of equals."""
        tried = [*np.eye(len(even)), even, *rng.dirichlet(np.full(len(even), 0.7), draws)]
        gains = np.array([self.gain(weights) for weights in tried])
        return np.asarray(tried[int(np.flatnonzero(gains >= gains.max() - TIE)[0])], np.float64)

    def ascent(self, weights: NDArray[np.float64], rounds: int) -> NDArray[np.float64]:
        """Return the weights after moving one at a time while that gains more than a tie."""
        gain = self.gain(weights)
        for _ in range(rounds):
            before = gain
            for column in range(len(weights)):
                for value in (0.0, *(weights[column] * np.array([0.5, 0.8, 1.25, 2.0])), 0.05, 0.2, 0.5):
                    moved = _share(weights, column, value)
                    if moved is not None and (found := self.gain(moved)) > gain + TIE:
                        weights, gain = moved, found
            if gain == before:
                break
        return weights

    def pruned(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weights without the sources whose loss is a tie, the lightest first."""
        for column in np.argsort(weights, kind="stable"):
            without = _share(weights, int(column), 0.0)
            if weights[column] > 0.0 and without is not None and self.gain(without) >= self.gain(weights) - TIE:
                weights = without
        return weights


def _share(weights: NDArray[np.float64], column: int, value: float) -> NDArray[np.float64] | None:
    moved = weights.copy()
    moved[column] = value
    return moved / moved.sum() if moved.sum() > 0.0 else None


@compiled
def _weighted(z, weights):  # type: ignore[no-untyped-def]
    out = np.zeros(len(z))
    for row in range(len(z)):
        for column in range(len(weights)):
            out[row] += weights[column] * z[row, column]
    return out
