"""Logged decisions as lists: who answered what, read as it was when it was decided, with places and a watermark."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from msgspec.structs import replace as changed

from proffer.app import Settings
from proffer.apps.feed.app import HOME, app
from proffer.core.clock import FixedClock
from proffer.core.decisions import Considered, Decision, Placed
from proffer.core.entities import EntityRef
from proffer.core.labels import Labels
from proffer.core.queries import Query
from proffer.engine import logged
from proffer.engine.fitted import unfitted
from proffer.engine.logged import join
from proffer.engine.past import Past
from proffer.engine.walks import walk
from proffer.features.replay import replay
from proffer.stores.memory import memory_stores
from tests.engine.pasts import HOUR, TWO, happens
from tests.engine.worlds import NOW, START

ITEMS = "abcdefgh"


def decided(hours, user="u1", considered=ITEMS, slate="ab", as_of=8, pipeline="home"):
    """Return a decision that placed some of what it considered."""
    name = f"{hours}/{user}"
    query = Query(id=f"q{name}", pipeline=pipeline, subject=EntityRef("user", user), at=START + hours * HOUR, n=2)
    placed = tuple(Placed(id=item, rank=rank, score=1.0) for rank, item in enumerate(slate, 1))
    return Decision(id=f"d{name}", query=query, as_of=as_of, considered=Considered(ids=tuple(considered)), slate=placed,
                    model="newest", schema="s")  # fmt: skip


def answer(hours, type, item, user="u1", query=None):
    return changed(happens(hours, type, user, item), query_id=query)


POSTS = [happens(place / 10, "entity.set", name) for place, name in enumerate(ITEMS)]


def past_of(events, decisions, declared=app, settings=None):
    numbered = [changed(event, sequence=place) for place, event in enumerate(events, 1)]
    declared = replace(declared, pipelines=(TWO,))
    return Past.of(declared, TWO, settings or Settings(), numbered, decisions=decisions)


def joined(events, decisions, since=0, until=100, **rest):
    found = past_of([*POSTS, *events], decisions, **rest)
    spans = [(START + hours * HOUR).timestamp() for hours in (since, until)]
    return {one.decision.id: dict(zip(told.items, told.grades.tolist(), strict=True))
            for one in join(found, *spans) if (told := one.found(found)) is not None}  # fmt: skip


@pytest.fixture
def few(monkeypatch):
    """Let one answered decision be enough."""
    monkeypatch.setattr(logged, "FEWEST", 1)


@pytest.mark.usefixtures("few")
def test_answers_join_by_query_else_by_subject_item_and_time():
    decisions = [decided(10), decided(20), decided(20, "u2")]
    events = [
        answer(21, "view", "a", query="q10/u1"),  # names its query, though a later decision also held a
        answer(21, "view", "b"),  # names none: the last decision that considered it
        answer(21.5, "like", "b"),
        answer(22, "view", "a", query="elsewhere"),  # answers a query that is not among them
        answer(22, "view", "c", "u2"),
        answer(22.5, "hide", "c", "u2"),  # a dismissal outweighs
        answer(23, "view", "h", "u3"),  # nobody decided for him
        answer(23, "impression", "a"),  # says nothing
        answer(60, "view", "d"),  # too late to count
        answer(9, "view", "e"),  # before any decision
    ]
    assert joined(events, decisions) == {"d10/u1": {"a": 1.0}, "d20/u1": {"b": 2.0}, "d20/u2": {"c": -2.0}}


@pytest.mark.usefixtures("few")
def test_only_what_was_considered_is_answered():
    decisions = [decided(10, considered="abc")]
    events = [answer(11, "view", "d"), answer(11, "view", "e", query="q10/u1"), answer(12, "view", "c")]
    assert joined(events, decisions) == {"d10/u1": {"c": 1.0}}


@pytest.mark.usefixtures("few")
def test_a_decision_counts_once_it_is_closed_and_in_the_period():
    decisions = [decided(hour) for hour in (5, 10, 75, 77)] + [decided(12, "u2", pipeline="similar")]
    assert joined([], decisions, since=10).keys() == {"d10/u1", "d75/u1"}
    declared = replace(app, labels=Labels(window=timedelta(hours=90)))
    assert joined([], decisions, since=10, declared=declared).keys() == {"d10/u1"}
    # What happens after the period is not read, whatever query it names.
    late = [answer(101, "view", "a", query="q75/u1"), answer(99, "view", "b", query="q75/u1")]
    assert joined(late, decisions, since=10)["d75/u1"] == {"b": 1.0}


@pytest.mark.usefixtures("few")
def test_settings_weigh_the_answers():
    events = [answer(11, "view", "a"), answer(11, "like", "b")]
    told = joined(events, [decided(10)], settings=Settings(labels={"view": 0.0, "like": 5.0}))
    assert told == {"d10/u1": {"b": 5.0}}


def served(people=120, answers=True, late=()):
    """Return a log and its decisions: at 30 h and after, each of many people is shown two posts and opens one."""
    events = [*POSTS, *(happens(5 + n / 50, "view", f"u{n}", ITEMS[n % 3]) for n in range(people))]
    decisions = []
    for n in range(people):
        at = 30 + n / 10
        decisions.append(decided(at, f"u{n}", as_of=len(events), slate="de" if n % 2 else "ed"))
        events.append(answer(at + 0.01, "impression", "d", f"u{n}"))
        if answers:
            events.append(answer(at + 0.02, "view", "d", f"u{n}", query=f"q{at}/u{n}"))
        events.append(answer(at + 0.03, "view", "f", f"u{n}"))
    events += [answer(80 + n / 100, "view", "g", f"u{n}") for n in range(people)]
    return [*events, *late], decisions


PERIOD = {"since": START + 80 * HOUR, "until": START + 100 * HOUR}


def temporal(events, decisions, pipeline=TWO, **rest):
    """Return the walk whose learn phase begins before and ends after the decisions are made and closed."""
    found = past_of(events, decisions)
    w = walk(Past.of(replace(app, pipelines=(pipeline,)), pipeline, Settings(),
                     [event for chunk in found.chunks() for event in chunk], decisions=decisions), "temporal", **PERIOD,
             **rest)  # fmt: skip
    second, third = (START + hours * HOUR for hours in (29, 79))
    w.spans |= {"blend": (0.0, second.timestamp()), "learn": (second.timestamp(), third.timestamp()),
                "choose": (third.timestamp(), PERIOD["since"].timestamp())}  # fmt: skip
    return w


def test_logged_lists_join_the_learn_phase_and_can_be_left_out():
    events, decisions = served()
    lists = [*temporal(events, decisions).phase("learn", 1000)]
    made = [*temporal(events, decisions, logged=False).phase("learn", 1000)]
    shown = [one for one in lists if one.positions is not None]
    assert len(shown) == 120
    assert all(one.positions is None for one in made)
    assert len(lists) == len(made) + 120
    for number, one in enumerate(shown):
        ids = [one.state.ids[ordinal] for ordinal in one.pool.ordinals]
        assert ids == [*ITEMS]
        assert dict(zip(ids, one.grades.tolist(), strict=True)) == {**dict.fromkeys(ITEMS, 0.0), "d": 1.0, "f": 1.0}
        places = dict(zip(ids, one.positions.tolist(), strict=True))
        assert (places["d"], places["e"], places["a"]) == ((1, 2, 0) if number % 2 else (2, 1, 0))
        assert (one.query.id, one.query.at) == (decisions[number].query.id, decisions[number].query.at)
        assert (one.missed, one.unknown) == (0, 0)


def test_fewer_than_a_hundred_answered_ones_are_not_learned_from():
    events, decisions = served(99)
    assert all(one.positions is None for one in temporal(events, decisions).phase("learn", 1000))
    silent, decisions = served(300, answers=False)
    silent = [event for event in silent if event.target is None or event.target.id != "f"]
    assert all(one.positions is None for one in temporal(silent, decisions).phase("learn", 1000))


def test_a_logged_list_is_read_at_its_position_of_the_log():
    events, decisions = served(late=[])
    # An act of before the decisions that the log learned of after them: they did not know it.
    late = [happens(6, "view", "u3", "h")]
    where = decisions[40].as_of
    events = [*events[:where], *late, *events[where:]]
    decisions = [changed(one, as_of=one.as_of + (one.as_of > where)) for one in decisions]
    stores = memory_stores(FixedClock(NOW))
    stores.log.append(events)
    checked = 0
    for one in temporal(events, decisions, replace(HOME, templates=())).phase("learn", 1000):
        if one.positions is None:
            continue
        decision = next(d for d in decisions if d.query.id == one.query.id)
        known = replay(stores.log, app.view, app.schema, subject="user", item="post", until=decision.as_of)
        assert one.state.position == known.position == decision.as_of
        batches = [state.batch(one.query.subject, one.pool.ordinals, one.query.at.timestamp(), {})
                   for state in (one.state, known)]  # fmt: skip
        assert app.view.matrix(batches[0]).tobytes() == app.view.matrix(batches[1]).tobytes()
        checked += 1
        if checked == 5:
            break
    assert checked == 5


def test_retrievers_of_logged_lists_are_fitted_on_earlier_time_with_the_same_settings():
    events, decisions = served()
    w = temporal(events, decisions, HOME)
    w.fitted = unfitted(HOME)
    seen = set()
    for one in w.phase("learn", 1000):
        if one.positions is not None:
            assert one.fitted is not w.fitted
            assert [*one.fitted.retrievers] == [*w.fitted.retrievers]
            seen.add(id(one.fitted))
    assert len(seen) == 1
    w = temporal(events, decisions, HOME)
    w.skipped = {"content"}
    assert all("content" not in one.fitted.retrievers for one in w.phase("learn", 1000))


def test_a_sample_of_logged_lists_holds_the_same_lists():
    events, decisions = served()
    full = {one.query.id: one.pool.scores.tobytes() for one in temporal(events, decisions, HOME).phase("learn", 1000)
            if one.positions is not None}  # fmt: skip
    few = {one.query.id: one.pool.scores.tobytes() for one in temporal(events, decisions, HOME).phase("learn", 10)
           if one.positions is not None}  # fmt: skip
    assert len(few) == 10
    assert few.items() <= full.items()


def test_leave_last_out_has_no_time_and_takes_no_decisions():
    events, decisions = served()
    assert all(one.positions is None for one in walk(past_of(events, decisions), "leave-last-out").phase("learn", 500))


def test_decisions_are_read_from_the_store():
    events, decisions = served()
    stores = memory_stores(FixedClock(NOW))
    stores.log.append(events)
    for decision in decisions:
        stores.decisions.put(decision)
    stores.decisions.flush()
    found = Past.read(replace(app, pipelines=(TWO,)), TWO, Settings(), stores.log, decisions=stores.decisions)
    assert {one.id for one in found.decisions()} == {one.id for one in decisions}
    assert len(join(found, START.timestamp(), NOW.timestamp())) == 120
    assert np.isfinite(found.times).all()
