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
SHARES = (0.25, 0.5)
"""What share of a blend a source takes over in one step: coarse on purpose, fine steps fit the noise of few lists."""
STEPS = 15


class Blend:
    """Score = sum of weight x z-score of each source within the list.

    A source that does not propose an item (NaN) gives it the lower of 0 and its lowest score in the list before the
    z-scores are made: no evidence is no better than the weakest. z-scores are not cut, since a source of few strong
    opinions would lose the order among its best; a source that says the same of all gives 0.

    `fit` looks for non-negative weights that sum to 1 and raise mean NDCG@10 (gain = grade), stepwise forward: it
    begins with the best source and lets the source that gains most take over a share of the blend, until none gains
    more than a tie. Few and coarse steps keep it to few sources (Caruana et al., ICML 2004).

    >>> X = np.array([[3.0, 0.0], [1.0, 0.0], [2.0, 0.0]], np.float32)
    >>> Blend({"newest": 1.0}).predict(X, ("newest", "other")).round(2)
    array([ 1.22, -1.22,  0.  ], dtype=float32)
    """

    name = "blend"

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self.weights = dict(weights or {})
        self.gain: float | None = None

    def fit(
        self, X: NDArray[np.float32], y: NDArray[np.float64], sizes: NDArray[np.int64], *,
        columns: Sequence[str], rng: np.random.Generator, missed: NDArray[np.int64] | None = None,  # noqa: ARG002
        positions: NDArray[np.int64] | None = None,  # noqa: ARG002
    ) -> Self:  # fmt: skip
        """Choose the weights of `columns` and return self; without a wanted item in any list all weigh the same."""
        if int(sizes.sum()) != len(X) or len(X) != len(y) or X.shape[1] != len(columns):
            raise Invalid("lists, rows, grades and columns do not match in length", remedy="Pass one size per list.")
        best = ideal(y, sizes, missed, CUTOFF)
        weights = np.full(len(columns), 1.0 / max(len(columns), 1))
        search = _Search(standard(np.asarray(X, np.float32), sizes), np.asarray(y, np.float64), sizes, best)
        if (y > 0).any():
            weights = search.grown()
        self.gain = search.gain(_weighted(search.z, weights))
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

    def gain(self, scores: NDArray[np.float64]) -> float:
        """Return the mean NDCG@10 of these scores (total,)."""
        return float(mean_ndcg(scores, self.y, self.sizes, self.best, CUTOFF))

    def grown(self) -> NDArray[np.float64]:
        """Return the weights after all steps that gain; the earlier of equal steps, the first source of equal ones."""
        alone: NDArray[np.float64] = np.eye(self.z.shape[1])
        singles = [self.gain(_weighted(self.z, weights)) for weights in alone]
        weights: NDArray[np.float64] = alone[int(np.argmax(singles))]
        gain = max(singles)
        for _ in range(STEPS):
            scores = _weighted(self.z, weights)
            moves = [(column, share) for column in range(len(alone)) for share in SHARES]
            gains = [self.gain(_moved(scores, self.z, column, share)) for column, share in moves]
            if max(gains) <= gain + TIE:
                break
            gain = max(gains)
            column, share = moves[int(np.argmax(gains))]
            weights = (1.0 - share) * weights + share * alone[column]
        return weights


@compiled
def _weighted(z, weights):  # type: ignore[no-untyped-def]
    out = np.zeros(len(z))
    for row in range(len(z)):
        for column in range(len(weights)):
            out[row] += weights[column] * z[row, column]
    return out


@compiled
def _moved(scores, z, column, share):  # type: ignore[no-untyped-def]
    return (1.0 - share) * scores + share * z[:, column]
