"""Lists that were shown: gathered, read as they were, learned from and judged without the bias of places."""

import itertools
import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from msgspec.structs import replace as changed

from proffer.app import Settings
from proffer.apps.advisor.app import app
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.decisions import Considered, Decision, Placed
from proffer.core.entities import EntityRef
from proffer.core.errors import CannotTrain
from proffer.core.events import Event
from proffer.core.queries import Query
from proffer.engine import shown
from proffer.engine.engine import Engine
from proffer.engine.heads import add_head
from proffer.engine.importance import list_values
from proffer.engine.judge import Recipe
from proffer.engine.learned import Lists
from proffer.engine.measure import Measure
from proffer.engine.metrics import PER_LIST, due_gains, intervals, list_ndcg
from proffer.engine.options import Options
from proffer.engine.past import Past
from proffer.engine.plan import Budget
from proffer.engine.served import ListsWalk
from proffer.engine.shown import shown_lists
from proffer.engine.walks import walk
from proffer.features.replay import replay
from proffer.models.rankers.linear import LinearRanker
from proffer.stores.memory import memory_stores
from tests.engine.pasts import TWO, past
from tests.engine.worlds import START, toy

HOUR = timedelta(hours=1)
PIPELINE = replace(app.pipelines[0], rankers=(LinearRanker,))
SIMPLE = replace(app, pipelines=(PIPELINE,))
COUNTER = itertools.count()


def did(hours, type, item, user="u1", query=None, **fields):
    return Event(id=f"e{next(COUNTER)}", type=type, at=START + hours * HOUR, actor=EntityRef("user", user),
                 target=EntityRef("recommendation", item), query_id=query, fields=fields)  # fmt: skip


def exists(item, group, hours=0, **attributes):
    fields = {"assessment": group, "confidence": 0.5, **attributes}
    return Event(id=f"e{next(COUNTER)}", type="entity.set", at=START + hours * HOUR,
                 actor=EntityRef("recommendation", item), fields=fields)  # fmt: skip


def decided(hours, considered, slate, user="u1", group="a1", as_of=8):
    at = START + hours * HOUR
    query = Query(id=f"q{hours}", pipeline=PIPELINE.name, subject=EntityRef("user", user), at=at, n=2,
                  group=group)  # fmt: skip
    placed = tuple(Placed(id=item, rank=rank, score=1.0) for rank, item in enumerate(slate, 1))
    of = Considered(ids=tuple(considered))
    return Decision(id=f"d{hours}", query=query, as_of=as_of, considered=of, slate=placed,
                    model="confidence", schema="s")  # fmt: skip


MEMBERS = [*(exists(item, "a1") for item in "abcd"), *(exists(item, "a2") for item in "wxyz")]


def past_of(events, decisions=(), settings=None):
    numbered = [changed(event, sequence=place) for place, event in enumerate(events, 1)]
    return Past.of(SIMPLE, PIPELINE, settings or Settings(), numbered, decisions=decisions)


def told(events, decisions=(), settings=None):
    """Return (items, places, grades, as_of) of each list."""
    past = past_of(events, decisions, settings)
    found = []
    for one in shown_lists(past):
        answers = one.found(past)
        grades = dict(zip(answers.items, [round(grade, 3) for grade in answers.grades.tolist()], strict=True))
        places = {placed.id: placed.rank for placed in one.decision.slate}
        found.append(("".join(sorted(one.items)), places, grades, one.decision.as_of))
    return found


def test_decisions_impressions_and_visits_are_lists_and_each_answer_counts_once():
    events = [
        *MEMBERS,  # 1 to 8
        did(11, "view", "a", query="q10", seconds=30.5),  # answers the decision that it names
        did(12, "click", "b"),  # and the last that held the item, where it names none
        did(20, "impression", "x", "u2", "other", position=2),
        did(20, "impression", "w", "u2", "other", position=1),
        did(21, "implement", "w", "u2", "other"),
        did(22, "dismiss", "x", "u2"),  # within the window
        did(30, "save", "z", "u3"),  # nobody knows what u3 was shown: a visit to all of a2
        did(31, "view", "z", "u3", seconds=1),
        did(32, "click", "y", "u3", query="unheard-of"),
        did(300, "click", "y", "u3"),  # a week later: another visit
    ]
    decision = decided(10, "abcd", "ba")
    assert told(events, [decision]) == [
        ("abcd", {"b": 1, "a": 2}, {"a": 0.25, "b": 0.4}, 8),
        ("wxyz", {"x": 2, "w": 1}, {"w": 1.0, "x": -1.0}, 10),
        ("wxyz", {}, {"z": 0.8, "y": 0.4}, 14),
        ("wxyz", {}, {"y": 0.4}, 17),
    ]


def test_what_was_shown_and_not_looked_at_is_left_out_where_looks_are_told():
    shown = decided(10, "abcd", "abc")
    views = [did(11, "view", "b", query="q10", seconds=30.5), did(11, "click", "c", query="q10")]
    [judged] = judged_of([*MEMBERS, *views], [shown])
    ids = [judged.state.ids[row] for row in judged.pool.ordinals.tolist()]
    assert dict(zip(ids, judged.seen.tolist(), strict=True)) == {"a": False, "b": True, "c": True, "d": True}
    assert dict(zip(ids, judged.told.tolist(), strict=True)) == {"a": False, "b": True, "c": True, "d": False}
    measure = Measure(judged, 2)
    best, worst = (np.array([ids.index(item) for item in order]) for order in ("acbd", "adbc"))
    assert measure.of(best)[PER_LIST.index("ndcg@10")] == 1.0
    assert measure.of(worst)[PER_LIST.index("ndcg@10")] < 1.0
    heads = Lists(())
    add_head(heads, judged, Recipe({"confidence": 1.0}))
    assert heads.sizes.tolist() == [3]
    # Without a view nobody knows what was looked at, and a place counts as it stands.
    [judged] = judged_of([*MEMBERS, views[1]], [shown])
    assert judged.seen is None
    assert dict(zip(ids, judged.told.tolist(), strict=True)) == {"a": True, "b": True, "c": True, "d": False}


def judged_of(events, decisions):
    """Return the lists of a past that are reported on."""
    found = ListsWalk(past_of(events, decisions), split=1.0)
    return [*found.phase("report", 9)]


def test_what_answers_another_pipelines_decision_is_no_list_of_this_one():
    decision = decided(10, "wxyz", "wx")
    elsewhere = changed(decision, query=changed(decision.query, pipeline="similar"))
    events = [
        *MEMBERS,
        did(11, "impression", "w", query="q10", position=1),
        did(12, "click", "w", query="q10"),
        did(13, "click", "b"),
    ]
    assert [items for items, *_ in told(events, [elsewhere])] == ["abcd"]


def test_what_answers_a_decision_that_is_too_old_to_be_looked_at_is_no_visit(monkeypatch):
    monkeypatch.setattr(shown, "MOST", 1)
    events = [*MEMBERS, did(11, "click", "a", query="q10"), did(21, "save", "b", query="q20")]
    found = told(events, [decided(10, "abcd", "ba"), decided(20, "abcd", "ab")])
    assert [grades for _, _, grades, _ in found] == [{"b": 0.8}]


def test_an_item_that_moved_or_is_gone_is_no_member_of_a_later_visit():
    gone = Event(id="gone", type="entity.delete", at=START + HOUR, actor=EntityRef("recommendation", "x"))
    events = [*MEMBERS, exists("w", "a1", 1), gone, did(2, "click", "y"), did(3, "click", "b", "u2")]
    assert [items for items, *_ in told(events)] == ["yz", "abcdw"]


def test_settings_grade_by_scale_and_a_type_without_weight_says_nothing():
    events = [*MEMBERS, did(1, "view", "a", seconds=60), did(2, "rate", "b", stars=5), did(2, "rate", "c", stars=1)]
    assert told(events)[0][2] == {"a": 0.4, "b": 1.0, "c": -1.0}
    scales = {"view": {"field": "seconds", "points": [[0, 0.0], [120, 1.0]]}}
    settings = app.settings({"grading": {"scales": scales}, "labels": {"rate": 0.0}})
    assert told(events, settings=settings)[0][2] == {"a": 0.5}


def visits(count=60, wanted="a"):
    """Return that many visits of as many users to a1, an hour apart, each wanting the same, and looking at another."""
    rows = [*MEMBERS]
    for n in range(count):
        rows += [did(10 + n, "view", "b", f"u{n}", seconds=1), did(10.1 + n, "implement", wanted, f"u{n}")]
    return rows


def test_phases_lie_in_order_and_the_newest_fifth_is_the_report():
    walk = ListsWalk(past_of(visits()))
    spans = walk.size().phases
    assert {phase: span.lists for phase, span in spans.items()} == {"blend": 5, "learn": 29, "choose": 14, "report": 12}
    assert spans["choose"].until < spans["report"].since
    for phase in spans:
        for one in walk.phase(phase, 100):
            assert [one.state.ids[row] for row in one.pool.ordinals] == [*"abcd"]
            assert one.grades.tolist() == [1.0, 0.1, 0.0, 0.0]
            assert one.positions is None
            assert one.told is None
    assert ListsWalk(past_of(visits()), split=0.5).size().phases["report"].lists == 30
    assert sum(span.lists for span in ListsWalk(past_of(visits()), lookback=1.0).size().phases.values()) == 24


def test_what_answers_an_earlier_list_after_the_report_began_is_not_read():
    late = did(69, "implement", "c", "u3")  # u3's visit was at hour 13; the report begins at hour 58
    walk = ListsWalk(past_of([*visits(), late]))
    found = {one.user: one.grades.tolist() for phase in ("blend", "learn") for one in walk.phase(phase, 100)}
    assert found["u3"] == [1.0, 0.1, 0.0, 0.0]


def test_a_list_is_read_at_its_place_in_the_log():
    events = visits(12)
    stores = memory_stores(FixedClock(START))
    stores.log.append(events)
    walk = ListsWalk(past_of(events))
    for phase in ("blend", "learn"):
        for one in walk.phase(phase, 100):
            state = replay(stores.log, app.view, app.schema, subject="user", item="recommendation",
                           until=one.state.position)  # fmt: skip
            batches = [s.batch(one.query.subject, one.pool.ordinals, one.query.at.timestamp(), {})
                       for s in (one.state, state)]  # fmt: skip
            assert app.view.matrix(batches[0]).tobytes() == app.view.matrix(batches[1]).tobytes()
            assert one.user not in {ref.id for ref in state.registry.refs}


def served(count=200, seed=0, eta=1.0):
    """Return impressions of two of four items in order of confidence and answers that are rarer at the second place."""
    rng = np.random.default_rng(seed)
    sure = {"a": 0.9, "b": 0.8, "c": 0.2, "d": 0.1}
    rows = [exists(item, "a1", confidence=confidence) for item, confidence in sure.items()]
    for n in range(count):
        user, query = f"u{n % 40}", f"s{n}"
        slate = "ab" if rng.random() < 0.5 else "ba"
        for place, item in enumerate(slate, 1):
            rows.append(did(10 + n, "impression", item, user, query, position=place))
        for place, item in enumerate(slate, 1):
            if rng.random() < (0.6 if item == "a" else 0.5) / place**eta:
                rows.append(did(10.1 + n, "save", item, user, query))
    return rows


def test_places_are_made_up_for_and_what_was_not_shown_is_guessed():
    walk = ListsWalk(past_of(served()))
    chance = walk.examination.chances[1]
    assert 0.35 < chance < 0.65
    for one in walk.phase("blend", 10):
        ids = [one.state.ids[row] for row in one.pool.ordinals]
        places = dict(zip(ids, one.positions.tolist(), strict=True))
        assert sorted(places.values()) == [0, 0, 1, 2]
        second = next(place for place, item in enumerate(ids) if places[item] == 2)
        due, grades = one.due(), one.grades
        assert due[second] == pytest.approx(grades[second] / chance)
        shown = [place for place, item in enumerate(ids) if places[item]]
        assert due[[place for place in range(4) if place not in shown]] == pytest.approx(due[shown].mean() / 2)
    assert any("looked at" in note for note in walk.notes())


def test_without_debiasing_an_answer_is_an_answer():
    for one in ListsWalk(past_of(served()), debias=False).phase("blend", 10):
        assert one.positions is None
        assert one.told is None
        assert one.due().tolist() == one.grades.tolist()


def test_the_ndcg_of_a_list_by_hand():
    third = 1 / math.log2(3)
    gained, chance = np.array([0.4, 1.0, 0.0]), np.array([1.0, 0.5, 1.0])
    assert list_ndcg(gained, None, np.array([0, 1, 2]), 10) == (
        pytest.approx((0.4 + third) / (1 + 0.4 * third)), 1.0
    )  # fmt: skip
    value, weight = list_ndcg(gained, chance, np.array([0, 1, 2]), 10)
    assert value == pytest.approx((0.4 + 2 * third) / (2 + 0.4 * third))
    assert weight == pytest.approx((2 + 0.4 * third) / (1 + 0.4 * third))
    assert list_ndcg(np.zeros(2), None, np.array([0, 1]), 10)[1] == 0.0
    assert due_gains(gained, None, None) is gained


def test_what_a_ranker_learns_from_is_measured_by_the_gain_that_the_report_goes_by():
    walk = ListsWalk(past_of(visits(12)))
    learned, recipe = Lists(()), Recipe({"newest": 1.0})
    for one in walk.phase("blend", 10):
        add_head(learned, replace(one, gain="binary"), recipe)
    assert set(learned.y.tolist()) == {0.0, 0.1, 1.0}
    assert set(learned.gained.tolist()) == {0.0, 1.0}
    assert learned.newest(1).gained.tolist() == learned.gained[-4:].tolist()

    class First:
        def predict(self, X, columns):
            return np.array([2.0, 1.0])

    two = Lists(("x",))
    two.add(np.zeros((2, 1)), np.array([0.1, 1.0]), 0, gained=np.ones(2))
    assert list_values(First(), two, (10,)).tolist() == [[1.0]]


def test_lists_that_count_more_weigh_more_and_equal_ones_as_without():
    values, users = np.array([[0.0], [1.0], [1.0]]), np.array([0, 1, 2])
    assert intervals(values, users, ["m"], 0, weights=np.array([3.0, 0.5, 0.5]))["m"].value == 0.25
    plain, even = (intervals(values, users, ["m"], 0, weights=weights)["m"] for weights in (None, np.ones(3)))
    assert (plain.low, plain.high) == (even.low, even.high)


def engine_of(events):
    stores = memory_stores(FixedClock(events[-1].at + HOUR))
    stores.log.append(events)
    engine = Engine(SIMPLE, "advisor", stores, clock=FixedClock(events[-1].at + HOUR), ids=CountingIds())
    engine.catch_up()
    return engine


def test_a_training_on_lists_tells_what_it_knows():
    engine = engine_of(served(240))
    report = engine.train(budget=Budget.of(10)).metrics
    rows = {row["name"]: row for row in report["rows"]}
    assert report["protocol"] == "lists"
    assert {"random", "confidence", "linear"} <= rows.keys()
    assert rows["random"]["metrics"]["ndcg@10"]["low"] is not None
    assert {"ndcg@5", "ndcg@10"} == rows["linear"]["train"].keys() == rows["random"]["train"].keys()
    for row in rows.values():
        assert all(one["low"] <= one["value"] <= one["high"] for one in row["train"].values()), row["name"]
    assert report["examination"][0] == 1.0
    assert report["examination"][1] < 0.8
    assert report["explained"] == "linear"
    named = {one["name"] for one in report["importances"]}
    assert "r_confidence" in named
    assert sum(one["gain"] for one in report["importances"]) <= 1.0 + 1e-9
    assert all(one["permutation"] is not None for one in report["importances"])
    again = engine.evaluate(budget=Budget.of(10))
    assert (again.protocol, again.lists) == ("lists", report["lists"])


def test_why_nothing_can_be_trained():
    with pytest.raises(
        CannotTrain, match=r"3 interactions .* 100 are needed, serving confidence instead. 97 are missing"
    ):
        engine_of([*MEMBERS, *(did(n + 1, "click", "a") for n in range(3))]).train()
    few = engine_of(visits(20))
    with pytest.raises(CannotTrain, match="500 are needed, serving confidence instead"):
        few.train(options=Options(min_interactions=500))
    few.configure({"training": {"min_interactions": 41}})
    with pytest.raises(CannotTrain, match="41 are needed, serving confidence instead"):
        few.train()
    with pytest.raises(CannotTrain, match="one class only: none of 120 interactions"):
        engine_of([*MEMBERS, *(did(n + 1, "dismiss", "a", f"u{n}") for n in range(120))]).train()
    alike = [did(n + 1, "save", item, f"u{n}") for n in range(40) for item in "abcd"]
    with pytest.raises(CannotTrain, match="one class only: each of the 8 lists"):
        engine_of([*MEMBERS, *alike]).train()
    nowhere = [did(n + 1, "save", f"s{n}") for n in range(120)]
    with pytest.raises(CannotTrain, match="no list that was shown is in the log"):
        engine_of([*MEMBERS, *nowhere]).train()


@pytest.mark.parametrize("protocol", ["daily", "temporal"])
def test_other_protocols_take_share_and_reach_too(protocol):
    events = toy().events[:4000]
    plain, half, late = (
        walk(past(events, TWO), protocol, **told).size().phases
        for told in ({}, {"split": 0.5}, {"split": 0.5, "lookback": 2.0})
    )
    assert half["report"].since < plain["report"].since
    assert half["report"].until == plain["report"].until
    assert late["report"].since > half["report"].since
    assert late["blend"].since >= late["report"].until - timedelta(days=2, seconds=2)
