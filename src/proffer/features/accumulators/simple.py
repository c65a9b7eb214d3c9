"""What most accumulators have in common, and the reading of single slots."""

from typing import Any, TypeVar

import numpy as np

from proffer.features.compile import Floats, Ints, compiled, remaining

DAY = 86_400.0
Kind = TypeVar("Kind")


def hashed_once(kind: type[Kind]) -> type[Kind]:
    """Let each of a frozen dataclass's values keep its hash: reading a row looks many of them up, nested ones too."""
    whole = kind.__hash__

    def held(self: Any) -> int:
        found: int | None = self.__dict__.get("_hash")
        if found is None:
            found = self.__dict__["_hash"] = whole(self)
        return found

    kind.__hash__ = held  # type: ignore[method-assign]
    return kind


class Simple:
    """An accumulator that starts at zero and needs neither parts nor fields beside the time and type of an event."""

    @property
    def slots(self) -> int:
        """Return one."""
        return 1

    @property
    def blank(self) -> tuple[float, ...]:
        """Return zeros."""
        return (0.0,) * self.slots

    @property
    def parts(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    @property
    def fields(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()


@compiled
def slot(rows: Floats, column: int, index: Ints, absent: float) -> Floats:
    """Return one slot of each row (n,); `absent` where the index is -1."""
    out = np.empty(index.size)
    for place in range(index.size):
        out[place] = absent if index[place] < 0 else rows[index[place], column]
    return out


@compiled
def decayed_slot(rows: Floats, column: int, last: int, index: Ints, at: float, half_life: float) -> Floats:
    """Return one slot of each row (n,), decayed from the time in slot `last` to `at`; 0 where the index is -1."""
    out = np.zeros(index.size)
    for place in range(index.size):
        row = index[place]
        if row >= 0 and rows[row, column] != 0.0:
            out[place] = rows[row, column] * remaining(at - rows[row, last], half_life)
    return out


def words(seconds: float) -> str:
    """Return a duration in words.

    >>> words(21600.0), words(86400.0), words(float("inf"))
    ('6 h', '1 d', 'all')
    """
    if seconds == float("inf"):
        return "all"
    if seconds < 3600:
        return f"{seconds / 60:g} min"
    return f"{seconds / 3600:g} h" if seconds < DAY else f"{seconds / DAY:g} d"
