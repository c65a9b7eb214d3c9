"""The k best of a catalogue, exactly."""

from collections.abc import Sequence
from heapq import nsmallest

import numpy as np
from numpy.typing import NDArray


def top_rows(
    scores: NDArray[np.float64], k: int, ids: Sequence[str], allowed: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Return the rows of the `k` highest scores (n,), best first, equal scores in order of id.

    Rows with a score of NaN or minus infinity, and rows that `allowed` (n,) excludes, are never among them. The
    answer is that of a full sort: all rows that tie at the border take part, so it does not depend on their order.

    >>> top_rows(np.array([1.0, 3.0, 3.0, np.nan]), 2, ["a", "c", "b", "d"])
    array([2, 1])
    """
    valid = scores > -np.inf
    if allowed is not None:
        valid &= allowed
    rows = np.flatnonzero(valid)
    if k <= 0 or not len(rows):
        return np.empty(0, np.int64)
    values = scores[rows]
    if len(rows) > k:
        border = values[np.argpartition(values, len(rows) - k)[len(rows) - k]]
        above = rows[values > border]
        # Only as many of the tied as still fit are put in order: a catalogue of equal scores stays cheap.
        tied = nsmallest(k - len(above), rows[values == border].tolist(), key=ids.__getitem__)
        rows = np.concatenate([above, np.asarray(tied, np.int64)])
        values = scores[rows]
    by_id = sorted(range(len(rows)), key=lambda place: ids[int(rows[place])])
    order = np.asarray(by_id, np.int64)
    return rows[order[np.argsort(-values[order], kind="stable")]].astype(np.int64)
