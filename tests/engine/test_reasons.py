"""Every item of a slate has a reason, and none that is not so."""

from datetime import timedelta

import pytest

from .worlds import NOW, accepted, asks, new_engine, post


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
