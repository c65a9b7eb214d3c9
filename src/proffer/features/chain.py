"""Chains: the rows of one owner in a column, newest first."""

import numpy as np

from proffer.features.compile import Ints, compiled
from proffer.features.vector import Vector


@compiled
def _link(previous: Ints, head: Ints, owner: Ints, start: int) -> None:
    for place in range(owner.size):
        previous[start + place] = head[owner[place]]
        head[owner[place]] = start + place


@compiled
def _walk(previous: Ints, row: int, limit: int) -> Ints:
    count, at = 0, row
    while at >= 0 and count < limit:
        count, at = count + 1, previous[at]
    out = np.empty(count, np.int64)
    for place in range(count):
        out[place] = row
        row = previous[row]
    return out


class Chain:
    """For each row the row before it of the same owner (-1: none), and the newest row of each owner.

    >>> chain = Chain()
    >>> chain.extend(np.array([0, 1, 0]), owners=2)
    >>> chain.rows(0)
    array([2, 0])
    """

    def __init__(self) -> None:
        self.previous = Vector(np.int64)
        self.head = Vector(np.int64, fill=-1)

    def extend(self, owner: Ints, owners: int) -> None:
        """Add rows with these owners (n,), each below `owners`."""
        start = len(self.previous)
        self.head.grow(owners)
        self.previous.grow(start + owner.size)
        _link(self.previous.view, self.head.view, owner, start)

    def rows(self, owner: int, limit: int = 1 << 62) -> Ints:
        """Return up to `limit` rows of an owner, newest first."""
        if not 0 <= owner < len(self.head):
            return np.empty(0, np.int64)
        return _walk(self.previous.view, int(self.head.view[owner]), limit)

    def merge(self, into: int, other: int) -> Ints:
        """Give the rows of `other` to `into`, in order of the rows; return the rows that moved."""
        moved = self.rows(other)
        if moved.size:
            self.head.grow(into + 1)
            rows = np.sort(np.concatenate((self.rows(into), moved)))
            self.previous.view[rows] = np.concatenate(([-1], rows[:-1]))
            self.head.view[into], self.head.view[other] = rows[-1], -1
        return moved
