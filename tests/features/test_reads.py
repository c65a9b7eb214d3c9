"""Many amounts read in one pass: the bits that each amount gives by itself."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.features.reads import Reads

from .world import DAY, START, USERS, VIEW, folded, logs


@given(logs, st.sampled_from(USERS), st.floats(-DAY, 60 * DAY))
@settings(deadline=None, max_examples=60)
def test_a_pass_over_all_amounts_gives_the_bits_of_each_one(log, user, since):
    state = folded(log)
    items, at = np.arange(-1, len(state.ids)), START.timestamp() + since
    first = state.batch(user, items, at, {})
    VIEW.matrix(first)
    reads = Reads(first.reads(), VIEW.layout.starts)
    assert {type(amount).__name__ for _, amount in reads.keys} >= {"Decayed", "Window", "Sessions"}
    batch = state.batch(user, items, at, {})
    batch.foresee(reads)
    for scope, amount in reads.keys:
        rows, start, index = batch.slots(scope, amount.state)
        assert batch.read(scope, amount).tobytes() == amount.read(rows, start, index, at).tobytes()
