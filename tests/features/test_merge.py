"""A visitor who turns out to be a known user is that user from then on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.core.entities import EntityRef

from .world import (
    DAY,
    POSTS,
    START,
    USERS,
    VIEW,
    acts,
    assert_same,
    event,
    exact,
    folded,
    follows,
    numbered,
    post_facts,
    several,
)

KNOWN, VISITOR = USERS[0], USERS[3]
IN_ORDER = ("u_sessions", "u_entropy", "aff_cat", "x_dear_likes")
"""Columns that depend on the order in which events were folded, and a plain feature."""


not_of_visitor = follows.filter(lambda follow: follow.target != VISITOR)


@given(several(st.one_of(acts, acts, not_of_visitor)), st.lists(post_facts, max_size=5), st.floats(0, 60 * DAY))
@settings(deadline=None, max_examples=80)
def test_merged_rows_are_as_if_the_known_user_had_done_it_all(done, facts, at):
    # Of two events at one time a merge cannot tell the later: no two share a time here.
    done = [event(e.type, _seconds(e) + n / 1000, e.actor, e.target, e.fields) for n, e in enumerate(done)]
    for_merge = numbered([*facts, *done, event("entity.merge", 0, KNOWN, VISITOR)])
    renamed = numbered([*facts, *(event(e.type, _seconds(e), _as_known(e.actor), e.target, e.fields) for e in done)])
    merged, told = folded(for_merge), folded(renamed)
    if KNOWN not in merged.registry.numbers or KNOWN not in told.registry.numbers:
        return
    for subject in (KNOWN, VISITOR):
        got, want = exact(merged, subject, at), exact(told, KNOWN, at)
        for name in VIEW.columns:
            if name not in IN_ORDER:
                np.testing.assert_allclose(got[name], want[name], rtol=1e-9, atol=1e-9, err_msg=name)
    assert _by_subject(merged, VISITOR) == _by_subject(told, KNOWN)
    assert merged.targets_of(VISITOR, ("follow", "unfollow")) == told.targets_of(KNOWN, ("follow", "unfollow"))


def _seconds(e):
    return (e.at - START).total_seconds()


def _as_known(ref: EntityRef) -> EntityRef:
    return KNOWN if ref == VISITOR else ref


def _by_subject(state, ref):
    return [state.ids[item] for item in state.touched(ref)], [state.ids[item] for item in state.wanted_last(ref, 9)[0]]


def test_later_events_of_the_visitor_are_the_known_users():
    log = numbered(
        [
            event("like", 0, KNOWN, POSTS[0]),
            event("like", 10, VISITOR, POSTS[1]),
            event("entity.merge", 20, KNOWN, VISITOR),
            event("like", 30, VISITOR, POSTS[2]),
            event("entity.set", 40, VISITOR, None, {"country": "SE"}),
        ]
    )
    state = folded(log)
    assert state.subject_ordinal(VISITOR) == state.subject_ordinal(KNOWN) == 0
    assert [state.ids[item] for item in state.wanted_last(KNOWN, 2)[0]] == ["p2", "p1"]
    assert state.attributes(KNOWN) == state.attributes(VISITOR) == {"country": "SE"}
    assert exact(state, VISITOR, 50)["u_likes"][0] == 3
    assert state.listing("user") == ["u0"]
    interactions = state.interactions()
    assert interactions.subject.tolist() == [0, 0, 0]
    assert interactions.by_subject.tolist() == [-1, 0, 1]
    assert interactions.subject_head.tolist() == [2, -1]


def test_the_known_users_attributes_win_and_gaps_are_filled():
    log = numbered(
        [
            event("entity.set", 0, VISITOR, None, {"country": "NO", "language": "sv"}),
            event("entity.set", 0, KNOWN, None, {"country": "SE"}),
            event("entity.merge", 1, KNOWN, VISITOR),
        ]
    )
    assert folded(log).attributes(KNOWN) == {"country": "SE", "language": "sv"}


@pytest.mark.parametrize(
    "pairs",
    [
        [("u0", "v0"), ("u0", "v0")],
        [("u0", "v0"), ("u1", "u0")],
        [("u0", "v0"), ("u1", "u0"), ("u2", "u1")],
        [("u0", "v0"), ("v0", "u0")],
        [("u0", "v0"), ("v1", "v0"), ("v0", "u2")],
        [("u0", "v0"), ("u1", "v0"), ("v0", "u1"), ("u0", "u0")],
    ],
)
def test_chains_cycles_and_repetitions_end_in_one_user_who_has_everything(pairs):
    liked = [event("like", n, user, POSTS[n % 4]) for n, user in enumerate(USERS)]
    merged = [event("entity.merge", 10, EntityRef("user", into), EntityRef("user", other)) for into, other in pairs]
    log = numbered([*liked, *merged, *[event("like", 20 + n, user, POSTS[0]) for n, user in enumerate(USERS)]])
    state = folded(log)
    groups: dict[int, set[str]] = {}
    for user in USERS:
        groups.setdefault(state.subject_ordinal(user), set()).add(user.id)
    together = {name for pair in pairs for name in pair}
    assert together in groups.values()
    assert sum(len(group) for group in groups.values()) == len(USERS)
    for group in groups.values():
        for name in group:
            assert exact(state, EntityRef("user", name), 60)["u_likes"][0] == 2 * len(group)
    one_by_one = folded([])
    for each in log:
        one_by_one.fold([each])
    assert_same(state, one_by_one)


def test_a_merged_item_leaves_the_catalogue_and_its_row_to_the_other():
    log = numbered(
        [
            event("like", 0, KNOWN, POSTS[0]),
            event("like", 0, KNOWN, POSTS[1]),
            event("entity.merge", 1, POSTS[0], POSTS[1]),
        ]
    )
    state = folded(log)
    assert state.available().tolist() == [True, False]
    assert state.ordinals(["p1"]).tolist() == [0]
    assert state.decayed(float("inf"), START.timestamp()).tolist() == [2.0, 0.0]
    assert state.interactions().item.tolist() == [0, 0]
