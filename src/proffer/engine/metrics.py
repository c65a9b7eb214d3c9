"""Measures of ranked lists, and their bootstrap intervals over users."""

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Gain = Literal["binary", "grade", "exponential"]
DEPTH, CUTOFF = 20, 10
RESAMPLES = 1000
FEW, LEAST_USERS = 10, 3
"""Below so many users an interval goes by their spread instead of resamples; below the second there is none."""
LEVEL = 0.95
PER_LIST = ("ndcg@5", "ndcg@10", "ndcg@20", "recall@10", "recall@20", "hitrate@10", "mrr", "map")
UNSEEN = 0.5
"""How wanted an item counts as that was not shown, beside the mean of those that were: with 0 nothing could rise above
what was always shown, with 1 everything would."""
DISCOUNT = 1 / np.log2(np.arange(2, DEPTH + 2))


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A measure with its bootstrap interval over users."""

    value: float
    low: float | None = None
    high: float | None = None


def list_metrics(hits: NDArray[np.bool_], relevant: int) -> dict[str, float]:
    """Return the measures of one list from which of its places (up to 20) hit, and how many items were relevant.

    NDCG with grades 0 and 1 (Järvelin & Kekäläinen 2002); `map` is average precision over 20 places divided by
    min(relevant, 20); `mrr` the reciprocal of the first hit's place.

    >>> list_metrics(np.array([False, True]), 1)["mrr"]
    0.5
    """
    places = np.flatnonzero(hits[:DEPTH])
    found = {f"ndcg@{k}": _ndcg(places, relevant, k) for k in (5, 10, 20)}
    found |= {f"recall@{k}": float(np.sum(places < k)) / relevant for k in (10, 20)}
    found["hitrate@10"] = float((places < 10).any())
    found["mrr"] = 1.0 / float(places[0] + 1) if len(places) else 0.0
    precision = (np.arange(len(places)) + 1) / (places + 1)
    found["map"] = float(precision.sum()) / min(relevant, DEPTH)
    return found


def _ndcg(places: NDArray[np.int64], relevant: int, k: int) -> float:
    return float(DISCOUNT[places[places < k]].sum() / DISCOUNT[: min(relevant, k)].sum())


def gains(grades: NDArray[np.float64], how: Gain) -> NDArray[np.float64]:
    """Return what each grade (n,) adds to a list's discounted gain; one of 0 or less adds nothing.

    >>> gains(np.array([-1.0, 0.5, 2.0]), "exponential").round(3).tolist()
    [0.0, 0.414, 3.0]
    """
    wanted = np.maximum(grades, 0.0)
    if how == "binary":
        return (wanted > 0).astype(np.float64)
    return np.asarray(np.exp2(wanted) - 1.0 if how == "exponential" else wanted)


def due_gains(
    gained: NDArray[np.float64], examined: NDArray[np.float64] | None, told: NDArray[np.bool_] | None
) -> NDArray[np.float64]:  # fmt: skip
    """Return what the rows of a list are worth (m,) by what each gained when it was shown.

    `examined` (m,) is the chance with which each was looked at: an answer at a place that is rarely looked at counts
    for all the times that nobody looked (inverse propensity). `told` (m,) says which were shown or answered at all;
    another one counts as `UNSEEN` of the mean of these.

    >>> due_gains(np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.5, 1.0]), np.array([True, True, False])).tolist()
    [1.0, 2.0, 0.75]
    """
    due = gained if examined is None else gained / examined
    if told is None:
        return due
    return np.where(told, due, UNSEEN * due[told].mean() if told.any() else 0.0)


def graded_ndcg(ordered: NDArray[np.float64], every: NDArray[np.float64], k: int) -> float:
    """Return NDCG@k of a list's gains in the order it is ranked (m,) among all gains there are to be had (r,).

    >>> round(graded_ndcg(np.array([0.4, 1.0]), np.array([0.4, 1.0]), 10), 3)
    0.823
    """
    return _dcg(ordered, k) / _dcg(np.sort(every)[::-1], k)


def list_ndcg(
    gained: NDArray[np.float64], examined: NDArray[np.float64] | None, order: NDArray[np.int64], k: int
) -> tuple[float, float]:
    """Return NDCG@k of a list in an order (rows of it, best first), and how much the list counts in the mean.

    `gained` (m,) is what each row adds, `examined` (m,) the chance with which it was looked at. What was rarely looked
    at counts for all the times it was not (inverse propensity): in the list, and the whole list among others, so that
    sum(weight x value) / sum(weight) is the self-normalised estimate of the mean without that bias. The value is NaN
    and the weight 0 where nothing is to be had.

    >>> list_ndcg(np.array([0.0, 1.0]), np.array([1.0, 0.5]), np.array([1, 0]), 10)
    (1.0, 2.0)
    """
    due = gained if examined is None else gained / examined
    ideal = _dcg(np.sort(gained)[::-1], k)
    if ideal <= 0:
        return float("nan"), 0.0
    best = _dcg(np.sort(due)[::-1], k)
    return _dcg(due[order], k) / best, best / ideal


def _dcg(ordered: NDArray[np.float64], k: int) -> float:
    top = ordered[:k]
    return float(top @ DISCOUNT[: len(top)])


def intervals(
    values: NDArray[np.float64], users: NDArray[np.int64], names: Sequence[str], seed: int, level: float = LEVEL,
    weights: NDArray[np.float64] | None = None,
) -> dict[str, Interval]:  # fmt: skip
    """Return the mean of each column of values (lists, m) with a percentile bootstrap that resamples users.

    With `weights` (lists,) a list counts so much. Of fewer than ten users the interval goes by their spread.
    """
    if weights is None:
        sums, counts = _by_user(values, users)
        means = np.nanmean(values, axis=0) if len(values) else np.full(len(names), np.nan)
    else:
        both, _ = _by_user(np.column_stack([values * weights[:, None], weights]), users)
        sums, counts = both[:, :-1], both[:, -1]
        means = weights @ values / weights.sum()
    if len(counts) < FEW:
        low, high = _by_spread(sums, counts, means, level)
    else:
        draws = resample(sums, counts, seed)
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {
        name: Interval(value=float(means[place]), low=_told(low[place]), high=_told(high[place]))
        for place, name in enumerate(names)
    }


def _told(bound: float) -> float | None:
    return float(bound) if np.isfinite(bound) else None


def _by_spread(
    sums: NDArray[np.float64], counts: NDArray[np.float64], means: NDArray[np.float64], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return bounds of ratio means (m,) by the spread of a few users, with Student's t; infinite for fewer than three.

    Resamples of so few are little more than the least and the greatest of them (Efron & Tibshirani 1993, 13.4).
    """
    users = len(counts)
    if users < LEAST_USERS:
        return np.full(len(means), -np.inf), np.full(len(means), np.inf)
    from scipy.stats import t

    rest = sums - means * counts[:, None]
    error = np.sqrt(users / (users - 1) * (rest**2).sum(axis=0)) / counts.sum()
    reach = float(t.ppf((1 + level) / 2, users - 1)) * error
    return means - reach, means + reach


def paired(
    a: NDArray[np.float64], b: NDArray[np.float64], users: NDArray[np.int64], seed: int, level: float = LEVEL,
    weights: NDArray[np.float64] | None = None,
) -> Interval:  # fmt: skip
    """Return the mean difference a - b over the same lists with its bootstrap interval over users."""
    return intervals((a - b)[:, None], users, ["difference"], seed, level, weights)["difference"]


def _by_user(values: NDArray[np.float64], users: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    _, rows = np.unique(users, return_inverse=True)
    sums = np.zeros((rows.max() + 1, values.shape[1]))
    np.add.at(sums, rows, values)
    return sums, np.bincount(rows).astype(np.float64)


def resample(sums: NDArray[np.float64], counts: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return the mean over lists in each of 1,000 resamples of users (resamples, m)."""
    rng = np.random.default_rng(seed)
    means = np.empty((RESAMPLES, sums.shape[1]))
    for draw in range(RESAMPLES):
        times = np.bincount(rng.integers(0, len(counts), len(counts)), minlength=len(counts))
        means[draw] = times @ sums / (times @ counts)
    return means
