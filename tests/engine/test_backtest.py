"""The daily protocol: a log worked out by hand, no look into the future, the choice of a champion."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from proffer.app import Settings
from proffer.apps.feed.app import HOME, app
from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid
from proffer.core.events import Event
from proffer.engine.backtest import Past, sample
from proffer.engine.evaluate import Choice, choose, judge
from proffer.engine.judge import top
from proffer.models.retrievers.newest import Newest
from proffer.models.retrievers.popularity import DecayedPopularity
from tests.engine.worlds import DAY, START, new_engine, toy

HOUR = timedelta(hours=1)
TWO = replace(HOME, retrievers=(Newest, DecayedPopularity), heuristics={}, ladder=("newest",), templates=())
NEWEST = Choice(champion="newest", weights={"newest": 1.0})


def happens(hours, type, actor, target=None):
    kind = "post" if type == "entity.set" else "user"
    ref = None if target is None else EntityRef("post", target)
    return Event(
        id=f"{hours}/{type}/{actor}", type=type, at=START + hours * HOUR, actor=EntityRef(kind, actor), target=ref
    )


BY_HAND = [
    happens(8, "entity.set", "a"),
    happens(9, "entity.set", "b"),
    happens(10, "view", "u1", "a"),
    happens(11, "view", "u2", "a"),
    happens(12, "view", "u2", "b"),
    happens(32, "entity.set", "c"),
    happens(33, "impression", "u1", "c"),  # u1's list is made here: c and b, for a was touched.
    happens(33.1, "view", "u1", "c"),
    happens(33.2, "view", "u1", "a"),  # nothing new to u1
    happens(34, "entity.set", "d"),
    happens(34.5, "view", "u2", "d"),  # u2's list is made here, just before: d and c.
    happens(35, "entity.set", "e"),
    happens(35.5, "view", "u2", "e"),  # e did not exist then: a miss for every list
    happens(35.6, "view", "u2", "c"),
    happens(36, "hide", "u3", "a"),  # wanted nothing: no list
]


def past(events, pipeline=TWO):
    return Past.of(replace(app, pipelines=(pipeline,)), pipeline, Settings(), events)


def walked(found, since=1, until=2, lists=100, seed=0):
    return [*found.walk(START + since * DAY, START + until * DAY, lists=lists, seed=seed)]


def test_the_lists_of_a_day_worked_out_by_hand():
    seen = {}
    for judged in walked(past(BY_HAND)):
        names = {name: [judged.state.ids[o] for o in judged.pool.ordinals[top(judged, {name: 1.0})]]
                 for name in ("newest", "popularity")}  # fmt: skip
        seen[judged.user] = names, judged.missed, judged.unknown
    assert seen == {
        "u1": ({"newest": ["c", "b"], "popularity": ["b"]}, 0, 0),
        "u2": ({"newest": ["d", "c"], "popularity": ["c"]}, 1, 1),
    }


def test_the_report_of_a_day_worked_out_by_hand():
    report = judge(past(BY_HAND), NEWEST, START + DAY, START + 2 * DAY, lists=100, seed=0, progress=None)
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


def test_surprise_and_popularity_bias_by_hand():
    first = walked(past(BY_HAND))[0]
    order = [first.state.ids[o] for o in first.pool.ordinals]
    # a was wanted twice, b once, c never; one is added to each: shares 3/6, 2/6, 1/6.
    surprise = dict(zip(order, first.surprise.tolist(), strict=True))
    assert surprise == pytest.approx({"b": -math.log2(2 / 6), "c": -math.log2(1 / 6)})
    assert dict(zip(order, first.percentile.tolist(), strict=True)) == pytest.approx({"b": 0.5, "c": 1 / 6})


def test_what_came_late_into_the_log_counts_when_it_happened():
    shuffled = [BY_HAND[place] for place in np.random.default_rng(3).permutation(len(BY_HAND))]
    assert [judged.user for judged in walked(past(shuffled))] == ["u1", "u2"]
    assert [judged.missed for judged in walked(past(shuffled))] == [0, 1]


def test_what_happens_after_the_period_is_not_wanted_in_it():
    found = past(BY_HAND)
    until = START + 35 * HOUR
    lists = [*found.walk(START + DAY, until, lists=9, seed=0)]
    assert [(one.user, int(one.relevant.sum()), one.missed) for one in lists] == [("u1", 1, 0), ("u2", 1, 0)]


users, items = st.sampled_from(["u1", "u2", "u3"]), st.sampled_from(["p1", "p2", "p3", "p4"])
moments = st.floats(0, 71.5).map(lambda hours: round(hours, 3))
acts = st.builds(happens, moments, st.sampled_from(["impression", "view", "like", "hide"]), users, items)
facts = st.builds(
    lambda hours, item, category: changed(happens(hours, "entity.set", item), fields={"category": category}),
    moments, items, st.sampled_from(["food", "music"]),
)  # fmt: skip
logs = st.lists(st.one_of(acts, acts, facts), max_size=25)
NEW = [happens(71.9, "like", user, "fresh") for user in ("u1", "u2", "u3")]


def pools(events, user):
    """Return what each list of a user was made of on the third day."""
    for judged in walked(past(events, HOME), 2, 3):
        if judged.user == user:
            ids = [judged.state.ids[ordinal] for ordinal in judged.pool.ordinals]
            return ids, judged.pool.scores.tobytes(), judged.pool.proposed.tobytes()
    return None


@given(logs, logs, users, items, st.sampled_from(["impression", "view", "hide"]))
@settings(max_examples=25, deadline=None)
def test_nothing_at_or_after_the_users_first_event_of_a_day_changes_his_list(events, others, user, item, type):
    known = past([*events, *NEW]).events
    days = past([*events, *NEW]).user_days(START + 2 * DAY, START + 3 * DAY)
    place = next(place for _, place, who in days if who == user)
    first = known[place]
    later = [event for event in others if event.at > first.at]
    another = changed(first, type=type, target=EntityRef("post", item))
    mine = pools([*known[:place], first, *NEW], user)
    theirs = pools([*known[:place], another, *later, *NEW], user)
    assert mine is not None
    assert mine == theirs


def test_a_sample_is_of_its_seed_in_order_and_without_repeats():
    rows = [(day, place, f"u{place}") for place, day in enumerate(range(300))]
    one = sample(rows, 40, 5)
    assert one == sample(rows, 40, 5) != sample(rows, 40, 6)
    assert one == sorted(set(one))
    assert len(one) == 40
    assert sample(rows, 300, 5) == rows


def daily(seed, wants):
    """Return 12 days on which 12 people each want one of ten old posts; `wants` draws which."""
    rng = np.random.default_rng(seed)
    events = [happens(place / 10, "entity.set", f"p{place}") for place in range(10)]
    for day in range(12):
        for person in range(12):
            hours = 24 * day + 2 + person
            events.append(happens(hours, "view", f"u{day}/{person}", f"p{wants(rng)}"))
    return events


def test_a_source_that_is_truly_better_is_chosen():
    # The oldest are wanted most: newest first is as wrong as can be.
    found = past(daily(0, lambda rng: min(int(rng.exponential(1.2)), 9)))
    choice = choose(found, START + 12 * DAY, seed=0, progress=None)
    assert choice.champion == "popularity"
    assert choice.weights == {"popularity": 1.0}
    assert choice.lists > 20


class Same(Newest):
    name = "same"


def test_a_tie_goes_to_a_single_source():
    found = past(daily(2, lambda rng: int(rng.integers(0, 10))), replace(TWO, retrievers=(Newest, Same)))
    choice = choose(found, START + 12 * DAY, seed=0, progress=None)
    assert choice.champion == "newest"
    assert (choice.lead.value, choice.lead.low) == (0.0, 0.0)
    assert "does not lead" in choice.why


def test_without_earlier_time_the_newest_serves_and_it_says_so():
    choice = choose(past(BY_HAND), START, seed=0, progress=None)
    assert (choice.champion, choice.weights) == ("newest", {"newest": 1.0})
    assert choice.why == "there is no earlier time to choose on"
    few = choose(past(BY_HAND), START + 2 * DAY, seed=0, progress=None)
    assert few.champion == "newest"
    assert few.why == "only 2 lists to choose on"


def test_the_choice_does_not_look_at_the_period_that_is_reported():
    events = toy().events
    cut = START + 11 * DAY + timedelta(hours=15)
    earlier = [event for event in events if event.at < cut]
    ask = {"seed": 0, "progress": None, "lists": 60}
    assert choose(past(events), cut, **ask) == choose(past(earlier), cut, **ask)


@pytest.fixture(scope="module")
def town():
    return new_engine(toy().events)


def test_evaluate_judges_every_source_and_the_champion(town):
    report = town.evaluate(START + 12 * DAY, START + 14 * DAY, lists=30)
    names = {row.name for row in report.rows}
    assert {*town.fitted["home"].sources} <= names
    assert report.champion in names
    assert report.lists <= 30
    assert report.choice.until <= START + 12 * DAY
    values = [row.metrics["ndcg@10"].value for row in report.rows]
    assert values == sorted(values, reverse=True)
    for row in report.rows:
        assert {"coverage", "recall@20", "mrr"} <= row.metrics.keys()
        assert 0 <= row.metrics["ndcg@10"].low <= row.metrics["ndcg@10"].value <= row.metrics["ndcg@10"].high <= 1


def test_an_empty_period_names_what_the_log_covers(town):
    with pytest.raises(Invalid, match="the period is empty"):
        town.evaluate(START + 3 * DAY, START + 3 * DAY)
    with pytest.raises(Invalid, match="nobody acted from 2030-01-01") as caught:
        town.evaluate(START.replace(year=2030, day=1), START.replace(year=2030, day=9))
    assert caught.value.remedy.startswith("The log covers 2026-01-0")
    with pytest.raises(Invalid) as caught:
        new_engine().evaluate(START, START + DAY)
    assert caught.value.remedy == "Import events first."
