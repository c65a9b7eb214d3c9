"""Weighted links from items to items, only the strongest kept: what the item-to-item models are made of."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from proffer.models.compiled import compiled

Block = Callable[[int, int], NDArray[np.float32]]
"""Gives the dense rows (b, n) from one to before another of a square matrix."""

_ROWS = 128


class Links(NamedTuple):
    """A sparse matrix by row: item i leads to `to` (p,) with `weight` (p,) from place `start[i]` to `start[i + 1]`.

    `known` (n,) tells which items the model was fitted on; one that is not known leads nowhere and is led to by none.
    """

    start: NDArray[np.int64]
    to: NDArray[np.int32]
    weight: NDArray[np.float32]
    known: NDArray[np.bool_]

    def scores(self, found: NDArray[np.int64], weights: NDArray[np.float64], n: int) -> NDArray[np.float64]:
        """Return the weighted sum of the rows of some items (r,), for a catalogue of `n`.

        That is NaN for an item that is not known, and for all where none of `found` is known. The rows are added in
        the order given, so the same history always gives the same bits.
        """
        scores = np.full(n, np.nan)
        inside = found < len(self.known)
        inside[inside] = self.known[found[inside]]
        if inside.any():
            scores[: len(self.known)][self.known] = 0.0
            _add(self.start, self.to, self.weight, found[inside], weights[inside], scores)
        return scores

    def some(
        self, found: NDArray[np.int64], weights: NDArray[np.float64], ordinals: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return what `scores` gives these ordinals (m,): the same sums, looked up at no more places than these."""
        scores, size = np.full(len(ordinals), np.nan), len(self.known)
        inside = found < size
        inside[inside] = self.known[found[inside]]
        if inside.any():
            sums = np.zeros(size)
            _add(self.start, self.to, self.weight, found[inside], weights[inside], sums)
            have = (ordinals >= 0) & (ordinals < size)
            have[have] = self.known[ordinals[have]]
            scores[have] = sums[ordinals[have]]
        return scores

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return self._asdict()

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "Links":
        """Return what `arrays` gave."""
        return cls(
            np.ascontiguousarray(arrays["start"], np.int64), np.ascontiguousarray(arrays["to"], np.int32),
            np.ascontiguousarray(arrays["weight"], np.float32), np.ascontiguousarray(arrays["known"], np.bool_),
        )  # fmt: skip


def no_links() -> Links:
    """Return links between no items."""
    return Links(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.bool_))


def strongest(block: Block, members: NDArray[np.int64], n: int, most: int) -> Links:
    """Return the `most` weights of each row of a matrix over `members` (c,) that are farthest from 0, ties by ordinal.

    The members are ordinals of a catalogue of `n`, ascending. Weights of 0, and of an item to itself, are left out.
    """
    size, kept = len(members), min(most, max(len(members) - 1, 0))
    to, weight = np.empty((size, kept), np.int32), np.empty((size, kept), np.float32)
    counts = np.zeros(size, np.int64)
    for begin in range(0, size, _ROWS):
        end = min(begin + _ROWS, size)
        rows = np.ascontiguousarray(block(begin, end), np.float32)
        rows[np.arange(end - begin), np.arange(begin, end)] = 0.0
        sizes = np.abs(rows)
        border = np.zeros(end - begin, np.float32)
        if kept and kept < size:
            border = np.partition(sizes, size - kept, axis=1)[:, size - kept]
        _keep(rows, sizes, border, to[begin:end], weight[begin:end], counts[begin:end])
    start, known = np.zeros(n + 1, np.int64), np.zeros(n, np.bool_)
    start[members + 1], known[members] = counts, True
    full = np.arange(kept) < counts[:, None]
    return Links(np.cumsum(start), members[to[full]].astype(np.int32), weight[full], known)


@compiled
def _keep(rows, sizes, border, to, weight, counts):  # type: ignore[no-untyped-def]
    for row in range(len(rows)):
        above = 0
        for other in range(rows.shape[1]):
            above += sizes[row, other] > border[row]
        tied, place = to.shape[1] - above, 0
        for other in range(rows.shape[1]):
            size = sizes[row, other]
            if size > border[row] or (size == border[row] and size > 0.0 and tied > 0):
                tied -= size == border[row]
                to[row, place], weight[row, place] = other, rows[row, other]
                place += 1
        counts[row] = place


@compiled
def _add(start, to, weight, found, weights, scores):  # type: ignore[no-untyped-def]
    for place in range(len(found)):
        share = weights[place]
        for link in range(start[found[place]], start[found[place] + 1]):
            scores[to[link]] += share * weight[link]
