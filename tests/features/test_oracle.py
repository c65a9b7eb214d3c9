"""A naive oracle agrees with every column."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from .oracle import Oracle
from .world import DAY, START, USERS, exact, folded, quiet_logs


@given(
    quiet_logs, st.sampled_from(USERS), st.one_of(st.floats(0, 60 * DAY), st.integers(0, 60).map(lambda day: day * DAY))
)
@settings(deadline=None, max_examples=150)
def test_columns_are_what_their_formulas_say(log, user, at):
    state, oracle = folded(log), Oracle(log)
    known = user in state.registry.numbers
    got = exact(state, user, at)
    for place, item in enumerate(("p0", "p1", "p2", "p3", "nope")):
        told = oracle.columns(user.id if known else None, item, START.timestamp() + at)
        for name, value in told.items():
            found = got[name][place]
            close = math.isclose(found, value, rel_tol=1e-9, abs_tol=1e-9)
            assert close or (math.isnan(found) and math.isnan(value)), (name, item, found, value)


@given(quiet_logs, st.floats(0, 60 * DAY))
@settings(deadline=None, max_examples=40)
def test_live_popularity_is_the_decayed_count_of_wanted_events(log, at):
    state, oracle = folded(log), Oracle(log)
    now = min(START.timestamp() + at, state.latest)
    for half_life in state.half_lives:
        told = [oracle.decayed(oracle.of({"view", "like", "follow"}, item=item), half_life, now) for item in state.ids]
        np.testing.assert_allclose(state.decayed(half_life, START.timestamp() + at), told, rtol=1e-9)
