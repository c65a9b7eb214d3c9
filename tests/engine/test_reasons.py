"""Every item of a slate has a reason, and none that is not so."""

from datetime import timedelta

import pytest

from .worlds import NOW, accepted, asks, did, new_engine, post


@pytest.mark.parametrize(("language", "words"), [("en", "Ranked here by personal"), ("sv", "Rankad hit av personal")])
def test_an_old_post_that_nothing_else_speaks_for_names_its_source(language, words):
    engine = new_engine()
    accepted(engine, *(post(name, NOW - timedelta(days=400 + place)) for place, name in enumerate("abcdef")))
    slate = engine.recommend(asks(language=language)).slate
    assert slate[-1].reasons[0].code == "ranked"
    assert slate[-1].reasons[0].text.rsplit(" ", 1)[0] == words.rsplit(" ", 1)[0]
    assert slate[-1].reasons[0].values["source"] in slate[-1].sources


def test_the_only_post_there_is_has_a_reason_too():
    engine = new_engine()
    accepted(engine, post("a", NOW - timedelta(days=400)))
    (placed,) = engine.recommend(asks()).slate
    assert [reason.code for reason in placed.reasons] == ["unknown"]


def test_popular_is_said_only_of_what_somebody_opened_lately():
    engine = new_engine()
    long_ago = NOW - timedelta(days=300)
    accepted(engine, *(post(name, long_ago) for name in "abcdef"))
    accepted(engine, *(did(f"x{n}", "view", "a", long_ago) for n in range(9)), did("x1", "view", "b", long_ago))
    accepted(engine, did("x1", "impression", "c", NOW))  # the world goes on, but nobody opens anything
    said = {placed.id: {reason.code for reason in placed.reasons} for placed in engine.recommend(asks()).slate}
    assert "popular" not in said["a"]
