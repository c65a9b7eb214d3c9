"""What a query may ask: candidates, n, language, diversity; and the reasons it gets."""

import numpy as np
import pytest

from proffer.core.errors import Invalid
from proffer.models.retrievers.content import Content
from tests.engine.worlds import (
    DAY,
    NOW,
    PLAIN,
    accepted,
    asks,
    champion,
    did,
    few_posts,
    follow,
    new_engine,
    post,
    shown,
    toy,
)  # fmt: skip


@pytest.fixture
def engine():
    engine = new_engine(app=PLAIN)
    few_posts(engine)
    return engine


@pytest.fixture(scope="module")
def town():
    engine = new_engine(toy().events)
    champion(engine, {"newest": 0.5, "personal": 0.5})
    return engine


def test_rank_orders_the_given_candidates_alone(engine):
    assert shown(engine, candidates=("a", "d", "b")) == ["d", "b", "a"]
    assert shown(engine, candidates=("a", "d", "b"), n=2) == ["d", "b"]


def test_rank_leaves_out_what_may_not_be_shown(engine):
    accepted(engine, did("u1", "hide", "d"))
    assert shown(engine, candidates=("a", "d", "b")) == ["b", "a"]


def test_two_names_of_one_item_are_one_candidate(engine):
    kinds = {"actor": {"kind": "post", "id": "a"}, "target": {"kind": "post", "id": "b"}}
    accepted(engine, {"type": "entity.merge", **kinds})
    assert shown(engine, candidates=("a", "b", "c")) == ["c", "a"]


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"candidates": ()}, "candidates", "no candidates"),
        ({"candidates": ("a", "b", "a")}, "candidates", "'a' stands twice"),
        ({"candidates": ("a", "x", "y")}, "candidates", "2 do not exist, among them 'x', 'y'"),
        ({"n": 0}, "n", "1..500"),
        ({"n": -1}, "n", "1..500"),
        ({"n": 501}, "n", "1..500"),
        ({"language": "fi"}, "language", "en or sv"),
        ({"diversity": 1.01}, "diversity", "0..1"),
        ({"diversity": float("nan")}, "diversity", "0..1"),
        ({"pipeline": "nope"}, "pipeline", "unknown pipeline"),
    ],
)
def test_an_impossible_query_names_its_field(engine, changes, field, says):
    with pytest.raises(Invalid, match=says) as caught:
        engine.recommend(asks(**changes))
    assert (caught.value.field, bool(caught.value.remedy)) == (field, True)


def test_a_subject_of_another_kind_is_refused(engine):
    from msgspec.structs import replace

    from proffer.core.entities import EntityRef

    with pytest.raises(Invalid, match="the subject is a user"):
        engine.recommend(replace(asks(), subject=EntityRef("post", "a")))


def test_the_largest_slate_is_full_as_long_as_the_catalogue_lasts(town):
    assert len(set(shown(town, "nobody", 500))) == 500 < len(town.state.ids)
    small = new_engine()
    few_posts(small, "abcdef")
    assert len(shown(small, "nobody", 500)) == 6


def test_lambda_one_is_relevance_exactly(town):
    decision = town.recommend(asks("u5", 30, diversity=1.0))
    assert tuple(placed.id for placed in decision.slate) == decision.considered.ids[:30]
    scores = [placed.score for placed in decision.slate]
    assert scores == sorted(scores, reverse=True)


def alike(engine, ids):
    content = Content().fit(engine.state, at=NOW.timestamp(), weights={})
    found = content.similarity(engine.state.ordinals(ids), engine.state)
    return float(found[np.triu_indices(len(ids), 1)].mean())


def test_a_smaller_lambda_gives_a_more_diverse_slate_with_the_same_best_item(town):
    slates = [shown(town, "u5", 10, diversity=share) for share in (1.0, 0.5, 0.0)]
    assert len({slate[0] for slate in slates}) == 1
    one, half, none = (alike(town, slate) for slate in slates)
    assert one > half > none


def test_lambda_comes_from_the_query_then_from_the_settings(town):
    engine = new_engine(toy().events)
    wanted = shown(engine, "u5", 10, diversity=0.3)
    assert wanted != shown(engine, "u5", 10)
    engine.configure({"diversity": {"home": 0.3}})
    assert shown(engine, "u5", 10) == wanted
    assert shown(engine, "u5", 10, diversity=1.0) != wanted


def reasons(engine, user, name, **rest):
    slate = engine.recommend(asks(user, 50, at=engine.clock.now(), **rest)).slate
    return {reason.code: reason for placed in slate if placed.id == name for reason in placed.reasons}


@pytest.mark.parametrize(("language", "words"), [("en", "You follow bob"), ("sv", "Du följer bob")])
def test_a_followed_author_is_the_reason_with_his_id(language, words):
    engine = new_engine()
    accepted(engine, post("b1", author="bob"), post("x1", author="xenia"), follow("u1", "bob"))
    reason = reasons(engine, "u1", "b1", language=language)["followed_author"]
    assert (reason.text, reason.values) == (words, {"author": "bob"})
    assert "followed_author" not in reasons(engine, "u1", "x1", language=language)
    assert "followed_author" not in reasons(engine, "u2", "b1", language=language)
    accepted(engine, follow("u1", "bob", "unfollow"))
    assert "followed_author" not in reasons(engine, "u1", "b1", language=language)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "You often read about music"), ("sv", "Du läser ofta om music")]
)
def test_a_category_read_often_is_a_reason(language, words):
    engine = new_engine()
    rows = [post(f"{kind}{n}", title=f"{kind} {n}", category=kind) for kind in ("music", "food") for n in range(4)]
    accepted(engine, *rows, *(did("u1", "view", f"music{n}") for n in range(3)))
    assert reasons(engine, "u1", "music3", language=language)["your_category"].text == words
    assert "your_category" not in reasons(engine, "u1", "food3", language=language)


def test_braces_in_an_authors_name_are_only_text():
    engine = new_engine()
    accepted(engine, post("b1", author="{value.__class__}"), follow("u1", "{value.__class__}"))
    assert reasons(engine, "u1", "b1")["followed_author"].text == "You follow {value.__class__}"


def test_popular_and_new_are_told_by_percentile():
    engine = new_engine()
    few_posts(engine, "abcdefghij")
    accepted(engine, *(did(f"v{n}", "view", "b") for n in range(5)), did("v9", "view", "c"))
    told = {name: {*reasons(engine, "u1", name)} for name in "abcj"}
    assert "popular" in told["b"]
    assert "popular" not in told["c"] | told["a"]
    assert "new" in told["j"]
    assert "new" not in told["a"]


def test_no_item_has_more_than_three_reasons(town):
    slate = town.recommend(asks("u5", 100)).slate
    counts = [len(placed.reasons) for placed in slate]
    assert max(counts) == 3
    assert min(counts) >= 1


def test_sources_are_the_scores_of_who_has_one(town):
    placed = town.recommend(asks("u5", 1)).slate[0]
    assert {"newest", "personal"} <= {*placed.sources}
    assert all(np.isfinite(score) for score in placed.sources.values())


def test_similar_reasons_speak_both_languages(town):
    ask = {"pipeline": "similar", "context": {"item": "p230"}}
    english, swedish = (
        [
            reason.text
            for placed in town.recommend(asks("u5", 3, language=language, **ask)).slate
            for reason in placed.reasons
        ]
        for language in ("en", "sv")
    )
    assert "About the same things" in english
    assert "Handlar om samma saker" in swedish
    assert len(english) == len(swedish)


def test_predict_answers_per_pair_in_order_and_says_when_it_cannot():
    engine = new_engine(app=PLAIN)
    few_posts(engine)
    found = engine.predict([("u2", "b"), ("u1", "a"), ("u2", "a")])
    assert [(one.subject, one.item) for one in found] == [("u2", "b"), ("u1", "a"), ("u2", "a")]
    assert all(one.estimate is None and "no impression" in one.why for one in found)
    accepted(
        engine, *(did(f"v{n}", "impression", "a") for n in range(20)), *(did(f"v{n}", "like", "a") for n in range(5))
    )
    accepted(engine, *(did(f"v{n}", "impression", "b") for n in range(20)))
    a, b = (one.estimate for one in engine.predict([("u1", "a"), ("u1", "b")]))
    assert 0 < b.value < a.value < 0.5
    assert a.low < a.value < a.high
    with pytest.raises(Invalid, match="no post 'zz'"):
        engine.predict([("u1", "a"), ("u1", "zz")])
    with pytest.raises(Invalid, match="send 1 to 1000"):
        engine.predict([])


def test_the_score_of_a_prediction_follows_the_settings():
    engine = new_engine(app=PLAIN)
    accepted(engine, post("a", NOW - DAY / 2))
    plain = engine.predict([("u1", "a")])[0].score
    engine.configure({"heuristics": {"personal": {"i_freshness": 4.0, "i_age": -0.4}}})
    assert engine.predict([("u1", "a")])[0].score == pytest.approx(2 * plain)
