"""The first places of one list by a blend, for the many contenders of an evaluation."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from proffer.models.compiled import compiled
from proffer.models.rankers.standing import standard


def id_ranks(ordinals: NDArray[np.int64], ids: Sequence[str]) -> NDArray[np.int64]:
    """Return the place of each row (m,) in order of id.

    >>> id_ranks(np.array([2, 0]), ["b", "x", "a"])
    array([0, 1])
    """
    named = [ids[ordinal] for ordinal in ordinals.tolist()]
    order = np.array(sorted(range(len(named)), key=named.__getitem__), np.int64)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def first_places(
    scores: NDArray[np.float32], proposed: NDArray[np.bool_], ranks: NDArray[np.int64], proposing: NDArray[np.int64],
    weighted: NDArray[np.int64], weights: NDArray[np.float64], depth: int,
) -> NDArray[np.int64]:  # fmt: skip
    """Return the first `depth` rows of a pool (m, s) by a blend, best first, equal scores by their `ranks` (m,).

    Only rows that a source of the columns `proposing` brought in take part; the columns `weighted`, ascending, have
    `weights`. It is the order of `ranking.blend` and `ranking.ranking` to the bit, without sorting what nobody reads.
    """
    return cast("NDArray[np.int64]", _first_places(scores, proposed, ranks, proposing, weighted, weights, depth))


@compiled
def _first_places(scores, proposed, ranks, proposing, weighted, weights, depth):  # type: ignore[no-untyped-def]
    rows = np.empty(len(scores), np.int64)
    count = 0
    for row in range(len(scores)):
        for column in proposing:
            if proposed[row, column]:
                rows[count] = row
                count += 1
                break
    picked = np.empty((count, len(weighted)), np.float32)
    for place in range(count):
        for column in range(len(weighted)):
            picked[place, column] = scores[rows[place], weighted[column]]
    z = standard(picked, np.array([count]))
    total = np.zeros(count, np.float32)
    for column in range(len(weighted)):
        for place in range(count):
            total[place] += np.float32(z[place, column] * weights[column])
    best = np.empty(min(depth, count), np.int64)
    held = 0
    for place in range(count):
        at = held
        while at > 0:
            above = best[at - 1]
            if total[above] > total[place] or (
                total[above] == total[place] and ranks[rows[above]] < ranks[rows[place]]
            ):
                break
            at -= 1
        if at >= len(best):
            continue
        held = min(held + 1, len(best))
        for later in range(held - 1, at, -1):
            best[later] = best[later - 1]
        best[at] = place
    return rows[best]
