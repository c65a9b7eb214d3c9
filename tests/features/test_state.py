"""The catalogue, attributes and histories of a state."""

import math
from datetime import timedelta

import numpy as np
import pytest

from proffer.core.entities import EntityRef, stable_key
from proffer.core.errors import Invalid, NotFound
from proffer.features.state import State

from .world import DAY, HOUR, POSTS, SCHEMA, START, USERS, VIEW, event, exact, folded, matrix, new_state, numbered

NOW = START.timestamp()


def test_items_come_in_order_of_first_mention_by_fact_or_as_target():
    state = folded(
        numbered(
            [
                event("impression", 0, USERS[0], POSTS[2]),
                event("entity.set", 1, POSTS[0], None, {"category": "food", "author": "u1", "language": "sv-SE"}),
                event("follow", 2, USERS[0], USERS[1]),
                event("like", 3, USERS[0], POSTS[1]),
            ]
        )
    )
    assert list(state.ids) == ["p2", "p0", "p1"]
    assert state.ordinals(["p0", "nope", "p2"]).tolist() == [1, -1, 0]
    assert state.column("category").tolist() == [0, stable_key("category", "food"), 0]
    assert state.column("author").tolist() == [0, stable_key("user", "u1"), 0]
    assert state.column("language").tolist() == [0, stable_key("language", "sv"), 0]
    assert state.published().tolist() == [NOW, NOW + 1, NOW + 3]
    assert state.revised().tolist() == [0, 2, 0]
    assert state.subject_ordinal(EntityRef("user", "nobody")) == -1
    assert state.listing("user") == ["u0", "u1"]


def test_a_publication_date_stands_before_the_first_mention():
    when = (START - timedelta(days=1)).isoformat()
    state = folded(numbered([event("entity.set", 0, POSTS[0], None, {"published_at": when})]))
    assert state.published().tolist() == [NOW - DAY]
    assert exact(state, None, 0)["i_age"][0] == math.log1p(24)


def test_a_deleted_entity_is_gone_until_it_is_set_again():
    log = numbered(
        [
            event("entity.set", 0, POSTS[0], None, {"category": "food", "price": 2.0}),
            event("entity.delete", 1, POSTS[0]),
            event("view", 2, USERS[0], POSTS[0]),
            event("entity.set", 3, POSTS[0], None, {"price": 3.0}),
        ]
    )
    gone = folded(log[:3])
    assert gone.available().tolist() == [False]
    assert gone.attributes(POSTS[0]) is None
    assert np.isnan(exact(gone, None, 5)["price"][0])
    back = folded(log)
    assert back.available().tolist() == [True]
    assert back.attributes(POSTS[0]) == {"price": 3.0}
    assert back.column("category").tolist() == [0]
    assert back.revised().tolist() == [4]


def test_null_unsets_an_attribute():
    log = [event("entity.set", 0, POSTS[0], None, {"category": "food", "price": 2.0})]
    state = folded(numbered([*log, event("entity.set", 1, POSTS[0], None, {"category": None})]))
    assert state.attributes(POSTS[0]) == {"price": 2.0}
    assert state.column("category").tolist() == [0]


def test_each_event_has_the_category_its_target_had_then():
    log = []
    for n, topic in enumerate(("food", "music", "food")):
        log += [event("entity.set", n, POSTS[0], None, {"category": topic}), event("like", n, USERS[0], POSTS[0])]
    state = folded(numbered(log))
    user = stable_key("user", "u0")
    rows = {topic: state.row("user_category", user, stable_key("category", topic)) for topic in ("food", "music")}
    assert rows["food"][0] == pytest.approx(2.0)
    assert rows["music"][0] == 1.0
    assert state.row("user_category", user, stable_key("category", "sport")) is None


def test_impressions_stay_out_of_interactions_and_fill_their_columns():
    acts = [("impression", 0), ("view", 1), ("impression", 2), ("hide", 1)]
    state = folded(numbered([event(kind, n, USERS[0], POSTS[place]) for n, (kind, place) in enumerate(acts)]))
    found = state.interactions()
    assert [found.types[code] for code in found.type] == ["view", "hide"]
    assert found.weight.tolist() == [1.0, -2.0]
    assert found.by_item.tolist() == [-1, 0]
    assert found.item_head.tolist() == [-1, 1, -1]
    assert state.touched(USERS[0]).tolist() == [1]
    assert exact(state, USERS[0], 5)["ui_seen"][:4].tolist() == [1, 0, 1, 0]


def test_wanted_last_is_newest_first_and_each_item_once():
    likes = [event("view", n, USERS[0], POSTS[place]) for n, place in enumerate((0, 1, 0, 2, 1))]
    state = folded(numbered([*likes, event("hide", 9, USERS[0], POSTS[3])]))
    items, at = state.wanted_last(USERS[0], 2)
    assert ([state.ids[item] for item in items], at.tolist()) == (["p1", "p2"], [NOW + 4, NOW + 3])
    assert state.wanted_last(USERS[1], 2)[0].size == 0


def test_targets_of_follows_the_last_switch_in_the_log():
    log = [
        event("follow", 5, USERS[0], USERS[1]),
        event("follow", 1, USERS[0], USERS[2]),
        event("unfollow", 0, USERS[0], USERS[1]),
        event("unfollow", 0, USERS[0], POSTS[0]),
        event("follow", 0, USERS[0], POSTS[0]),
        event("follow", 0, USERS[0], POSTS[1]),
        event("unfollow", 0, USERS[0], POSTS[1]),
    ]
    state = folded(numbered(log))
    assert state.targets_of(USERS[0], ("follow", "unfollow")) == {USERS[2], POSTS[0]}
    assert state.targets_of(USERS[1], ("follow", "unfollow")) == set()


def test_decay_of_popularity_and_of_a_segment():
    log = numbered(
        [
            event("entity.set", 0, USERS[0], None, {"country": "SE"}),
            event("entity.set", 0, USERS[1], None, {"country": "SE"}),
            event("entity.set", 0, USERS[2], None, {"country": "NO"}),
            event("view", 0, USERS[0], POSTS[0]),
            event("view", 0, USERS[2], POSTS[0]),
            event("view", 0, USERS[2], POSTS[1]),
        ]
    )
    state = folded(log)
    assert state.latest == NOW
    np.testing.assert_allclose(state.decayed(6 * HOUR, NOW + 6 * HOUR), [2.0, 1.0])  # nothing happened since
    state.fold([event("hide", 7 * DAY, USERS[3], POSTS[1], sequence=len(log) + 1)])
    np.testing.assert_allclose(state.decayed(6 * HOUR, NOW + 6 * HOUR), [1.0, 0.5])
    np.testing.assert_allclose(state.segment_decayed(USERS[1], NOW + 7 * DAY), [0.5, 0.0])
    np.testing.assert_allclose(state.segment_decayed(USERS[1], NOW + 70 * DAY), [0.5, 0.0])
    assert state.segment_decayed(USERS[4], NOW).tolist() == [0.0, 0.0]
    with pytest.raises(Invalid, match="half-life"):
        state.decayed(5.0, NOW)


def test_settings_are_projected_and_events_of_unknown_types_pass():
    workspace = EntityRef("workspace", "w")
    log = [
        event("settings.set", 0, workspace, None, {"a": 1, "b": 2}),
        event("settings.set", 0, workspace, None, {"b": 3}),
    ]
    state = folded(numbered([*log, event("never.declared", 0, USERS[0], POSTS[0])]))
    assert state.settings == {"a": 1, "b": 3}
    assert (state.position, list(state.ids)) == (3, [])


def test_unknown_is_nan_and_never_is_zero():
    state = folded(numbered([event("impression", 0, USERS[1], POSTS[0])]))
    told = exact(state, USERS[0], 10)
    for name in ("u_recency", "u_tenure", "u_entropy", "u_dwell", "ui_grade", "ui_since", "u_hour", "text_cos"):
        assert np.isnan(told[name]).all(), name
    for name in ("u_likes", "u_week", "u_sessions", "ui_seen", "aff_author"):
        assert (told[name] == 0).all(), name
    assert told["u_ctr"][0] == 0.0
    assert np.isnan(exact(new_state(), None, 0)["u_ctr"]).all()


def test_an_empty_list_of_candidates_gives_an_empty_matrix():
    assert matrix(folded([]), USERS[0], 0, ()).shape == (0, len(VIEW.columns))


def test_a_scope_nobody_declared_is_not_found():
    with pytest.raises(NotFound, match="no such scope"):
        new_state().row("nowhere", 1)


def test_a_name_that_is_not_ascii_survives_a_snapshot():
    post = EntityRef("post", "påsk🐣")
    state = folded(
        numbered([event("like", 0, USERS[0], post), event("entity.set", 0, post, None, {"title": "Ägg 🐣"})])
    )
    again = State.restore(VIEW, SCHEMA, subject="user", item="post", position=2, arrays=state.snapshot())
    assert list(again.ids) == ["påsk🐣"]
    assert again.attributes(post) == {"title": "Ägg 🐣"}
    assert exact(again, USERS[0], 0)["len_title"].size == 5
