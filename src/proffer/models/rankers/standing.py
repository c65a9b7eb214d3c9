"""How a score stands among the others of its list: z-scores and rank percentiles."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from proffer.models.compiled import compiled


def percentiles(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the share of known scores that are not above each score (m,), NaN for an unknown or an only one.

    >>> percentiles(np.array([3.0, np.nan, 1.0]))
    array([1. , nan, 0.5])
    """
    return cast("NDArray[np.float64]", _percentiles(scores))


def middle_percentiles(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return where each value stands among the known ones (m,): 0 the lowest, 1 the highest, equals share the middle.

    An unknown value (NaN), and an only one, stands in the middle: 0.5.

    >>> middle_percentiles(np.array([3.0, np.nan, 1.0, 3.0, 9.0]))
    array([0.5, 0.5, 0. , 0.5, 1. ])
    """
    known = np.sort(values[~np.isnan(values)])
    if len(known) < 2:
        return np.full(len(values), 0.5)
    below, above = np.searchsorted(known, values, "left"), np.searchsorted(known, values, "right")
    return np.where(np.isnan(values), 0.5, (below + above - 1) / (2.0 * (len(known) - 1)))


def standings(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return z-score and rank percentile of each column of a list (m, s) side by side (m, 2 s), NaN where unknown.

    >>> standings(np.array([[1.0], [3.0], [np.nan]], np.float32))[:, 1]
    array([0.5, 1. , nan], dtype=float32)
    """
    scores = np.ascontiguousarray(scores, np.float32)
    return cast("NDArray[np.float32]", _standings(scores, standard(scores, np.array([len(scores)], np.int64))))


@compiled
def standard(X, sizes):  # type: ignore[no-untyped-def]
    """Return the z-score of each column within its list (total, d), float64; an unknown value (NaN) takes the lower of
    0 and the column's lowest in the list first, a column that says the same of all gives 0."""
    out = np.zeros(X.shape, np.float64)
    start = 0
    for size in sizes:
        end = start + size
        for column in range(X.shape[1]):
            values = X[start:end, column].astype(np.float64)
            fill = 0.0
            for value in values:
                if value < fill:
                    fill = value
            for row in range(size):
                if np.isnan(values[row]):
                    values[row] = fill
            mean = values.sum() / max(size, 1)
            spread = np.sqrt(((values - mean) ** 2).sum() / max(size, 1))
            # float32 noise of a constant column is not a difference.
            if spread > 1e-6 * max(abs(mean), 1e-30):
                for row in range(size):
                    out[start + row, column] = (values[row] - mean) / spread
        start = end
    return out


@compiled
def _percentiles(scores):  # type: ignore[no-untyped-def]
    out = np.full(len(scores), np.nan)
    known = np.sort(scores[~np.isnan(scores)])
    if len(known) > 1:
        for row in range(len(scores)):
            if not np.isnan(scores[row]):
                out[row] = np.searchsorted(known, scores[row], side="right") / len(known)
    return out


@compiled
def _standings(scores, z):  # type: ignore[no-untyped-def]
    out = np.full((scores.shape[0], 2 * scores.shape[1]), np.nan, np.float32)
    for column in range(scores.shape[1]):
        shares = _percentiles(scores[:, column])
        for row in range(scores.shape[0]):
            if not np.isnan(scores[row, column]):
                out[row, 2 * column] = z[row, column]
                out[row, 2 * column + 1] = shares[row]
    return out
