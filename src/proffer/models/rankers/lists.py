"""Lists laid end to end, as rankers learn from them: checked, cut into older and newer ones, judged."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Invalid
from proffer.models.gains import ideal, mean_ndcg

CUTOFF = 10
NEWEST = 5
"""One in so many lists, the newest, tells when to stop or how much to shrink."""
FEWEST = 10
"""Fewer lists than this are not cut."""


class Lists(NamedTuple):
    """Lists laid end to end, oldest first, each with something wanted in it.

    X float32 (total, d); y (total,) grades; `sizes` (lists,); `missed` (lists,) wanted ones that are in no list;
    `positions` (total,), None where nothing is known of any.
    """

    X: NDArray[np.float32]
    y: NDArray[np.float64]
    sizes: NDArray[np.int64]
    missed: NDArray[np.int64]
    positions: NDArray[np.int64] | None

    @classmethod
    def of(
        cls, X: NDArray[np.float32], y: NDArray[np.float64], sizes: NDArray[np.int64], columns: Sequence[str],
        missed: NDArray[np.int64] | None, positions: NDArray[np.int64] | None,
    ) -> "Lists":  # fmt: skip
        """Return the lists that somebody wanted something of. Raises Invalid for lengths that differ, and for none."""
        sizes = np.asarray(sizes, np.int64)
        lengths = {int(sizes.sum()), len(X), len(y), *(() if positions is None else (len(positions),))}
        if len(lengths) > 1 or X.shape[1] != len(columns):
            raise Invalid("lists, rows, grades and columns do not match in length", remedy="Pass one size per list.")
        of_row = np.repeat(np.arange(len(sizes)), sizes)
        kept = np.bincount(of_row, np.asarray(y) > 0, len(sizes)) > 0
        if not kept.any():
            raise Invalid("no list holds a wanted item", field="lists", remedy="Record more events, then train again.")
        rows = kept[of_row]
        gone = np.zeros(len(sizes), np.int64) if missed is None else np.asarray(missed, np.int64)
        shown = None if positions is None or not np.any(positions) else np.asarray(positions, np.int64)[rows]
        # Infinite values would poison means; to a tree they are the largest there are.
        clean = np.clip(np.asarray(X, np.float32)[rows], -3e38, 3e38)
        return cls(clean, np.asarray(y, np.float64)[rows], sizes[kept], gone[kept], shown)

    def cut(self) -> tuple["Lists", "Lists"] | None:
        """Return the older lists and the newest fifth, None where there are too few."""
        count = len(self.sizes)
        if count < FEWEST:
            return None
        older = count - count // NEWEST
        return self._some(0, older), self._some(older, count)

    def gain(self, scores: NDArray[np.floating]) -> float:
        """Return the mean NDCG@10 of the order that scores (total,) give; gain = grade."""
        best = ideal(self.y, self.sizes, self.missed, CUTOFF)
        return float(mean_ndcg(np.asarray(scores, np.float64), self.y, self.sizes, best, CUTOFF))

    def _some(self, start: int, stop: int) -> "Lists":
        ends = np.concatenate([[0], np.cumsum(self.sizes)])
        rows = slice(int(ends[start]), int(ends[stop]))
        shown = None if self.positions is None else self.positions[rows]
        return Lists(self.X[rows], self.y[rows], self.sizes[start:stop], self.missed[start:stop], shown)


def in_order(X: NDArray[np.float32], columns: Sequence[str], learned: Sequence[str]) -> NDArray[np.float32]:
    """Return the columns of X (n, d) in the order they were learned in. Raises Invalid where one is missing."""
    if tuple(columns) == tuple(learned):
        return X
    places = {name: place for place, name in enumerate(columns)}
    missing = [name for name in learned if name not in places]
    if missing:
        raise Invalid(f"{', '.join(missing[:3])} is missing", field="columns", remedy="Train again.")
    return X[:, [places[name] for name in learned]]
