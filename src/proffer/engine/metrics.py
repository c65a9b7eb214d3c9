"""Measures of ranked lists, and their bootstrap intervals over users."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

DEPTH = 20
RESAMPLES = 1000
LEVEL = 0.95
PER_LIST = ("ndcg@5", "ndcg@10", "ndcg@20", "recall@10", "recall@20", "hitrate@10", "mrr", "map")
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


def intervals(
    values: NDArray[np.float64], users: NDArray[np.int64], names: Sequence[str], seed: int, level: float = LEVEL
) -> dict[str, Interval]:
    """Return the mean of each column of values (lists, m) with a percentile bootstrap that resamples users."""
    sums, counts = _by_user(values, users)
    draws = resample(sums, counts, seed)
    means = np.nanmean(values, axis=0) if len(values) else np.full(len(names), np.nan)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {
        name: Interval(value=float(means[place]), low=float(low[place]), high=float(high[place]))
        for place, name in enumerate(names)
    }


def paired(
    a: NDArray[np.float64], b: NDArray[np.float64], users: NDArray[np.int64], seed: int, level: float = LEVEL
) -> Interval:
    """Return the mean difference a - b over the same lists with its bootstrap interval over users."""
    return intervals((a - b)[:, None], users, ["difference"], seed, level)["difference"]


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
