"""Slates of a group: its members are the candidates, whatever they are by then."""

from dataclasses import replace

import pytest

from proffer.app import Rule
from proffer.apps.advisor.entities import EVENTS, USER
from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid, NotFound
from proffer.core.events import ENTITY_SET, Event
from proffer.core.pseudonyms import Pseudonyms
from proffer.core.schema import Attribute, EntityKind, Schema
from proffer.engine.engine import Engine
from proffer.engine.erasing import Eraser
from proffer.engine.replay import Change
from proffer.features.replay import replay
from proffer.stores.sqlite import sqlite_stores

from .grouped import ADVISOR, PLAIN, VIEW, described, made
from .worlds import NOW, accepted, asks, champion, did, new_engine


@pytest.fixture
def engine() -> Engine:
    return made()


def asked(engine, group, n=10, **rest):
    return engine.recommend(asks("u1", n, pipeline="assessment", group=group, **rest))


def ids(decision):
    return [placed.id for placed in decision.slate]


def test_a_groups_members_are_the_candidates_and_none_else(engine):
    decision = asked(engine, "a1")
    assert ids(decision) == ["r0", "r2", "r1", "r3"]  # by confidence
    assert ids(asked(engine, "a2")) == ["x"]
    assert engine.reader.decision(decision.id).query.group == "a1"


def test_a_group_that_nobody_knows_is_named(engine):
    with pytest.raises(NotFound, match="no assessment 'a9'") as error:
        asked(engine, "a9")
    assert error.value.field == "group"
    accepted(engine, {"type": "entity.delete", "actor": {"kind": "assessment", "id": "a1"}})
    with pytest.raises(NotFound, match="no assessment 'a1'"):
        asked(engine, "a1")
    accepted(engine, described("assessment", "a1", industry="bank"))
    assert set(ids(asked(engine, "a1"))) == {"r0", "r1", "r2", "r3"}


def test_a_group_without_members_gets_an_empty_slate_that_says_so(engine):
    decision = asked(engine, "a3")
    assert (decision.slate, decision.fallback) == ((), "the assessment a3 has no recommendations")
    assert engine.replay(decision.id).verdict == "exact"
    accepted(engine, described("recommendation", "late", assessment="a3"))
    assert ids(asked(engine, "a3")) == ["late"]
    assert engine.replay(decision.id).verdict == "exact"


def test_a_group_of_which_nothing_may_be_shown_says_so():
    only_sure = replace(PLAIN, rules=(Rule(do="filter", name="sure", where={"confidence": {"above": 0.9}}),))
    engine = made(replace(ADVISOR, pipelines=(only_sure,)))
    decision = asked(engine, "a1")
    assert (decision.slate, decision.fallback) == ((), "no recommendation of the assessment a1 may be shown")
    steps = {step.step: step for step in engine.explain(decision.query, "r0").steps}
    assert not steps["sure"].passed
    assert steps["proposed"].text == "it is not among the recommendations of a1 that may be shown"


def test_what_was_answered_leaves_a_group_where_a_rule_says_so():
    seen_out = replace(PLAIN, rules=(Rule(do="seen_out", name="done", types=("implement",)),))
    engine = made(replace(ADVISOR, pipelines=(seen_out,)))
    accepted(engine, did("u1", "implement", "r0"), did("u1", "click", "r1"))
    assert set(ids(asked(engine, "a1"))) == {"r1", "r2", "r3"}
    assert set(ids(engine.recommend(asks("u2", pipeline="assessment", group="a1")))) == {"r0", "r1", "r2", "r3"}


def test_a_pin_holds_where_the_item_is_a_member():
    pinned = replace(PLAIN, rules=(Rule(do="pin", name="first", item="r3", position=1),))
    engine = made(replace(ADVISOR, pipelines=(pinned,)))
    assert ids(asked(engine, "a1"))[0] == "r3"
    assert ids(asked(engine, "a2")) == ["x"]


def test_a_group_and_candidates_are_one_too_many(engine):
    with pytest.raises(Invalid, match="the candidates are the assessment's recommendations"):
        asked(engine, "a1", candidates=("r0",))


def test_a_pipeline_that_does_not_retrieve_wants_a_group_or_candidates(engine):
    with pytest.raises(Invalid, match="assessment ranks what it is given") as error:
        engine.recommend(asks("u1", pipeline="assessment"))
    assert "group" in error.value.remedy
    assert ids(engine.recommend(asks("u1", pipeline="assessment", candidates=("x", "r0")))) == [
        "r0",
        "x",
    ]


def test_an_application_without_groups_takes_none():
    with pytest.raises(Invalid, match="a post of feed is nobody's member"):
        new_engine().recommend(asks(group="a1"))


def test_pages_stay_within_a_group(engine):
    first = asked(engine, "a1", 2)
    second = asked(engine, "a1", 2, after=first.id)
    assert sorted(ids(first) + ids(second)) == ["r0", "r1", "r2", "r3"]
    end = asked(engine, "a1", 2, after=second.id)
    assert (end.slate, end.fallback) == ((), second.fallback)
    with pytest.raises(Invalid, match="another subject, pipeline or group"):
        asked(engine, "a2", 2, after=first.id)


def test_a_decision_about_a_group_is_made_again_from_its_members_of_then(engine):
    before = asked(engine, "a1", context={"session": "s"})
    accepted(
        engine,
        described("recommendation", "r9", assessment="a1", confidence=1.0),
        described("recommendation", "r0", assessment="a2"),
        {"type": "entity.delete", "actor": {"kind": "recommendation", "id": "r2"}},
        did("u1", "implement", "r1"),
    )
    assert set(ids(asked(engine, "a1"))) == {"r9", "r1", "r3"}
    for decision in (before, asked(engine, "a1")):
        replayed = engine.replay(decision.id)
        assert replayed.verdict == "exact", replayed.differences


def test_a_merged_group_answers_to_both_names(engine):
    accepted(
        engine,
        {"type": "entity.merge", "actor": {"kind": "assessment", "id": "a1"},
         "target": {"kind": "assessment", "id": "a2"}},
    )  # fmt: skip
    assert set(ids(asked(engine, "a2"))) == set(ids(asked(engine, "a1"))) == {"r0", "r1", "r2", "r3", "x"}


def test_features_of_an_item_tell_of_its_group(engine):
    accepted(engine, described("assessment", "a1", employees=12.0), did("u1", "implement", "r1"))
    told = engine.reader.features(None, "r0")
    assert told["confidence"] == pytest.approx(0.4)
    assert (told["employees"], told["done_here"], told["done_alike"]) == (12.0, 1.0, 0.0)
    assert set(engine.reader.features("u1", None)) == set()


def test_a_ranked_group_is_ranked_whole():
    engine = made()
    for number in range(150):
        accepted(engine, described("recommendation", f"m{number}", assessment="big", confidence=number / 150))
    decision = asked(engine, "big", 200)
    assert ids(decision) == [f"m{number}" for number in reversed(range(150))]
    assert len(decision.considered.ids) == 150


def test_an_erased_group_leaves_its_members_without_it(engine):
    empty, full = asked(engine, "a3"), asked(engine, "a1")
    exported = engine.export(EntityRef("assessment", "a1"))
    assert exported.entities == tuple(f"recommendation/{name}" for name in ("r3", "r1", "r2", "r0"))
    assert exported.attributes == {"industry": "bank"}
    found = engine.erase([EntityRef("assessment", "a1")])
    assert (found.names, found.changed_decisions) == (1, 1)
    engine.erase([EntityRef("assessment", "a3")])
    for name in ("a1", "a3"):
        with pytest.raises(NotFound):
            asked(engine, name)
    group = engine.reader.decision(full.id).query.group
    assert group.startswith("erased")
    assert engine.reader.decision(full.id).slate == full.slate
    assert engine.reader.decision(empty.id).fallback == "the assessment … has no recommendations"
    assert engine.state.attributes(EntityRef("recommendation", "r0"))["assessment"] == group
    with pytest.raises(NotFound):
        asked(engine, group)
    again = replay(engine.stores.log, VIEW, ADVISOR.schema, subject="user", item="recommendation")
    live, fresh = engine.state.snapshot(), again.snapshot()
    assert all(live[name].tobytes() == fresh[name].tobytes() for name in live)


def test_a_model_ranks_a_group_and_its_decisions_are_made_again(engine):
    version = champion(engine, {"confidence": 1.0}, "assessment")
    first = asked(engine, "a1", 3)
    end = asked(engine, "a1", 3, after=asked(engine, "a1", 3, after=first.id).id)
    empty = asked(engine, "a3")
    assert (first.model, first.fallback, ids(first)) == (version, None, ["r0", "r2", "r1"])
    assert (end.model, end.fallback, end.slate) == (version, None, ())
    assert (empty.model, empty.fallback) == ("confidence", "the assessment a3 has no recommendations")
    accepted(engine, described("recommendation", "r9", assessment="a1", confidence=1.0))
    for decision in (first, end, empty):
        replayed = engine.replay(decision.id)
        assert replayed.verdict == "exact", replayed.differences
    changed = engine.replay(first.id, Change(model=version)).otherwise
    assert ids(changed.decision) == ids(first)


def test_a_group_survives_on_disk(tmp_path):
    engine = made(stores=sqlite_stores(tmp_path))
    decision = asked(engine, "a1")
    engine.close()
    again = made(stores=sqlite_stores(tmp_path), filled=False)
    assert again.reader.decision(decision.id).query.group == "a1"
    assert again.replay(decision.id).verdict == "exact"
    assert [again.state.ids[item] for item in again.state.members("a1")] == ["r3", "r1", "r2", "r0"]
    again.close()


def test_a_group_that_is_a_person_leaves_nothing_in_its_members():
    post = EntityKind("post", (Attribute("desk", "text", role="group", kind="user"),))
    schema = Schema(EVENTS, (USER, post))
    names = Pseudonyms({1: b"k" * 32})
    eraser = Eraser([EntityRef("user", "ann")], {}, schema, names, subject="user", item="post")
    fact = Event(id="1", type=ENTITY_SET, at=NOW, actor=EntityRef("post", "p"), fields={"desk": "ann"}, sequence=1)
    assert eraser.event(fact).fields == {"desk": None}
    assert eraser.met == {EntityRef("user", "ann")}
    other = Event(id="2", type=ENTITY_SET, at=NOW, actor=EntityRef("post", "p"), fields={"desk": "anna"}, sequence=2)
    assert eraser.event(other) is None
