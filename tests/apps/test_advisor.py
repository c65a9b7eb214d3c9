"""The advisor's declaration, and what it decides."""

import string
from typing import Any

import numpy as np
import pytest

from proffer.app import SOURCE
from proffer.apps.advisor.app import SHARES, app
from proffer.apps.advisor.features import SCOPES
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid
from proffer.core.queries import Query
from proffer.engine.engine import Engine
from proffer.engine.fitted import unfitted
from proffer.models.retrievers.content import Content
from proffer.stores.memory import memory_stores

from .assessed import ANN, BOB, EVA, NOW, PAST, act, facts

PIPELINE = app.pipelines[0]
GRADES = {
    "implement": 1.0, "save": 0.8, "share": 0.6, "click": 0.4, "view": 0.1, "dismiss": -1.0, "impression": 0.0,
}  # fmt: skip


def new_engine(*events: Any, past: Any = PAST, **changed: Any) -> Engine:
    clock = FixedClock(NOW)
    stores = memory_stores(clock)
    stores.log.append([*facts(**changed), *past, *events])
    return Engine(app, "advisor", stores, clock=clock, ids=CountingIds(), deadline_ms=60_000.0)


def asks(user: EntityRef = ANN, group: str | None = "a1", **rest: Any) -> Query:
    rest = {"n": 10, "diversity": 1.0, **rest}
    return Query(id="q", pipeline="assessment", subject=user, at=NOW, group=group, **rest)


def shown(engine: Engine, *args: Any, **rest: Any) -> list[str]:
    return [placed.id for placed in engine.recommend(asks(*args, **rest)).slate]


def test_it_has_more_columns_than_asked_for_and_says_how_each_is_made():
    assert len(app.view.columns) >= 80
    assert all(formula and window for _, formula, window, _ in app.view.describe())
    assert not [name for name in app.view.columns if "position" in name]


def test_rows_stay_within_their_budgets():
    for scope in SCOPES:
        assert app.view.widths[scope.name] <= (16 if scope.pair else 128)


@pytest.mark.parametrize("name", GRADES)
def test_the_grade_of_each_event(name):
    assert app.weights[name] == GRADES[name]


@pytest.mark.parametrize(
    ("type", "value", "grade"),
    [("view", 0.0, 0.1), ("view", 1.0, 0.1), ("view", 60.0, 0.4), ("view", 900.0, 0.4), ("rate", 5.0, 1.0),
     ("rate", 4.0, 0.8), ("rate", 3.0, 0.6), ("rate", 2.0, -0.5), ("rate", 1.0, -1.0)],
)  # fmt: skip
def test_seconds_and_stars_are_graded(type, value, grade):
    assert app.labels.scales[type].grade(value) == pytest.approx(grade)


def test_a_plain_value_fills_a_number_that_the_event_has():
    for type, field in app.values.items():
        assert {each.name: each.type for each in app.schema.events[type].fields}[field] == "number"


def test_every_reason_names_columns_or_sources_that_there_are_in_both_languages():
    sources = unfitted(PIPELINE).sources
    assert len(PIPELINE.templates) >= 25
    for template in PIPELINE.templates:
        for name in (template.column, *(name for name, _ in template.also), *template.akin):
            known = sources if name.startswith(SOURCE) else app.view.columns
            assert name.removeprefix(SOURCE) in known, template
        fields = [{name for _, name, _, _ in string.Formatter().parse(words) if name}
                  for words in (template.en, template.sv)]  # fmt: skip
        assert fields[0] == fields[1] <= {"category", "title", "value"}
        assert template.en != template.sv
    assert len({template.code for template in PIPELINE.templates}) == len(PIPELINE.templates)


def test_what_was_done_with_others_is_not_said_of_a_recommendation():
    bare = {f"a1_{n}": {**BARE, "category": "security"} for n in (1, 2, 3, 4)}
    opened = [act(BOB, "view", f"a2-{n}", n) for n in (1, 2, 3)] + [act(BOB, "click", "a2-1", 2)]
    praised = [act(BOB, "rate", f"a2-{n}", n, stars=5.0) for n in (1, 2, 3)]

    def told(*events, user=BOB):
        engine = new_engine(*opened, *praised, *events, past=(), **bare)
        slate = engine.recommend(asks(user)).slate
        return {(reason.code, placed.id) for placed in slate for reason in placed.reasons}

    codes = {code for code, _ in told()}
    assert not codes & {"well_rated", "often_opened", "colleagues"}
    assert ("well_rated", "a1-2") in told(act(ANN, "rate", "a1-2", 15, stars=5.0))
    assert ("well_rated", "a1-2") not in told(act(ANN, "rate", "a1-2", 15, stars=3.0))
    own = [act(ANN, type, "a1-1", day) for type, day in (("view", 15), ("click", 15), ("save", 16))]
    assert ("colleagues", "a1-1") not in told(*own, user=ANN)
    assert ("colleagues", "a1-1") in told(*own, user=EVA)
    twice = [act(user, "view", "a1-3", 16) for user in (ANN, EVA)]
    assert ("often_opened", "a1-3") in told(*twice, act(ANN, "click", "a1-3", 17), act(EVA, "click", "a1-3", 17))


def test_objectives_are_columns_in_their_units():
    told = {name: (each.column, each.better) for name, each in PIPELINE.objectives.items()}
    assert told == {
        "quality": (None, "more"), "cost": ("r_saving", "more"), "risk": ("r_risk", "less"),
        "effort": ("r_effort", "less"),
    }  # fmt: skip


def test_without_a_model_the_order_is_that_of_confidence():
    decision = new_engine().recommend(asks(EntityRef("user", "new")))
    assert [placed.id for placed in decision.slate] == ["a1-4", "a1-3", "a1-2", "a1-1"]
    assert decision.model == "confidence"
    assert decision.fallback
    assert all(placed.reasons for placed in decision.slate)


def test_what_the_user_did_or_dismissed_leaves_the_list_unless_named_or_told_otherwise():
    engine = new_engine(act(ANN, "implement", "a1-1", 11))
    assert shown(engine) == ["a1-4", "a1-2"]
    assert shown(engine, BOB) == ["a1-4", "a1-3", "a1-2", "a1-1"]
    assert sorted(shown(engine, group=None, candidates=("a1-1", "a1-3"))) == ["a1-1", "a1-3"]
    engine.configure({"rules": {"assessment": []}})
    assert len(shown(engine)) == 4


def test_what_has_expired_is_not_shown():
    assert "a1-4" not in shown(new_engine(a1_4={"expires": NOW.isoformat()}))
    assert "a1-4" in shown(new_engine(a1_4={"expires": None}))


BARE = dict.fromkeys(("category", "text", "title", "tags", "action", "provider", "confidence", "saving", "cost",
                      "effort", "risk", "priority", "language", "created", "expires"))  # fmt: skip


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_one_without_category_text_or_numbers_is_ranked_like_any(share):
    for changes in ({"a1_2": BARE}, {f"a1_{n}": BARE for n in (1, 2, 3, 4)}):
        found = new_engine(**changes).recommend(asks(BOB, diversity=share))
        assert sorted(placed.id for placed in found.slate) == ["a1-1", "a1-2", "a1-3", "a1-4"]
        assert all(np.isfinite(placed.score) for placed in found.slate)
        assert all(placed.reasons for placed in found.slate)


@pytest.mark.parametrize("number", [1e308, -1e308, 5e-324, 0.0])
def test_extreme_numbers_are_ranked_too(number):
    told = dict.fromkeys(("confidence", "saving", "cost", "effort", "risk"), number)
    engine = new_engine(a1_2=told, a1=dict.fromkeys(("budget", "spend", "employees"), number))
    for weights in (None, {"cost": 1.0, "risk": 0.5, "effort": 0.5}):
        found = engine.recommend(asks(BOB, objectives=weights))
        assert len(found.slate) == 4
        assert all(np.isfinite(placed.score) for placed in found.slate)


def test_an_unknown_level_is_refused_with_those_there_are():
    with pytest.raises(Invalid, match="urgent") as told:
        app.schema.attributes("recommendation", {"priority": "urgent"})
    assert "critical" in str(told.value.remedy)


@pytest.mark.parametrize("weights", [{}, {"confidence": 0.4, "interest": 1.0, "content": 0.5}])
def test_a_decision_is_made_again_exactly(weights):
    engine = new_engine()
    if weights:
        from tests.engine.worlds import champion

        champion(engine, weights, "assessment")
    decision = engine.recommend(asks(diversity=0.7, objectives={"quality": 1.0, "cost": 0.5}))
    engine.record([{"type": "save", "actor": "ann", "target": "a1-2", "at": NOW.isoformat()}])
    assert engine.replay(decision).verdict == "exact"


def vectors(*items: dict[str, Any]) -> np.ndarray:
    content = Content(shares=SHARES)
    return np.array([content.encode(item) for item in items])


WORDS = {"category": "security", "tags": ["keys", "iam"], "title": "Rotate the keys", "text": "Every month, by a job."}
OTHER = {"category": "cost", "tags": ["storage"], "title": "Kall lagring", "text": "Flytta gammalt innehåll dit."}


@pytest.mark.parametrize("name", SHARES)
def test_two_alike_in_one_attribute_alone_are_as_alike_as_its_share(name):
    one, other = vectors(WORDS, {**OTHER, name: WORDS[name]})
    assert float(one @ other) == pytest.approx(SHARES[name], abs=0.12)
    far, farther = vectors(WORDS, OTHER)
    assert float(far @ farther) == pytest.approx(0.0, abs=0.12)


def test_what_an_item_lacks_leaves_its_share_to_the_rest():
    one, other = vectors({"category": "security"}, {"category": "security", "tags": ["keys"]})
    assert float(one @ other) == pytest.approx(np.sqrt(0.5 / 0.7), abs=0.05)
    assert Content(shares=SHARES).encode({"provider": "aws", "language": "sv", "author": "x"}) is None


def test_provider_and_language_do_not_make_alike():
    one, other = vectors({**WORDS, "provider": "aws", "language": "sv"}, {**WORDS, "provider": "gcp"})
    assert np.array_equal(one, other)


def test_the_chance_of_implementing_is_told_with_an_interval():
    engine = new_engine()
    done, shown_only = engine.predict([("ann", "a2-1"), ("ann", "a1-4")])
    assert done.estimate.value > shown_only.estimate.value
    assert shown_only.estimate.low < shown_only.estimate.value < shown_only.estimate.high


def test_a_slate_needs_an_assessment_or_candidates():
    with pytest.raises(Invalid, match="ranks what it is given"):
        new_engine().recommend(asks(group=None))
