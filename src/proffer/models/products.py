"""Inner products with a fixed order of summation: the same bits for one item alone and for a whole catalogue."""

import numpy as np
from numpy.typing import NDArray

from proffer.models.compiled import compiled


def products(vector: NDArray[np.floating], factors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the inner product of `vector` (f,) with each row of `factors` (n, f), summed in double precision (n,).

    Eight running sums, of every eighth column each, are added up in a fixed order. A matrix product of a linear
    algebra library would be faster and would give other last bits for other shapes.

    >>> products(np.array([1.0, 2.0]), np.array([[3.0, 4.0], [0.5, 0.0]]))
    array([11. ,  0.5])
    """
    found = np.empty(len(factors), np.float64)
    _fill(np.ascontiguousarray(vector), np.ascontiguousarray(factors), found)
    return found


@compiled
def product(vectors, user, factors, row):  # type: ignore[no-untyped-def]
    """Return the inner product of one row of `vectors` with one of `factors`, as `products` sums it."""
    a = b = c = d = e = f = g = h = rest = 0.0
    size = factors.shape[1]
    whole = size - size % 8
    for at in range(0, whole, 8):
        a += np.float64(vectors[user, at]) * np.float64(factors[row, at])
        b += np.float64(vectors[user, at + 1]) * np.float64(factors[row, at + 1])
        c += np.float64(vectors[user, at + 2]) * np.float64(factors[row, at + 2])
        d += np.float64(vectors[user, at + 3]) * np.float64(factors[row, at + 3])
        e += np.float64(vectors[user, at + 4]) * np.float64(factors[row, at + 4])
        f += np.float64(vectors[user, at + 5]) * np.float64(factors[row, at + 5])
        g += np.float64(vectors[user, at + 6]) * np.float64(factors[row, at + 6])
        h += np.float64(vectors[user, at + 7]) * np.float64(factors[row, at + 7])
    for at in range(whole, size):
        rest += np.float64(vectors[user, at]) * np.float64(factors[row, at])
    return ((a + e) + (b + f)) + ((c + g) + (d + h)) + rest


@compiled
def _fill(vector, factors, found):  # type: ignore[no-untyped-def]
    vectors = vector.reshape((1, len(vector)))
    for row in range(len(factors)):
        found[row] = product(vectors, 0, factors, row)
