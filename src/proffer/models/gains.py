"""Discounted gain of lists, compiled: what a fit maximises."""

import numpy as np
from numpy.typing import NDArray

from proffer.models.compiled import compiled


def ideal(
    y: NDArray[np.float64], sizes: NDArray[np.int64], missed: NDArray[np.int64] | None, k: int
) -> NDArray[np.float64]:
    """Return each list's highest discounted gain at k (lists,): its grades and `missed` ones of grade 1, best first.

    >>> ideal(np.array([0.0, 1.0]), np.array([2]), np.array([1]), 10).round(3)
    array([1.631])
    """
    gone = np.zeros(len(sizes), np.int64) if missed is None else missed
    ends = np.cumsum(sizes)
    best = np.zeros(len(sizes))
    for row, (end, size) in enumerate(zip(ends, sizes, strict=True)):
        grades = np.concatenate([y[end - size : end], np.ones(min(int(gone[row]), k))])
        grades = np.sort(np.maximum(grades, 0.0))[::-1][:k]
        best[row] = (grades / np.log2(np.arange(len(grades)) + 2.0)).sum()
    return best


@compiled
def mean_ndcg(scores, y, sizes, best, k):  # type: ignore[no-untyped-def]
    """Return the mean over lists with a wanted item of DCG@k / `best`; gain = grade, ties keep the list's order."""
    total, judged, start = 0.0, 0, 0
    top = np.empty(k, np.int64)
    for row in range(len(sizes)):
        end = start + sizes[row]
        if best[row] > 0.0:
            judged += 1
            size = 0
            for place in range(start, end):
                if size == k and scores[place] <= scores[top[k - 1]]:
                    continue
                slot = min(size, k - 1)
                while slot > 0 and scores[top[slot - 1]] < scores[place]:
                    top[slot] = top[slot - 1]
                    slot -= 1
                top[slot] = place
                size = min(size + 1, k)
            gain = 0.0
            for slot in range(size):
                gain += max(y[top[slot]], 0.0) / np.log2(slot + 2.0)
            total += gain / best[row]
        start = end
    return total / max(judged, 1)
