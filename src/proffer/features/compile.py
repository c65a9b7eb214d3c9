"""Compilation of kernels, and the one kernel in which a quantity decays.

Compiled code is cached beside the source (or in the folder NUMBA_CACHE_DIR names, or in the user's cache when the
source is not writable), so only the first run of an installation pays for it. A cached kernel notices changes of its
own file alone: after a change here, clear the cache. No kernel uses fast mathematics: the order of every sum is the
order of the log, and logarithms and powers are taken here and not by numpy, whose results depend on an element's
place in the array.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Kernel = TypeVar("Kernel", bound=Callable[..., Any])
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def compiled(function: Kernel) -> Kernel:
    """Compile a kernel when it is first called; it lets other threads run meanwhile."""
    return cast(Kernel, njit(cache=True, nogil=True)(function))


@compiled
def remaining(age: float, half_life: float) -> float:
    """Return what is left of 1 after `age` seconds; an age below 0 counts as 0, an infinite half-life keeps all.

    >>> remaining(7.0, 7.0), remaining(-1.0, 7.0), remaining(9.0, math.inf)
    (0.5, 1.0, 1.0)
    """
    if age <= 0.0:
        return 1.0
    return float(2.0 ** (-age / half_life))


@compiled
def log1p(values: Floats) -> Floats:
    """Return ln(1 + x) of each value (n,).

    >>> log1p(np.array([0.0, math.e - 1]))
    array([0., 1.])
    """
    out = np.empty_like(values)
    for place in range(values.size):
        out[place] = math.log1p(values[place])
    return out


@compiled
def broadcast(one: int, other: int) -> int:
    """Return the length of two vectors together, where one of a single value stands for as many as the other has.

    >>> broadcast(1, 40), broadcast(1, 0)
    (40, 0)
    """
    return max(one, other) if min(one, other) > 0 else 0


@compiled
def signed_log(values: Floats) -> Floats:
    """Return sign(x) ln(1 + |x|) of each value (n,); NaN stays NaN.

    >>> signed_log(np.array([0.0, 1.0 - math.e]))
    array([ 0., -1.])
    """
    out = np.empty_like(values)
    for place in range(values.size):
        out[place] = math.copysign(math.log1p(abs(values[place])), values[place])
    return out


@compiled
def left_after(ages: Floats, half_life: float) -> Floats:
    """Return `remaining` of each age (n,); NaN stays NaN."""
    out = np.empty_like(ages)
    for place in range(ages.size):
        out[place] = np.nan if np.isnan(ages[place]) else remaining(ages[place], half_life)
    return out
