"""Conditions on attributes, and numbers read off every item's attributes that are made anew only where those change."""

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from proffer.core.entities import EntityRef
from proffer.core.ports import LiveState

Condition = str | float | bool | list[str | float | bool] | dict[str, Any]
OPERATORS = ("in", "not_in", "above", "below", "exists")


def matches(attributes: Mapping[str, Any] | None, where: Mapping[str, Condition]) -> bool:
    """Return whether attributes meet every condition.

    A condition is a value, a list of values, or {"in" | "not_in": [...]}, {"above" | "below": number},
    {"exists": true | false}; an attribute that is a list meets a value that it holds.

    >>> matches({"category": "tech", "price": 5}, {"category": ["tech", "science"], "price": {"below": 9}})
    True
    """
    found = attributes or {}
    return all(_meets(found.get(name), condition) for name, condition in where.items())


def _meets(value: Any, condition: Condition) -> bool:
    if not isinstance(condition, dict):
        return _among(value, condition if isinstance(condition, list) else [condition])
    operator, wanted = next(iter(condition.items()))
    if operator == "exists":
        return (value is not None) is bool(wanted)
    if operator in ("in", "not_in"):
        return _among(value, wanted) is (operator == "in")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return bool(value > wanted) if operator == "above" else bool(value < wanted)


def _among(value: Any, wanted: Sequence[Any]) -> bool:
    return any(member in wanted for member in value) if isinstance(value, list) else value in wanted


class _Kept:
    """What an `ItemColumn` read of one state: a number for each item (n,), and where it was revised then (n,)."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.values, self.seen = np.empty(0), np.empty(0, np.int64)


class ItemColumn:
    """A number for each item of a state, read off its attributes; items whose attributes did not change are kept.

    It may be asked about several states, in turn or at once: workspaces of one application, the past of a back-test
    or of a replay. Whoever reads a whole past does not keep those waiting who ask about the present.
    """

    def __init__(self, read: Callable[[Mapping[str, Any]], float]) -> None:
        self.read = read
        self._lock = Lock()
        self._known: WeakKeyDictionary[LiveState, _Kept] = WeakKeyDictionary()

    def look(self, state: LiveState) -> NDArray[np.float64]:
        """Return the numbers as of the state's position (n,)."""
        with self._lock:
            kept = self._known.setdefault(state, _Kept())
        with kept.lock:
            revised = state.revised()
            new = len(revised) - len(kept.seen)
            if new > 0:
                kept.values = np.concatenate([kept.values, np.zeros(new)])
                kept.seen = np.concatenate([kept.seen, np.full(new, -1, np.int64)])
            for row in np.flatnonzero(kept.seen != revised).tolist():
                kept.values[row] = self.read(state.attributes(EntityRef(state.kind, state.ids[row])) or {})
                kept.seen[row] = revised[row]
            return kept.values
