"""One thread for the linear algebra of fits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_alone = threading.RLock()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS and LAPACK work with one thread until the block ends, in the whole process; also a decorator.

    The number of threads decides how a product is split up and so its last bits: with one, a fit learns the same
    bits whatever a process allows. Where other processes are busy it is also faster, as no thread waits for another.
    The limit is the process's, so blocks in several of its threads take turns.
    """
    import scipy.linalg  # noqa: F401 - only a library that is loaded is limited: numpy and scipy bring one each
    from threadpoolctl import threadpool_limits

    with _alone, threadpool_limits(limits=1, user_api="blas"):
        yield
