"""Reasons by contribution: what the model goes by, of what is so; and how different the items of a slate are."""

from dataclasses import replace

import numpy as np
import pytest

from proffer.app import Exploration
from proffer.engine import added
from proffer.engine.similar import described_diversity, diversity_score
from proffer.models.rankers.boosted import LambdaRank, Pointwise
from proffer.models.rankers.linear import LinearRanker

from .advice import advice, asks, declared, fact, learned, recommendation
from .worlds import accepted, new_engine, toy
from .worlds import asks as feed_asks


class Told:
    """A ranker by saving that tells what it is told to tell, and counts the rows it is asked about."""

    name = "told"

    def __init__(self, by_row=True, **adds):
        self.by_row, self.adds, self.asked = by_row, adds, []

    def predict(self, X, columns):
        return np.nan_to_num(X[:, list(columns).index("saving")])

    def contributions(self, X, columns):
        self.asked.append(len(X))
        out = np.zeros(X.shape, np.float32)
        for name, weight in self.adds.items():
            place = list(columns).index(name.replace("__", ":"))
            out[:, place] = weight * np.nan_to_num(X[:, place])
        return out


def told_by(ranker, app=None, count=40):
    engine = advice(app, count)
    learned(engine, LinearRanker())
    engine.fitted["assessment"] = replace(engine.fitted["assessment"], ranker=ranker)
    return engine


def codes(decision):
    return {placed.id: [reason.code for reason in placed.reasons] for placed in decision.slate}


def test_reasons_stand_in_the_order_of_what_their_columns_add():
    engine = told_by(Told(saving=0.001, confidence=-1.0))
    said = codes(engine.recommend(asks(5, diversity=1.0)))
    # r35 to r39 save most, are unsure, and `cheap_first` counts saving as akin.
    assert said["r39"] == ["saves", "cheap_first"]
    engine = told_by(Told(saving_pct=9.0, saving=0.001))
    assert codes(engine.recommend(asks(5, diversity=1.0)))["r39"] == ["cheap_first", "saves"]


def test_what_holds_but_adds_nothing_is_no_reason_and_the_whole_is_said_to_decide():
    engine = told_by(Told(cost=1.0))
    decision = engine.recommend(asks(5, diversity=1.0))
    assert codes(decision)["r39"] == ["model"]
    assert decision.slate[0].reasons[0].text == "No single thing decides, but all together"
    words = engine.recommend(asks(5, language="sv")).slate[0].reasons[0].text
    assert words == "Ingen enskild egenskap avgör, utan helheten"


def test_what_adds_most_is_no_reason_where_it_is_not_so():
    engine = told_by(Told(saving=0.001, confidence=1.0))
    assert "sure" not in codes(engine.recommend(asks(5, diversity=1.0)))["r39"]


def test_a_source_adds_what_its_standing_adds():
    engine = told_by(Told(newest__rank=1.0, newest__z=1.0))
    accepted(engine, recommendation(39, 40, created="2020-01-01T00:00:00Z"))
    said = codes(engine.recommend(asks(40, diversity=1.0)))
    assert said["r39"] == ["model"]


def test_no_more_rows_are_asked_about_than_are_returned_and_a_few_for_the_mean():
    ranker = Told(saving=1.0)
    told_by(ranker, count=300).recommend(asks(5))
    assert len(ranker.asked) == 1
    assert 5 <= ranker.asked[0] <= 5 + added.BESIDE
    whole = Told(by_row=False, saving=1.0)
    told_by(whole, count=30).recommend(asks(5))
    assert whole.asked == [30]


def test_without_templates_nothing_is_asked():
    ranker = Told(saving=1.0)
    decision = told_by(ranker, declared(templates=())).recommend(asks(5))
    assert ranker.asked == []
    assert {reason.code for placed in decision.slate for reason in placed.reasons} == {"ranked"}


def test_a_ranker_that_cannot_tell_leaves_the_declared_order():
    class Mute(Told):
        contributions = None

    class Broken(Told):
        def contributions(self, X, columns):
            raise RuntimeError("nobody knows")

    for ranker in (Mute(), Broken()):
        assert codes(told_by(ranker).recommend(asks(5, diversity=1.0)))["r39"] == ["saves", "cheap_first", "new"]


def test_without_a_model_reasons_are_told_in_the_order_declared():
    decision = advice(count=40).recommend(asks(40))
    assert codes(decision)["r10"] == ["sure", "saves", "new"]


@pytest.mark.parametrize("ranker", [LambdaRank, Pointwise, LinearRanker])
def test_every_ranker_tells_what_its_columns_add(ranker):
    engine = advice(declared(), 40)
    learned(engine, ranker())
    decision = engine.recommend(asks(10, diversity=1.0))
    assert decision.fallback is None
    said = codes(decision)
    assert all(said.values())
    assert any("saves" in reasons for reasons in said.values())
    assert engine.replay(decision.id).verdict == "exact"


def test_the_mean_of_evenly_spread_places_is_near_that_of_the_list():
    engine = advice(declared(), 40)
    learned(engine, LambdaRank())
    asked = []
    fitted = engine.fitted["assessment"]
    for by_row in (True, False):
        ranker = replace_by_row(fitted.ranker, by_row)
        engine.fitted["assessment"] = replace(fitted, ranker=ranker)
        asked.append(codes(engine.recommend(asks(10, diversity=1.0))))
    same = sum(asked[0][id][0] == asked[1][id][0] for id in asked[0])
    assert same >= 9


def replace_by_row(ranker, by_row):
    class Other(type(ranker)):
        pass

    Other.by_row = by_row
    other = Other()
    other.__dict__.update(ranker.__dict__)
    return other


def test_the_diversity_score_is_one_less_the_mean_similarity_of_two_items():
    engine = advice(count=8)
    decision = engine.recommend(asks(6))
    fitted = engine.fitted["assessment"]
    ordinals = engine.state.ordinals([placed.id for placed in decision.slate])
    matrix = fitted.retrievers["content"].similarity(ordinals, engine.state)
    expected = 1.0 - matrix[np.triu_indices(6, 1)].astype(np.float64).mean()
    assert decision.diversity_score == pytest.approx(expected)
    assert decision.diversity_score == diversity_score(ordinals, fitted, engine.settings, engine.state)


def test_items_that_say_nothing_of_themselves_are_left_out_and_of_one_nobody_can_tell():
    engine = advice(count=2)
    bare = fact("recommendation", "bare", assessment="a1", confidence=0.9)
    accepted(engine, bare)
    three = engine.recommend(asks(3))
    accepted(engine, {**bare, "type": "entity.delete", "fields": {}})
    two = engine.recommend(asks(3))
    assert len(three.slate) == 3
    assert three.diversity_score == two.diversity_score
    assert engine.recommend(asks(1)).diversity_score is None
    assert described_diversity(np.zeros((3, 3), np.float32)) is None


def test_less_lambda_gives_more_diversity():
    engine = advice(declared(), 40)
    alike = [recommendation(n, 40, category="security", tags=["t"], title="the same") for n in range(8)]
    accepted(engine, *alike)
    scores = [engine.recommend(asks(8, diversity=share)).diversity_score for share in (1.0, 0.7, 0.0)]
    assert scores[0] < min(scores[1:])
    assert all(0.0 <= score <= 1.0 for score in scores)


def test_a_pipeline_that_never_diversifies_reads_no_texts_to_tell_how_diverse_it_is():
    engine = new_engine(toy().events)
    assert engine.recommend(feed_asks()).diversity_score is None
    assert engine.recommend(feed_asks(diversity=0.5)).diversity_score is not None


def test_without_a_model_confidence_decides_and_the_unsure_come_last():
    engine = advice(count=3)
    accepted(engine, fact("recommendation", "bare", assessment="a1"))
    decision = engine.recommend(asks(diversity=1.0))
    assert [placed.id for placed in decision.slate] == ["r00", "r01", "r02", "bare"]
    assert (decision.model, decision.fallback) == ("confidence", "no model has been trained yet")


class Failing(Told):
    def predict(self, X, columns):
        raise RuntimeError("no tree stands")


def test_a_ranker_that_fails_leaves_the_order_to_the_blend_or_to_confidence_and_says_why():
    blended = told_by(Failing()).recommend(asks(diversity=1.0))
    assert "no tree stands; the blend alone" in blended.fallback
    app = declared(without_ranker="ladder", exploration=Exploration(policy="plackett_luce", temperature=5.0))
    engine = told_by(Failing(), app)
    decision = engine.recommend(asks())
    assert (decision.model, decision.version) == ("confidence", engine.fitted["assessment"].version)
    assert decision.fallback == "model: RuntimeError: no tree stands"
    assert [placed.id for placed in decision.slate] == ["r00", "r01", "r02", "r03", "r04"]
    assert engine.replay(decision.id).verdict == "exact"


def test_below_the_model_nothing_is_diversified_or_drawn_unless_somebody_asks():
    app = declared(diversity=0.3, exploration=Exploration(policy="plackett_luce", temperature=5.0))
    engine = advice(app, 40)
    accepted(engine, *(recommendation(n, 40, category="security", tags=["t"], title="the same") for n in range(8)))
    sure = [f"r{n:02}" for n in range(8)]
    plain = engine.recommend(asks(8))
    assert [placed.id for placed in plain.slate] == sure
    assert plain.slate[0].propensity is None
    assert plain.diversity_score < 0.1
    assert [placed.id for placed in engine.recommend(asks(8, diversity=0.3)).slate] != sure
    engine.configure({"exploration": {"assessment": {"policy": "plackett_luce", "temperature": 5.0}}})
    assert engine.recommend(asks(8)).slate[0].propensity is not None
    learned(engine, LinearRanker())
    engine.configure({"exploration": {}})
    assert engine.recommend(asks(8)).slate[0].propensity is not None
