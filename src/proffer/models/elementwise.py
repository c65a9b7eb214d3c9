"""Logarithms and powers of arrays, each element by itself.

numpy's own may differ in the last bit with an element's place in the array, which would part what ought to tie.
"""

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray

from proffer.models.compiled import compiled


def log1p(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of 1 + each value (n,).

    >>> log1p(np.array([0.0, np.e - 1.0]))
    array([0., 1.])
    """
    return cast("NDArray[np.float64]", _log1p(values))


def halved(ages: NDArray[np.float64], half_life: float) -> NDArray[np.float64]:
    """Return what is left of 1 after each age (n,) in seconds; an age below 0 counts as 0.

    >>> halved(np.array([-1.0, 0.0, 7.0]), 7.0)
    array([1. , 1. , 0.5])
    """
    return cast("NDArray[np.float64]", _halved(ages, half_life))


@compiled
def _log1p(values):  # type: ignore[no-untyped-def]
    out = np.empty(len(values))
    for row in range(len(values)):
        out[row] = math.log1p(values[row])
    return out


@compiled
def _halved(ages, half_life):  # type: ignore[no-untyped-def]
    out = np.empty(len(ages))
    for row in range(len(ages)):
        out[row] = 2.0 ** (-max(ages[row], 0.0) / half_life)
    return out
