"""Grades of several events of one user and item."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proffer.app import Settings
from proffer.apps.feed.app import app
from proffer.core.errors import CannotStart
from proffer.core.labels import Labels
from proffer.engine.grades import combine, graded_items, weights_in_force
from proffer.engine.past import Past
from proffer.engine.walks import walk
from tests.engine.pasts import TWO, happens

VIEW, LIKE, HIDE = 1.0, 2.0, -2.0


@pytest.mark.parametrize(
    ("how", "outweighed", "events", "grade"),
    [
        ("max", np.inf, [VIEW, LIKE, VIEW], 2.0),
        ("max", np.inf, [LIKE, HIDE, VIEW], -2.0),
        ("max", 0.0, [HIDE, VIEW], 1.0),
        ("max", 0.0, [HIDE, -4.0], -4.0),
        ("max", 1.0, [VIEW, HIDE], -2.0),
        ("max", 1.0, [VIEW, HIDE, LIKE], 2.0),
        ("sum", np.inf, [VIEW, LIKE], 3.0),
        ("sum", 0.0, [VIEW, HIDE], -1.0),
        ("sum", np.inf, [LIKE, LIKE, HIDE], -2.0),
        ("last", 0.0, [HIDE, LIKE, VIEW], 1.0),
        ("last", np.inf, [HIDE, LIKE], -2.0),
        ("max", np.inf, [0.0, 0.0], 0.0),
        ("max", np.inf, [], 0.0),
    ],
)
def test_events_combine_as_declared(how, outweighed, events, grade):
    labels = Labels(combine=how, outweighed=outweighed)
    found = combine(np.zeros(len(events), np.int64), np.array(events), 1, labels)
    assert found.tolist() == [grade]


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0.0, VIEW, LIKE, 4.0, HIDE])), max_size=30),
       st.sampled_from(["max", "sum", "last"]), st.sampled_from([0.0, VIEW, LIKE, np.inf]))  # fmt: skip
def test_each_item_is_graded_by_its_own_events(events, how, outweighed):
    labels = Labels(combine=how, outweighed=outweighed)
    items, weights = np.array([i for i, _ in events], np.int64), np.array([w for _, w in events])
    found, grades = graded_items(items, weights, labels)
    telling = [item for item, weight in events if weight]
    assert found.tolist() == list(dict.fromkeys(telling))
    for item, grade in zip(found.tolist(), grades.tolist(), strict=True):
        mine = [weight for one, weight in events if one == item and weight]
        if (min(mine) < 0 and max(mine) <= outweighed) or max(mine) < 0:
            assert grade == min(mine)
        else:
            assert grade == {"max": max(mine), "sum": sum(mine), "last": mine[-1]}[how]


def test_settings_weigh_types_before_the_declaration_does():
    assert weights_in_force(app, {"view": 0.0})["view"] == 0.0
    assert weights_in_force(app, {"view": 0.0})["like"] == app.weights["like"]


def test_a_window_of_no_time_is_refused():
    with pytest.raises(CannotStart, match="window of no time"):
        replace(app, labels=Labels(window=timedelta(0)))


def one_day(*answers, labels=None, settings=None):
    """Return the grades of a list of the second day by item, and how many wanted items it missed."""
    events = [happens(place, "entity.set", item) for place, item in enumerate("abc")]
    events += [happens(5, "view", "u2", "a")]
    events += [happens(30 + place / 10, type, "u1", item) for place, (type, item) in enumerate(answers)]
    declared = replace(app, pipelines=(TWO,), labels=labels or app.labels)
    lists = [*walk(Past.of(declared, TWO, settings or Settings(), events)).phase("report", 9)]
    mine = [one for one in lists if one.user == "u1"]
    return (
        {mine[0].state.ids[o]: g for o, g in zip(mine[0].pool.ordinals, mine[0].grades, strict=True)} if mine else None
    )


def test_a_list_carries_grades_and_a_dismissal_outweighs_a_view():
    told = one_day(("view", "a"), ("like", "a"), ("view", "b"), ("hide", "b"))
    assert told == {"a": 2.0, "b": -2.0, "c": 0.0}


def test_without_that_declaration_the_view_counts():
    told = one_day(("view", "b"), ("hide", "b"), labels=Labels(outweighed=0.0))
    assert told == {"a": 0.0, "b": 1.0, "c": 0.0}


def test_who_wanted_nothing_in_the_end_has_no_list():
    assert one_day(("view", "a"), ("hide", "a")) is None
    assert one_day(("view", "a"), settings=Settings(labels={"view": 0.0})) is None
