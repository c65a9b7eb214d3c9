"""The lists that blends and rankers learn from."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


class Lists:
    """Lists laid end to end for what learns from them: their columns grow list by list."""

    def __init__(self, columns: Iterable[str]) -> None:
        self.columns = tuple(columns)
        self._parts: list[tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64] | None]] = []
        self._missed: list[int] = []
        self._weights: list[float] = []
        self._gained: list[NDArray[np.float64]] = []

    def add(
        self, X: NDArray[np.float32], y: NDArray[np.float64], missed: int, positions: NDArray[np.int64] | None = None,
        weight: float = 1.0, gained: NDArray[np.float64] | None = None,
    ) -> None:  # fmt: skip
        """Add a list: X (m, d), grades y (m,), wanted items that are not in it, places at which rows were shown.

        `weight` is how much it counts where lists are averaged, `gained` (m,) what each row adds to its NDCG, by
        default the grade.
        """
        self._weights.append(weight)
        self._gained.append(np.asarray(y if gained is None else gained, np.float64))
        self._parts.append((np.ascontiguousarray(X, np.float32), np.asarray(y, np.float64), positions))
        self._missed.append(missed)

    def put(self, place: int, X: NDArray[np.float32], y: NDArray[np.float64], missed: int) -> None:
        """Add a list at the end, or in the place of another."""
        if place == len(self._parts):
            self.add(X, y, missed)
        else:
            self._parts[place] = np.ascontiguousarray(X, np.float32), np.asarray(y, np.float64), None
            self._gained[place], self._missed[place] = np.asarray(y, np.float64), missed

    def __len__(self) -> int:
        return len(self._parts)

    def joined(self, other: "Lists") -> "Lists":
        """Return these lists followed by others of the same columns."""
        both = Lists(self.columns or other.columns)
        both._parts, both._missed = [*self._parts, *other._parts], [*self._missed, *other._missed]
        both._weights, both._gained = [*self._weights, *other._weights], [*self._gained, *other._gained]
        return both

    @property
    def wanted(self) -> int:
        """Return how many lists hold a wanted item."""
        return sum(bool((y > 0).any()) for _, y, _ in self._parts)

    @property
    def X(self) -> NDArray[np.float32]:  # noqa: N802 - as `Ranker.fit` calls it
        """Return the rows (total, d)."""
        return np.concatenate([X for X, _, _ in self._parts])

    @property
    def y(self) -> NDArray[np.float64]:
        """Return the grades (total,)."""
        return np.concatenate([y for _, y, _ in self._parts])

    @property
    def gained(self) -> NDArray[np.float64]:
        """Return what each row adds to its list's NDCG (total,)."""
        return np.concatenate(self._gained)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Return the length of each list (lists,)."""
        return np.array([len(y) for _, y, _ in self._parts], np.int64)

    @property
    def missed(self) -> NDArray[np.int64]:
        """Return the wanted items outside each list (lists,)."""
        return np.array(self._missed, np.int64)

    @property
    def weights(self) -> NDArray[np.float64]:
        """Return how much each list counts where they are averaged (lists,)."""
        return np.array(self._weights)

    def newest(self, most: int) -> "Lists":
        """Return the last lists, at most so many."""
        kept = Lists(self.columns)
        kept._parts, kept._missed = self._parts[-most:], self._missed[-most:]
        kept._weights, kept._gained = self._weights[-most:], self._gained[-most:]
        return kept

    @property
    def positions(self) -> NDArray[np.int64] | None:
        """Return the place at which each row was shown (total,), 0 for not shown; None where no list tells."""
        if all(positions is None for _, _, positions in self._parts):
            return None
        return np.concatenate(
            [np.zeros(len(y), np.int64) if positions is None else positions for _, y, positions in self._parts]
        )
