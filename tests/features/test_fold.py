"""However events come to a state, it holds the same bits."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.core.errors import Corrupt, Invalid
from proffer.features.state import State
from proffer.features.view import FeatureView

from .world import (
    FEATURES,
    POSTS,
    SCHEMA,
    SCOPES,
    USERS,
    VIEW,
    assert_same,
    event,
    folded,
    logs,
    matrix,
    new_state,
    numbered,
)


@given(logs)
@settings(deadline=None, max_examples=60)
def test_a_batch_is_the_same_as_event_by_event(log):
    one_by_one = new_state()
    for each in log:
        one_by_one.fold([each])
    assert_same(folded(log), one_by_one)


@given(logs, st.lists(st.integers(0, 60), max_size=5))
@settings(deadline=None, max_examples=40)
def test_any_chunking_is_the_same(log, cuts):
    state = new_state()
    borders = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    for start, stop in pairwise(borders):
        state.fold(log[start:stop])
    assert_same(folded(log), state)


@given(logs, st.integers(0, 60))
@settings(deadline=None, max_examples=60)
def test_snapshot_and_restore_at_any_cut_is_the_same(log, cut):
    early = folded(log[:cut])
    arrays = {name: array.copy() for name, array in early.snapshot().items()}
    early.fold(log[cut:])
    state = State.restore(VIEW, SCHEMA, subject="user", item="post", position=len(log[:cut]), arrays=arrays)
    state.fold(log[cut:])
    assert_same(folded(log), state)
    assert_same(early, state)
    assert np.array_equal(matrix(state, USERS[0], 1e6), matrix(early, USERS[0], 1e6), equal_nan=True)
    assert state.settings == early.settings


@given(logs, logs, st.sampled_from(USERS), st.floats(0, 50 * 86_400))
@settings(deadline=None, max_examples=40)
def test_future_events_never_change_a_past_matrix(log, later, subject, at):
    state = folded(log)
    before = matrix(state, subject, at)
    state.fold(numbered(log + later)[len(log) :])
    again = folded(numbered(log + later)[: len(log)])
    assert before.tobytes() == matrix(again, subject, at).tobytes()


@given(logs, st.sampled_from(USERS), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=30)
def test_the_place_of_a_candidate_does_not_change_its_columns(log, subject, random):
    state = folded(log)
    ids = ["p0", "p1", "p2", "p3", "nope"] * 5
    random.shuffle(ids)
    whole = matrix(state, subject, 3e6, ids)
    alone = [name not in ("n_candidates", "src_news") and not name.startswith(("rank", "diff", "cat_share"))
             for name in VIEW.columns]  # fmt: skip
    for place, one in enumerate(ids):
        assert whole[place, alone].tobytes() == matrix(state, subject, 3e6, [one])[0, alone].tobytes()


@given(logs, st.integers(0, 1))
@settings(deadline=None, max_examples=30)
def test_shards_by_user_have_the_same_user_rows(log, shard):
    merged = {e.target for e in log if e.type == "entity.merge"} | {e.actor for e in log if e.type == "entity.merge"}
    mine = {user for place, user in enumerate(USERS) if place % 2 == shard} - merged
    facts = ("entity.set", "entity.delete", "entity.merge")
    part = [e for e in log if e.type in facts or e.actor in mine]
    whole, sharded = folded(log), folded(part)
    for scope in ("user", "user_category", "user_item", "user_author"):
        for user in mine:
            held = whole.scopes[scope]
            rows = _rows_of(held, user)
            assert rows == _rows_of(sharded.scopes[scope], user), scope


def _rows_of(held, user):
    from proffer.core.entities import stable_key
    from proffer.features.table import mix

    key = stable_key("user", user.id)
    if not held.scope.pair:
        keys = np.array([key])
    else:
        parts = [stable_key("post", p.id) for p in POSTS] + [stable_key("user", u.id) for u in USERS]
        parts += [stable_key("category", topic) for topic in ("food", "music", "ångström")]
        keys = mix(np.full(len(parts), key), np.array(parts))
    return {
        int(k): held.table.rows[row].tobytes() for k, row in zip(keys, held.table.find(keys), strict=True) if row >= 0
    }


def test_sequences_that_do_not_ascend_are_refused_and_nothing_is_folded():
    log = numbered([event("view", 0, USERS[0], POSTS[0]), event("view", 1, USERS[0], POSTS[1])])
    state = folded(log)
    for wrong in ([log[1]], [*numbered([*log, log[0], log[0]])[2:][::-1]]):
        with pytest.raises(Invalid, match="ascend"):
            state.fold(wrong)
    assert_same(state, folded(log))
    assert state.position == 2


def test_a_snapshot_of_another_view_is_refused():
    other = FeatureView("world", SCOPES, FEATURES[1:])
    with pytest.raises(Corrupt, match="another view"):
        State.restore(other, SCHEMA, subject="user", item="post", position=0, arrays=new_state().snapshot())
