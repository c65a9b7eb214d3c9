"""Who is shown which post: seen, hidden, blocked, visible, published, new; visitors who become users."""

from datetime import timedelta

import pytest

from proffer.core.entities import EntityRef
from tests.engine.worlds import DAY, NOW, PLAIN, accepted, did, few_posts, follow, new_engine, post, shown, toy


@pytest.fixture
def engine():
    engine = new_engine(app=PLAIN)
    few_posts(engine, author="ann")
    return engine


def test_a_new_post_is_shown_right_after_its_event(engine):
    accepted(engine, post("new", NOW, title="fresh"))
    assert shown(engine)[0] == "new"


def test_a_new_user_is_served_at_once(engine):
    assert shown(engine, "nobody has heard of") == list("fedcba")


def test_what_was_answered_is_seen(engine):
    accepted(engine, did("u1", "view", "c", seconds=3), did("u1", "impression", "d"))
    assert shown(engine) == list("fedba")
    assert shown(engine, "u2") == list("fedcba")


@pytest.mark.parametrize("type", ["hide", "report"])
def test_hidden_and_reported_stay_away_even_where_seen_is_allowed(engine, type):
    engine.configure({"rules": {"home": []}})
    accepted(engine, did("u1", "view", "c"), did("u1", type, "d"))
    assert sorted(shown(engine)) == list("abcef")


def test_block_and_unblock(engine):
    accepted(engine, post("b1", author="bob"), follow("u1", "bob", "block"))
    assert "b1" not in shown(engine)
    assert "b1" in shown(engine, "u2")
    accepted(engine, follow("u1", "bob", "unblock"))
    assert "b1" in shown(engine)


def test_followers_and_private(engine):
    accepted(
        engine, post("f", author="bob", visibility="followers"), post("p", author="bob", visibility="private"),
        post("o", author="bob", visibility="public"), post("x", author="bob", visibility="Private "),
        follow("fan", "bob"),
    )  # fmt: skip
    assert {"f", "p", "o", "x"} & {*shown(engine)} == {"o"}
    assert {"f", "p", "o", "x"} & {*shown(engine, "fan")} == {"f", "o"}
    assert {"f", "p", "o", "x"} & {*shown(engine, "bob")} == {"f", "p", "o", "x"}
    accepted(engine, follow("fan", "bob", "unfollow"))
    assert {"f", "p", "o", "x"} & {*shown(engine, "fan")} == {"o"}


def test_visibility_can_change(engine):
    accepted(engine, post("f", visibility="private"))
    assert set(shown(engine)) == set("abcde")
    accepted(engine, post("f", visibility=None))
    assert "f" in shown(engine)


def test_published_later_and_expired(engine):
    hour = timedelta(hours=1)
    accepted(
        engine, post("later", published_at=(NOW + hour).isoformat()),
        post("ends", expires_at=(NOW + hour).isoformat()), post("over", expires_at=NOW.isoformat()),
    )  # fmt: skip
    assert {"later", "ends", "over"} & {*shown(engine)} == {"ends"}
    engine.clock.move(3600)
    assert {"later", "ends", "over"} & {*shown(engine)} == {"later"}


def test_a_deleted_post_is_gone_until_it_is_set_again(engine):
    accepted(engine, {"type": "entity.delete", "actor": {"kind": "post", "id": "c"}})
    assert shown(engine) == list("fedba")
    accepted(engine, post("c", NOW, title="again"))
    assert "c" in shown(engine)


def merge(user: str, visitor: str) -> dict:
    return {"type": "entity.merge", "actor": user, "target": visitor}


def test_what_a_visitor_read_is_seen_by_the_user_he_is(engine):
    accepted(engine, did("visitor", "view", "c"), did("u1", "view", "a"), merge("u1", "visitor"))
    assert shown(engine) == list("fedb")
    assert shown(engine, "visitor") == list("fedb")
    assert engine.state.subject_ordinal(EntityRef("user", "visitor")) == engine.state.subject_ordinal(
        EntityRef("user", "u1")
    )


def test_what_a_visitor_read_shapes_the_slate_of_the_user_he_is():
    engine = new_engine()
    for place in range(12):
        accepted(
            engine, post(f"p{place}", NOW - 2 * DAY, category="music" if place % 2 else "food", title="same words")
        )
    read = [did("visitor", "view", f"p{place}", NOW - DAY / 3) for place in (1, 3, 5)]
    accepted(engine, *read)
    before = shown(engine, "known", 3)
    accepted(engine, merge("known", "visitor"))
    after = shown(engine, "known", 3)
    assert {engine.reader.entity("post", name)["category"] for name in after} == {"music"}
    assert before != after


def test_after_a_merge_the_user_is_served_as_one_who_did_all_himself():
    rows = [post(f"p{n}", NOW - 2 * DAY, category=("food", "music")[n % 2], title=f"t{n}") for n in range(10)]
    mine, theirs = [did("u1", "like", "p1")], [did("visitor", "view", "p3"), follow("visitor", "ann")]
    merged, one = new_engine(), new_engine()
    accepted(merged, *rows, *mine, *theirs, merge("u1", "visitor"))
    accepted(one, *rows, *mine, *(row | {"actor": "u1"} for row in theirs))
    assert shown(merged) == shown(one)


def test_similar_items_are_about_the_same_and_never_the_item_itself():
    engine = new_engine(toy().events)
    ids = shown(engine, "u5", 5, pipeline="similar", context={"item": "p230"})
    assert len(ids) == 5
    assert "p230" not in ids
    wanted = engine.reader.entity("post", "p230")["category"]
    assert sum(engine.reader.entity("post", name)["category"] == wanted for name in ids) >= 4


def test_similar_items_show_also_what_was_read():
    engine = new_engine()
    accepted(engine, *(post(name, title="the same words", category="food") for name in "abc"), did("u1", "view", "b"))
    assert sorted(shown(engine, pipeline="similar", context={"item": "a"})) == ["b", "c"]
