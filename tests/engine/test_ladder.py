"""What answers when a model cannot, and that it says why."""

from dataclasses import replace

import pytest

from proffer.apps.feed.app import HOME, app
from proffer.core.errors import Busy
from proffer.engine.fitted import UNTRAINED
from proffer.features.base import PlainFeature
from proffer.features.view import FeatureView
from proffer.models.rankers.linear import LinearHeuristic
from proffer.models.retrievers.newest import Newest
from proffer.models.retrievers.popularity import DecayedPopularity
from proffer.stores.memory import memory_stores
from tests.engine.worlds import accepted, asks, champion, did, few_posts, new_engine, shown, toy

BROKEN = "this source is broken"


class Broken(DecayedPopularity):
    name = "broken"

    def scores(self, query, state):
        raise RuntimeError(BROKEN)


class BrokenHeuristic(LinearHeuristic):
    def weighted(self, weights):
        return self

    def predict(self, X, columns):
        raise RuntimeError(BROKEN)


class Slow(DecayedPopularity):
    """A source after which the time is always up; it counts how often it is asked."""

    name = "slow"
    asked = 0

    def scores(self, query, state):
        Slow.asked += 1
        return super().scores(query, state)


def home(**changes):
    """Return the feed with another home pipeline."""
    return replace(app, pipelines=(replace(HOME, **{"templates": ()} | changes), *app.pipelines[1:]))


def test_untrained_the_ladder_answers_and_says_why():
    engine = new_engine()
    few_posts(engine)
    decision = engine.recommend(asks())
    assert (decision.model, decision.fallback) == ("personal", "no model has been trained yet")
    assert len(decision.slate) == 6
    assert engine.fitted["home"].version == UNTRAINED
    assert engine.reader.health().parts["models"].status == "degraded"


def test_a_champion_answers():
    engine = new_engine(toy().events)
    version = champion(engine, {"newest": 0.7, "popularity": 0.3})
    decision = engine.recommend(asks("u5"))
    assert (decision.model, decision.fallback) == (version, None)
    assert engine.reader.health().parts["models"].status == "ok"


def test_a_broken_retriever_hands_over_to_the_next_rung():
    engine = new_engine(app=home(retrievers=(Newest, Broken)))
    few_posts(engine)
    champion(engine, {"broken": 1.0})
    decision = engine.recommend(asks())
    assert decision.model == "personal"
    assert decision.fallback == f"model: RuntimeError: {BROKEN}"
    assert len(decision.slate) == 6


def test_a_broken_heuristic_hands_over_to_the_next_rung():
    broken = BrokenHeuristic({"i_freshness": (1.0, "identity")})
    engine = new_engine(app=home(heuristics={"personal": broken, "engagement": HOME.heuristics["engagement"]}))
    few_posts(engine)
    champion(engine, {"personal": 1.0})
    decision = engine.recommend(asks())
    assert decision.model == "engagement"
    assert decision.fallback == f"model: RuntimeError: {BROKEN}; personal: RuntimeError: {BROKEN}"


def test_when_all_but_the_last_rung_fail_it_answers():
    heuristics = {name: BrokenHeuristic({}) for name in HOME.heuristics}
    engine = new_engine(app=home(retrievers=(Broken, Newest), heuristics=heuristics))
    few_posts(engine)
    decision = engine.recommend(asks())
    assert decision.model == "newest"
    assert [placed.id for placed in decision.slate] == list("fedcba")
    assert BROKEN in decision.fallback


class BrokenFeature(PlainFeature):
    name, scope, formula = "broken", "user", "nothing"

    def update(self, row, event, attributes):
        row[0] += 1

    def read(self, row, batch, place):
        raise RuntimeError(BROKEN)


def with_broken_feature(**changes):
    view = FeatureView("broken", app.view.scopes, (*app.view.features, BrokenFeature()))
    return replace(app, view=view, pipelines=(replace(HOME, **changes),))


def test_a_broken_feature_leaves_the_last_rung():
    reading = LinearHeuristic({"broken": (1.0, "identity")})
    engine = new_engine(app=with_broken_feature(heuristics=dict.fromkeys(HOME.heuristics, reading)))
    few_posts(engine)
    decision = engine.recommend(asks())
    assert decision.model == "newest"
    assert [placed.id for placed in decision.slate] == list("fedcba")
    assert all(placed.reasons for placed in decision.slate)


def test_a_broken_feature_that_no_heuristic_reads_harms_none():
    engine = new_engine(app=with_broken_feature())
    few_posts(engine)
    decision = engine.recommend(asks())
    assert decision.model == "personal"
    assert all(placed.reasons for placed in decision.slate)


def test_when_no_rung_works_it_says_so():
    engine = new_engine(app=home(retrievers=(Broken,), heuristics={}, ladder=("broken",)))
    few_posts(engine)
    with pytest.raises(Busy, match="no rung of the ladder"):
        engine.recommend(asks())


def test_a_passed_deadline_hands_over_without_asking_anybody_twice():
    engine = new_engine(app=home(retrievers=(Slow, DecayedPopularity, Newest)), deadline_ms=0.0)
    few_posts(engine)
    accepted(engine, did("u2", "like", "c"))
    champion(engine, {"slow": 0.5, "popularity": 0.5})
    Slow.asked = 0
    decision = engine.recommend(asks())
    assert decision.model == "personal"
    assert "DeadlineError: the model took more than 0 ms" in decision.fallback
    assert Slow.asked == 1
    assert decision.considered.sources[:3] == ("slow", "popularity", "newest")
    # Nobody asked popularity any more; what slow said is used.
    assert {bits & 0b010 for bits in decision.considered.proposed} == {0}
    assert any(bits & 0b001 for bits in decision.considered.proposed)


def test_a_model_of_another_view_does_not_serve():
    stores = memory_stores()
    champion(new_engine(toy().events, stores=stores), {"newest": 1.0})
    engine = new_engine(stores=stores, app=replace(app, view=FeatureView("other", app.view.scopes, app.view.features)))
    assert "fitted with another feature view: train again" in engine.recommend(asks("u5")).fallback


def test_a_model_of_sources_that_are_gone_does_not_serve():
    stores = memory_stores()
    champion(new_engine(toy().events, stores=stores), {"trending": 1.0})
    engine = new_engine(stores=stores, app=home(retrievers=(Newest,)))
    assert "blends trending, now gone: train again" in engine.recommend(asks("u5")).fallback


class Unreadable(DecayedPopularity):
    def restore(self, values, arrays):
        raise KeyError("half_life")


def test_a_model_that_cannot_be_restored_does_not_stop_the_engine():
    stores = memory_stores()
    champion(new_engine(toy().events, stores=stores), {"popularity": 1.0})
    engine = new_engine(stores=stores, app=home(retrievers=(Unreadable, Newest)))
    assert "cannot be loaded: 'half_life'" in engine.recommend(asks("u5")).fallback


def test_nothing_to_show_is_an_empty_slate():
    engine = new_engine()
    decision = engine.recommend(asks())
    assert decision.slate == ()
    assert decision.as_of == 0
    champion(engine, dict.fromkeys(engine.fitted["home"].sources, 1.0))
    decision = engine.recommend(asks())
    assert (decision.slate, decision.fallback) == ((), None)
    assert shown(engine, pipeline="similar", context={"item": "nope"}) == []


def test_a_broken_similarity_keeps_the_order_of_relevance():
    engine = new_engine()
    few_posts(engine)
    plain = shown(engine, diversity=1.0)

    def similarity(ordinals, state):
        raise RuntimeError(BROKEN)

    engine.fitted["home"].retrievers["content"].similarity = similarity
    assert shown(engine, diversity=0.2) == plain
