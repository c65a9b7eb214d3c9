"""Factor models that are fitted in turns: users with items held fixed, then items with users held fixed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.models.algebra import gram
from proffer.models.factors import FactorRetriever
from proffer.models.wanted import Wanted


class Alternating(FactorRetriever):
    """A FactorRetriever whose sides move in turns, each against the summed outer products of the other.

    The sums of the last turn are kept: folding in a subject or a new item is one more turn for a single vector. A
    subclass moves (`_move`), begins (`_begin`) and folds (`_fold`).
    """

    regularisation: float
    iterations: int
    seed: int

    def memory(self, users: int, items: int, interactions: int) -> int:
        """Return the bytes of the matrix by user and by item, of all vectors, and of what folding in keeps."""
        folded = 4 * self.factors * (self.first + 1) * min(self.most, items)
        return 24 * interactions + (4 * self.factors + 16) * users + (12 * self.factors + 28) * items + folded

    def _learn(self, wanted: Wanted, n: int) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        by_item = wanted.transposed(n)
        users = np.zeros((len(wanted.start) - 1, self.factors), np.float32)
        items = self._begin(np.random.default_rng(self.seed), wanted, by_item)
        for _ in range(self.iterations):
            self._turn(wanted, items, users)
            self._turn(by_item, users, items)
        self._turn(wanted, items, users, last=True)
        return items, {"items_gram": gram(items), "users_gram": gram(users)}

    def _turn(
        self, matrix: Wanted, fixed: NDArray[np.float32], moved: NDArray[np.float32], *, last: bool = False
    ) -> None:
        summed = gram(fixed) + self.regularisation * np.eye(self.factors)
        self._move(matrix, fixed, moved, summed.astype(np.float32), last=last)

    def _user(self, vectors: NDArray[np.float32], grades: NDArray[np.float64]) -> NDArray[np.float32]:
        return self._fold(vectors, grades, self.arrays["items_gram"])

    def _item(self, vectors: NDArray[np.float32], grades: NDArray[np.float64], exposure: float) -> NDArray[np.float32]:
        return self._fold(vectors, grades, exposure * self.arrays["users_gram"])

    def _begin(self, rng: np.random.Generator, wanted: Wanted, by_item: Wanted) -> NDArray[np.float32]:
        """Return the items' vectors (n, f) to begin with."""
        raise NotImplementedError

    def _move(
        self, matrix: Wanted, fixed: NDArray[np.float32], moved: NDArray[np.float32], summed: NDArray[np.float32], *,
        last: bool,
    ) -> None:  # fmt: skip
        """Move each vector (u, f) towards its best with the others' (n, f), whose regularised sums are (f, f)."""
        raise NotImplementedError

    def _fold(
        self, vectors: NDArray[np.float32], grades: NDArray[np.float64], summed: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return one vector (f,) from those of the other side (h, f), the grades (h,) and the other side's sums."""
        raise NotImplementedError
