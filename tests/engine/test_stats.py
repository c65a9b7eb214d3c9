"""Statistics of items and histories of subjects, compared with what was done, counted one by one."""

from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proffer.apps.advisor.app import app as advisor
from proffer.apps.feed.app import app as feed
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.errors import NotFound
from proffer.engine.engine import Engine
from proffer.engine.stats import Mean, Rate, item_stats, subject_history
from proffer.stores.memory import memory_stores
from proffer.testing.samples import START

TYPES = {"view": 0.4, "click": 0.4, "implement": 1.0, "save": 0.8, "share": 0.6, "dismiss": -1.0}
ACTS = st.lists(
    st.tuples(st.sampled_from(["u1", "u2", "u3"]), st.sampled_from(["r1", "r2"]), st.sampled_from(list(TYPES))),
    max_size=25,
)


def engine_of(app: Any = advisor) -> Engine:
    clock = FixedClock(START)
    return Engine(app, app.name, memory_stores(clock), clock=clock, ids=CountingIds())


def graded(done: list[str]) -> float:
    """Return what a user's acts say: a dismissal outweighs what is worth 0.4 and less, else the best counts."""
    best = max(TYPES[name] for name in done)
    return -1.0 if "dismiss" in done and best <= 0.4 else best


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(ACTS)
def test_they_equal_a_count_by_hand(acts: list[tuple[str, str, str]]) -> None:
    engine = engine_of()
    engine.record([{"type": "entity.set", "actor": {"kind": "recommendation", "id": id}} for id in ("r1", "r2")])
    engine.record(
        [
            {"type": kind, "actor": user, "target": item, "fields": {"seconds": 60} if kind == "view" else {}}
            for user, item, kind in acts
        ]
    )
    for item in ("r1", "r2"):
        by_user = defaultdict(list)
        for user, other, kind in acts:
            if other == item:
                by_user[user].append(kind)
        found = item_stats(engine, item)
        counted = Counter(kind for kinds in by_user.values() for kind in kinds)
        assert found.counts == {name: counted[name] for name in found.counts}
        assert (found.total, found.subjects) == (counted.total(), len(by_user))
        if by_user:
            grades = [graded(kinds) for kinds in by_user.values()]
            assert found.grade.value == pytest.approx(sum(grades) / len(grades))
        else:
            assert found.grade.value is None
            assert found.grade.why
    history = subject_history(engine, "u1", 3)
    own = [(item, kind) for user, item, kind in acts if user == "u1"]
    assert history.total == len(own)
    assert [(one.item, one.type) for one in history.newest] == own[::-1][:3]
    assert sum(taste.interactions for taste in history.tastes) == len(own)


def test_rates_name_what_they_are_of() -> None:
    assert Rate.of({"click": 0, "view": 0}, "click", "view") == Rate(
        value=None, numerator=0, denominator=0, counts="click / view", why="no view yet"
    )
    assert Rate.of({"view": 3}, "click", "view").why == "the application has no event click"
    assert Rate.of({"click": 3}, "click", "view").why == "the application has no event view"
    more = Rate.of({"click": 3, "view": 2}, "click", "view")
    assert (more.value, more.low, more.why) == (1.5, None, "more click than view")
    whole = Rate.of({"click": 2, "view": 2}, "click", "view")
    assert (whole.value, whole.high, whole.why) == (1.0, 1.0, None)
    assert whole.low == pytest.approx(0.342, abs=1e-3)
    assert Mean.of([], "users") == Mean(value=None, denominator=0, counts="users", why="no graded interaction yet")


def test_they_serve_any_application() -> None:
    engine = engine_of(feed)
    engine.record(
        [
            {"type": "entity.set", "actor": {"kind": "post", "id": "p1"}, "fields": {"category": "farm"}},
            {"type": "view", "actor": "u1", "target": "p1"},
            {"type": "like", "actor": "u1", "target": "p1"},
            {"type": "follow", "actor": "u1", "target": "u2"},
            {"type": "impression", "actor": "u1", "target": "p1"},
        ]
    )
    found = item_stats(engine, "p1")
    assert (found.total, found.impressions, found.counts["like"]) == (2, 1, 1)
    assert found.counts["follow"] == 0
    history = subject_history(engine, "u1", 10)
    assert [one.type for one in history.newest] == ["like", "view"]
    assert [taste.category for taste in history.tastes] == ["farm"]


def test_an_unknown_item_is_not_found_and_an_unknown_subject_did_nothing() -> None:
    engine = engine_of()
    with pytest.raises(NotFound):
        item_stats(engine, "r1")
    assert subject_history(engine, "u1", 5).total == 0


def test_merged_items_are_one() -> None:
    engine = engine_of()
    engine.record([{"type": "save", "actor": "u1", "target": "old"}, {"type": "click", "actor": "u1", "target": "new"}])
    refs = [{"kind": "recommendation", "id": id} for id in ("new", "old")]
    engine.record([{"type": "entity.merge", "actor": refs[0], "target": refs[1]}])
    for id in ("new", "old"):
        assert item_stats(engine, id).total == 2
    [taste] = subject_history(engine, "u1", 5).tastes
    assert (taste.items, taste.interactions, taste.category) == (1, 2, None)
