"""How likely a slate is: the logged propensities are its chances, and over all slates they add up to 1."""

from dataclasses import replace
from itertools import permutations
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from proffer.engine.chances import Policy
from proffer.engine.replay import Again
from proffer.engine.serve import Asked, decide, written
from tests.engine.worlds import PLAIN, accepted, asks, champion, did, few_posts, new_engine, post, toy

ITEMS = "abcdef"


def house(**rest):
    """Posts of three authors in two categories, newest last."""
    engine = new_engine(app=PLAIN)
    few_posts(engine, ITEMS)
    for name, author, category in zip(ITEMS, ("ann", "ben", "cid", "ann", "ben", "ann"), "xyxyxx", strict=True):
        accepted(engine, post(name, author=author, category=category, title=f"{author} on {category}", **rest))
    champion(engine, {"newest": 1.0})
    return engine


@pytest.fixture(scope="module")
def engine():
    return house()


def made(engine, query, exploration, rules=()):
    """Return a decision as it would be made now, without logging it."""
    engine.configure({"exploration": {"home": exploration}, "rules": {"home": list(rules)}})
    asked = Asked.of(query, engine.fitted["home"], engine.settings, engine.state)
    decided = decide(asked, 0.0, inf)
    return Again(asked, decided, written("d", asked, decided), ())


def ids(again):
    return [placed.id for placed in again.decision.slate]


def told(again):
    return [placed.propensity for placed in again.decision.slate]


explorations = st.one_of(
    st.builds(lambda e, d: {"policy": "epsilon", "epsilon": e, "depth": d}, st.floats(0, 1), st.integers(2, 7)),
    st.builds(
        lambda t, d: {"policy": "plackett_luce", "temperature": t, "depth": d},
        st.floats(0.05, 50),
        st.integers(2, 7),
    ),
)
pins = st.builds(
    lambda item, place: {"do": "pin", "item": item, "position": place}, st.sampled_from(ITEMS), st.integers(1, 8)
)
caps = st.builds(
    lambda per, most: {"do": "cap", "per": per, "at_most": most},
    st.sampled_from(["author", "category"]),
    st.integers(1, 3),
)
rule_lists = st.lists(st.one_of(pins, caps), max_size=3, unique_by=lambda rule: rule.get("item", rule["do"]))


@settings(max_examples=60, deadline=None)
@given(explorations, rule_lists, st.integers(1, 8), st.text("abc", max_size=4), st.sampled_from([1.0, 0.5]))
def test_what_was_logged_is_the_chance_of_each_place(engine, exploration, rules, n, seed, diversity):
    again = made(engine, changed(asks(n=n, diversity=diversity), id=seed), exploration, rules)
    path = Policy(again).along(ids(again), 10)
    assert path.chances == told(again)
    assert all(chance > 0 for chance in path.chances)
    # Beyond the last place nothing more is shown.
    assert path.choices[len(path.chances) :] in ([], [None])


@settings(max_examples=25, deadline=None)
@given(explorations, rule_lists, st.integers(1, 4))
def test_over_all_slates_the_chances_add_up_to_1(engine, exploration, rules, n):
    again = made(engine, asks(n=n), exploration, rules)
    policy, length, total = Policy(again), len(ids(again)), 0.0
    for slate in permutations(ITEMS, length):
        chance = 1.0
        for each in policy.along(slate, 10).chances:
            chance *= each
        total += chance
    assert total == pytest.approx(1.0)


def test_every_choice_tells_all_that_may_stand_there(engine):
    rules = [{"do": "pin", "item": "a", "position": 2}, {"do": "cap", "per": "author", "at_most": 1}]
    again = made(engine, asks(n=4), {"policy": "epsilon", "epsilon": 0.5}, rules)
    policy = Policy(again)
    path = policy.along(["f", "a"], 4)
    # a is ann's, whom the cap allows one: her d and f may stand nowhere else.
    assert path.chances == [0.0, 0.0]
    path = policy.along(["e", "a", "c"], 4)
    assert [sorted(policy.ids[row] for row in choice.rows) for choice in path.choices[:3]] == [
        ["b", "c", "e"], ["a"], ["c"],
    ]  # fmt: skip
    assert path.chances == pytest.approx([0.5 + 0.5 / 3, 1.0, 1.0])
    assert path.choices[3] is None
    assert all(choice.chances.sum() == pytest.approx(1.0) for choice in path.choices[:3])


def test_what_cannot_stand_has_no_chance_and_nothing_after_it_has(engine):
    again = made(engine, asks(n=3), {"policy": "plackett_luce", "temperature": 1.0})
    policy = Policy(again)
    assert policy.along(["nowhere", "a", "b"], 10).chances == [0.0, 0.0, 0.0]
    first, *rest = policy.along(["a", "nowhere", "b"], 10).chances
    assert first > 0
    assert rest == [0.0, 0.0]
    assert policy.along(["a", "b", "c", "d"], 10).chances[3] == 0.0
    assert policy.along([], 10).chances == []
    assert len(policy.along([], 10).choices[0].rows) == 6


def test_without_exploration_the_best_are_certain(engine):
    again = made(engine, asks(n=3), {"policy": "off", "epsilon": 1.0})
    assert told(again) == [None, None, None]
    assert Policy(again).along(ids(again), 10).chances == [1.0, 1.0, 1.0]
    assert Policy(again).along(["a", "b", "c"], 10).chances == [0.0, 0.0, 0.0]


def test_a_pin_beyond_what_there_is_stands_last(engine):
    again = made(engine, asks(n=10), {"policy": "epsilon", "epsilon": 1.0}, [{"do": "pin", "item": "a", "position": 9}])
    assert ids(again)[-1] == "a"
    assert Policy(again).along(ids(again), 10).chances == told(again)


def test_below_the_head_there_is_one_choice(engine):
    """A cap shuts the whole head out: what follows is certain, and nothing else can stand there."""
    rules = [{"do": "cap", "per": "author", "at_most": 1}]
    again = made(engine, asks(n=6), {"policy": "epsilon", "epsilon": 1.0, "depth": 2}, rules)
    assert Policy(again).along(ids(again), 10).chances == told(again)


@pytest.mark.parametrize("exploration", [{"policy": "epsilon", "epsilon": 0.5}, {"policy": "plackett_luce"}])
@pytest.mark.parametrize("diversity", [1.0, 0.3])
def test_in_a_whole_feed_with_boosts_diversity_and_caps(exploration, diversity):
    engine = new_engine(toy().events)
    champion(engine, {"newest": 0.6, "popularity": 0.4})
    item = engine.state.ids[0]
    rules = [
        {"do": "cap", "per": "category", "at_most": 4}, {"do": "pin", "item": item, "position": 3}, {"do": "seen_out"},
        {"do": "boost", "where": {"category": "science"}, "by": 0.5},
    ]  # fmt: skip
    for user in ("u1", "u5", "stranger"):
        again = made(engine, asks(user, n=12, diversity=diversity), exploration, rules)
        assert Policy(again).along(ids(again), 12).chances == told(again)


def test_the_ladder_is_a_policy_too():
    engine = new_engine(app=replace(PLAIN))
    few_posts(engine)
    accepted(engine, did("u2", "view", "a"))
    again = made(engine, asks(n=3), {"policy": "plackett_luce", "temperature": 1.0})
    assert again.decided.fallback is not None
    assert Policy(again).along(ids(again), 10).chances == told(again)
