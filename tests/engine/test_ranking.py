"""Two stages: the blend finds the best, a ranker orders them, the rest follow below."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from proffer.apps.feed.app import HOME, app
from proffer.core.errors import CannotStart, Invalid
from proffer.engine import serve
from proffer.engine.fitted import Fitted, restored, unfitted
from proffer.engine.ranking import HEAD, Ranked, head_rows, rank, ranker_columns
from proffer.models.rankers.boosted import LambdaRank
from proffer.models.rankers.linear import LinearRanker
from proffer.models.rankers.standing import standings

from .worlds import NOW, accepted, asks, champion, did, new_engine, post, toy

WEIGHTS = {"newest": 0.6, "popularity": 0.4}


class Backwards:
    """The blend's order turned round, so that what it did is easy to see."""

    name = "backwards"

    def __init__(self):
        self.seen = []

    def fit(self, X, y, sizes, *, columns, rng, missed=None, positions=None):
        return self

    def predict(self, X, columns):
        self.seen.append((X, tuple(columns)))
        return np.nan_to_num(-X[:, list(columns).index("blend:z")]).astype(np.float32)

    def contributions(self, X, columns):
        out = np.zeros_like(X)
        out[:, list(columns).index("blend:z")] = np.nan_to_num(-X[:, list(columns).index("blend:z")])
        return out

    def parameters(self):
        return {"turned": True}, {"round": np.arange(3.0)}

    def restore(self, values, arrays):
        assert values["turned"]
        assert arrays["round"].tolist() == [0.0, 1.0, 2.0]
        return self


class Failing(Backwards):
    def predict(self, X, columns):
        raise RuntimeError("no tree stands")


class Unsound(Backwards):
    def predict(self, X, columns):
        return np.full(len(X), np.nan, np.float32)


class Slow(Backwards):
    def predict(self, X, columns):
        raise AssertionError("it is too late to ask")


def served(ranker, events=None, weights=WEIGHTS):
    engine = new_engine(toy().events if events is None else events)
    champion(engine, weights)
    engine.fitted["home"] = replace(engine.fitted["home"], ranker=ranker)
    return engine


def many_posts(count):
    engine = new_engine()
    accepted(engine, *(post(f"p{n:03}", NOW - timedelta(minutes=n)) for n in range(count)))
    accepted(engine, *(did(f"u{n}", "view", f"p{n * 7 % count:03}", NOW) for n in range(40)))
    champion(engine, WEIGHTS)
    return engine


def test_a_ranker_orders_the_head_and_the_rest_follow_as_they_were():
    engine = many_posts(300)
    home = replace(engine.fitted["home"], pipeline=replace(HOME, pool=300))
    query, ranker = asks("u5", n=500), Backwards()
    plain = serve.by_model(serve.Asked.of(query, home, engine.settings, engine.state))
    asked = serve.Asked.of(query, replace(home, ranker=ranker), engine.settings, engine.state)
    ranked = serve.by_model(asked)
    assert len(plain.order) > HEAD + 50
    assert plain.head is None
    np.testing.assert_array_equal(ranked.order[HEAD:], plain.order[HEAD:])
    # Among equals of the blend the order of ids stands.
    assert set(ranked.order[:HEAD]) == set(plain.order[:HEAD])
    assert (np.diff(plain.scores[ranked.order[:HEAD]]) >= -1e-6).all()
    assert (np.diff(ranked.scores[ranked.order]) <= 0).all()
    assert ranked.scores[ranked.order[HEAD - 1]] > ranked.scores[ranked.order[HEAD]]


def test_of_given_candidates_all_are_ordered():
    engine = many_posts(180)
    engine.fitted["home"] = replace(engine.fitted["home"], ranker=Backwards())
    ids = tuple(f"p{n:03}" for n in range(180))
    decision = engine.recommend(asks("u5", n=180, candidates=ids))
    assert len(engine.fitted["home"].ranker.seen[-1][0]) == 180
    assert len(decision.slate) == 180
    scores = decision.considered.scores
    assert list(scores) == sorted(scores, reverse=True)


def test_a_ranker_reads_at_least_sixty_columns_and_no_place():
    engine = served(Backwards())
    engine.recommend(asks("u5"))
    X, columns = engine.fitted["home"].ranker.seen[-1]
    assert columns == ranker_columns(app.view.columns, ("newest", "popularity"))
    assert X.shape[1] == len(columns) == len(set(columns)) >= 60
    assert columns[-6:] == ("newest:z", "newest:rank", "popularity:z", "popularity:rank", "blend:z", "blend:rank")
    assert not any("position" in name or name == "place" for name in columns)


def test_the_order_of_the_pool_is_no_input():
    engine = served(Backwards())
    query = asks("u5", candidates=tuple(engine.state.ids[:30]))
    turned = asks("u5", candidates=tuple(engine.state.ids[:30][::-1]))
    engine.recommend(query)
    engine.recommend(turned)
    (one, _), (other, _) = engine.fitted["home"].ranker.seen[-2:]
    np.testing.assert_array_equal(one, other)


def test_standings_within_the_head():
    scores = np.array([[1.0, np.nan], [3.0, np.nan], [2.0, 5.0]], np.float32)
    found = standings(scores)
    np.testing.assert_allclose(found[:, 0], [-1.2247, 1.2247, 0.0], atol=1e-4)
    np.testing.assert_allclose(found[:, 1], [1 / 3, 1.0, 2 / 3], atol=1e-6)
    assert np.isnan(found[:2, 2:]).all()


def test_list_relative_columns_are_relative_to_the_head():
    engine = many_posts(200)
    engine.fitted["home"] = replace(engine.fitted["home"], ranker=Backwards(), pipeline=replace(HOME, pool=200))
    engine.recommend(asks("u5", n=10))
    X, columns = engine.fitted["home"].ranker.seen[-1]
    assert X[0, columns.index("n_candidates")] == HEAD
    assert np.nanmax(X[:, columns.index("list_rank_age")]) == 1.0
    assert np.nanmin(X[:, columns.index("list_rank_age")]) == 0.0


@pytest.mark.parametrize(("ranker", "said"), [(Failing, "no tree stands"), (Unsound, "no sound score")])
def test_a_ranker_that_fails_leaves_the_order_to_the_blend(ranker, said):
    broken, plain = served(ranker()), served(None)
    decision, expected = broken.recommend(asks("u5")), plain.recommend(asks("u5"))
    assert [placed.id for placed in decision.slate] == [placed.id for placed in expected.slate]
    assert decision.considered.scores == expected.considered.scores
    assert said in decision.fallback
    assert decision.fallback.startswith("ranker backwards: ")
    assert expected.fallback is None
    assert all(placed.reasons for placed in decision.slate)


def test_when_it_is_late_the_ranker_is_not_asked():
    engine = served(Slow())
    asked = serve.Asked.of(asks("u5"), engine.fitted["home"], engine.settings, engine.state)
    pool = serve.by_model(replace(asked, fitted=replace(asked.fitted, ranker=None))).pool

    def late():
        raise serve.DeadlineError("the model took too long")

    ranked = rank(pool, asked.fitted, asked.query, asked.state, late)
    assert ranked.head is None
    assert "took too long" in ranked.why


def test_only_sources_that_count_are_asked():
    engine = served(Backwards())
    asked = serve.Asked.of(asks("u5"), engine.fitted["home"], engine.settings, engine.state)
    serve.by_model(asked)
    assert set(asked.scored) == {"newest", "popularity"}


def test_given_candidates_score_as_they_do_in_the_catalogue():
    engine = served(None, weights=dict.fromkeys(unfitted(HOME).retrievers, 0.1))
    state, fitted = engine.state, engine.fitted["home"]
    for user in ("u1", "u5", "nobody"):
        query = asks(user, candidates=tuple(state.ids[3:60:2]))
        asked = serve.Asked.of(query, fitted, engine.settings, state)
        pool = serve.by_model(asked).pool
        for place, name in enumerate(pool.sources[: len(fitted.retrievers)]):
            expected = fitted.retrievers[name].scores(query, state)[pool.ordinals].astype(np.float32)
            np.testing.assert_array_equal(pool.scores[:, place], expected)


def test_the_lowest_scores_and_an_empty_or_single_pool():
    engine = new_engine()
    accepted(engine, post("a", NOW))
    champion(engine, WEIGHTS)
    engine.fitted["home"] = replace(engine.fitted["home"], ranker=Backwards())
    assert [placed.id for placed in engine.recommend(asks("u1")).slate] == ["a"]
    empty = new_engine()
    champion(empty, WEIGHTS)
    empty.fitted["home"] = replace(empty.fitted["home"], ranker=Backwards())
    assert empty.recommend(asks("u1")).slate == ()


def test_reasons_say_the_same_whatever_was_read_for_the_scores():
    ranked, plain = served(Backwards()), served(None)
    said = {placed.id: placed.reasons for placed in plain.recommend(asks("u5", n=200)).slate}
    for placed in ranked.recommend(asks("u5", n=20)).slate:
        codes = {reason.code for reason in said[placed.id]}
        assert {reason.code for reason in placed.reasons} == codes


def test_explain_names_what_the_ranker_went_by():
    engine = served(Backwards())
    shown = engine.recommend(asks("u5")).slate[0]
    steps = {step.step: step for step in engine.explain(asks("u5"), shown.id).steps}
    assert "backwards" in steps["ranked"].text
    assert "z-score of blend" in steps["ranked"].text


def test_a_ranker_is_saved_with_the_version_and_restored():
    pipeline = replace(HOME, rankers=(LinearRanker, Backwards))
    engine = new_engine(toy().events)
    fitted = replace(unfitted(pipeline), weights=WEIGHTS, ranker=Backwards())
    parameters, arrays = fitted.parameters()
    version = engine.stores.registry.save(
        "home", "x", schema="s", position=1, parameters=parameters, metrics={}, arrays=arrays, at=NOW
    )
    again = restored(pipeline, *engine.stores.registry.load(version.id))
    assert isinstance(again.ranker, Backwards)
    assert again.counting == ("newest", "popularity")
    with pytest.raises(Invalid, match="backwards"):
        restored(HOME, *engine.stores.registry.load(version.id))


def test_a_real_ranker_answers_the_same_after_a_restore():
    engine = served(Backwards())
    for user in ("u1", "u2", "u3", "u4", "u5", "u6"):
        engine.recommend(asks(user))
    seen = engine.fitted["home"].ranker.seen
    X = np.concatenate([rows for rows, _ in seen])
    sizes = np.array([len(rows) for rows, _ in seen])
    y = (np.random.default_rng(0).random(len(X)) < 0.1).astype(float)
    ranker = LambdaRank(rounds=20).fit(X, y, sizes, columns=seen[0][1], rng=np.random.default_rng(0))
    home = replace(engine.fitted["home"], ranker=ranker)
    parameters, arrays = home.parameters()
    version = engine.stores.registry.save(
        "home", "x", schema="s", position=1, parameters=parameters, metrics={}, arrays=arrays, at=NOW
    )
    again = restored(HOME, *engine.stores.registry.load(version.id))
    asked = serve.Asked.of(asks("u5"), replace(home, retrievers=again.retrievers), engine.settings, engine.state)
    one = serve.by_model(asked)
    other = serve.by_model(replace(asked, fitted=again))
    assert one.head is not None
    np.testing.assert_array_equal(one.scores, other.scores)


def test_unfitted_leaves_out_and_varies():
    made = unfitted(HOME, without=("content",), settings={"itemknn_bm25": {"neighbours": 7}, "content": {"dims": 3}})
    assert "content" not in made.retrievers
    assert made.retrievers["itemknn_bm25"].neighbours == 7
    with pytest.raises(Invalid, match="takes no settings"):
        unfitted(HOME, settings={"newest": {"dims": 3}})


def test_head_rows_break_ties_by_id():
    engine = new_engine()
    accepted(engine, post("b", NOW), post("a", NOW), post("c", NOW))
    champion(engine, {"newest": 1.0})
    ranked = serve.by_model(serve.Asked.of(asks(), engine.fitted["home"], engine.settings, engine.state))
    rows = head_rows(ranked.pool, np.zeros(3, np.float32), engine.state.ids, 2)
    assert [engine.state.ids[row] for row in ranked.pool.ordinals[rows]] == ["a", "b"]
    assert isinstance(ranked, Ranked)
    assert isinstance(engine.fitted["home"], Fitted)


def test_two_rankers_of_one_name_are_refused():
    with pytest.raises(CannotStart, match="two rankers"):
        replace(app, pipelines=(replace(HOME, rankers=(LinearRanker, LinearRanker)),))
