"""Ridge regression of items on items, in place: two dense matrices at most, in single precision."""

import numpy as np
from numpy.typing import NDArray

from proffer.models.blas import one_thread
from proffer.models.compiled import compiled

Square = NDArray[np.float32]
"""A square matrix in C order; of a symmetric one the upper half is filled."""

MOST = 10_000
"""The most items that a dense matrix is made for: 400 MB of it."""


def members_of(counts: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the ordinals of the `most` items with the highest counts (n,), ascending; none without any.

    >>> members_of(np.array([2, 0, 5, 2]), 2)
    array([0, 2])
    """
    wanted = np.flatnonzero(counts)
    order = np.argsort(-counts[wanted], kind="stable")[:most]
    return np.sort(wanted[order])


def places_of(members: NDArray[np.int64], n: int) -> NDArray[np.int32]:
    """Return the place of each of `n` ordinals among the members (c,), -1 for one that is not."""
    places = np.full(n, -1, np.int32)
    places[members] = np.arange(len(members), dtype=np.int32)
    return places


@one_thread()
def inverted(A: Square, ridge: float) -> Square:
    """Add `ridge` to the diagonal of a symmetric matrix and invert it in its own memory; the upper half counts."""
    from scipy.linalg import lapack

    root = _root(A, ridge)
    inverse, failed = lapack.spotri(root, lower=1, overwrite_c=1)
    _check(failed)
    return np.asarray(inverse).T


@one_thread()
def regressed(A: Square, ridge: float, targets: Square) -> Square:
    """Solve (A + ridge) B = targets transposed, and return B transposed, in the memory of both matrices.

    Row t of `targets` and of what is returned belongs to target t.
    """
    from scipy.linalg import lapack

    root = _root(A, ridge)
    found, failed = lapack.spotrs(root, targets.T, lower=1, overwrite_b=1)
    _check(failed)
    return np.asarray(found).T


def mirrored(A: Square, begin: int, end: int) -> Square:
    """Return whole rows `begin` to before `end` of a symmetric matrix whose upper half is filled."""
    rows = A[begin:end].copy()
    rows[:, :begin] = A[:begin, begin:end].T
    inside = rows[:, begin:end]
    low = np.tril_indices(end - begin, -1)
    inside[low] = inside.T[low]
    return rows


def _root(A: Square, ridge: float) -> NDArray[np.float32]:
    from scipy.linalg import lapack

    A.flat[:: len(A) + 1] += np.float32(ridge)
    # The upper half in C order is the lower one in Fortran's, which LAPACK works on without a copy.
    root, failed = lapack.spotrf(A.T, lower=1, overwrite_a=1, clean=0)
    _check(failed)
    return np.asarray(root)


def _check(failed: int) -> None:
    if failed:
        raise ArithmeticError(f"the ridge is too small for single precision (row {failed})")


@compiled
def paired(start, columns, places, A):  # type: ignore[no-untyped-def]
    """Add to A [c, c] how many rows of a sparse matrix hold both of two items; only the upper half is filled."""
    for row in range(len(start) - 1):
        held = np.sort(places[columns[start[row] : start[row + 1]]])
        for left in range(len(held)):
            if held[left] >= 0:
                for right in range(left, len(held)):
                    A[held[left], held[right]] += 1.0
