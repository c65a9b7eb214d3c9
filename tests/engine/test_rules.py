"""Rules as data: each verb, alone and against the others."""

import pytest

from proffer.core.errors import Invalid
from tests.engine.worlds import DAY, NOW, PLAIN, accepted, asks, did, new_engine, post, shown


@pytest.fixture
def engine():
    """Six posts, f the newest; a, c and e are about food, the others about music."""
    engine = new_engine(app=PLAIN)
    rows = [
        post(name, NOW - DAY + place * DAY / 100, title=name, category=("food", "music")[place % 2], tags=[f"t{place}"])
        for place, name in enumerate("abcdef")
    ]
    accepted(engine, *rows)
    return engine


def ruled(engine, *rules, user="u1", n=10, **rest):
    """Return the slate under these rules."""
    engine.configure({"rules": {"home": list(rules)}})
    return shown(engine, user, n, **rest)


PIN = {"do": "pin", "item": "a", "position": 2}
SEEN = {"do": "seen_out"}


def test_filter(engine):
    assert ruled(engine, {"do": "filter", "where": {"category": "food"}}) == list("eca")
    assert ruled(engine, {"do": "filter", "where": {"category": {"not_in": ["food"]}}}) == list("fdb")
    assert ruled(engine, {"do": "filter", "where": {"tags": ["t1", "t5"]}}) == list("fb")
    assert ruled(engine, {"do": "filter", "where": {"author": {"exists": True}}}) == []


def test_a_filter_follows_what_changes(engine):
    food = {"do": "filter", "where": {"category": "food"}}
    assert ruled(engine, food) == list("eca")
    accepted(engine, post("f", category="food"), post("a", category="music"))
    assert sorted(shown(engine)) == list("cef")


def test_a_pin_stands_where_it_says(engine):
    assert ruled(engine, PIN) == list("faedcb")
    assert ruled(engine, PIN, {"do": "pin", "item": "b", "position": 1}) == list("bafedc")


def test_a_pin_brings_back_what_was_seen(engine):
    accepted(engine, did("u1", "view", "a"))
    assert ruled(engine, SEEN) == list("fedcb")
    assert ruled(engine, SEEN, PIN) == list("faedcb")


@pytest.mark.parametrize(
    "row",
    [post("a", visibility="private"), post("a", expires_at=NOW.isoformat()), did("u1", "hide", "a"),
     {"type": "entity.delete", "actor": {"kind": "post", "id": "a"}}],
)  # fmt: skip
def test_a_pin_never_shows_what_may_not_be_seen(engine, row):
    accepted(engine, row)
    assert "a" not in ruled(engine, PIN)


def test_a_pin_beyond_the_slate_is_not_shown_and_beyond_the_list_is_last(engine):
    far = {"do": "pin", "item": "f", "position": 4}
    assert ruled(engine, far, n=3) == list("edc")
    assert ruled(engine, far, n=4) == list("edcf")
    assert ruled(engine, {"do": "pin", "item": "f", "position": 400}) == list("edcbaf")


def test_a_pin_of_what_does_not_exist_changes_nothing(engine):
    assert ruled(engine, {"do": "pin", "item": "nope", "position": 1}) == list("fedcba")


def test_pins_stand_on_the_first_page(engine):
    engine.configure({"rules": {"home": [PIN]}})
    first = engine.recommend(asks(n=2))
    assert [placed.id for placed in first.slate] == ["f", "a"]
    assert shown(engine, n=2, after=first.id) == ["e", "d"]


def test_a_pin_that_lay_beyond_the_first_page_is_not_kept_from_the_second(engine):
    engine.configure({"rules": {"home": [{"do": "pin", "item": "f", "position": 9}]}})
    first = engine.recommend(asks(n=2))
    assert [placed.id for placed in first.slate] == ["e", "d"]
    assert shown(engine, n=2, after=first.id) == ["f", "c"]


def test_boost_lifts_and_sinks(engine):
    music = {"do": "boost", "where": {"category": "music"}}
    assert ruled(engine, music | {"by": 10}) == list("fdbeca")
    assert ruled(engine, music | {"by": -10}) == list("ecafdb")


def test_boosts_add_up_in_spreads_of_the_list(engine):
    plain = engine.recommend(asks())
    up = {"do": "boost", "where": {"category": "food"}, "by": 0.25}
    engine.configure({"rules": {"home": [up, up]}})
    boosted = {placed.id: placed.score for placed in engine.recommend(asks()).slate}
    scores = [placed.score for placed in plain.slate]
    spread = (sum((s - sum(scores) / 6) ** 2 for s in scores) / 6) ** 0.5
    for placed in plain.slate:
        lifted = 0.5 * spread if placed.id in "ace" else 0.0
        assert boosted[placed.id] == pytest.approx(placed.score + lifted, abs=1e-5)


def test_a_boost_of_an_empty_list_is_quiet():
    engine = new_engine()
    assert ruled(engine, {"do": "boost", "where": {"category": "food"}, "by": 1}) == []


def test_cap(engine):
    accepted(engine, post("g", NOW, title="g"))
    assert ruled(engine, {"do": "cap", "per": "category", "at_most": 1}) == ["g", "f", "e"]
    assert ruled(engine, {"do": "cap", "per": "category", "at_most": 2}, n=4) == list("gfed")


def test_two_caps_hold_together(engine):
    for name, author in zip("abcdef", ["x", "x", "x", "y", "y", "y"], strict=True):
        accepted(engine, post(name, author=author))
    caps = [{"do": "cap", "per": "category", "at_most": 2}, {"do": "cap", "per": "author", "at_most": 1}]
    assert ruled(engine, *caps) == list("fc")


def test_seen_out_by_types_and_days(engine):
    accepted(engine, did("u1", "view", "a", NOW - 5 * DAY), did("u1", "like", "b", NOW - DAY), did("u1", "view", "c"))
    assert ruled(engine) == list("fedcba")
    assert ruled(engine, SEEN) == list("fed")
    assert ruled(engine, SEEN | {"types": ["like"]}) == list("fedca")
    assert ruled(engine, SEEN | {"within_days": 2}) == list("feda")
    assert ruled(engine, SEEN | {"types": ["view"], "within_days": 2}) == list("fedba")


def test_a_rule_for_some_subjects(engine):
    accepted(engine, {"type": "entity.set", "actor": "swede", "fields": {"country": "SE"}})
    only = {"do": "filter", "where": {"category": "food"}, "subject": {"country": ["SE", "NO"]}}
    assert ruled(engine, only, user="swede") == list("eca")
    assert ruled(engine, only, user="stranger") == list("fedcba")


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"do": "pin", "item": "a"}, "rules.position"),
        ({"do": "pin", "item": "a", "position": 0}, "rules.position"),
        ({"do": "boost", "where": {"category": "x"}}, "rules.by"),
        ({"do": "boost", "where": {"category": "x"}, "by": float("nan")}, "rules.by"),
        ({"do": "boost", "where": {"category": "x"}, "by": 1e308}, "rules.by"),
        ({"do": "cap", "per": "category"}, "rules.at_most"),
        ({"do": "cap", "per": "colour", "at_most": 1}, "rules.per"),
        ({"do": "filter"}, "rules.where"),
        ({"do": "filter", "where": {"colour": "red"}}, "rules.where"),
        ({"do": "filter", "where": {"title": {"like": "x"}}}, "rules.title"),
        ({"do": "filter", "where": {"title": {"in": ["x"], "exists": True}}}, "rules.title"),
        ({"do": "filter", "where": {"title": {"above": "x"}}}, "rules.title"),
        ({"do": "filter", "where": {"title": {"above": float("inf")}}}, "rules.title"),
        ({"do": "filter", "where": {"title": {"in": "abc"}}}, "rules.title"),
        ({"do": "filter", "where": {"title": {"in": 5}}}, "rules.title"),
        ({"do": "filter", "where": {"title": {"exists": 1}}}, "rules.title"),
        ({"do": "filter", "where": {"title": "x"}, "subject": {"country": {"below": None}}}, "rules.country"),
        ({"do": "seen_out", "types": ["nope"]}, "rules.types"),
        ({"do": "seen_out", "types": ["impression"]}, "rules.types"),
        ({"do": "seen_out", "within_days": 1e12}, "rules.within_days"),
        ({"do": "seen_out", "within_days": -1}, "rules.within_days"),
        ({"do": "explode"}, "settings"),
        ({"do": "seen_out", "extra": 1}, "settings"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_with_nothing_written(engine, rule, field):
    before = engine.stores.log.last()
    with pytest.raises(Invalid) as caught:
        engine.configure({"rules": {"home": [rule]}})
    assert caught.value.field == field
    assert caught.value.remedy
    assert engine.stores.log.last() == before
    assert shown(engine) == list("fedcba")


def test_what_the_query_gives_is_ranked_although_it_was_seen(engine):
    accepted(engine, did("u1", "view", "a"))
    assert "a" not in shown(engine)
    assert sorted(shown(engine, candidates=("a", "b"))) == ["a", "b"]
    accepted(engine, did("u1", "hide", "b"))
    assert shown(engine, candidates=("a", "b")) == ["a"]
