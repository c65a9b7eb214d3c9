"""Columns whose values are known by construction."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from proffer.core.entities import stable_key
from proffer.features import accumulators as acc
from proffer.features import temporal, text
from proffer.features.base import Scope, each
from proffer.features.sketch import sketch
from proffer.features.table import RowTable
from proffer.features.view import FeatureView

from .world import DAY, POSTS, START, USERS, VIEW, event, exact, folded, matrix, new_state, numbered

FOOD, MUSIC = "Svensk husmanskost med potatis", "Gitarr och trummor i Norden"


def _posts(*attributes):
    return [event("entity.set", 0, post, None, dict(told)) for post, told in zip(POSTS, attributes, strict=False)]


def test_text_like_what_was_read_scores_higher():
    facts = _posts({"title": FOOD}, {"title": "Husmanskost och potatis"}, {"title": MUSIC}, {})
    told = exact(folded(numbered([*facts, event("like", 1, USERS[0], POSTS[0])])), USERS[0], 2)["text_cos"]
    assert told[0] == pytest.approx(1.0)
    assert told[0] > told[1] > told[2]
    assert np.isnan(told[3:]).all()


def test_a_sketch_is_a_pure_function_of_well_formed_and_other_text():
    assert (sketch("Ång\u0301ström", "text") == sketch("Ång\u0301ström", "text")).all()
    assert (sketch("ＡＢＣＤ", "") == sketch("abcd", "")).all()
    for odd in ("", "a b c", "\ud800\ud800\ud800\ud800", "\x00" * 50, "x" * 100_000, "🐣" * 9):
        assert np.isfinite(sketch(odd, odd)).all()
    assert not sketch("a b", "!?").any()


def test_lists_rank_ties_in_the_middle_and_leave_the_unknown_out():
    log = [event("view", 0, USERS[n], POSTS[place]) for n, place in enumerate((0, 1, 1, 2, 2))]
    told = exact(folded(numbered([*log, event("impression", 0, USERS[0], POSTS[3])])), USERS[0], 0)
    assert told["i_pop"].tolist() == [1, 2, 2, 0, 0]
    assert told["rank_pop"].tolist() == [0.5, 0.875, 0.875, 0.125, 0.125]
    assert told["rank_age"].tolist()[:4] == [0.5] * 4
    assert math.isnan(told["rank_age"][4])
    assert told["n_candidates"].tolist() == [5] * 5


def test_difference_to_the_median_and_share_of_the_list():
    topics = ["food", "food", "music"]
    days = [f"2026-01-0{day}T00:00:00+00:00" for day in (1, 2, 5)]
    facts = _posts(*({"category": t, "published_at": day} for day, t in zip(days, topics, strict=True)))
    told = exact(folded(numbered(facts)), None, 6 * DAY)
    ages = told["i_age"][:3]
    assert told["diff_age"][:3].tolist() == (ages - sorted(ages)[1]).tolist()
    assert told["cat_share"][:3].tolist() == [0.4, 0.4, 0.2]
    assert np.isnan(told["cat_share"][3:]).all()


def test_language_of_the_subject_or_else_of_the_context():
    facts = _posts({"language": "sv"}, {"language": "en-GB"}, {})
    place = VIEW.columns.index("lang_match")
    stranger = matrix(folded(numbered(facts)), None, 0)[:, place]
    assert stranger[:2].tolist() == [1, 0]
    assert np.isnan(stranger[2:]).all()
    english = [*facts, event("entity.set", 0, USERS[0], None, {"language": "en"})]
    assert matrix(folded(numbered(english)), USERS[0], 0)[:2, place].tolist() == [0, 1]


def test_scores_of_sources_are_taken_as_they_are():
    place = VIEW.columns.index("src_news")
    assert matrix(new_state(), None, 0)[:, place].tolist() == [0, 1, 2, 3, 4]
    absent = new_state()
    assert np.isnan(VIEW.matrix(absent.batch(None, absent.ordinals(["a", "b"]), 0.0, {}))[:, place]).all()


@pytest.mark.parametrize(
    ("at", "weekend", "holiday"),
    [("2026-06-06T12:00", 1, 1), ("2026-06-07T12:00", 1, 0), ("2026-06-19T12:00", 0, 0), ("2026-12-25T12:00", 0, 1),
     ("2026-12-24T23:30", 0, 1)],
)  # fmt: skip
def test_the_calendar(at, weekend, holiday):
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() - START.timestamp()
    told = exact(new_state(), None, moment)
    assert (told["is_weekend"][0], told["is_holiday_se"][0]) == (weekend, holiday)


def test_hours_go_round():
    told = [exact(new_state(), None, hour * 3600) for hour in (0, 6, 12, 24)]
    assert [round(float(each["hour_cos"][0]), 9) for each in told] == [1, 0, -1, 1]
    local = FeatureView("v", (), (temporal.Cycle("hour", "Europe/Stockholm"),))
    row = local.matrix(new_state(local).batch(None, np.array([-1]), START.timestamp() + 5 * 3600, {}))[0]
    assert row.tolist() == pytest.approx([1.0, 0.0], abs=1e-7)


def test_the_last_answer_of_those_at_one_time_is_the_later_in_the_log():
    log = [event(kind, at, USERS[0], POSTS[0]) for kind, at in (("like", 5), ("hide", 5), ("view", 4))]
    assert exact(folded(numbered(log)), USERS[0], 9)["ui_grade"][0] == -2


def test_late_events_beyond_a_ring_are_dropped_and_others_find_their_tile():
    log = [event("like", day * DAY, USERS[0], POSTS[0]) for day in (20, 19, 11, 10, 0)]
    told = exact(folded(numbered(log)), USERS[0], 20 * DAY)
    assert (told["u_week"][0], told["u_days"][0]) == (2, 3)


def test_three_parts_make_one_row_for_each_triple():
    scope = Scope("triple", ("actor.segment", "target.category", "target"))
    view = FeatureView("v", (scope,), (text.Words("w"), *_counted("triple")))
    facts = [*_posts({"category": "food"}), event("entity.set", 0, USERS[0], None, {"country": "SE"})]
    state = folded(numbered([*facts, event("view", 0, USERS[0], POSTS[0]), event("view", 0, USERS[1], POSTS[0])]), view)
    keys = [stable_key("segment", "country=SE"), stable_key("category", "food"), stable_key("post", "p0")]
    assert state.row("triple", *keys).tolist() == [1.0]
    assert state.sizes()["triple"]["rows"] == 1


def _counted(scope):
    from proffer.features.counts import Count

    return (Count("n", scope, acc.Total(each("view"))),)


def test_a_table_finds_what_it_was_given_through_growth():
    table, keys = RowTable(1, np.array([7.0])), np.random.default_rng(1).integers(1, 1 << 53, 5000)
    rows = table.ensure(np.concatenate((keys, keys[::-1])))
    assert (rows[:5000] == rows[5000:][::-1]).all()
    assert (table.keys[rows[:5000]] == keys).all()
    assert (table.rows[: len(table)] == 7.0).all()
    assert table.find(keys + (1 << 53)).tolist() == [-1] * 5000
