"""Which snapshots stay, whatever order they are written in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proffer.stores.retention import NEWEST, OLDER, stale


def kept(written, **rest):
    """Return what is left when each of (version, position) was written and the stale ones went."""
    saved = []
    for one in written:
        saved = [*(old for old in saved if old != one), one]
        gone = stale(saved, **rest)
        saved = [old for place, old in enumerate(saved) if place not in gone]
    return saved


@pytest.mark.parametrize("size", range(1, 120, 7))
def test_those_of_a_growing_log_stay_spread_over_it(size):
    left = [position for _, position in kept([("v", place) for place in range(1, size + 1)])]
    assert left[-NEWEST:] == list(range(max(size - NEWEST + 1, 1), size + 1))
    assert len(left) <= NEWEST + OLDER
    even = size / (OLDER + 1)
    assert max(np.diff([0, *left])) <= max(2.5 * even, 2)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 50)), min_size=1, max_size=60))
def test_the_last_ones_written_always_stay(written):
    left = kept(written)
    assert left[-1] == written[-1]
    assert len(left) <= NEWEST + OLDER
    distinct = list(dict.fromkeys(reversed(written)))
    assert set(distinct[:NEWEST]) <= set(left)
    # Of a version that is written no more nothing stays but what is among the newest.
    assert {version for version, _ in left[:-NEWEST]} <= {written[-1][0]}


def test_nothing_saved_nothing_stale():
    assert stale([]) == []
