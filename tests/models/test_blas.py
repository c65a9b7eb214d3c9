import hashlib
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from proffer.models.blas import one_thread
from proffer.models.retrievers.als import ALS
from proffer.models.retrievers.ease import EASE
from proffer.models.retrievers.gfcf import GFCF
from proffer.models.retrievers.lar import LAR
from proffer.testing.world import START, World

DAY = 86_400.0


def _threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def _world():
    """Enough items that a matrix of them is split among threads where there are several."""
    rng = np.random.default_rng(0)
    rows = zip(rng.integers(0, 400, 9_000), (rng.random(9_000) ** 2 * 700).astype(int), range(9_000), strict=True)
    return World([(f"u{user}", f"p{item}", START + 60.0 * at, "view") for user, item, at in rows])


def _bits(model):
    digest = hashlib.sha256()
    for name, array in sorted(model.parameters()[1].items()):
        digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("make", [EASE, LAR, GFCF, ALS])
def test_a_fit_learns_the_same_bits_whatever_threads_a_process_allows(make):
    world, found = _world(), set()
    for threads in (1, 2):
        with threadpool_limits(limits=threads, user_api="blas"):
            found.add(_bits(make().fit(world, at=START + 30 * DAY, weights={})))
    assert len(found) == 1


def test_blocks_in_several_threads_take_turns_and_leave_what_was():
    import scipy.linalg  # noqa: F401

    before, inside, most, seen = _threads(), [], [], []

    def work():
        with one_thread(), one_thread():
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            seen.append(_threads())
            inside.pop()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == [1] * 4
    assert seen == [{1}] * 4
    assert _threads() == before
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert _threads() == before
