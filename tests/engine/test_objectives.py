"""Objectives weighed per request: what they do to a slate, what they gain and cost, and what cannot be weighed."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from proffer.app import Exploration, Objective
from proffer.core.errors import CannotStart, Invalid
from proffer.engine.chances import Policy
from proffer.engine.objectives import _weighed
from proffer.engine.replay import Change, Past, make_again
from proffer.features.view import FeatureView
from proffer.models.rankers.boosted import LambdaRank
from proffer.models.rankers.linear import LinearRanker
from proffer.models.rankers.standing import middle_percentiles

from .advice import advice, asks, declared, learned, recommendation
from .worlds import DAY, NOW, accepted, champion, did, new_engine, post
from .worlds import asks as feed_asks

RELEVANT = {"diversity": 1.0}


def shown(engine, n=5, **rest):
    return [placed.id for placed in engine.recommend(asks(n, **rest)).slate]


def test_what_is_weighed_alone_decides_alone():
    engine = advice()
    assert shown(engine, **RELEVANT) == ["r00", "r01", "r02", "r03", "r04"]
    assert shown(engine, objectives={"cost": 1.0}, **RELEVANT) == ["r11", "r10", "r09", "r08", "r07"]
    assert shown(engine, objectives={"risk": 3.0}, **RELEVANT) == ["r00", "r05", "r10", "r03", "r08"]


def test_relevance_alone_is_the_slate_without_objectives_and_tells_what_it_comes_to():
    engine = advice()
    plain = engine.recommend(asks())
    aimed = engine.recommend(asks(objectives={"quality": 2.0, "cost": 0.0}))
    assert aimed.slate == plain.slate
    assert plain.tradeoff is None
    assert (aimed.tradeoff.relevance, aimed.tradeoff.entered) == (1.0, 0)
    assert all(aim.mean == aim.alone for aim in aimed.tradeoff.aims.values())


def test_the_trade_off_is_told_in_the_columns_units():
    told = advice().recommend(asks(2, objectives={"quality": 0.0, "cost": 1.0}, language="sv", **RELEVANT)).tradeoff
    cost, quality = told.aims["cost"], told.aims["quality"]
    places = 1 / np.log2([2, 3])
    assert cost.mean == pytest.approx(np.average([1100, 1000], weights=places))
    assert cost.alone == pytest.approx(np.average([0, 100], weights=places))
    assert quality.mean == pytest.approx(np.average([0 / 11, 1 / 11], weights=places))
    assert quality.alone == pytest.approx(np.average([11 / 11, 10 / 11], weights=places))
    assert told.relevance == pytest.approx(quality.mean / quality.alone)
    assert told.entered == 2
    assert (cost.text, cost.column, cost.better, cost.weight) == ("sparar pengar", "saving", "more", 1.0)
    assert (told.aims["risk"].better, told.aims["risk"].weight) == ("less", 0.0)


def test_an_unknown_value_stands_in_the_middle():
    engine = advice(count=0)
    for name, saving in (("a", 10.0), ("b", None), ("c", 30.0)):
        row = recommendation(0, confidence=0.5, **({} if saving is None else {"saving": saving}))
        row["actor"]["id"] = name
        if saving is None:
            del row["fields"]["saving"]
        accepted(engine, row)
    decision = engine.recommend(asks(objectives={"cost": 1.0}, **RELEVANT))
    assert [placed.id for placed in decision.slate] == ["c", "b", "a"]
    assert decision.slate[1].score == pytest.approx(0.5, abs=1e-3)
    assert decision.tradeoff.aims["cost"].mean == pytest.approx(np.average([30, 10], weights=[1, 0.5]))


def test_equals_by_an_objective_stand_in_order_of_relevance():
    engine = advice(count=0)
    accepted(engine, *(recommendation(n, saving=7.0, confidence=0.1 * n) for n in range(9)))
    assert shown(engine, 9, objectives={"cost": 1.0}, **RELEVANT) == [f"r{n:02}" for n in reversed(range(9))]


def test_weights_of_the_request_stand_before_those_of_settings_and_of_the_declaration():
    engine = advice(declared(aims={"risk": 1.0}))
    assert shown(engine, **RELEVANT)[:2] == ["r00", "r05"]
    engine.configure({"objectives": {"assessment": {"cost": 1.0}}})
    assert shown(engine, **RELEVANT)[:2] == ["r11", "r10"]
    assert shown(engine, objectives={"quality": 1.0}, **RELEVANT)[:2] == ["r00", "r01"]
    engine.configure({"objectives": {}})
    assert shown(engine, **RELEVANT)[:2] == ["r00", "r05"]


WRONG = [
    ({"beauty": 1.0}, "unknown name 'beauty'"),
    ({"cost": -0.1}, "out of range"),
    ({"cost": math.nan}, "out of range"),
    ({"cost": math.inf}, "out of range"),
    ({"cost": 1e4}, "out of range"),
    ({"cost": 0.0, "risk": 0.0}, "no weight is above 0"),
    ({}, "no weight is above 0"),
]


@pytest.mark.parametrize(("weights", "why"), WRONG)
def test_weights_that_cannot_be_weighed_are_refused(weights, why):
    engine = advice()
    with pytest.raises(Invalid, match=why) as found:
        engine.recommend(asks(objectives=weights))
    assert found.value.field.startswith("objectives")
    with pytest.raises(Invalid, match=why):
        engine.configure({"objectives": {"assessment": weights}})


@pytest.mark.parametrize(("weights", "why"), [wrong for wrong in WRONG if wrong[0]])
def test_aims_that_cannot_be_weighed_cannot_be_declared(weights, why):
    with pytest.raises(Invalid, match=why):
        declared(aims=weights)


def test_the_names_there_are_are_told():
    with pytest.raises(Invalid) as found:
        advice().recommend(asks(objectives={"beauty": 1.0}))
    assert found.value.remedy == "Use one of cost, quality, risk."
    with pytest.raises(Invalid, match="similar declares no objectives"):
        new_engine().recommend(feed_asks(pipeline="similar", objectives={"fresh": 1.0}))


def test_an_objective_names_a_column_there_is_and_one_alone_is_relevance():
    with pytest.raises(CannotStart, match="what does not exist: worth"):
        declared(objectives={"x": Objective(en="x", sv="x", column="worth")})
    with pytest.raises(CannotStart, match="are its relevance"):
        declared(objectives={name: Objective(en=name, sv=name) for name in "ab"})


@pytest.mark.parametrize("ranker", [LambdaRank, LinearRanker])
@pytest.mark.parametrize("policy", ["off", "plackett_luce"])
def test_a_decision_by_objectives_comes_out_again_bit_for_bit(ranker, policy):
    engine = advice(declared(exploration=Exploration(policy=policy, temperature=1.0)), 40)
    learned(engine, ranker())
    for number in range(3):
        weights = {"quality": 0.5, "cost": 0.3 * number, "risk": 0.2}
        decision = engine.recommend(asks(10, id=f"q{number}", objectives=weights))
        assert decision.fallback is None
        assert (decision.slate[0].propensity is None) == (policy == "off")
        found = engine.replay(decision.id)
        assert found.verdict == "exact", found.differences
        assert (found.again.tradeoff, found.again.diversity_score) == (decision.tradeoff, decision.diversity_score)


@pytest.mark.parametrize("trained", [True, False])
def test_the_chance_of_a_slate_by_objectives_is_the_one_that_was_logged(trained):
    drawn = Exploration(policy="plackett_luce", temperature=1.0)
    engine = advice(declared(exploration=drawn), 20)
    if trained:
        learned(engine, LinearRanker())
    else:
        engine.configure({"exploration": {"assessment": {"policy": "plackett_luce", "temperature": 1.0}}})
    decision = engine.recommend(asks(6, objectives={"quality": 0.5, "cost": 1.0}))
    policy = Policy(make_again(Past(engine), decision))
    chances = policy.along([placed.id for placed in decision.slate], 6).chances
    assert chances == pytest.approx([placed.propensity for placed in decision.slate])
    assert min(chances) > 0.0


def test_settings_of_then_weigh_again_when_a_decision_is_replayed():
    engine = advice()
    engine.configure({"objectives": {"assessment": {"cost": 1.0}}})
    decision = engine.recommend(asks())
    engine.configure({"objectives": {}})
    assert engine.replay(decision.id).verdict == "exact"


def test_a_replay_says_what_other_objectives_would_have_shown():
    engine = advice()
    decision = engine.recommend(asks(**RELEVANT))
    found = engine.replay(decision.id, Change(objectives={"cost": 1.0}))
    assert found.verdict == "exact"
    assert [placed.id for placed in found.otherwise.decision.slate] == ["r11", "r10", "r09", "r08", "r07"]
    assert found.otherwise.moves[0].why.startswith("entered: place 1 by score")
    with pytest.raises(Invalid, match="unknown name"):
        engine.replay(decision.id, Change(objectives={"beauty": 1.0}))


def test_columns_that_cannot_be_read_leave_the_slate_to_relevance_and_say_so(monkeypatch):
    engine = advice()
    learned(engine, LinearRanker())
    engine.fitted["assessment"] = replace(engine.fitted["assessment"], ranker=None, weights={"newest": 1.0})
    plain = engine.recommend(asks())
    monkeypatch.setattr(FeatureView, "some", lambda *_: 1 / 0)
    decision = engine.recommend(asks(objectives={"cost": 1.0}))
    assert [placed.id for placed in decision.slate] == [placed.id for placed in plain.slate]
    assert "ZeroDivisionError" in decision.tradeoff.why
    assert (decision.tradeoff.relevance, decision.tradeoff.aims["cost"].mean) == (1.0, None)


def test_an_assessment_without_recommendations_has_nothing_to_trade():
    decision = advice(count=0).recommend(asks(objectives={"cost": 1.0}))
    assert (decision.slate, decision.diversity_score) == ((), None)
    assert decision.tradeoff is None or decision.tradeoff.entered == 0


def test_an_explanation_tells_where_objectives_put_an_item():
    found = advice().explain(asks(objectives={"cost": 0.5, "quality": 0.1}), "r11")
    (step,) = (step for step in found.steps if step.step == "weighed")
    assert step.text == "place 1 of 12 by the objectives cost 0.5 (percentile 1.00), quality 0.1 (percentile 0.00)"
    assert found.placed.reasons[0].text == "Asked for here: saves money"


def test_the_feed_weighs_freshness_beside_relevance():
    engine = new_engine()
    accepted(engine, *(post(name, NOW - place * DAY) for place, name in enumerate("abcdef", 1)))
    accepted(engine, *(did(f"x{n}", "view", "f", NOW) for n in range(30)))
    champion(engine, {"popularity": 1.0})
    given = tuple("abcdef")
    plain, fresh = (
        engine.recommend(feed_asks(objectives=weights, candidates=given)) for weights in (None, {"fresh": 1.0})
    )
    assert plain.slate[0].id == "f"
    assert [placed.id for placed in fresh.slate] == list("abcdef")
    assert fresh.tradeoff.aims["fresh"].mean > fresh.tradeoff.aims["fresh"].alone


VALUES = arrays(np.float64, st.shared(st.integers(1, 30), key="n"), elements=st.floats(-1e6, 1e6) | st.just(math.nan))


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES, st.floats(0.01, 5.0), st.floats(0.01, 5.0))
def test_more_weight_never_makes_a_slate_worse_by_its_objective(values, relevance, less, more):
    less, more = sorted((less, more))
    standing = {"quality": middle_percentiles(relevance), "cost": middle_percentiles(values)}
    places = 1 / np.log2(np.arange(2, len(values) + 2))

    def worth(weight):
        scores = _weighed({"quality": 1.0, "cost": weight}, standing, standing["quality"])
        assert (scores >= 0).all()
        assert (scores <= 1.0 + 1e-6).all()
        return float((standing["cost"][np.argsort(-scores, kind="stable")] * places).sum())

    assert worth(more) >= worth(less) - 1e-3


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_middle_percentiles_turn_round_with_the_values(values):
    found = middle_percentiles(values)
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_allclose(found, 1.0 - middle_percentiles(-values), atol=1e-12)
    assert found.mean() == pytest.approx(0.5)
