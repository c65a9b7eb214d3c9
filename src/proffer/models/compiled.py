"""The one way this package compiles its kernels."""

from collections.abc import Callable
from typing import Any, cast

import numba

Kernel = Callable[..., Any]
"""A kernel takes arrays and numbers; the compiler infers their types, so they are not written out."""


def compiled(function: Kernel) -> Kernel:
    """Compile a kernel to machine code, kept on disk between runs and run without the interpreter's lock.

    No fast mathematics: sums keep the order they are written in, so that a score is the same bits every time.
    """
    return cast(Kernel, numba.njit(cache=True, nogil=True)(function))
