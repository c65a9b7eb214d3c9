"""Who wanted what, how much: the graded matrix that factor models learn from, and one row of it at serving."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import Interactions
from proffer.models.compiled import compiled

Columns = tuple[NDArray[Any], ...]


class Wanted(NamedTuple):
    """A sparse matrix by row: row r has `columns` and `grades` (p,) from place `start[r]` to `start[r + 1]`."""

    start: NDArray[np.int64]
    columns: NDArray[np.int32]
    grades: NDArray[np.float32]

    def transposed(self, width: int) -> "Wanted":
        """Return the same matrix by column, of which there are `width`."""
        return Wanted(*_transposed(self.start, self.columns, self.grades, width))


def columns_of(interactions: Interactions, weights: Mapping[str, float]) -> Columns:
    """Return what the kernels of this module read; a type that `weights` names is graded so, not as declared."""
    by_type = np.array([weights.get(name, np.nan) for name in interactions.types] or [np.nan], np.float64)
    rows = interactions
    return rows.by_subject, rows.item, rows.at, rows.type, rows.weight, by_type


def wanted_matrix(
    interactions: Interactions, weights: Mapping[str, float], *, until: float, limit: int, items: int
) -> Wanted:
    """Return what each subject wanted before epoch seconds `until`: the rows of `taste`, all at once."""
    columns = columns_of(interactions, weights)
    return Wanted(*_matrix(interactions.subject_head, columns, until, limit, items))


def taste(
    row: int, columns: Columns, limit: int, items: int, mark: NDArray[np.int32] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the last `limit` different items (h,) wanted up to a row of a subject's chain, newest first, and grades.

    An item's grade is the highest of its wanted events; one whose newest event is unwanted is left out. At most
    8 x `limit` rows are read. `mark` is room for the work: zeros, one for each of `items`, zeros again after.
    """
    found, grades = np.empty(limit, np.int64), np.empty(limit, np.float64)
    room = np.zeros(items, np.int32) if mark is None else mark
    kept = _taste(row, columns, np.inf, limit, room, found, grades)
    return found[:kept], grades[:kept]


@compiled
def grade_of(row, types, declared, by_type):  # type: ignore[no-untyped-def]
    """Return the grade of a row: that of its type in `by_type`, the declared one where that is NaN."""
    given = by_type[types[row]]
    return declared[row] if np.isnan(given) else given


@compiled
def _taste(row, columns, until, limit, mark, found, grades):  # type: ignore[no-untyped-def]
    before, item, at, types, declared, by_type = columns
    kept, first = 0, row
    for _ in range(8 * limit):
        if row < 0:
            break
        grade = grade_of(row, types, declared, by_type)
        if grade != 0.0 and at[row] < until:
            place = mark[item[row]]
            if place == 0 and grade > 0.0 and kept < limit:
                found[kept], grades[kept] = item[row], grade
                kept += 1
                mark[item[row]] = kept
            elif place == 0:
                mark[item[row]] = -1
            elif place > 0 and grade > grades[place - 1]:
                grades[place - 1] = grade
        row = before[row]
    row = first
    for _ in range(8 * limit):
        if row < 0:
            break
        mark[item[row]] = 0
        row = before[row]
    return kept


@compiled
def _matrix(heads, columns, until, limit, items):  # type: ignore[no-untyped-def]
    item = columns[1]
    start = np.zeros(len(heads) + 1, np.int64)
    others, grades = np.empty(len(item), np.int32), np.empty(len(item), np.float32)
    mark, found, graded = np.zeros(items, np.int32), np.empty(limit, np.int64), np.empty(limit, np.float64)
    total = 0
    for subject in range(len(heads)):
        kept = _taste(heads[subject], columns, until, limit, mark, found, graded)
        for place in range(kept):
            others[total + place], grades[total + place] = found[place], graded[place]
        total += kept
        start[subject + 1] = total
    return start, others[:total].copy(), grades[:total].copy()


@compiled
def _transposed(start, columns, grades, width):  # type: ignore[no-untyped-def]
    heads = np.zeros(width + 1, np.int64)
    for place in range(len(columns)):
        heads[columns[place] + 1] += 1
    for column in range(width):
        heads[column + 1] += heads[column]
    rows, turned = np.empty(len(columns), np.int32), np.empty(len(columns), np.float32)
    free = heads[:-1].copy()
    for row in range(len(start) - 1):
        for place in range(start[row], start[row + 1]):
            slot = free[columns[place]]
            rows[slot], turned[slot] = row, grades[place]
            free[columns[place]] = slot + 1
    return heads, rows, turned
