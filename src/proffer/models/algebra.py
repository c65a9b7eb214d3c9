"""Small dense algebra inside kernels."""

import math

import numba
import numpy as np

from proffer.models.compiled import compiled


@numba.njit(cache=True, nogil=True, fastmath={"reassoc"})
def dot(left, right):  # type: ignore[no-untyped-def]
    """Return the product of two vectors (f,), summed in the order that suits the processor.

    The same bits on every machine of one kind, and ten times as fast as a sum in order: for fitting only, no score.
    """
    total = left[0] * right[0]
    for place in range(1, len(left)):
        total += left[place] * right[place]
    return total


@compiled
def add(target, times, vector):  # type: ignore[no-untyped-def]
    """Add a multiple of one vector (f,) to another, in place."""
    for place in range(len(target)):
        target[place] += times * vector[place]


@compiled
def gram(rows):  # type: ignore[no-untyped-def]
    """Return the sum of the outer products of rows (n, f) with themselves (f, f), summed in double, rows in order."""
    n, f = rows.shape
    total = np.zeros((f, f))
    row = np.empty(f)
    for place in range(n):
        row[:] = rows[place]
        for left in range(f):
            value = row[left]
            for right in range(f):
                total[left, right] += value * row[right]
    return total


@compiled
def solve(A, b):  # type: ignore[no-untyped-def]
    """Solve A x = b for a symmetric positive definite A (f, f) by Cholesky; b (f,) becomes x, A is used up.

    Only the upper half of A is read. A direction that A says nothing about (a pivot not above 0) gets 0.
    """
    f = len(b)
    for row in range(f):
        pivot = A[row, row]
        root = math.sqrt(pivot) if pivot > 1e-12 else 0.0
        inverse = 1.0 / root if root > 0.0 else 0.0
        for column in range(row, f):
            A[row, column] *= inverse
        for below in range(row + 1, f):
            value = A[row, below]
            for column in range(below, f):
                A[below, column] -= value * A[row, column]
        b[row] *= inverse
        for below in range(row + 1, f):
            b[below] -= b[row] * A[row, below]
    for row in range(f - 1, -1, -1):
        if A[row, row] > 0.0:
            for column in range(row + 1, f):
                b[row] -= A[row, column] * b[column]
            b[row] /= A[row, row]
        else:
            b[row] = 0.0
