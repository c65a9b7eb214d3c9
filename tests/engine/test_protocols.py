"""The protocols: lists worked out by hand, no look into a later phase, samples, refits, bad pasts."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from proffer.apps.feed.app import HOME
from proffer.core.errors import Invalid
from proffer.engine.fitted import unfitted
from proffer.engine.lists import sample
from proffer.engine.past import moment
from proffer.engine.protocols import PHASES, PROTOCOLS
from proffer.engine.walks import walk
from proffer.models.base import ScoringRetriever
from proffer.models.retrievers.newest import Newest
from tests.engine.pasts import BY_HAND, HOUR, TWO, happens, made_of, past, phases
from tests.engine.worlds import DAY, START, toy

SECOND = {"since": START + DAY, "until": START + 2 * DAY}


def report(events, pipeline=TWO, lists=100, protocol="daily", **period):
    return walk(past(events, pipeline), protocol, **period).phase("report", lists)


def test_the_lists_of_a_day_worked_out_by_hand():
    seen = {}
    for one in report(BY_HAND, **SECOND):
        ids = [one.state.ids[ordinal] for ordinal in one.pool.ordinals]
        by = {name: {ids[row] for row in np.flatnonzero(one.pool.proposed[:, place])}
              for place, name in enumerate(one.fitted.sources)}  # fmt: skip
        wanted = {ids[row] for row in np.flatnonzero(one.relevant)}
        seen[one.user] = by, wanted, one.missed, one.unknown, (one.query.at - START) / HOUR
    assert seen == {
        "u1": ({"newest": {"c", "b"}, "popularity": {"b"}}, {"c"}, 0, 0, 33),
        "u2": ({"newest": {"d", "c"}, "popularity": {"c"}}, {"d", "c"}, 1, 1, 34.5),
    }


def test_surprise_popularity_and_segments_by_hand():
    first = next(iter(report(BY_HAND, **SECOND)))
    order = [first.state.ids[o] for o in first.pool.ordinals]
    # a was wanted twice, b once, c never; one is added to each: shares 3/6, 2/6, 1/6.
    surprise = dict(zip(order, first.surprise.tolist(), strict=True))
    assert surprise == pytest.approx({"b": -math.log2(2 / 6), "c": -math.log2(1 / 6)})
    assert dict(zip(order, first.percentile.tolist(), strict=True)) == pytest.approx({"b": 0.5, "c": 1 / 6})
    # u1 had wanted one item, u2 two, so the median is 1.5; u4 is new.
    events = [*BY_HAND, happens(37, "view", "u4", "b")]
    found = {one.user: sorted(one.segments) for one in report(events, **SECOND)}
    assert found == {"u1": ["light user", "warm user"], "u2": ["heavy user", "warm user"],
                     "u4": ["cold user", "light user"]}  # fmt: skip


def test_what_came_late_into_the_log_counts_when_it_happened():
    shuffled = [BY_HAND[place] for place in np.random.default_rng(3).permutation(len(BY_HAND))]
    assert [(one.user, one.missed) for one in report(shuffled, **SECOND)] == [("u1", 0), ("u2", 1)]


def test_what_happens_after_the_period_is_not_wanted_in_it():
    lists = [*report(BY_HAND, since=START + DAY, until=START + 35 * HOUR)]
    assert [(one.user, int(one.relevant.sum()), one.missed) for one in lists] == [("u1", 1, 0), ("u2", 1, 0)]


def views(user, items, start=10, step=24):
    return [happens(start + step * place, "view", user, item) for place, item in enumerate(items)]


POSTS = [happens(place / 10, "entity.set", name) for place, name in enumerate("abcdefgh")]


def test_temporal_cuts_worked_out_by_hand():
    # Ten wanted pairs, a day apart: the cuts stand before the 7th, 8th, 9th and 10th.
    events = [*POSTS, *views("u1", "abcde"), *views("u2", "abcde", 130), happens(30, "view", "u1", "a")]
    w = walk(past(events), "temporal")
    cuts = [w.size().phases[phase].since for phase in PHASES]
    assert cuts == [START + (130 + 24 * place) * HOUR for place in (1, 2, 3, 4)]
    assert phases(w) == {phase: [("u2", 1, 0, 0)] for phase in PHASES}
    last = walk(past(events), "temporal", since=START + 200 * HOUR)
    assert phases(last)["report"] == [("u2", 2, 0, 0)]


def test_leave_last_out_worked_out_by_hand():
    events = [*POSTS, *views("u1", "abcdef"), *views("u2", "abc", 11), *views("u3", "a", 12)]
    events += [happens(200, "view", "u1", "a"), happens(201, "view", "u2", "c"), happens(202, "impression", "u1", "h")]
    w = walk(past(events), "leave-last-out")
    left, held = {}, {}
    for phase in PHASES:
        held[phase] = {}
        for one in w.phase(phase, 100):
            wanted = one.pool.ordinals[one.relevant]
            held[phase][one.user] = [one.state.ids[ordinal] for ordinal in wanted]
            assert one.query.at == START + 202 * HOUR
        subjects = [walk_user(w, name) for name in ("u1", "u2", "u3")]
        left[phase] = ["".join(w.state.ids[o] for o in w.state.touched(user)) for user in subjects]
    assert held == {"blend": {"u1": ["c"]}, "learn": {"u1": ["d"]},
                    "choose": {"u1": ["e"], "u2": ["b"]}, "report": {"u1": ["f"], "u2": ["c"]}}  # fmt: skip
    # u2 sits the first two out, yet what he is asked about later is missing there; u3 has nothing to tell him by.
    assert left == {"blend": ["ab", "a", "a"], "learn": ["abc", "a", "a"],
                    "choose": ["abcd", "a", "a"], "report": ["abcde", "ab", "a"]}  # fmt: skip


def walk_user(w, name):
    return w.past.user(list(w.past.acts.users).index(name))


def test_leave_last_out_drops_all_the_user_did_from_the_item_on_and_nothing_of_others():
    followed = happens(60, "follow", "u1", "u9", kind="user")
    events = [*POSTS, *views("u1", "abc"), followed, happens(61, "impression", "u1", "g"), *views("u2", "d", 62)]
    w = walk(past(events), "leave-last-out")
    assert [one.user for one in w.phase("report", 9)] == ["u1"]
    user = walk_user(w, "u1")
    assert w.state.targets_of(user, ("follow", "unfollow")) == set()
    assert len(w.state.touched(walk_user(w, "u2"))) == 1
    earlier = changed(followed, at=START + 20 * HOUR)
    w = walk(past([*POSTS, *views("u1", "abc"), earlier]), "leave-last-out")
    w.upcoming("report", 9)
    assert len(w.state.targets_of(walk_user(w, "u1"), ("follow", "unfollow"))) == 1


def test_a_merged_visitor_is_held_out_with_the_user_he_is():
    merge = changed(happens(50, "entity.merge", "u1"), actor=happens(0, "view", "u1").actor,
                    target=happens(0, "view", "v", "a").actor)  # fmt: skip
    events = [
        *POSTS,
        *views("u1", "a"),
        *views("v", "b", 20),
        merge,
        *views("u1", "c", 60),
        happens(70, "view", "v", "b"),
    ]
    lists = [*walk(past(events), "leave-last-out").phase("report", 9)]
    assert [(one.user, [one.state.ids[o] for o in one.pool.ordinals[one.relevant]]) for one in lists] == [("u1", ["c"])]
    assert "".join(lists[0].state.ids[o] for o in lists[0].state.touched(lists[0].query.subject)) == "ab"


users, items = st.sampled_from(["u1", "u2", "u3"]), st.sampled_from(["p1", "p2", "p3", "p4"])
moments = st.floats(0, 71.5).map(lambda hours: round(hours, 3))
acts = st.builds(happens, moments, st.sampled_from(["impression", "view", "like", "hide"]), users, items)
facts = st.builds(
    lambda hours, item, category: changed(happens(hours, "entity.set", item), fields={"category": category}),
    moments, items, st.sampled_from(["food", "music"]),
)  # fmt: skip
logs = st.lists(st.one_of(acts, acts, facts), max_size=25)
NEW = [happens(71.9, "like", user, "fresh") for user in ("u1", "u2", "u3")]


def lists_of(events, protocol, **period):
    """Return what each list is made of, by phase and query, and what was wanted of it."""
    w = walk(past(events, HOME), protocol, **period)
    return {phase: {one.query.id: (made_of(one), one.grades.tolist(), one.missed) for one in w.phase(phase, 1000)}
            for phase in PHASES}  # fmt: skip


@given(logs, logs, users, items, st.sampled_from(["impression", "view", "hide"]))
@settings(max_examples=15, deadline=None)
def test_daily_nothing_at_or_after_the_users_first_event_of_a_day_changes_his_list(events, others, user, item, type):
    period = {"since": START + 2 * DAY, "until": START + 3 * DAY}
    known = sorted([*events, *NEW], key=lambda event: event.at)
    first = next(e for e in known if e.actor.id == user and e.target and e.at >= period["since"])
    before = [event for event in known if event.at < first.at or (event.at == first.at and event is not first)]
    before = before[: next((n for n, e in enumerate(known) if e is first), 0)]
    later = [event for event in others if event.at > first.at]
    name = f"{user}/{(first.at - moment(0)).days}"
    mine = lists_of([*before, first, *NEW], "daily", **period)["report"][name]
    another = changed(first, type=type, target=happens(0, "view", "x", item).target)
    theirs = lists_of([*before, another, *later, *NEW], "daily", **period)["report"][name]
    assert mine[0] == theirs[0]


@given(logs, logs, st.sampled_from(["daily", "temporal"]))
@settings(max_examples=15, deadline=None)
def test_nothing_after_the_cut_changes_an_earlier_phase_or_the_lists_made_at_the_cut(events, others, protocol):
    cut = START + 2 * DAY
    earlier = [event for event in events if event.at < cut]
    later = [event for event in others if event.at >= cut]
    mine = lists_of([*earlier, *NEW], protocol, since=cut)
    theirs = lists_of([*earlier, *later, *NEW], protocol, since=cut)
    for phase in PHASES[:-1]:
        assert mine[phase] == theirs[phase]
    if protocol == "temporal":
        for name in mine["report"].keys() & theirs["report"].keys():
            assert mine["report"][name][0] == theirs["report"][name][0]


@given(logs, st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_leave_last_out_knows_nothing_a_user_did_from_the_item_on(events, number):
    w = walk(past(events), "leave-last-out")
    phase = PHASES[number]
    asked = {want.query.subject: want.wanted[0] for want in w.upcoming(phase, 100)}
    ordered = sorted(events, key=lambda event: event.at)
    for user, item in asked.items():
        mine = [event for event in ordered if event.actor == user and event.type != "impression"]
        cut = next(place for place, event in enumerate(mine) if event.target.id == item)
        known = {event.target.id for event in mine[:cut]}
        assert {w.state.ids[ordinal] for ordinal in w.state.touched(user)} == known
        assert item not in known
    rest = [changed(event, at=event.at + DAY * 9) for event in ordered if event.actor in asked and event.target]
    # Whatever the asked do again later, with items they knew, is no news and changes no list.
    again = [event for event in rest if event.type in ("view", "like")]
    hidden = {(e.actor, e.target) for e in ordered if e.type == "hide"}
    again = [event for event in again if (event.actor, event.target) not in hidden]
    repeated = walk(past([*events, *again]), "leave-last-out")
    assert {w_.query.subject: w_.wanted[0] for w_ in repeated.upcoming(phase, 100)} == asked
    assert repeated.state.interactions().item.tolist() == w.state.interactions().item.tolist()


BY_PEOPLE = tuple(name for name in PROTOCOLS if name != "lists")
"""Protocols that make the lists themselves: nothing was shown in these pasts."""


@pytest.mark.parametrize("protocol", BY_PEOPLE)
def test_counts_add_up_and_a_list_is_the_same_in_a_sample(protocol):
    events = toy().events[:4000]
    found = past(events, TWO)
    everything = walk(found, protocol, seed=1)
    few, others = walk(found, protocol, seed=1), walk(found, protocol, seed=2)
    for phase in PHASES:
        span = everything.size().phases[phase]
        full = {
            one.query.id: (made_of(one), one.grades.tolist(), one.segments) for one in everything.phase(phase, 10**6)
        }
        part = {one.query.id: (made_of(one), one.grades.tolist(), one.segments) for one in few.phase(phase, 7)}
        other = {one.query.id for one in others.phase(phase, 7)}
        assert 7 < len(full) <= span.lists
        assert len(part) <= 7
        assert part.items() <= full.items()
        assert other != part.keys()
        for one, grades, _ in full.values():
            assert len(grades) == len(one[0])


@pytest.mark.parametrize("protocol", BY_PEOPLE)
def test_wanted_is_in_the_pool_or_missed_and_upcoming_tells_the_same(protocol):
    w = walk(past(toy().events[:4000], TWO), protocol)
    for phase in PHASES:
        wants = w.upcoming(phase, 1000)
        position = w.state.position
        assert wants
        assert w.upcoming(phase, 1000) == wants
        assert w.state.position == position
        told = {want.query.subject: len(want.wanted) for want in wants}
        for want in wants:
            assert not set(want.wanted) & {w.state.ids[o] for o in w.state.touched(want.query.subject)}
        if protocol == "daily":
            continue
        lists = {one.query.subject: int(one.relevant.sum()) + one.missed for one in w.phase(phase, 1000)}
        assert lists == told
        assert w.state.position == position


class Counted(ScoringRetriever):
    """Notes when it is fitted and asked."""

    name = "counted"

    def __init__(self):
        self.fits, self.asked = [], []

    def fit(self, state, *, at, weights):
        assert state.latest <= at
        self.fits.append(at)
        return self

    def scores(self, query, state):
        self.asked.append((query.at.timestamp(), self.fits[-1]))
        return np.zeros(len(state.ids))


def counted(protocol="daily", refits=None, **rest):
    w = walk(past(toy().events, replace(TWO, retrievers=(Newest, Counted))), protocol, **rest)
    w.refits = refits or {}
    return w, w.fitted.retrievers["counted"]


def test_every_day_begins_with_a_fit_on_what_came_before():
    w, source = counted()
    spans = w.size().phases
    for phase in PHASES:
        before = len(source.fits)
        lists = [*w.phase(phase, 10**6)]
        assert len(source.fits) - before == spans[phase].boundaries
        assert spans[phase].lists == len(lists)
    assert all(at - 86_400 < fit <= at for at, fit in source.asked)
    cost = w.costs["counted"]
    assert (cost.fits, cost.lists) == (len(source.fits), len(source.asked))
    assert cost.fit_seconds > 0 < cost.ask_seconds


def test_a_dear_one_is_fitted_at_every_nth_boundary_and_a_sample_changes_nothing():
    w, source = counted(refits={"counted": 2})
    boundaries = [w.size().phases[phase].boundaries for phase in PHASES]
    for phase in PHASES:
        for _ in w.phase(phase, 10**6):
            pass
    assert len(source.fits) == sum(-(-many // 2) for many in boundaries)
    few, other = counted(refits={"counted": 2})
    for phase in PHASES:
        for _ in few.phase(phase, 3):
            pass
    assert dict(other.asked).items() <= dict(source.asked).items()
    assert len(other.fits) <= len(source.fits)


def test_another_pipeline_can_be_assigned_between_phases_and_skipped_ones_are_neither_fitted_nor_asked():
    w, source = counted("temporal")
    w.skipped = frozenset({"counted"})
    assert [*w.fitted.retrievers] == ["newest"]
    assert all(one.fitted.sources == ("newest",) for one in w.phase("blend", 9))
    assert source.fits == []
    w.skipped = frozenset()
    w.fitted = unfitted(w.past.pipeline)
    assert [one.fitted.sources for one in w.phase("learn", 1)] == [("newest", "counted")]
    w.skipped = {"newest"}
    assert [one.fitted.sources for one in w.phase("choose", 1)] == [("counted",)]


def test_phases_come_in_order():
    w = walk(past(BY_HAND))
    w.upcoming("learn", 3)
    with pytest.raises(Invalid, match="the blend phase is over"):
        w.phase("blend", 3)
    assert [*w.phase("learn", 3)] == []
    with pytest.raises(Invalid, match="the learn phase is over"):
        w.upcoming("learn", 3)
    with pytest.raises(Invalid, match="unknown phase 'fit'"):
        w.phase("fit", 3)


def test_what_a_protocol_does_not_take_is_refused():
    found = past(BY_HAND)
    with pytest.raises(Invalid, match="unknown protocol 'weekly'"):
        walk(found, "weekly")
    with pytest.raises(Invalid, match="goes by no period"):
        walk(found, "leave-last-out", since=START)
    for protocol in ("daily", "temporal"):
        with pytest.raises(Invalid, match="the period is empty"):
            walk(found, protocol, since=START + DAY, until=START + DAY)
        with pytest.raises(Invalid, match="nobody acted from 2030-01-01") as caught:
            walk(found, protocol, since=START.replace(year=2030, month=1, day=1), until=START.replace(year=2031))
        assert caught.value.remedy == "The log covers 2026-01-05 to 2026-01-06."


BAD = {
    "nothing": [],
    "only posts": POSTS,
    "one event": [happens(1, "view", "u1", "a")],
    "one user": [*POSTS, *views("u1", "abcdefgh")],
    "one item": [happens(place, "view", f"u{place}", "a") for place in range(30)],
    "only negatives": [*POSTS, *(changed(e, type="hide") for e in views("u1", "abcdefgh"))],
    "only impressions": [*POSTS, *(changed(e, type="impression") for e in views("u1", "abcdefgh"))],
    "one moment": [changed(e, at=START) for e in (*POSTS, *views("u1", "abcdefgh"), *views("u2", "abcdefgh"))],
    "new in the report": [*POSTS, *views("u1", "abcdefg"), happens(999, "view", "u9", "z")],
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("what", BAD)
def test_a_phase_without_lists_yields_none(what, protocol):
    w = walk(past(BAD[what], HOME), protocol)
    size = w.size()
    for phase in PHASES:
        wants = w.upcoming(phase, 10)
        lists = [*w.phase(phase, 10)]
        assert len(lists) <= size.phases[phase].lists
        for one in lists:
            assert int(one.relevant.sum()) + one.missed >= 1
        if what in ("nothing", "only posts", "only negatives", "only impressions"):
            assert lists == wants == []


def test_what_is_seen_only_in_the_report_is_a_miss_of_a_cold_user():
    for protocol in ("daily", "temporal"):
        lists = {one.user: one for one in report(BAD["new in the report"], protocol=protocol)}
        assert (lists["u9"].missed, lists["u9"].unknown) == (1, 1)
        assert "cold user" in lists["u9"].segments


def test_all_at_one_moment_has_no_earlier_time_but_an_order():
    assert [*report(BAD["one moment"], protocol="temporal")] == []
    asked = [[one.state.ids[o] for o in one.pool.ordinals[one.relevant]]
             for one in report(BAD["one moment"], protocol="leave-last-out")]  # fmt: skip
    assert asked == [["h"], ["h"]]


def test_ten_events_to_report_on():
    events = [*POSTS, *views("u1", "abcdefgh"), *(happens(300 + n, "view", f"n{n}", "a") for n in range(10))]
    lists = [*report(events, protocol="temporal", since=START + 300 * HOUR)]
    assert len(lists) == 10
    assert all((int(one.relevant.sum()), one.missed) == (1, 0) for one in lists)


def test_a_sample_is_of_its_seed_in_order_and_without_repeats():
    rows = np.arange(300)
    one = sample(rows, 40, 5).tolist()
    assert one == sample(rows, 40, 5).tolist() != sample(rows, 40, 6).tolist()
    assert one == sorted(set(one))
    assert len(one) == 40
    assert sample(rows, 300, 5).tolist() == rows.tolist()


def test_the_default_report_is_the_newest_tenth():
    w = walk(past(toy().events), "daily")
    spans = w.size().phases
    days = len(w.past.user_days(-math.inf, math.inf))
    assert days / 10 <= spans["report"].lists < days / 2
    assert [spans[phase].until for phase in PHASES[:-1]] == [spans[phase].since for phase in PHASES[1:]]
    assert spans["report"].until > toy().events[-1].at
    assert timedelta(0) < spans["report"].since - spans["blend"].since


def test_a_heuristic_reads_its_own_columns_alone_and_says_what_it_says_of_all():
    one = next(iter(walk(past(toy().events[:4000], HOME)).phase("report", 1)))
    state, query = one.state, one.query
    whole = state.view.matrix(state.batch(query.subject, one.pool.ordinals, query.at.timestamp(), query.context))
    for name, heuristic in HOME.heuristics.items():
        scores = one.pool.scores[:, one.pool.sources.index(name)]
        assert scores.tobytes() == heuristic.predict(whole, state.view.columns).tobytes()
