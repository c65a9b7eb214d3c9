"""Walks over the interaction columns of a state: who wanted what, lately."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import Interactions, LiveState
from proffer.core.queries import Query
from proffer.models.compiled import compiled

ITEM = "item"
"""The member of a query's context that asks for items like this one."""


def graded(interactions: Interactions, weights: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the weight of each interaction (m,): that of its type in `weights`, else its declared one."""
    if not weights:
        return interactions.weight
    by_type = np.array([weights.get(name, np.nan) for name in interactions.types], np.float64)
    if not len(by_type):
        return interactions.weight
    given = by_type[interactions.type]
    return np.where(np.isnan(given), interactions.weight, given)


def seeds(query: Query, state: LiveState, limit: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return what the answer shall resemble, newest first: ordinals (r,) and when each was wanted, epoch seconds (r,).

    That is the item the query's context names, else the last `limit` different items the subject wanted.
    """
    named = query.context.get(ITEM)
    if named is not None:
        found = state.ordinals([str(named)])
        found = found[found >= 0]
        return found, np.full(len(found), query.at.timestamp())
    return last_wanted(state.interactions(), state.subject_ordinal(query.subject), limit)


def last_wanted(interactions: Interactions, subject: int, limit: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the last `limit` different items a subject wanted, newest first, and when; empty for an unknown one.

    An item whose newest event is unwanted (a hide after a view) is left out.
    """
    if not 0 <= subject < len(interactions.subject_head):
        return np.empty(0, np.int64), np.empty(0, np.float64)
    head = interactions.subject_head[subject]
    found: tuple[NDArray[np.int64], NDArray[np.float64]] = walk(
        head, interactions.by_subject, interactions.item, interactions.at, interactions.weight, limit, 8 * limit
    )
    return found


@compiled
def walk(row, before, item, at, weight, limit, steps):  # type: ignore[no-untyped-def]
    """Walk at most `steps` rows back from `row`; return up to `limit` different wanted items and when."""
    items, times = np.empty(limit, np.int64), np.empty(limit, np.float64)
    met = np.empty(steps, np.int64)
    kept = known = 0
    for _ in range(steps):
        if row < 0 or kept == limit:
            break
        again = False
        for place in range(known):
            if met[place] == item[row]:
                again = True
                break
        if not again and weight[row] != 0.0:
            met[known] = item[row]
            known += 1
            if weight[row] > 0.0:
                items[kept], times[kept] = item[row], at[row]
                kept += 1
        row = before[row]
    return items[:kept], times[:kept]


def first_wanted(interactions: Interactions, grades: NDArray[np.float64], at: float) -> NDArray[np.int64]:
    """Return the rows, in order of the log, where a subject wants an item for the first time and before `at`.

    These are what a model should have foreseen: a like after a view of the same item is no news.
    """
    rows = np.flatnonzero((grades > 0) & (interactions.at < at))
    if not len(rows):
        return rows
    pair = interactions.subject[rows] * (np.int64(interactions.item[rows].max()) + 1) + interactions.item[rows]
    _, first = np.unique(pair, return_index=True)
    return np.asarray(rows[np.sort(first)])


def latest_sample(rows: NDArray[np.int64], share: float, most: int) -> NDArray[np.int64]:
    """Return at most `most` rows, evenly spread over the last `share` of them.

    >>> latest_sample(np.arange(10), 0.5, 3)
    array([5, 7, 9])
    """
    tail = rows[len(rows) - int(np.ceil(len(rows) * share)) :]
    if len(tail) <= most:
        return tail
    return tail[np.linspace(0, len(tail) - 1, most).astype(np.int64)]


def wanted_pairs(
    subjects: NDArray[np.int64], items: NDArray[np.int64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each wanted pair once, by subject and then by item, only the `most` last ones of a subject."""
    if not len(items):
        return subjects, items
    pair = subjects * (items.max() + 1) + items
    _, last = np.unique(pair[::-1], return_index=True)
    rows = np.sort(len(pair) - 1 - last)
    rows = rows[np.argsort(subjects[rows], kind="stable")]
    owners = subjects[rows]
    left = np.searchsorted(owners, owners, side="right") - np.arange(len(rows))
    rows = rows[left <= most]
    order = np.lexsort((items[rows], subjects[rows]))
    return subjects[rows][order], items[rows][order]
