"""Every cause why an item is not shown, by its own step."""

import pytest

from proffer.core.errors import NotFound
from tests.engine.worlds import DAY, NOW, PLAIN, accepted, asks, did, few_posts, follow, new_engine, post, shown


@pytest.fixture
def engine():
    engine = new_engine(app=PLAIN)
    few_posts(engine, category="food", author="ann")
    return engine


def failed(engine, item, **rest):
    """Return the steps an item failed, after checking that it is not shown."""
    rest.setdefault("at", engine.clock.now())
    found = engine.explain(asks(**rest), item)
    assert (found.shown, found.rank, found.placed) == (False, None, None)
    return [step.step for step in found.steps if not step.passed]


@pytest.mark.parametrize(
    ("row", "step"),
    [
        ({"type": "entity.delete", "actor": {"kind": "post", "id": "c"}}, "exists"),
        (post("c", visibility="private"), "visible to the user"),
        (post("c", expires_at=NOW.isoformat()), "published and not expired"),
        (post("c", published_at=(NOW + DAY).isoformat()), "published and not expired"),
        (follow("u1", "ann", "block"), "author not blocked"),
        (did("u1", "view", "c"), "not seen yet"),
    ],
)
def test_each_condition(engine, row, step):
    accepted(engine, row)
    assert failed(engine, "c")[0] == step
    assert "c" not in shown(engine)


def test_hidden_is_told_beside_seen(engine):
    accepted(engine, did("u1", "hide", "c"))
    assert failed(engine, "c")[:2] == ["not hidden or reported", "not seen yet"]


def test_a_filter_is_told_by_its_name_or_place(engine):
    food = {"do": "filter", "where": {"category": "music"}}
    engine.configure({"rules": {"home": [food, food | {"name": "music only"}]}})
    assert failed(engine, "c")[:2] == ["filter 1", "music only"]


def test_ranked_below(engine):
    assert failed(engine, "a", n=3) == ["placed"]
    texts = [step.text for step in engine.explain(asks(n=3), "a").steps]
    assert "place 6 of 6 by newest" in texts[-2]
    assert texts[-1] == "rank 6 after boosts, diversity, caps and pins; 3 are shown"


def test_capped(engine):
    engine.configure({"rules": {"home": [{"do": "cap", "per": "category", "at_most": 2}]}})
    assert failed(engine, "c") == ["within caps"]


def test_earlier_page(engine):
    page = engine.recommend(asks(n=2))
    assert failed(engine, "f", after=page.id)[0] == "not on an earlier page"


def test_not_proposed(engine):
    from dataclasses import replace

    served = engine.fitted["home"]
    engine.fitted["home"] = replace(served, pipeline=replace(served.pipeline, pool=2))
    assert failed(engine, "a", n=1) == ["proposed"]
    assert "among its best 2" in engine.explain(asks(n=1), "a").steps[-1].text


def test_not_among_the_candidates(engine):
    assert failed(engine, "a", candidates=("b", "c")) == ["proposed"]
    assert "given candidates" in engine.explain(asks(candidates=("b", "c")), "a").steps[-1].text


def test_shown(engine):
    found = engine.explain(asks(), "e")
    assert (found.shown, found.rank, found.placed.id) == (True, 2, "e")
    assert all(step.passed for step in found.steps)
    assert [step.step for step in found.steps][-3:] == ["proposed", "scored", "placed"]
    assert found.columns["i_freshness"] == pytest.approx(engine.reader.features(None, "e")["i_freshness"])


def test_a_pinned_item_is_shown_though_seen(engine):
    accepted(engine, did("u1", "view", "c"))
    rules = [{"do": "seen_out", "name": "seen"}, {"do": "pin", "item": "c", "position": 1}]
    engine.configure({"rules": {"home": rules}})
    found = engine.explain(asks(), "c")
    assert (found.shown, found.rank) == (True, 1)
    assert [step.step for step in found.steps if not step.passed] == ["seen"]
    assert next(step.text for step in found.steps if step.step == "proposed") == "proposed by a pin"


def test_the_old_name_of_a_merged_item_is_explained_as_the_item(engine):
    kinds = {"actor": {"kind": "post", "id": "f"}, "target": {"kind": "post", "id": "e"}}
    accepted(engine, {"type": "entity.merge", **kinds})
    assert engine.explain(asks(), "e").rank == 1


def test_explaining_logs_and_counts_nothing(engine):
    before = engine.counters.decisions.copy()
    engine.explain(asks(), "a")
    assert engine.counters.decisions == before
    assert engine.stores.decisions.find() == []


def test_an_unknown_item_is_not_found(engine):
    with pytest.raises(NotFound, match="no post of that id"):
        engine.explain(asks(), "zz")
