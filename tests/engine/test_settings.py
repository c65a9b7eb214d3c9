"""Settings that change while the engine runs."""

from dataclasses import replace

import pytest

from proffer.apps.advisor.app import app as advisor
from proffer.apps.feed.app import HOME, app
from proffer.core.errors import Invalid
from proffer.engine.plan import Budget
from proffer.stores.memory import memory_stores
from tests.engine.worlds import DAY, NOW, accepted, asks, champion, did, few_posts, new_engine, post, shown, toy


def test_heuristic_weights_take_effect_on_the_next_decision():
    engine = new_engine()
    few_posts(engine)
    accepted(engine, *(did(f"v{n}", "view", "a", NOW - DAY / 24) for n in range(30)))
    assert shown(engine, n=1) == ["a"]
    engine.configure({"heuristics": {"personal": {"i_pop_1d": 0.0, "i_pop_6h": 0.0}}})
    assert shown(engine) == list("fedcba")
    assert engine.settings.heuristics == {"personal": {"i_pop_1d": 0.0, "i_pop_6h": 0.0}}


def test_a_member_is_replaced_and_the_others_stay():
    engine = new_engine()
    engine.configure({"diversity": {"home": 0.5}, "labels": {"like": 9.0}})
    engine.configure({"diversity": {"similar": 0.2}})
    assert engine.settings.diversity == {"similar": 0.2}
    assert engine.settings.labels == {"like": 9.0}


def test_settings_outlive_the_engine_and_are_part_of_the_log():
    stores = memory_stores()
    first = new_engine(stores=stores)
    first.configure({"labels": {"view": 0.5}})
    assert new_engine(stores=stores).settings == first.settings
    assert [event.type for events in stores.log.scan() for event in events] == ["settings.set"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"labels": {"nope": 1.0}}, "labels"),
        ({"labels": {"view": float("nan")}}, "labels.view"),
        ({"labels": {"view": float("inf")}}, "labels.view"),
        ({"labels": {"view": "1"}}, "settings"),
        ({"content": {"colour": 1.0}}, "content"),
        ({"content": {"title": -1.0}}, "content.title"),
        ({"content": {"title": float("nan")}}, "content.title"),
        ({"heuristics": {"nope": {}}}, "heuristics"),
        ({"heuristics": {"personal": {"nope": 1.0}}}, "nope"),
        ({"heuristics": {"personal": {"i_freshness": float("nan")}}}, "heuristics.personal.i_freshness"),
        ({"diversity": {"home": 2.0}}, "diversity.home"),
        ({"diversity": {"nope": 1.0}}, "diversity"),
        ({"rules": {"nope": []}}, "rules"),
        ({"colour": "red"}, "settings"),
    ],
)
def test_wrong_settings_are_refused_with_nothing_written(values, field):
    engine = new_engine()
    few_posts(engine)
    before, slate = engine.stores.log.last(), shown(engine)
    with pytest.raises(Invalid) as caught:
        engine.configure(values)
    assert caught.value.field == field
    assert engine.stores.log.last() == before
    assert shown(engine) == slate


def test_settings_that_an_application_no_longer_takes_do_not_stop_it():
    stores = memory_stores()
    first = new_engine(stores=stores)
    few_posts(first)
    first.configure({"heuristics": {"engagement": {"i_view_7d": 9.0}}, "diversity": {"home": 0.4}})
    without = replace(HOME, heuristics={"personal": HOME.heuristics["personal"]}, ladder=("personal", "newest"))
    engine = new_engine(stores=stores, app=replace(app, pipelines=(without, *app.pipelines[1:])))
    assert len(shown(engine)) == 6
    assert engine.settings.diversity == {"home": 0.4}
    assert engine.settings.heuristics == {}


def test_settings_are_read_anew_only_when_they_change():
    engine = new_engine()
    few_posts(engine)
    held = engine.settings
    accepted(engine, did("u1", "view", "a"))
    assert engine.settings is held
    engine.configure({"labels": {"view": 3.0}})
    assert engine.settings is not held


def test_content_weights_decide_what_resembles():
    engine = new_engine()
    accepted(
        engine, post("seed", title="ocean harbour ferry", category="food"),
        post("words", title="ocean harbour ferry", category="music"), post("kind", title="zebra quiz", category="food"),
    )  # fmt: skip
    ask = {"pipeline": "similar", "context": {"item": "seed"}, "n": 1}
    engine.configure({"content": {"title": 1.0, "category": 0.0}})
    assert shown(engine, **ask) == ["words"]
    engine.configure({"content": {"title": 0.0, "category": 1.0}})
    assert shown(engine, **ask) == ["kind"]


def test_label_weights_decide_what_training_takes_for_wanted():
    events = toy().events[:7000]
    engine = new_engine(events)
    engine.configure({"labels": {"view": 0.0, "comment": 0.0, "share": 0.0, "bookmark": 0.0}})
    version = engine.train(budget=Budget.of(1))
    assert 0 < version.metrics["wanted"] <= sum(event.type == "like" for event in events)
    assert version.metrics["wanted"] < new_engine(events).train(budget=Budget.of(1)).metrics["wanted"]


def test_labels_do_not_disturb_what_serves():
    engine = new_engine(toy().events)
    champion(engine, {"newest": 1.0})
    slate = engine.recommend(asks("u5")).slate
    engine.configure({"labels": {"view": -1.0}})
    assert [placed.id for placed in engine.recommend(asks("u5")).slate] == [placed.id for placed in slate]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"grading": {"scales": {"view": {"field": "minutes", "points": [[0, 1]]}}}}, "grading.scales.view.field"),
        ({"grading": {"scales": {"click": {"field": "seconds", "points": [[0, 1]]}}}}, "grading.scales.click.field"),
        ({"grading": {"scales": {"nod": {"field": "seconds", "points": [[0, 1]]}}}}, "grading.scales"),
        ({"grading": {"scales": {"view": {"field": "seconds", "points": []}}}}, "grading.scales.view.points"),
        (
            {"grading": {"scales": {"view": {"field": "seconds", "points": [[2, 1], [2, 2]]}}}},
            "grading.scales.view.points",
        ),
        ({"grading": {"scales": {"view": {"field": "seconds", "points": [[0, 5e3]]}}}}, "grading.scales.view.points"),
        ({"grading": {"outweighed": float("nan")}}, "grading.outweighed"),
        ({"grading": {"window_hours": 0.0}}, "grading.window_hours"),
        ({"grading": {"combine": "mean"}}, "settings"),
        ({"training": {"validation_split": 1.0}}, "training.validation_split"),
        ({"training": {"min_interactions": 2.5}}, "training.min_interactions"),
        ({"training": {"lookback": 3}}, "training"),
    ],
)
def test_grading_and_training_settings_are_checked(values, field):
    with pytest.raises(Invalid) as caught:
        advisor.settings(values)
    assert caught.value.field == field


def test_what_settings_leave_out_of_grading_stays_as_declared():
    points = [[0, 0.0], [10, 1.0]]
    settings = advisor.settings(
        {"grading": {"window_hours": 1, "scales": {"view": {"field": "seconds", "points": points}}}}
    )
    labels = advisor.labels_in_force(settings)
    assert labels.window.total_seconds() == 3600
    assert labels.scales["view"].grade(5) == 0.5
    assert labels.scales["rate"] == advisor.labels.scales["rate"]
    assert (labels.outweighed, labels.gain) == (advisor.labels.outweighed, advisor.labels.gain)
