"""A direct model of rewards: logistic regression, fitted on other subjects than those it judges."""

import numpy as np
from numpy.typing import NDArray

RIDGE = 1.0
STEPS = 50
FAR = 30.0

Floats = NDArray[np.float64]


def fit(X: Floats, y: Floats, ridge: float = RIDGE) -> Floats:
    """Return the weights (d + 1,) of a logistic regression of y (n,) in 0..1 on X (n, d), the last one its intercept.

    Newton's method; the ridge holds all but the intercept, and half an answer is added on each side, so that the level
    of none or all is finite.

    >>> fit(np.zeros((4, 1)), np.array([1.0, 0.0, 1.0, 0.0])).round(6).tolist()
    [0.0, 0.0]
    """
    rows = np.column_stack([X, np.ones(len(X))])
    rows = np.vstack([rows, np.append(np.zeros(X.shape[1]), 1.0)])
    target, size = np.append(y, 0.5), np.append(np.ones(len(y)), 1.0)
    held = np.append(np.full(X.shape[1], ridge), 0.0)
    weights = np.zeros(X.shape[1] + 1)
    for _ in range(STEPS):
        chance = expit(rows @ weights)
        slope = rows.T @ (size * (target - chance)) - held * weights
        bend = (rows * (size * chance * (1 - chance))[:, None]).T @ rows + np.diag(held) + 1e-9 * np.eye(len(held))
        step = np.linalg.solve(bend, slope)
        # A whole step may overshoot where the chances are all but certain.
        weights += step / max(1.0, float(np.abs(step).max()) / 3.0)
        if float(np.abs(step).max()) < 1e-8:
            break
    return weights


def predict(weights: Floats, X: Floats) -> Floats:
    """Return the chance of a reward (n,) by weights (d + 1,)."""
    return expit(X @ weights[:-1] + weights[-1])


def expit(values: Floats) -> Floats:
    """Return 1 / (1 + exp(-values)), never quite 0 or 1."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -FAR, FAR))))


def folds(clusters: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a fold 0..count-1 for each row (n,), the same for all rows of a cluster, as even in clusters as may be."""
    found, rows = np.unique(clusters, return_inverse=True)
    return np.asarray(rng.permutation(np.arange(len(found)) % count)[rows])
