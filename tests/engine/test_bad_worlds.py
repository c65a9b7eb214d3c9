"""Logs that hold too little or nothing to tell apart: a clear report, or a clear no that names what serves instead."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from proffer.apps.feed.app import app as feed
from proffer.core.entities import EntityRef
from proffer.core.errors import CannotTrain, Invalid
from proffer.core.events import Event
from proffer.engine.plan import Budget
from proffer.models.rankers.linear import LinearRanker
from proffer.models.retrievers.covisits import Covisits
from proffer.models.retrievers.newest import Newest
from proffer.models.retrievers.popularity import DecayedPopularity
from tests.engine.worlds import DAY, START, asks, new_engine

HOUR = timedelta(hours=1)
BUDGET = Budget.of(5)
HOME = replace(
    feed.pipelines[0], retrievers=(Newest, DecayedPopularity, Covisits), rankers=(LinearRanker,), heuristics={},
    ladder=("newest",), templates=(),
)  # fmt: skip
SMALL = replace(feed, pipelines=(HOME,))


def event(hours, type, actor, target=None):
    kind = "post" if type == "entity.set" else "user"
    ref = None if target is None else EntityRef("post", target)
    return Event(
        id=f"{hours}/{type}/{actor}/{target}", type=type, at=START + hours * HOUR, actor=EntityRef(kind, actor),
        target=ref,
    )  # fmt: skip


def posts(n, hours=0.0):
    return [event(hours, "entity.set", f"p{place}") for place in range(n)]


def daily(users, items, days, type="view"):
    """Return a log in which each user opens another item each day."""
    return posts(items) + [
        event(24 * day + 1 + user / 100, type, f"u{user}", f"p{(user + day * 7) % items}")
        for day in range(days)
        for user in range(users)
    ]


def refusal(events):
    with pytest.raises(CannotTrain) as caught:
        new_engine(events, app=SMALL).train(budget=BUDGET)
    assert caught.value.remedy
    assert caught.value.message.startswith("cannot train because ")
    assert caught.value.message.endswith(", serving newest instead")
    return caught.value.message


def test_no_event_at_all():
    assert "0 interactions of a user with a post are in the log, 20 are needed" in refusal([])


def test_one_event():
    assert "1 interactions" in refusal([*posts(1), event(1, "view", "u0", "p0")])


def test_one_user_who_wants_something_new_each_day():
    version = new_engine(daily(1, 60, 40), app=SMALL).train(budget=BUDGET)
    gate = version.metrics["gate"]
    assert version.metrics["users"] == 1
    assert (gate["wins"], gate["serves"]) == (False, "fallback") or gate["lead"]["low"] > 0


def test_one_item_leaves_nothing_new_to_want():
    events = posts(1) + [event(24 * day, "view", "u0", "p0") for day in range(1, 40)]
    assert "nobody wanted anything new" in refusal(events)


def test_one_item_wanted_by_everybody_is_a_tie():
    events = posts(1) + [event(24 * day + 1, "view", f"u{day}", "p0") for day in range(60)]
    version = new_engine(events, app=SMALL).train(budget=BUDGET)
    assert version.name == "newest"
    assert not version.metrics["gate"]["wins"]
    assert "newest serves instead" in version.metrics["gate"]["why"]


def test_only_negatives():
    assert "nobody wanted anything new" in refusal(daily(4, 30, 10, "hide"))


def test_all_items_equal_is_a_tie_and_the_fallback_serves():
    rng = np.random.default_rng(1)
    events = posts(40)
    for day in range(24):
        events += [event(24 * day + 1 + u / 100, "view", f"u{day}/{u}", f"p{rng.integers(0, 40)}") for u in range(12)]
    same = replace(HOME, retrievers=(Newest, Same), rankers=())
    engine = new_engine(events, app=replace(SMALL, pipelines=(same,)))
    version = engine.train(budget=BUDGET)
    assert version.name == "newest"
    assert not any(step["taken"] for step in version.metrics["choice"]["steps"])
    assert version.metrics["regret"]["value"] == 0.0
    assert engine.fitted["home"].version == "untrained"
    assert engine.recommend(asks("u0/0")).model == "newest"


class Same(Newest):
    name = "same"


def test_ten_events_in_the_report():
    engine = new_engine(daily(10, 40, 21), app=SMALL)
    report = engine.evaluate(START + 20 * DAY, START + 21 * DAY, budget=BUDGET)
    assert 0 < report.lists <= 10
    assert any("only" in note and "lists were judged" in note for note in report.notes)
    assert report.gate.why


def test_an_item_seen_only_in_the_report_is_a_miss_for_all():
    events = [*daily(10, 40, 20), *(event(480.5, "entity.set", "late"),)]
    events += [event(481 + user / 100, "view", f"u{user}", "late") for user in range(10)]
    report = new_engine(events, app=SMALL).evaluate(START + 20 * DAY, START + 21 * DAY, budget=BUDGET)
    assert report.unknown_share == 0.0 or report.rows[0].metrics["ndcg@10"].value < 1
    unseen = [event(481 + user / 100, "view", f"u{user}", "never-set") for user in range(10)]
    report = new_engine([*daily(10, 40, 20), *unseen], app=SMALL).evaluate(
        START + 20 * DAY, START + 21 * DAY, budget=BUDGET
    )
    assert 0 < report.unknown_share < 1  # unknown to the first who wants it, known to those after him
    assert next(one.name for one in report.segments if one.name == "new items")


def test_a_user_seen_only_in_the_report_is_a_cold_list():
    events = [*daily(10, 40, 20), event(481, "view", "stranger", "p3")]
    report = new_engine(events, app=SMALL).evaluate(START + 20 * DAY, START + 21 * DAY, budget=BUDGET)
    assert [one.name for one in report.segments if one.lists] == ["cold user", "light user", "old items"]


AT_ONCE = [*posts(31), *(event(0, "view", f"u{place % 8}", f"p{place * 5 % 31}") for place in range(120))]


def test_all_at_one_moment_leaves_no_later_time():
    with pytest.raises((CannotTrain, Invalid)) as caught:
        new_engine(AT_ONCE, app=SMALL).evaluate(protocol="temporal", budget=BUDGET)
    assert caught.value.remedy


def test_all_at_one_moment_leaves_nothing_to_choose_on_and_the_fallback_serves():
    metrics = new_engine(AT_ONCE, app=SMALL).train(budget=BUDGET).metrics
    assert metrics["choice"]["why"] == "there is no earlier time to choose on"
    assert (metrics["champion"], metrics["gate"]["serves"]) == ("newest", "fallback")


def test_all_at_one_moment_can_be_judged_by_leaving_the_last_out():
    report = new_engine(AT_ONCE, app=SMALL).evaluate(protocol="leave-last-out", budget=BUDGET)
    assert report.lists == report.users == 8
    assert "lists were judged" in " ".join(report.notes)


def test_a_budget_of_one_second_keeps_what_is_cheap_and_names_the_rest():
    engine = new_engine(daily(12, 30, 24))
    report = engine.evaluate(START + 20 * DAY, START + 24 * DAY, budget=Budget.of(1))
    assert {"newest", "popularity"} <= {row.name for row in report.rows}
    assert all(one.why for one in report.skipped)
    assert "lambdarank" in {one.name for one in report.skipped}
    assert report.plan.budget.seconds == 1


@pytest.mark.parametrize(("seconds", "memory"), [(0, None), (-1, None), (None, 0), (float("nan"), None)])
def test_a_budget_of_nothing_is_refused(seconds, memory):
    with pytest.raises(Invalid, match="more than 0"):
        Budget.of(seconds, memory)


def test_too_little_memory_names_what_it_needs():
    report = new_engine(daily(12, 30, 24)).evaluate(START + 20 * DAY, START + 24 * DAY, budget=Budget.of(5, 0.01))
    assert report.skipped
    assert all("needs" in one.why for one in report.skipped)
