"""The choice: simplest first, replaced only by what leads beyond doubt; the report worked out by hand."""

import math
from dataclasses import replace
from datetime import timedelta

import msgspec
import numpy as np
import pytest

from proffer.app import Settings
from proffer.apps.feed.app import HOME
from proffer.engine.evaluate import Task, study
from proffer.engine.gate import gate
from proffer.engine.judge import Recipe, top
from proffer.engine.metrics import Interval
from proffer.engine.plan import Budget
from proffer.engine.ranking import rank
from proffer.engine.report import Report
from proffer.engine.tuning import leads
from proffer.engine.walks import walk
from proffer.models.rankers.linear import LinearRanker
from proffer.models.retrievers.newest import Newest
from proffer.models.retrievers.popularity import DecayedPopularity
from tests.engine.pasts import BY_HAND, TWO, happens, past
from tests.engine.worlds import DAY, START, new_engine, toy

BUDGET = Budget.of(10)


def judged(events, since, until, pipeline=TWO, **rest):
    found = past(events, pipeline)
    task = Task(pipeline, Settings(), BUDGET, **rest)
    return study(walk(found, "daily", since=since, until=until), task).report


def test_the_report_of_a_day_worked_out_by_hand():
    report = judged(BY_HAND, START + DAY, START + 2 * DAY)
    assert (report.lists, report.users, report.wanted, report.unknown_share) == (2, 2, 4, 0.25)
    third = 1 / math.log2(3)
    ideal = 1 + third + 0.5
    rows = {row.name: row.metrics for row in report.rows}
    assert rows["newest"]["ndcg@10"].value == pytest.approx((1 + (1 + third) / ideal) / 2)
    assert rows["newest"]["recall@10"].value == pytest.approx((1 + 2 / 3) / 2)
    assert rows["newest"]["map"].value == pytest.approx((1 + 2 / 3) / 2)
    assert rows["newest"]["mrr"].value == 1.0
    assert rows["popularity"]["ndcg@10"].value == pytest.approx((0 + 1 / ideal) / 2)
    assert rows["popularity"]["hitrate@10"].value == 0.5
    # b, c and d of the four items that existed when the last list was made stood in some list of the newest.
    assert rows["newest"]["coverage"].value == pytest.approx(3 / 4)
    assert rows["popularity"]["coverage"].value == pytest.approx(2 / 4)
    assert [row.name for row in report.rows] == ["newest", "popularity"]
    lead = (1 + (1 + third) / ideal) / 2 - (1 / ideal) / 2
    assert report.leads["popularity"].value == pytest.approx(lead)
    # c and d had been wanted by nobody when u1's and u2's lists were made, save c, which u1 wanted before u2's.
    segments = {segment.name: segment for segment in report.segments}
    assert segments["new items"].lists == 2
    assert segments["new items"].ndcg["newest"].value == pytest.approx((1 + 1 / (1 + third)) / 2)
    assert segments["old items"].ndcg["newest"].value == pytest.approx(third)
    assert (report.champion, report.gate.serves) == ("newest", "fallback")
    assert report.choice.why == "only 2 lists to choose on, 10 are needed"


def daily(seed, wants):
    """Return 20 days on which 12 people each want one of ten old posts; `wants` draws which."""
    rng = np.random.default_rng(seed)
    events = [happens(place / 10, "entity.set", f"p{place}") for place in range(10)]
    for day in range(20):
        events += [happens(24 * day + 2 + who, "view", f"u{day}/{who}", f"p{wants(rng)}") for who in range(12)]
    return events


def test_a_source_that_is_truly_better_is_chosen_and_serves():
    # The oldest are wanted most: newest first is as wrong as can be.
    report = judged(daily(0, lambda rng: min(int(rng.exponential(1.2)), 9)), START + 15 * DAY, START + 20 * DAY)
    assert (report.champion, report.choice.weights) == ("popularity", {"popularity": 1.0})
    assert report.gate.wins
    assert report.gate.lead.low > 0
    assert report.regret.value < 0.01
    assert report.choice.single == "popularity"


class Same(Newest):
    name = "same"


def test_a_tie_goes_to_the_simpler():
    pipeline = replace(TWO, retrievers=(Newest, Same))
    report = judged(daily(2, lambda rng: int(rng.integers(0, 10))), START + 15 * DAY, START + 20 * DAY, pipeline)
    assert report.champion == "newest"
    assert not any(step.taken for step in report.choice.steps)
    assert "nothing leads newest beyond doubt" in report.choice.why
    assert not report.gate.wins


def test_the_choice_does_not_look_at_what_is_reported():
    events = toy().events
    cut = START + 11 * DAY + timedelta(hours=15)
    pipeline = replace(HOME, retrievers=(Newest, DecayedPopularity), rankers=(LinearRanker,), templates=())
    later = judged(events, cut, START + 14 * DAY, pipeline)
    fewer = [event for event in events if event.at < cut + DAY]
    sooner = judged(fewer, cut, cut + DAY, pipeline)
    assert msgspec.structs.replace(later.choice) == sooner.choice
    assert [phase for phase in later.phases if phase.name != "report"] == [
        phase for phase in sooner.phases if phase.name != "report"
    ]


def test_a_ranker_is_a_contender_and_the_table_ranks_as_serving_would():
    pipeline = replace(HOME, retrievers=(Newest, DecayedPopularity), rankers=(LinearRanker,), templates=())
    found = past(toy().events, pipeline)
    steps = walk(found, "daily")
    report = study(steps, Task(pipeline, Settings(), BUDGET)).report
    assert {"linear", "blend", "newest", "personal"} <= {row.name for row in report.rows}
    assert {step.challenger for step in report.choice.steps} >= {"linear", "blend"}
    assert report.costs.keys() == {row.name for row in report.rows}
    again = msgspec.json.decode(msgspec.json.encode(report), type=Report)
    assert msgspec.structs.replace(again, costs={}) == msgspec.structs.replace(report, costs={})
    steps = walk(found, "daily")
    for place, one in enumerate(steps.phase("blend", 20)):
        recipe = Recipe({"newest": 0.5, "popularity": 0.5})
        mine = [one.pool.ordinals[row] for row in top(one, recipe)]
        ranked = rank(one.pool, recipe.of(one.fitted), one.query, one.state)
        assert mine == [one.pool.ordinals[row] for row in ranked.order[:20]]
        if place == 5:
            break


def interval(value, low, high):
    return Interval(value=value, low=low, high=high)


def test_the_gate():
    ahead, tied, behind = interval(0.1, 0.05, 0.2), interval(0.1, -0.05, 0.2), interval(-0.1, -0.2, -0.05)
    assert gate("blend", "newest", {"newest": ahead}, None).wins
    assert gate("blend", "newest", {"newest": tied}, None).serves == "fallback"
    assert gate("newest", "newest", {}, None).serves == "fallback"
    assert gate("blend", "newest", {"newest": ahead, "previous": tied}, ahead).wins
    assert gate("blend", "newest", {"newest": ahead, "previous": behind}, ahead).serves == "previous"
    assert gate("blend", "newest", {"newest": tied, "previous": tied}, ahead).serves == "previous"
    assert gate("blend", "newest", {"newest": tied, "previous": tied}, tied).serves == "previous"
    assert gate("previous", "newest", {"newest": tied}, None).serves == "previous"
    below = interval(-0.01, -0.2, 0.1)
    assert gate("blend", "newest", {"newest": tied, "previous": tied}, below).serves == "fallback"
    assert gate("previous", "newest", {"newest": below}, None).serves == "fallback"


def test_settings_are_taken_only_where_they_gain_more_than_the_error():
    rng = np.random.default_rng(0)
    assert not leads(np.zeros(50))
    assert not leads(np.array([0.3]))
    assert leads(rng.normal(0.2, 0.5, 400))
    assert not leads(rng.normal(-0.2, 0.5, 400))


def test_evaluate_judges_every_source_best_first():
    town = new_engine(toy().events)
    report = town.evaluate(START + 12 * DAY, START + 14 * DAY, lists=30, budget=Budget.of(2))
    names = {row.name for row in report.rows}
    assert {*town.fitted["home"].sources} - {one.name for one in report.skipped} <= names
    assert report.champion in names
    assert report.lists <= 30
    values = [row.metrics["ndcg@10"].value for row in report.rows]
    assert values == sorted(values, reverse=True)
    for row in report.rows:
        assert {"coverage", "recall@20", "mrr"} <= row.metrics.keys()
        assert 0 <= row.metrics["ndcg@10"].low <= row.metrics["ndcg@10"].value <= row.metrics["ndcg@10"].high <= 1
