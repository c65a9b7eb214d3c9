"""Non-negative matrix factorisation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.algebra import add
from proffer.models.alternating import Alternating
from proffer.models.base import positive
from proffer.models.compiled import compiled
from proffer.models.wanted import Wanted

MOST_FACTORS = 50


class NMF(Alternating):
    """Non-negative vectors, at most 50 long, whose products come nearest to the matrix of wanted grades in squares.

    Each factor is a group of items and of those who want them. What was not wanted counts as 0; `regularisation`
    times the squared length of each vector is added. Training passes `iterations` times over all users and items,
    coordinate by coordinate. Folding in passes `updates` times over the coordinates of one vector from zeros, with the
    summed outer products of the other side kept from the fit. An item with product 0 is not proposed. Raises
    ValueError for more than 50 factors.

    Lee and Seung, Nature 1999; coordinate descent: Cichocki and Phan, IEICE 2009.
    """

    name = "nmf"
    settings = (
        "factors",
        "regularisation",
        "iterations",
        "updates",
        "seed",
        "history",
        "first",
        "most",
    )

    def __init__(
        self, factors: int = MOST_FACTORS, *, regularisation: float = 5.0, iterations: int = 30, updates: int = 20,
        seed: int = 0, history: int = 500, first: int = 16, most: int = 10_000,
    ) -> None:  # fmt: skip
        if not 1 <= factors <= MOST_FACTORS:
            raise ValueError(f"1 to {MOST_FACTORS} factors, not {factors}")
        self.regularisation, self.iterations = regularisation, iterations
        self.updates, self.seed = updates, seed
        super().__init__(factors, history=history, first=first, most=most)

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return the products (n,), NaN where 0."""
        return positive(super().scores(query, state))

    def some(self, query: Query, state: LiveState, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what `scores` gives these ordinals (m,)."""
        return positive(super().some(query, state, ordinals))

    def variants(self) -> Sequence[Mapping[str, Any]]:
        """Return other numbers of factors and regularisations."""
        return (
            {"factors": 32},
            {"factors": 16},
            {"regularisation": self.regularisation * 8},
            {"regularisation": 0.0},
        )

    def seconds(self, users: int, items: int, interactions: int) -> float:
        """Return what reading the matrix and the passes over it and over all vectors take."""
        passes = 2 * self.iterations + 2
        return 3e-7 * interactions + passes * self.factors * (
            2e-10 * interactions + 5e-10 * self.factors * (users + items)
        )

    def _begin(self, rng: np.random.Generator, wanted: Wanted, by_item: Wanted) -> NDArray[np.float32]:
        n = len(by_item.start) - 1
        usual = wanted.grades.sum(dtype=np.float64) / max((len(wanted.start) - 1) * n, 1)
        items: NDArray[np.float32] = (rng.random((n, self.factors)) * 2.0 * np.sqrt(usual / self.factors)).astype(
            np.float32
        )
        items[np.diff(by_item.start) == 0] = 0.0
        return items

    def _move(
        self, matrix: Wanted, fixed: NDArray[np.float32], moved: NDArray[np.float32], summed: NDArray[np.float32], *,
        last: bool,
    ) -> None:  # fmt: skip
        _move(*matrix, fixed, moved, summed, 2 if last else 1)

    def _fold(
        self, vectors: NDArray[np.float32], grades: NDArray[np.float64], summed: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        found = np.zeros((1, self.factors), np.float32)
        h = len(vectors)
        matrix = np.array([0, h]), np.arange(h, dtype=np.int32), grades.astype(np.float32)
        regular = summed + self.regularisation * np.eye(self.factors)
        _move(*matrix, vectors, found, regular.astype(np.float32), self.updates)
        return np.asarray(found[0])


@compiled
def _move(start, columns, grades, fixed, moved, summed, times):  # type: ignore[no-untyped-def]
    f = moved.shape[1]
    slope = np.empty(f, np.float32)
    for row in range(len(start) - 1):
        x = moved[row]
        if start[row] == start[row + 1]:
            x[:] = np.float32(0.0)
            continue
        # The slope follows each step, so that one coordinate costs one pass over a row of `summed`.
        slope[:] = np.float32(0.0)
        for place in range(f):
            if x[place] != np.float32(0.0):
                add(slope, x[place], summed[place])
        for place in range(start[row], start[row + 1]):
            add(slope, -grades[place], fixed[columns[place]])
        for _ in range(times):
            for place in range(f):
                if summed[place, place] > np.float32(0.0):
                    after = max(x[place] - slope[place] / summed[place, place], np.float32(0.0))
                    step = after - x[place]
                    if step != np.float32(0.0):
                        x[place] = after
                        add(slope, step, summed[place])
