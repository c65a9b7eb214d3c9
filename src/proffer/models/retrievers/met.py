"""How many items of a state fall into each hash bucket, counted on as the state grows."""

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.core.entities import EntityRef
from proffer.core.ports import LiveState
from proffer.models.retrievers.hashing import BUCKETS


class Met:
    """Counts of the items published before a moment, by the buckets that `buckets` finds in their attributes.

    An item that was counted is not read again. Where one has changed since, or is not to be counted any more, all are
    counted anew.
    """

    def __init__(self, buckets: Callable[[Mapping[str, Any]], NDArray[np.int64]]) -> None:
        self._buckets = buckets
        self._state: Callable[[], LiveState | None] = lambda: None
        self._revised = np.empty(0, np.int64)
        self._met = np.zeros(BUCKETS)
        self._items = 0

    def count(self, state: LiveState, at: float) -> tuple[NDArray[np.float64], int]:
        """Return how many items published before epoch seconds `at` fall into each bucket, and how many say anything.

        The counts are the held ones: they grow with the next call.
        """
        revised, due = state.revised(), state.published() < at
        held = len(self._revised)
        counted = self._revised >= 0
        same = self._state() is state and held <= len(revised)
        if not same or (counted & ((self._revised != revised[:held]) | ~due[:held])).any():
            self._state, self._revised = weakref.ref(state), np.empty(0, np.int64)
            self._met, self._items = np.zeros(BUCKETS), 0
            counted, held = self._revised >= 0, 0
        due[:held] &= ~counted
        self._revised = np.concatenate([self._revised, np.full(len(revised) - held, -1, np.int64)])
        for row in np.flatnonzero(due).tolist():
            buckets = self._buckets(state.attributes(EntityRef(state.kind, state.ids[row])) or {})
            self._items += bool(len(buckets))
            self._met[buckets] += 1.0
            self._revised[row] = revised[row]
        return self._met, self._items
