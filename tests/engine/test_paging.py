"""Pages that continue each other."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.core.errors import Invalid, NotFound
from tests.engine.worlds import DAY, NOW, accepted, asks, few_posts, new_engine, post, toy


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2)), max_size=8))
@settings(max_examples=15, deadline=None)
def test_no_item_stands_on_two_pages_while_new_ones_arrive(steps):
    engine = new_engine()
    few_posts(engine, "abcdefgh")
    seen, after, arrived = [], None, 0
    for n, new in steps:
        page = engine.recommend(asks(n=n, after=after))
        seen += [placed.id for placed in page.slate]
        after = page.id
        for _ in range(new):
            arrived += 1
            accepted(engine, post(f"new{arrived}", NOW - DAY / 10 + arrived * DAY / 1000, title="new"))
    assert len(seen) == len(set(seen))
    rest = engine.recommend(asks(n=100, after=after))
    assert sorted(seen + [placed.id for placed in rest.slate]) == sorted(engine.state.ids)
    empty = engine.recommend(asks(n=5, after=rest.id))
    assert empty.slate == ()


def test_pages_of_a_settled_world_are_one_list_cut():
    engine = new_engine(toy().events)
    whole = [placed.id for placed in engine.recommend(asks("u5", 12)).slate]
    pages, after = [], None
    for _ in range(3):
        page = engine.recommend(asks("u5", 4, after=after))
        pages += [placed.id for placed in page.slate]
        assert [placed.rank for placed in page.slate] == [1, 2, 3, 4]
        after = page.id
    assert len(set(pages)) == 12
    assert pages[:4] == whole[:4]


def test_a_foreign_cursor_is_refused():
    engine = new_engine()
    few_posts(engine)
    page = engine.recommend(asks(n=2))
    with pytest.raises(Invalid, match="another subject, pipeline or group") as caught:
        engine.recommend(asks("u2", n=2, after=page.id))
    assert caught.value.field == "after"
    with pytest.raises(Invalid, match="another subject, pipeline or group"):
        engine.recommend(asks(n=2, after=page.id, pipeline="similar"))
    with pytest.raises(NotFound):
        engine.recommend(asks(n=2, after="d_unheard"))
