"""How likely a place of a list is looked at: what answers tell of places once what was shown there is accounted for."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from proffer.models.blas import one_thread

PLACES = 50
"""Places beyond this one are looked at as this one is: few rows tell anything of each."""
FEWEST_LISTS, FEWEST_ANSWERS = 30, 50
"""Fewer lists, or fewer answered rows, tell nothing of places."""
LEAST = 0.1
"""No place counts as looked at more rarely: an answer there would weigh more than ten."""
RIDGE, SMOOTH, ANCHOR = 3.0, 4.0, 0.05
"""Penalties: of each column's weight; of a step's difference from the next one; of a step's own size."""
ROUNDS = 200
SPREADS = 5.0

Floats = NDArray[np.float64]


class Examination:
    """The chance that a place is looked at, relative to the first.

    An answer needs a look and an item worth answering: E[answer | row x at place k] = chance(k) x logistic(x), whose
    likelihood `fit` maximises; an answer may be a part of 1, as a grade is. It is what the regression EM of Wang et al.
    (WSDM 2018) climbs to, with the chance never rising from one place to the next. The columns must not tell the place:
    no standings within the list.

    >>> Examination([1.0, 0.5]).at(np.array([1, 2, 7, 0])).tolist()
    [1.0, 0.5, 0.5, 1.0]
    """

    def __init__(self, chances: Sequence[float] = (1.0,)) -> None:
        self.chances = np.asarray(chances, np.float64)

    def at(self, positions: NDArray[np.int64]) -> Floats:
        """Return the chance for places from 1 (m,), at least `LEAST`; 1 for rows without a place (0)."""
        held = np.maximum(self.chances, LEAST)[np.clip(positions, 1, len(self.chances)) - 1]
        return np.asarray(np.where(positions > 0, held, 1.0))

    @one_thread()
    def fit(self, X: NDArray[np.floating], answered: NDArray[Any], positions: NDArray[np.int64]) -> Self:
        """Learn from shown rows X (n, d) with places from 1 (n,), and what each got for an answer, 0..1 (n,)."""
        from scipy.optimize import minimize

        places = np.clip(positions, 1, PLACES) - 1
        count = int(places.max()) + 1
        inputs = _standardised(np.asarray(X, np.float64))
        c = answered.astype(np.float64)
        overall = float(np.clip(c[places == 0].mean() if (places == 0).any() else c.mean(), 0.01, 0.99))
        start = np.zeros(count - 1 + inputs.shape[1] + 1)
        start[: count - 1] = 2.0
        start[-1] = np.log(overall / (1.0 - overall))
        found = minimize(
            _loss, start, args=(inputs, c, places, count), jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS}
        )
        self.chances = np.exp(_log_chances(found.x[: count - 1]))
        return self


def _standardised(X: Floats) -> Floats:
    known = np.isfinite(X)
    counts = np.maximum(known.sum(axis=0), 1)
    X = np.where(known, X, 0.0)
    mean = X.sum(axis=0) / counts
    centred = np.where(known, X - mean, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / counts)
    told = spread > 1e-6 * np.maximum(np.abs(mean), 1e-30)
    inputs: Floats = np.clip(centred[:, told] / spread[told], -SPREADS, SPREADS)
    return inputs


def _log_chances(steps: Floats) -> Floats:
    """Return the logarithm of the chance of each place: that of a step after the other being taken.

    >>> np.exp(_log_chances(np.array([0.0, 0.0]))).tolist()
    [1.0, 0.5, 0.25]
    """
    return np.concatenate([[0.0], np.cumsum(-np.logaddexp(0.0, -steps))])


def _loss(params: Floats, X: Floats, c: Floats, places: NDArray[np.int64], count: int) -> tuple[float, Any]:
    """Return the penalised negative log-likelihood and its gradient."""
    steps, weights, base = params[: count - 1], params[count - 1 : -1], params[-1]
    logits = X @ weights + base
    log_theta = _log_chances(steps)[places]
    log_gamma = -np.logaddexp(0.0, -logits)
    log_p = np.minimum(log_theta + log_gamma, -1e-12)
    rest = -np.expm1(log_p)
    value = -float(c @ log_p + (1.0 - c) @ np.log(rest))
    # d value / d log p: an answer pulls up, a row without one pushes down by the odds.
    slope = -c + (1.0 - c) * np.exp(log_p) / rest
    by_logit = slope * np.exp(-np.logaddexp(0.0, logits))
    by_place = np.bincount(places, slope, count)
    by_step = np.cumsum(by_place[::-1])[::-1][1:] * np.exp(-np.logaddexp(0.0, steps))
    bend = np.diff(steps)
    value += RIDGE / 2 * float(weights @ weights) + SMOOTH / 2 * float(bend @ bend)
    value += ANCHOR / 2 * float(((steps - 2.0) ** 2).sum())
    pull = np.concatenate([[0.0], bend]) - np.concatenate([bend, [0.0]])
    by_step = by_step + ANCHOR * (steps - 2.0) + SMOOTH * pull[: len(steps)]
    gradient = np.concatenate([by_step, X.T @ by_logit + RIDGE * weights, [by_logit.sum()]])
    return value, gradient
