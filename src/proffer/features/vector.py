"""Vectors: arrays that grow at the end."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Vector:
    """An array that grows by half its size when it is full, so that appending costs little on the whole.

    `width` 0 makes it one-dimensional, else each element is a row of that width; `fill` is what new room holds.

    >>> vector = Vector(np.int64)
    >>> vector.extend([3, 1])
    >>> vector.view
    array([3, 1])
    """

    def __init__(self, dtype: DTypeLike, width: int = 0, fill: float = 0) -> None:
        self._fill = fill
        self._size = 0
        self._room = np.full((16, width) if width else 16, fill, dtype)

    def __len__(self) -> int:
        return self._size

    @property
    def view(self) -> NDArray[Any]:
        """Return the elements so far, without a copy; valid until the vector grows."""
        return self._room[: self._size]

    def grow(self, size: int) -> None:
        """Make the vector at least `size` long; new elements hold the fill."""
        if size > len(self._room):
            room = np.full((max(size, len(self._room) * 3 // 2), *self._room.shape[1:]), self._fill, self._room.dtype)
            room[: self._size] = self.view
            self._room = room
        self._size = max(size, self._size)

    def append(self, value: Any) -> None:
        """Add one element."""
        self.grow(self._size + 1)
        self._room[self._size - 1] = value

    def extend(self, values: Any) -> None:
        """Add elements at the end."""
        start = self._size
        self.grow(start + len(values))
        self._room[start : self._size] = values
