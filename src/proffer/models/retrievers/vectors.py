"""A growing matrix of item vectors that follows the attributes in a state."""

import weakref
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.core.entities import EntityRef
from proffer.core.ports import LiveState
from proffer.models.compiled import compiled

LANES = 64
"""Items per block: their sums stay in registers while a block streams by, each in a fixed order."""


class ItemVectors:
    """Unit vectors (dims,) of the items of one state, made by `encode` from attributes and remade when those change.

    `encode` returns None for an item of which it knows nothing. Kept in blocks (ceil(n / 64), dims, 64).
    """

    def __init__(self, encode: Callable[[Mapping[str, Any]], NDArray[np.float32] | None], dims: int) -> None:
        self.encode = encode
        self.dims = dims
        self._lock = Lock()
        self.forget()

    def forget(self) -> None:
        """Drop all vectors; the next look makes them anew."""
        self._state: Callable[[], LiveState | None] = lambda: None
        self._blocks = np.zeros((0, self.dims, LANES), np.float32)
        self._revised = np.empty(0, np.int64)
        self._known = np.empty(0, np.bool_)

    def look(self, state: LiveState, most: int | None = None) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the blocks and which items have a vector (n,), after following what changed in the state.

        With `most`, at most so many items are read, and the others stay as they were until the next look.
        """
        with self._lock:
            if self._state() is not state:
                self.forget()
                self._state = weakref.ref(state)
            revised = state.revised()
            self._grow(len(revised))
            stale = np.flatnonzero(self._revised[: len(revised)] != revised)[:most]
            for row in stale:
                self._read(state, int(row))
            self._revised[stale] = revised[stale]
            return self._blocks, self._known[: len(revised)]

    def behind(self, state: LiveState) -> bool:
        """Return whether a look has anything to follow yet."""
        revised = state.revised()
        have = self._revised[: len(revised)]
        return self._state() is not state or len(have) < len(revised) or bool((have != revised).any())

    def _grow(self, n: int) -> None:
        have = len(self._revised)
        if n <= have:
            return
        blocks = -(-max(n, 2 * have) // LANES)
        grown = np.zeros((blocks, self.dims, LANES), np.float32)
        grown[: len(self._blocks)] = self._blocks
        self._blocks = grown
        self._revised = np.concatenate([self._revised, np.full(blocks * LANES - have, -1, np.int64)])
        self._known = np.concatenate([self._known, np.zeros(blocks * LANES - have, np.bool_)])

    def _read(self, state: LiveState, row: int) -> None:
        attributes = state.attributes(EntityRef(state.kind, state.ids[row]))
        vector = self.encode(attributes) if attributes else None
        self._known[row] = vector is not None
        self._blocks[row // LANES, :, row % LANES] = 0.0 if vector is None else vector


def rows_of(blocks: NDArray[np.float32], ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the vectors (m, dims) of these ordinals."""
    return blocks[ordinals // LANES, :, ordinals % LANES]


def products(blocks: NDArray[np.float32], vector: NDArray[np.float32], n: int) -> NDArray[np.float64]:
    """Return the dot product of the first n items with a vector (n,)."""
    out = np.zeros((len(blocks), LANES), np.float32)
    _block_products(blocks, vector, out)
    return out.reshape(-1)[:n].astype(np.float64)


def some_products(
    blocks: NDArray[np.float32], vector: NDArray[np.float32], ordinals: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the dot products of these items with a vector (m,), bit for bit those of `products`."""
    out = np.zeros(len(ordinals), np.float32)
    _some_products(blocks, vector, ordinals, out)
    return out.astype(np.float64)


def alike(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the dot products (m, m) of vectors (m, dims), cut to 0..1."""
    out = np.zeros((len(rows), len(rows)), np.float32)
    _pair_products(np.ascontiguousarray(rows.T), out)
    return np.clip(out, 0.0, 1.0)


@compiled
def _block_products(blocks, vector, out):  # type: ignore[no-untyped-def]
    for block in range(len(blocks)):
        sums, values = out[block], blocks[block]
        for dim in range(len(vector)):
            for lane in range(LANES):
                sums[lane] += vector[dim] * values[dim, lane]


@compiled
def _some_products(blocks, vector, ordinals, out):  # type: ignore[no-untyped-def]
    for place in range(len(ordinals)):
        values, lane, total = blocks[ordinals[place] // LANES], ordinals[place] % LANES, out[place]
        for dim in range(len(vector)):
            total += vector[dim] * values[dim, lane]
        out[place] = total


@compiled
def _pair_products(columns, out):  # type: ignore[no-untyped-def]
    for row in range(len(out)):
        sums = out[row]
        for dim in range(len(columns)):
            value, others = columns[dim, row], columns[dim]
            for other in range(len(sums)):
                sums[other] += value * others[other]
