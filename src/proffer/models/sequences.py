"""What each subject wanted, in order: the sequences that the next-item models learn from and answer to."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import Interactions, LiveState
from proffer.core.queries import Query
from proffer.models.compiled import compiled
from proffer.models.histories import ITEM
from proffer.models.wanted import columns_of, grade_of


class Sequences(NamedTuple):
    """The wanted items (m,) of each subject s, oldest first, from place `start[s]` to `start[s + 1]`."""

    start: NDArray[np.int64]
    items: NDArray[np.int32]


def sequences(interactions: Interactions, weights: Mapping[str, float], *, until: float, limit: int) -> Sequences:
    """Return the last `limit` items that each subject wanted before epoch seconds `until`, in order of the log.

    An item that is wanted again later counts again; several events in a row with the same item are one.
    """
    columns = columns_of(interactions, weights)
    return Sequences(*_sequences(interactions.subject_head, columns, until, limit))


def latest(
    query: Query, state: LiveState, weights: Mapping[str, float], limit: int
) -> NDArray[np.int64]:  # fmt: skip
    """Return the last `limit` items of the subject's sequence (r,), newest first, or the item the context names.

    An item whose newest event is unwanted (a hide after a view) is left out.
    """
    named = query.context.get(ITEM)
    if named is not None:
        found = state.ordinals([str(named)])
        return found[found >= 0]
    interactions, subject = state.interactions(), state.subject_ordinal(query.subject)
    if not 0 <= subject < len(interactions.subject_head):
        return np.empty(0, np.int64)
    columns = columns_of(interactions, weights)
    last: NDArray[np.int64] = _latest(interactions.subject_head[subject], columns, limit)
    return last


def wanted_counts(items: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """Return how often each of `n` items stands in the sequences (n,)."""
    return np.bincount(items, minlength=n).astype(np.int64)


@compiled
def _sequences(heads, columns, until, limit):  # type: ignore[no-untyped-def]
    before, item, at, types, declared, by_type = columns
    start = np.zeros(len(heads) + 1, np.int64)
    items = np.empty(len(item), np.int32)
    total = 0
    for subject in range(len(heads)):
        row, kept, last = heads[subject], 0, -1
        while row >= 0 and kept < limit:
            if at[row] < until and grade_of(row, types, declared, by_type) > 0.0 and item[row] != last:
                last = item[row]
                items[total + kept] = last
                kept += 1
            row = before[row]
        items[total : total + kept] = items[total : total + kept][::-1].copy()
        total += kept
        start[subject + 1] = total
    return start, items[:total].copy()


@compiled
def _latest(row, columns, limit):  # type: ignore[no-untyped-def]
    before, item, _, types, declared, by_type = columns
    found, hidden = np.empty(limit, np.int64), np.empty(8 * limit, np.int64)
    kept, away, last = 0, 0, -1
    for _ in range(8 * limit):
        if row < 0 or kept == limit:
            break
        grade = grade_of(row, types, declared, by_type)
        one = item[row]
        if grade < 0.0 and not _among(found, kept, one):
            hidden[away] = one
            away += 1
        elif grade > 0.0 and one != last and not _among(hidden, away, one):
            last = one
            found[kept] = one
            kept += 1
        row = before[row]
    return found[:kept].copy()


@compiled
def _among(values, size, wanted):  # type: ignore[no-untyped-def]
    for place in range(size):  # noqa: SIM110
        if values[place] == wanted:
            return True
    return False
