"""The advisor's columns: each says what it should, changes when it should, and is the same however it is made."""

import math
from datetime import timedelta
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proffer.apps.advisor.app import app
from proffer.core.entities import EntityRef
from proffer.core.events import ENTITY_MERGE, ENTITY_SET, Event
from proffer.features.state import State

from .assessed import ANN, BOB, EVA, NOW, PAST, START, act, column, facts, folded, matrix

COLUMNS = app.view.columns
DISMISSAL = act(ANN, "dismiss", "a1-1", 11)


def changed(before: np.ndarray, after: np.ndarray) -> set[str]:
    """Return the columns in which two matrices of the same candidates differ."""
    differ = ~((before == after) | (np.isnan(before) & np.isnan(after))).all(axis=0)
    return {name for name, other in zip(COLUMNS, differ, strict=True) if other}


BASE = matrix(folded([*facts(), *PAST]), device="mobile")


def other(*acts: Event, at=NOW, device="mobile", **rest) -> set[str]:
    return changed(BASE, matrix(folded([*facts(**rest), *PAST, *acts]), at=at, device=device))


ATTRIBUTES = {
    "risk": ({"risk": 0.9}, {"r_risk", "list_low_risk", "list_diff_risk"}),
    "confidence": (
        {"confidence": 0.99}, {"r_confidence", "r_expected_saving", "list_rank_confidence", "list_diff_confidence"},
    ),
    "urgency": ({"priority": "critical"}, {"r_priority", "list_rank_priority", "list_diff_priority"}),
    "title": ({"title": "Ett steg av flera ord"}, {"len_title", "ar_goals_cos", "list_rank_goals", "aff_text"}),
    "expiry": ({"expires": "2028-01-01T00:00:00+00:00"}, {"r_expires_in"}),
    "language": ({"language": "en"}, {"lang_match"}),
    "made": ({"created": "2026-03-09T00:00:00+00:00"}, {"r_age", "list_low_age"}),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_changes_its_columns_and_no_others(name):
    values, expected = ATTRIBUTES[name]
    # Of a recommendation of which the user wanted nothing: what was wanted is remembered as it was.
    assert other(a1_2=values) - {"list_rank_goals"} == expected - {"list_rank_goals"}


def test_every_column_changes_by_something():
    """One change after the other: acts of the user and of others, attributes of all sides, time and request."""
    seen: set[str] = set()
    for user, type, item in product((ANN, BOB, EVA), app.weights, ("a1-1", "a1-4", "a2-4")):
        seen |= other(act(user, type, item, 12, seconds=300.0, stars=1.0))
    seen |= other(*(act(ANN, "save", "a1-1", day) for day in (12, 13)))
    for values, _ in ATTRIBUTES.values():
        seen |= other(a1_2=values)
    for fields in (
        {"saving": 900.0}, {"cost": 9.0}, {"effort": 99.0}, {"category": "security"}, {"action": "backups"},
        {"provider": "gcp"}, {"tags": ["compute"]}, {"text": "Annat"},
    ):  # fmt: skip
        seen |= other(a1_1=fields) | other(a1_2=fields)
    for fields in (
        {"company_size": "small"}, {"employees": 5.0}, {"budget": 9.0}, {"spend": 9.0}, {"providers": ["azure"]},
        {"provider": "gcp"}, {"priority": "security"}, {"industry": "bank"}, {"workload": "batch"}, {"owner": "bob"},
        {"goals": "Byt nycklar"}, {"created": "2026-03-05T00:00:00+00:00"},
    ):  # fmt: skip
        seen |= other(a1=fields)
    seen |= other(ann={"role": "finance", "company": "bolt", "language": "en"})
    seen |= other(at=NOW + timedelta(days=5, hours=7)) | other(device="desktop")
    longer = act(ANN, "view", "a1-9", 12)
    more = folded([*facts(), Event(id="more", type=ENTITY_SET, at=START, actor=EntityRef("recommendation", "a1-9"),
                                   fields={"assessment": "a1", "category": "security"}), *PAST, longer])  # fmt: skip
    seen |= changed(BASE, matrix(more, device="mobile")[:4])
    assert sorted(set(COLUMNS) - seen) == []


def test_what_the_user_did_is_in_the_next_columns():
    before, after = folded([*facts(), *PAST]), folded([*facts(), *PAST, DISMISSAL])
    assert column(before, "ui_dismissed") == [0, 0, 1, 0]
    assert column(after, "ui_dismissed") == [1, 0, 1, 0]
    assert column(after, "ui_last_grade")[0] == -1.0
    assert column(after, "ui_open") == [0, 0, 0, 1]
    assert column(after, "list_open") == [0.25] * 4


def test_the_last_answer_counts_what_the_labels_say():
    one_star = [*PAST, act(ANN, "rate", "a1-1", 12, stars=1.0), act(ANN, "view", "a1-3", 12, seconds=60.0)]
    assert column(folded([*facts(), *one_star]), "ui_last_grade")[:3] == pytest.approx([-1.0, 1.0, 0.4])
    mean = column(folded([*facts(), *PAST]), "u_grade_mean")
    assert column(folded([*facts(), *PAST, act(ANN, "rate", "a1-1", 12, stars=1.0)]), "u_grade_mean") == mean


def test_the_assessment_meets_its_recommendations():
    state = folded([*facts(), *PAST])
    assert column(state, "ar_priority_match") == [1, 1, 0, 0]
    assert column(state, "ar_provider_match") == [1, 1, 0, 0]
    assert column(state, "ar_provider_used") == [1, 1, 1, 0]
    assert column(state, "ua_is_owner") == [1] * 4
    assert column(state, "ua_is_owner", BOB) == [0] * 4
    told = column(state, "ar_saving_of_spend")
    assert told == pytest.approx([math.log1p(100.0 * n / 2000.0) for n in (1, 2, 3, 4)])
    assert column(state, "r_payback")[0] == pytest.approx(100 / 500)
    assert column(state, "a_company_size") == [1] * 4
    assert column(state, "ar_goals_cos")[0] > column(state, "ar_goals_cos")[2]


def test_others_with_an_assessment_alike_count_for_a_new_one():
    """Bob implemented `rightsize` and dismissed `rotate_keys` in a2, which a1 is like."""
    state = folded([*facts(), *PAST[:11]])
    done = column(state, "cf_industry_done")
    assert done[0] == max(done) > done[2] == min(done)
    assert column(state, "cf_alike")[0] > column(state, "cf_alike")[1]
    stranger = folded([*facts(a1={"industry": "bank", "company_size": "small", "workload": "batch"}), *PAST[:11]])
    assert column(stranger, "cf_industry_seen") == [0] * 4
    assert column(stranger, "cf_industry_done")[0] < done[0]


def test_a_rate_needs_no_impressions():
    """Views, or clicks alone, are exposures where nothing else is tracked."""
    clicks = folded([*facts(), act(BOB, "click", "a1-1", 1), act(BOB, "click", "a1-2", 1), act(BOB, "save", "a1-1", 2)])
    assert column(clicks, "i_ctr_30d") == pytest.approx([1.0] * 4, abs=0.01)
    assert column(clicks, "i_save_share_rate")[0] > column(clicks, "i_save_share_rate")[1]
    assert np.isnan(column(folded(facts()), "i_ctr_30d")).all()


BARE = dict.fromkeys(("category", "text", "title", "tags", "action", "provider", "confidence", "saving", "cost",
                      "effort", "risk", "priority", "language", "created", "expires"))  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{"a1_1": BARE}, {f"a1_{n}": BARE for n in (1, 2, 3, 4)}, {"a1": dict.fromkeys(("title", "goals", "owner",
     "industry", "company_size", "employees", "budget", "spend", "workload", "priority", "providers", "provider",
     "created"))}, {"ann": {"role": None, "company": None, "language": None}}],
)  # fmt: skip
def test_what_is_not_known_is_nan_and_no_error(changes):
    found = matrix(folded([*facts(**changes), *PAST, DISMISSAL]))
    assert not np.isinf(found).any()
    assert np.isfinite(found[:, COLUMNS.index("u_events_7d")]).all()


EXTREME = (0.0, -0.0, 5e-324, 1e308, -1e308, 1.5, -3.0, 2.0**53)


@given(st.lists(st.sampled_from(EXTREME), min_size=9, max_size=9))
@settings(deadline=None, max_examples=40)
def test_extreme_numbers_are_finite_columns(drawn):
    names = ("confidence", "saving", "cost", "effort", "risk")
    recommendation = dict(zip(names, drawn, strict=False))
    assessment = dict(zip(("employees", "budget", "spend"), drawn[5:], strict=False))
    with np.errstate(all="raise", under="ignore"):
        found = matrix(folded([*facts(a1_1=recommendation, a1_2={"saving": drawn[8]}, a1=assessment), *PAST]))
    assert not np.isinf(found).any()


acts = st.builds(
    act, st.sampled_from((ANN, BOB, EVA)), st.sampled_from(sorted(app.weights)),
    st.sampled_from([f"a{group}-{n}" for group in (1, 2) for n in (1, 2, 3, 4)]), st.floats(0, 15),
    seconds=st.floats(0, 1000), stars=st.integers(1, 5).map(float),
)  # fmt: skip
logs = st.lists(acts, max_size=25).map(
    lambda done: [replace(each, id=str(place)) for place, each in enumerate([*facts(), *done])]
)


@given(logs, st.integers(0, 40))
@settings(deadline=None, max_examples=25)
def test_folding_at_once_one_by_one_or_from_a_snapshot_gives_the_same_bits(log, cut):
    log = [replace(each, sequence=place) for place, each in enumerate(log, 1)]
    whole, singly = folded(log), State(app.view, app.schema, subject=app.subject, item=app.item)
    for each in log:
        singly.fold([each])
    cut = min(cut, len(log))
    early = folded(log[:cut])
    kinds = {"subject": app.subject, "item": app.item}
    again = State.restore(app.view, app.schema, position=cut, arrays=early.snapshot(), **kinds)
    again.fold(log[cut:])
    for group in ("a1", "a2"):
        wanted = matrix(whole, group=group)
        assert np.array_equal(matrix(singly, group=group), wanted, equal_nan=True)
        assert np.array_equal(matrix(again, group=group), wanted, equal_nan=True)
        assert not np.isinf(wanted).any()


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_read_alone_is_that_of_the_matrix(name):
    state = folded([*facts(), *PAST])
    whole = matrix(state, device="mobile")[:, COLUMNS.index(name)]
    for _ in range(2):
        batch = state.batch(ANN, state.members("a1"), NOW.timestamp(), {"device": "mobile"})
        assert np.array_equal(app.view.some(batch, [name])[:, 0], whole, equal_nan=True)


def test_a_column_that_is_not_of_the_list_does_not_depend_on_it():
    state = folded([*facts(), *PAST])
    whole = matrix(state)
    alone = np.vstack([app.view.matrix(state.batch(ANN, state.members("a1")[place : place + 1], NOW.timestamp(), {}))
                       for place in range(4)])  # fmt: skip
    listed = {name for name, _, window, stage in app.view.describe() if window == "list" or stage == "list"}
    assert changed(whole, alone) <= listed
    assert app.view.matrix(state.batch(ANN, np.empty(0, np.int64), NOW.timestamp(), {})).shape == (0, len(COLUMNS))


def test_a_visitor_who_is_recognised_has_done_it_all():
    visitor = EntityRef("user", "visitor")
    as_visitor = [replace(each, actor=visitor) if each.actor == ANN else each for each in PAST]
    merge = Event(id="merge", type=ENTITY_MERGE, at=NOW, actor=ANN, target=visitor)
    merged, known = folded([*facts(), *as_visitor, merge]), folded([*facts(), *PAST])
    # The visitor had no role and no company when it happened.
    theirs = {name for name in COLUMNS if name.startswith(("cf_role", "cf_company", "g_company"))}
    assert changed(np.round(matrix(merged), 5), np.round(matrix(known), 5)) <= theirs


def test_nothing_tells_the_place():
    """Where something was shown changes no column."""
    places = [replace(each, fields={"position": 7.0}) if each.type == "impression" else each for each in PAST]
    assert np.array_equal(matrix(folded([*facts(), *places])), matrix(folded([*facts(), *PAST])), equal_nan=True)
