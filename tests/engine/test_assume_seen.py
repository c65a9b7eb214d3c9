"""Served decisions count as impressions only where that is declared."""

import pytest

from proffer.core.errors import Invalid
from proffer.core.events import Counts

from .worlds import asks, few_posts, new_engine


def impressions(engine):
    return [event for chunk in engine.stores.log.scan(types=["impression"]) for event in chunk]


def test_a_served_slate_is_no_impression_by_itself():
    engine = new_engine()
    few_posts(engine)
    engine.recommend(asks(n=4))
    assert impressions(engine) == []


def test_the_first_places_count_as_seen_where_the_settings_say_so():
    engine = new_engine()
    few_posts(engine)
    engine.configure({"assume_seen": {"home": 2}})
    decision = engine.recommend(asks(n=4))
    found = impressions(engine)
    assert [event.target.id for event in found] == [placed.id for placed in decision.slate[:2]]
    assert {(event.actor.id, event.query_id) for event in found} == {("u1", decision.query.id)}
    assert engine.reader.features("u1", decision.slate[0].id)["ui_seen"] == 1
    assert engine.reader.features("u1", decision.slate[2].id)["ui_seen"] == 0
    assert engine.stores.log.counts() == Counts(accepted=engine.stores.log.last())


@pytest.mark.parametrize(
    ("values", "field"), [({"home": 0}, "assume_seen.home"), ({"nope": 2}, "assume_seen"), ({"home": 1.5}, "settings")]
)
def test_what_cannot_be_assumed_is_refused(values, field):
    with pytest.raises(Invalid) as refused:
        new_engine().configure({"assume_seen": values})
    assert refused.value.field == field
