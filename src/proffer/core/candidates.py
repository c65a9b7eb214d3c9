"""Candidates: what may be held out, with scores."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Candidates:
    """Ids of one kind, best first once scored.

    `ordinals` are the rows of the candidates in the catalogue, int64 (n,), -1 for an id it does not know.

    >>> found = Candidates("post", ("a", "b", "c"), np.arange(3)).scored(np.array([0.1, 0.9, 0.5]))
    >>> found.top(2).ids
    ('b', 'c')
    """

    kind: str
    ids: tuple[str, ...]
    ordinals: NDArray[np.int64]
    scores: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def scored(self, scores: NDArray[np.floating]) -> "Candidates":
        """Return the same candidates with these scores (n,)."""
        return replace(self, scores=np.asarray(scores, np.float32))

    def take(self, rows: NDArray[np.int64]) -> "Candidates":
        """Return the candidates at these rows, in this order."""
        ids = tuple(self.ids[row] for row in rows)
        return Candidates(self.kind, ids, self.ordinals[rows], None if self.scores is None else self.scores[rows])

    def top(self, n: int) -> "Candidates":
        """Return the `n` best by score, ties broken by id; NaN scores come last."""
        if self.scores is None:
            return self.take(np.arange(min(n, len(self))))
        key = np.where(np.isnan(self.scores), -np.inf, self.scores)
        order = sorted(range(len(self)), key=lambda row: (-key[row], self.ids[row]))
        return self.take(np.asarray(order[:n], np.int64))

    def only(self, mask: NDArray[np.bool_]) -> "Candidates":
        """Return the candidates where the mask (n,) is true."""
        return self.take(np.flatnonzero(mask))
