"""How much two rankings of one list of candidates agree."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Correlation(NamedTuple):
    """Kendall's tau-b and Spearman's rho; None where fewer than two candidates differ in score."""

    kendall: float | None
    spearman: float | None


def correlation(one: ArrayLike, other: ArrayLike) -> Correlation:
    """Return the rank correlations of two scores of the same candidates (m,), ties as Kendall 1945 counts them.

    >>> correlation([3.0, 2.0, 1.0], [30.0, 20.0, 25.0])
    Correlation(kendall=0.333333, spearman=0.5)
    """
    a, b = (_ranks(np.asarray(values, np.float64)) for values in (one, other))
    if len(a) < 2 or a.min() == a.max() or b.min() == b.max():
        return Correlation(None, None)
    before, after = (np.sign(ranks[:, None] - ranks) for ranks in (a, b))
    kendall = (before * after).sum() / np.sqrt((before**2).sum() * (after**2).sum())
    return Correlation(round(float(kendall), 6), round(float(np.corrcoef(a, b)[0, 1]), 6))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each value from 0 (m,), equal ones sharing the mean of theirs."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts + 1) / 2)[group])


def overlap(one: Sequence[str], other: Sequence[str], depth: int) -> float | None:
    """Return the share of the first `depth` items that two lists have in common, None where both are empty.

    Of lists that end before, it is the share of the longer one.

    >>> overlap(["a", "b", "c"], ["b", "a", "d"], 3)
    0.6666666666666666
    """
    longest = max(len(one[:depth]), len(other[:depth]))
    return len({*one[:depth]} & {*other[:depth]}) / longest if longest else None
