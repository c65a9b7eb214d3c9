"""Row tables: packed rows found by a 64-bit key."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.features.compile import Floats, Ints, compiled

_LEAST = 16


@compiled
def _slot(key: np.int64, bits: int) -> np.int64:
    """Return where a key would like to stand among 2^bits slots (Fibonacci hashing, Knuth 6.4)."""
    return np.int64((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - bits))


@compiled
def mix(left: Ints, right: Ints) -> Ints:
    """Return one 64-bit key for each pair of keys (n,), 0 where either is 0 (splitmix64's finaliser)."""
    out = np.zeros(left.size, np.int64)
    for place in range(left.size):
        if left[place] == 0 or right[place] == 0:
            continue
        z = np.uint64(left[place]) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(right[place])
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
        out[place] = np.int64(z) if z != np.uint64(0) else 1
    return out


@compiled
def _find(slots: NDArray[np.int32], bits: int, known: Ints, keys: Ints) -> Ints:
    out = np.full(keys.size, -1, np.int64)
    last = slots.size - 1
    for place in range(keys.size):
        key = keys[place]
        if key == 0:
            continue
        slot = _slot(key, bits)
        while slots[slot] != 0:
            if known[slots[slot] - 1] == key:
                out[place] = slots[slot] - 1
                break
            slot = (slot + 1) & last
    return out


@compiled
def _ensure(
    slots: NDArray[np.int32], bits: int, known: Ints, size: int, keys: Ints, out: Ints, start: int
) -> tuple[int, int]:
    """Find or add keys from `start` on until the room is full; return the place reached and the new size."""
    last = slots.size - 1
    for place in range(start, keys.size):
        key = keys[place]
        if key == 0:
            out[place] = -1
            continue
        slot = _slot(key, bits)
        while slots[slot] != 0 and known[slots[slot] - 1] != key:
            slot = (slot + 1) & last
        if slots[slot] == 0:
            if size == known.size:
                return place, size
            known[size] = key
            size += 1
            slots[slot] = size
        out[place] = slots[slot] - 1
    return keys.size, size


class RowTable:
    """Float64 rows [capacity, width], dense in order of first appearance, found through an open-addressing table.

    `blank` (width,) is what a new row holds. A key of 0 means "none" and has no row.

    >>> table = RowTable(2)
    >>> table.ensure(np.array([7, 9, 7, 0]))
    array([ 0,  1,  0, -1])
    >>> table.find(np.array([9, 8]))
    array([ 1, -1])
    """

    def __init__(self, width: int, blank: Floats | None = None) -> None:
        self.blank = np.zeros(width) if blank is None else blank
        self.size = 0
        self._special = np.flatnonzero(self.blank != 0)
        self._room(_LEAST, np.zeros((0, width)), np.zeros(0, np.int64))

    def __len__(self) -> int:
        return self.size

    @property
    def keys(self) -> Ints:
        """Return the key of each row (n,)."""
        return self._keys[: self.size]

    @property
    def nbytes(self) -> int:
        """Return the bytes of rows, keys and slots in use."""
        return self.size * (self.rows.shape[1] * 8 + 8) + self._slots.nbytes

    def find(self, keys: Ints) -> Ints:
        """Return the row of each key (n,), -1 where there is none."""
        return _find(self._slots, self._bits, self._keys, keys)

    def ensure(self, keys: Ints) -> Ints:
        """Return the row of each key (n,), added where there was none."""
        out = np.empty(keys.size, np.int64)
        before, reached = self.size, 0
        while True:
            reached, self.size = _ensure(self._slots, self._bits, self._keys, self.size, keys, out, reached)
            if reached == keys.size:
                break
            self._room(self.size * 3 // 2, self.rows, self._keys)
        if self._special.size and self.size > before:
            self.rows[before : self.size, self._special] = self.blank[self._special]
        return out

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return copies of the rows and their keys."""
        return {"rows": self.rows[: self.size].copy(), "keys": self.keys.copy()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over the rows and keys of a snapshot."""
        self.size = len(arrays["keys"])
        self._room(max(_LEAST, self.size), arrays["rows"], arrays["keys"])

    def _room(self, capacity: int, rows: Floats, keys: Ints) -> None:
        """Make room for `capacity` rows, at most two thirds of the slots taken."""
        self.rows = np.zeros((capacity, rows.shape[1]))
        self.rows[: self.size] = rows[: self.size]
        self._keys = np.zeros(capacity, np.int64)
        known = np.ascontiguousarray(keys[: self.size])
        self._bits = max(5, int(np.ceil(np.log2(capacity * 1.5))))
        self._slots = np.zeros(1 << self._bits, np.int32)
        _ensure(self._slots, self._bits, self._keys, 0, known, np.empty(self.size, np.int64), 0)
