"""The plan: what a budget allows, from what each source declares."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.apps.feed.app import HOME
from proffer.engine.plan import FITTING, Budget, plan
from proffer.models.retrievers.newest import Newest

GB = 1 << 30


class Dear(Newest):
    name = "dear"

    def memory(self, users, items, interactions):
        return 8 * items * items

    def seconds(self, users, items, interactions):
        return 1e-6 * interactions

    def variants(self):
        return [{"strength": place} for place in range(3)]

    def varied(self, settings):
        return self


class Dearer(Dear):
    name = "dearer"

    def seconds(self, users, items, interactions):
        return 10.0


PIPELINE = replace(HOME, retrievers=(Dearer, Newest, Dear), rankers=(), heuristics={}, ladder=("newest",), templates=())


def planned(seconds=600.0, memory=GB, *, items=1000, interactions=100_000, fits=40, **rest):
    return plan(PIPELINE, 500, items, interactions, Budget(seconds=seconds, memory=memory), fits, **rest)


def test_all_fit_into_a_large_budget_in_the_order_of_the_declaration():
    found = planned()
    assert [one.name for one in found.retrievers] == ["dearer", "newest", "dear"]
    assert found.skipped == []
    assert found.refits["newest"] == 1
    assert found.refits["dearer"] > 1


def test_what_needs_too_much_memory_is_left_out_by_name_and_figure():
    found = planned(items=10_000)
    assert {one.name: one.why for one in found.skipped} == {
        "dearer": "needs 800.0 MB, 273.7 MB of 1.1 GB allowed are left"
    }
    assert planned(items=20_000).without == {"dear", "dearer"}
    assert [one.name for one in planned(items=10_000, keep=("dearer",)).retrievers] == ["dearer", "newest"]


def test_a_second_keeps_the_cheap_and_says_why_the_rest_is_left_out():
    found = planned(1.0, interactions=200_000)
    assert [one.name for one in found.retrievers] == ["newest"]
    assert {one.name: one.why for one in found.skipped} == {
        "dear": "needs 5 fits of 0.2 s, 0.3 s of the 1 s budget are left",
        "dearer": "needs 5 fits of 10 s, 0.3 s of the 1 s budget are left",
    }


def test_variants_are_tried_the_most_promising_of_each_first():
    found = {one.name: one.variants for one in planned(200.0).retrievers}
    assert found["dear"] == [{"strength": 0}, {"strength": 1}, {"strength": 2}]
    assert found["dearer"] == [{"strength": 0}, {"strength": 1}]
    assert not any(one.variants for one in planned(search=False).retrievers)


def test_rankers_are_planned_by_the_lists_there_are():
    home = replace(HOME, retrievers=(Newest,), heuristics={}, ladder=("newest",), templates=())
    few = plan(home, 9, 9, 99, Budget(seconds=20.0, memory=GB), 4, offered={"learn": 60, "choose": 30})
    many = plan(home, 9, 9, 99, Budget(seconds=20.0, memory=GB), 4)
    assert few.rankers == ["linear", "pointwise", "lambdarank"]
    assert many.rankers == ["linear"]
    assert {one.name for one in many.skipped} == {"pointwise", "lambdarank"}


@given(
    st.floats(0.01, 5000), st.integers(1, 4 * GB), st.integers(1, 20_000), st.integers(1, 10**6), st.integers(1, 400)
)
@settings(max_examples=60, deadline=None)
def test_a_plan_keeps_to_its_budget_and_forgets_nobody(seconds, memory, items, interactions, fits):
    found = planned(seconds, memory, items=items, interactions=interactions, fits=fits)
    assert {one.name for one in found.retrievers} | {one.name for one in found.skipped} == {"dearer", "newest", "dear"}
    assert sum(one.memory for one in found.retrievers) <= memory
    assert sum(one.seconds for one in found.retrievers) * (min(fits, 4) + 1) <= FITTING * seconds * 1.000001
    assert all(1 <= one.every <= max(fits // 4, 1) for one in found.retrievers)
    assert found == planned(seconds, memory, items=items, interactions=interactions, fits=fits)


def test_reading_the_past_comes_first_and_the_least_is_done_whatever_is_left():
    assert planned(60.0, events=1_000_000).seconds >= 25.0
    assert planned(30.0, events=1_000_000).lists < planned(30.0, events=0).lists
    least = planned(1.0, interactions=200_000, events=1_000_000)
    assert least.seconds > 25.0
    assert (least.lists, least.reported) == (40, 200)
    assert least.retrievers == [] or least.retrievers[0].name == "newest"


def test_a_larger_budget_reports_on_more_lists_up_to_all_there_are():
    counts = [planned(seconds, offered={"report": 50_000}).reported for seconds in (0.5, 60.0, 600.0)]
    assert counts[0] == 200
    assert counts[0] < counts[1] < counts[2]
    assert planned(600.0, offered={"report": 70}).reported == 70


@given(st.floats(60.0, 5000), st.integers(1, 20_000), st.integers(1, 10**6), st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_what_is_declared_keeps_to_a_budget_that_is_enough_for_the_least(seconds, items, interactions, fits):
    assert planned(seconds, items=items, interactions=interactions, fits=fits).seconds <= seconds * 1.01
