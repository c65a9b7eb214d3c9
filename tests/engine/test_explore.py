"""Exploration: what is drawn how often, that propensities say so, and that caps, pins and replays hold."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from proffer.app import Exploration
from proffer.apps.feed.app import HOME
from proffer.apps.feed.app import app as feed
from proffer.core.errors import CannotStart, Invalid
from proffer.engine.batch import recommend_all
from proffer.engine.explore import Walk, explore, standing
from proffer.engine.rules import RuleSet
from tests.engine.worlds import NOW, PLAIN, accepted, asks, champion, did, few_posts, new_engine, toy

SURE = 1e-4
"""How unlikely counts may be under the propensities before they are taken to be wrong."""


def exploring(**exploration):
    return {"exploration": {"home": exploration}}


def drawn(engine, query, exploration, scores, **rest):
    rules = RuleSet(engine.settings.rules.get("home", ()), query, engine.state)
    ordinals = engine.state.ordinals(sorted(engine.state.ids))
    order = np.argsort(-np.array(scores), kind="stable").tolist()
    return explore(Walk(order, np.array(scores), ordinals, rules, exploration, **rest), query.id)


@pytest.fixture(scope="module")
def posts():
    engine = new_engine(app=PLAIN)
    few_posts(engine)
    return engine


@pytest.mark.parametrize(
    "exploration",
    [Exploration(policy="epsilon", epsilon=0.3), Exploration(policy="plackett_luce", temperature=0.8)],
    ids=lambda one: one.policy,
)
def test_what_is_drawn_is_as_frequent_as_its_propensity_says(posts, exploration):
    scores = [5.0, 4.0, 3.5, 2.0, 1.0, 0.5]
    pairs, chance = {}, {}
    for number in range(6000):
        query = _renamed(asks(n=2), f"q{number}")
        found = drawn(posts, query, exploration, scores)
        first, second = found.rows[:2]
        pairs[first, second] = pairs.get((first, second), 0) + 1
        told = found.propensity[first] * found.propensity[second]
        assert chance.setdefault((first, second), told) == pytest.approx(told)
    assert len(pairs) == 30
    assert sum(chance.values()) == pytest.approx(1.0)
    expected = np.array([chance[pair] for pair in pairs]) * 6000
    observed = np.array(list(pairs.values()))
    # The rarest share one cell, so that each has enough to be judged by.
    rare = expected <= max(5.0, expected.min())
    merged = [[*values[~rare], values[rare].sum()] for values in (observed, expected)]
    assert chisquare(*merged).pvalue > SURE


def _fields(query):
    return {name: getattr(query, name) for name in query.__struct_fields__}


def test_wrong_propensities_would_be_noticed():
    """The test above can fail: counts of another temperature do not fit."""
    rng = np.random.default_rng(0)
    told, true = np.array([0.5, 0.3, 0.2]), np.array([0.55, 0.27, 0.18])
    assert chisquare(rng.multinomial(6000, true), told * 6000).pvalue < SURE


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-5, 5, width=32), min_size=6, max_size=6),
    st.sampled_from(["epsilon", "plackett_luce"]),
    st.floats(0, 1),
    st.floats(0.001, 1000),
    st.integers(1, 9),
    st.integers(2, 8),
    st.sets(st.integers(0, 5), max_size=3),
    st.text(max_size=5),
)
def test_every_place_has_a_chance_above_0_and_nothing_is_lost(
    posts, scores, policy, epsilon, temperature, n, depth, pinned, seed
):
    exploration = Exploration(policy=policy, epsilon=epsilon, temperature=temperature, depth=depth)
    query = _renamed(asks(n=n), seed)
    found = drawn(posts, query, exploration, scores, pinned=sorted(pinned))
    assert sorted((*found.rows, *pinned)) == list(range(6))
    assert {*found.rows[:n], *pinned} <= found.propensity.keys()
    assert all(0.0 < chance <= 1.0 for chance in found.propensity.values())
    assert found.explored <= {*found.rows[:n]}
    assert found == drawn(posts, query, exploration, scores, pinned=sorted(pinned))


def test_a_place_is_worth_what_stands_there_whatever_score_it_has():
    assert standing([1, 0, 2], np.array([1.0, 1.0, 1.0])).tolist() == [0.0, 0.0, 0.0]
    worth = standing([2, 0, 1], np.array([3.0, 2.0, 1.0]))
    assert worth.tolist() == sorted(worth, reverse=True)
    assert worth[0] == 0.0


def test_off_nothing_changes_and_nothing_is_told():
    plain, off = new_engine(toy().events), new_engine(toy().events)
    off.configure(exploring(policy="off", epsilon=1.0))
    for user in ("u1", "u5", "stranger"):
        one, other = plain.recommend(asks(user)), off.recommend(asks(user))
        assert (one.slate, one.considered) == (other.slate, other.considered)
        assert all(placed.propensity is None and not placed.explored for placed in other.slate)
    assert off.counters.explored.total() == 0


def test_with_no_chance_the_best_stand_and_their_propensity_is_1():
    plain, sure = new_engine(toy().events), new_engine(toy().events)
    sure.configure(exploring(policy="epsilon", epsilon=0.0))
    one, other = plain.recommend(asks("u5")), sure.recommend(asks("u5"))
    assert [placed.id for placed in one.slate] == [placed.id for placed in other.slate]
    assert all(placed.propensity == 1.0 and not placed.explored for placed in other.slate)


def test_a_decision_made_again_draws_the_same_and_another_query_another():
    engine = new_engine(toy().events)
    engine.configure(exploring(policy="plackett_luce", temperature=1.0))
    first, again = engine.recommend(asks("u5")), engine.recommend(asks("u5"))
    assert first.slate == again.slate
    assert engine.stores.decisions.get(first.id).slate == first.slate
    others = {tuple(placed.id for placed in engine.recommend(_renamed(asks("u5"), f"q{n}")).slate) for n in range(5)}
    assert len(others) == 5
    assert engine.counters.explored["home"] == sum(
        placed.explored for decision in engine.stores.decisions.find(limit=100) for placed in decision.slate
    )
    assert engine.counters.explored["home"] > 0


def _renamed(query, id):
    return query.__class__(**{**_fields(query), "id": id})


def test_pins_and_caps_hold_while_exploring():
    engine = new_engine(app=PLAIN)
    few_posts(engine, "abcdef", author="ann")
    few_posts(engine, "ghijkl", author="ben")
    rules = [{"do": "pin", "item": "a", "position": 2}, {"do": "cap", "per": "author", "at_most": 2}]
    engine.configure(exploring(policy="epsilon", epsilon=1.0) | {"rules": {"home": rules}})
    seen = set()
    for number in range(60):
        slate = engine.recommend(_renamed(asks(n=4), f"q{number}")).slate
        ids = [placed.id for placed in slate]
        assert (ids[1], slate[1].propensity, slate[1].explored) == ("a", 1.0, False)
        assert len(ids) == 4
        assert sum(id in "abcdef" for id in ids) == 2
        free = [placed for placed in slate if placed.id != "a"]
        # The pin counts for ann: of eleven others, at first all may stand, at last ben's second alone.
        assert free[0].propensity == pytest.approx(1 / 11)
        seen |= {*ids}
    assert seen == set("abcdefghijkl")


def test_the_untrained_home_explores_too_and_explains_it():
    engine = new_engine(app=PLAIN)
    few_posts(engine)
    engine.configure(exploring(policy="epsilon", epsilon=1.0))
    query = _renamed(asks(n=3), "q7")
    slate = engine.recommend(query).slate
    explored = [placed for placed in slate if placed.explored]
    assert explored
    told = engine.explain(query, explored[0].id)
    assert told.placed == explored[0]
    assert told.steps[-1].step == "explored"
    assert f"by a chance of {explored[0].propensity:.3g}" in told.steps[-1].text


def test_what_nobody_logs_is_not_explored():
    engine = new_engine(app=PLAIN)
    few_posts(engine)
    engine.configure(exploring(policy="epsilon", epsilon=1.0))
    [rows] = recommend_all(engine, ["u1"], n=6, at=NOW)
    assert [row.item for row in rows] == list("fedcba")


def test_settings_override_the_declaration():
    declared = replace(HOME, ladder=("newest",), exploration=Exploration(policy="epsilon", epsilon=1.0))
    engine = new_engine(app=replace(feed, pipelines=(declared, *feed.pipelines[1:])))
    few_posts(engine)
    accepted(engine, did("u2", "view", "a"))
    assert engine.recommend(asks(n=3)).slate[0].propensity is None, "below the model nothing declared is drawn"
    champion(engine, {"newest": 1.0})
    assert engine.recommend(asks(n=3)).slate[0].propensity == pytest.approx(1 / 6)
    engine.configure(exploring(policy="off"))
    assert engine.recommend(asks(n=3)).slate[0].propensity is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"policy": "random"},
        {"epsilon": -0.1},
        {"epsilon": 1.5},
        {"temperature": 0},
        {"temperature": float("nan")},
        {"depth": 1},
        {"depth": 501},
        {"chance": 1},
    ],
)
def test_impossible_exploration_is_refused(wrong):
    engine = new_engine()
    with pytest.raises(Invalid, match="exploration"):
        engine.configure(exploring(**wrong))
    assert engine.settings.exploration == {}


def test_of_an_unknown_pipeline_is_refused():
    with pytest.raises(Invalid, match="exploration"):
        new_engine().configure({"exploration": {"nowhere": {}}})


def test_an_impossible_declaration_does_not_start():
    with pytest.raises((CannotStart, Invalid), match="epsilon"):
        replace(feed, pipelines=(replace(HOME, exploration=Exploration(epsilon=2.0)),))
