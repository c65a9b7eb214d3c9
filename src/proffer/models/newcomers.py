"""Items that appear between two trainings: each gets a vector from the people who wanted it first."""

import weakref
from collections.abc import Callable, Mapping
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.models.compiled import compiled
from proffer.models.wanted import columns_of, grade_of, taste

FoldUser = Callable[[NDArray[np.float32], NDArray[np.float64]], NDArray[np.float32]]
"""Makes a user's vector (f,) of the vectors (h, f) and grades (h,) of what he wanted."""

FoldItem = Callable[[NDArray[np.float32], NDArray[np.float64], float], NDArray[np.float32]]
"""Makes an item's vector (f,) of the vectors (h, f) and grades (h,) of who wanted it, and of its exposure, 0..1."""


class Newcomers:
    """Vectors of the items that a model was not fitted on, as of a state.

    An item's vector is made of the first `first` different people who wanted it, those without any fitted item in
    their past left out; each person's vector of the last `history` fitted items wanted before that row of the
    log. Its exposure is the number of rows from the first of these wants to the last over `rows`, those of the fit: who
    did not come by meanwhile has not turned it down. So a vector depends on the model and the log up to now, and not
    on what was asked before or when. Only the first `most` such items of the log get one.
    """

    def __init__(
        self, user: FoldUser, item: FoldItem, items: NDArray[np.float32], known: NDArray[np.bool_],
        weights: Mapping[str, float], *, rows: int, first: int, most: int, history: int,
    ) -> None:  # fmt: skip
        self._user, self._item = user, item
        self._items, self._known, self._weights = items, known, weights
        self._rows, self._first, self._most, self._history = rows, first, most, history
        self._lock = Lock()
        self._state: Callable[[], LiveState | None] = _nothing
        self._waiting: list[tuple[int, int, int]] = []
        self._merged = 0
        self._forget()

    def follow(self, state: LiveState, most: int | None = None) -> bool:
        """Take in what was logged since the last call, at most so many people; return whether there are more."""
        with self._lock:
            if self._state() is not state or self._merged != state.merged:
                self._forget()
                self._state, self._merged = weakref.ref(state), state.merged
            self._notice(state)
            now, self._waiting = self._waiting[:most], self._waiting[most:] if most is not None else []
            self._meet(state, now)
            return bool(self._waiting)

    @property
    def ordinals(self) -> NDArray[np.int64]:
        """Return the catalogue ordinals of the items that have a vector (k,), in order of their first want."""
        return self._ordinals[: self._size]

    @property
    def vectors(self) -> NDArray[np.float32]:
        """Return their vectors (k, f)."""
        return self._vectors[: self._size]

    def places(self, ordinals: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where in `vectors` each of these items is (m,), -1 for one without."""
        found = np.full(len(ordinals), -1, np.int64)
        inside = ordinals < len(self._place)
        found[inside] = self._place[ordinals[inside]]
        return found

    def _forget(self) -> None:
        self._read = self._size = 0
        self._waiting = []
        self._place = np.full(0, -1, np.int32)
        # The system gives zeros no memory before they are written to.
        people, f = (self._most, self._first), self._items.shape[1]
        self._ordinals, self._count = np.zeros(self._most, np.int64), np.zeros(self._most, np.int64)
        self._span = np.zeros((self._most, 2), np.int64)
        self._people, self._grades = np.zeros(people, np.int64), np.zeros(people, np.float64)
        self._tastes = np.zeros((*people, f), np.float32)
        self._vectors = np.zeros((self._most, f), np.float32)

    def _notice(self, state: LiveState) -> None:
        rows, n = state.interactions(), len(state.ids)
        if n > len(self._place):
            self._place = np.concatenate([self._place, np.full(n - len(self._place), -1, np.int32)])
        found, self._size = _arrivals(
            self._read, self._size, rows.subject, columns_of(rows, self._weights), self._known, self._place,
            self._ordinals, self._count, self._span, self._people, self._grades, 8 * self._history,
        )  # fmt: skip
        self._read = len(rows.item)
        self._waiting += [tuple(arrival) for arrival in found.tolist()]

    def _meet(self, state: LiveState, arrivals: list[tuple[int, int, int]]) -> None:
        if not arrivals:
            return
        rows = state.interactions()
        columns, mark = columns_of(rows, self._weights), np.zeros(len(state.ids), np.int32)
        for row, place, person in arrivals:
            items, grades = taste(int(rows.by_subject[row]), columns, self._history, len(mark), mark)
            fitted = items < len(self._known)
            fitted[fitted] = self._known[items[fitted]]
            self._tastes[place, person] = self._user(self._items[items[fitted]], grades[fitted])
        for place in sorted({place for _, place, _ in arrivals}):
            met, (since, until) = int(self._count[place]), self._span[place].tolist()
            exposure = min((until - since + 1) / max(self._rows, 1), 1.0)
            self._vectors[place] = self._item(self._tastes[place, :met], self._grades[place, :met], exposure)


def _nothing() -> None:
    return None


@compiled
def _arrivals(  # type: ignore[no-untyped-def]
    start, size, subject, columns, known, place, ordinals, count, span, people, grades, steps
):  # fmt: skip
    before, item, _, types, declared, by_type = columns
    most, first = people.shape
    found = [(0, 0, 0)]
    for row in range(start, len(item)):
        one = item[row]
        if one < len(known) and known[one]:
            continue
        grade, slot = grade_of(row, types, declared, by_type), place[one]
        if grade <= 0.0 or (slot < 0 and size == most) or (slot >= 0 and count[slot] == first):
            continue
        if slot >= 0 and (people[slot, : count[slot]] == subject[row]).any():
            continue
        if not _has_taste(before[row], columns, known, steps):
            continue
        if slot < 0:
            slot, place[one], ordinals[size], span[size, 0] = size, size, one, row
            size += 1
        span[slot, 1] = row
        people[slot, count[slot]], grades[slot, count[slot]] = subject[row], grade
        found.append((row, slot, count[slot]))
        count[slot] += 1
    out = np.empty((len(found) - 1, 3), np.int64)
    for line in range(len(out)):
        out[line, 0], out[line, 1], out[line, 2] = found[line + 1]
    return out, size


@compiled
def _has_taste(row, columns, known, steps):  # type: ignore[no-untyped-def]
    before, item, _, types, declared, by_type = columns
    for _ in range(steps):
        if row < 0:
            return False
        if item[row] < len(known) and known[item[row]] and grade_of(row, types, declared, by_type) > 0.0:
            return True
        row = before[row]
    return False
