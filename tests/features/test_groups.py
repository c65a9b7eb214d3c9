"""Groups: who is whose member, and what an event and a candidate know of the group."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.core.entities import EntityRef, stable_key
from proffer.features import accumulators as acc
from proffer.features import counts
from proffer.features.base import Scope, each
from proffer.features.state import State
from proffer.features.view import FeatureView

from .world import (
    FORUMS,
    POSTS,
    SCHEMA,
    START,
    USERS,
    VIEW,
    WANTED,
    assert_same,
    event,
    exact,
    folded,
    logs,
    new_state,
    numbered,
)

NOW = START.timestamp()
IDS = [post.id for post in POSTS]


class Members:
    """The members of every forum by definition: a dictionary of attributes, names that lead elsewhere, a list."""

    def __init__(self, log):
        self.leads, self.known, self.gone, self.posts, self.forums = {}, {}, set(), [], set()
        for e in log:
            if e.type in SCHEMA.events or e.type.startswith("entity."):
                self._take(e)

    def of(self, ref):
        while ref in self.leads:
            ref = self.leads[ref]
        return ref

    def members(self, forum):
        forum = self.of(forum)
        if forum in self.gone:
            return []
        return [p.id for p in self.posts if p not in self.leads and self._forum(p) == forum]

    def _take(self, e):
        actor, target = self.of(e.actor), None if e.target is None else self.of(e.target)
        for ref in (actor, target):
            if ref is not None and ref.kind == "post" and ref not in self.posts:
                self.posts.append(ref)
            self.forums |= {ref} if ref is not None and ref.kind == "forum" else set()
        if e.type == "entity.set":
            both = {**self.known.get(actor, {}), **e.fields}
            self.known[actor] = {name: value for name, value in both.items() if value is not None}
            self.gone.discard(actor)
        elif e.type == "entity.delete":
            self.known.pop(actor, None)
            self.gone.add(actor)
        elif e.type == "entity.merge" and actor != target:
            theirs = self.known.pop(target, None)
            self.leads[target] = actor
            if theirs is not None and not (actor in self.gone and actor.kind != "user"):
                self.known[actor] = {**theirs, **self.known.get(actor, {})}
        if actor.kind == "post" and (named := self.known.get(self.of(actor), {}).get("forum")):
            self.forums.add(EntityRef("forum", named))

    def _forum(self, post):
        named = self.known.get(post, {}).get("forum")
        return None if named is None else self.of(EntityRef("forum", named))


@given(logs, st.integers(0, 60))
@settings(deadline=None, max_examples=150)
def test_members_are_those_whose_attributes_name_the_group(log, cut):
    state, told = folded(log), Members(log)
    early = folded(log[:cut])
    again = State.restore(VIEW, SCHEMA, subject="user", item="post", position=len(log[:cut]), arrays=early.snapshot())
    again.fold(log[cut:])
    for forum in (*FORUMS, EntityRef("forum", "nope")):
        for one in (state, again):
            found = one.members(forum.id)
            assert [one.ids[item] for item in found] == told.members(forum)
            assert (np.diff(found) > 0).all()
            assert one.available()[found].all()
            assert one.has_group(forum.id) == (
                (told.of(forum) in told.forums or forum in told.leads) and told.of(forum) not in told.gone
            )
    keys = state.column("group")
    for item, post in enumerate(state.ids):
        forum = None if told.of(EntityRef("post", post)).id != post else told._forum(EntityRef("post", post))
        assert keys[item] == (0 if forum is None else stable_key("forum", forum.id))


def forum(at, ref, **fields):
    return event("entity.set", at, ref, None, fields)


def test_an_item_belongs_to_one_group_at_a_time():
    first, second = FORUMS[:2]
    log = [forum(n, post, forum=first.id) for n, post in enumerate(POSTS)]
    state = folded(numbered(log))
    assert state.members("f0").tolist() == [0, 1, 2, 3]
    state.fold([event("entity.set", 9, POSTS[1], None, {"forum": second.id}, sequence=5)])
    assert (state.members("f0").tolist(), state.members("f1").tolist()) == ([0, 2, 3], [1])
    state.fold([event("entity.set", 9, POSTS[1], None, {"forum": None}, sequence=6)])
    state.fold([event("entity.delete", 9, POSTS[0], sequence=7)])
    assert (state.members("f0").tolist(), state.members("f1").tolist()) == ([2, 3], [])
    assert state.has_group("f1")
    assert not state.members("f0").flags.writeable


def test_each_event_knows_the_group_as_it_was_then():
    log = []
    for n, topic in enumerate(("food", "music", "food")):
        log += [forum(n, FORUMS[0], topic=topic), event("like", n, USERS[0], POSTS[0])]
    log.insert(0, event("entity.set", 0, POSTS[0], None, {"forum": "f0", "category": "food"}))
    log += [event("entity.set", 5, POSTS[0], None, {"forum": "f1"}), event("like", 6, USERS[0], POSTS[0])]
    state = folded(numbered(log))
    rows = {t: state.row("forum_category", stable_key("category", t), stable_key("category", "food"))
            for t in ("food", "music")}  # fmt: skip
    assert (rows["food"].tolist(), rows["music"].tolist()) == ([2.0], [1.0])
    assert [state.row("forum", stable_key("forum", name))[0] for name in ("f0", "f1")] == [3.0, 1.0]


def test_an_event_about_a_group_itself_is_of_that_group():
    schema = type(SCHEMA)(
        (*(e for e in SCHEMA.events.values() if e.name != "like"),
         type(SCHEMA.events["like"])("like", "user", ("post", "forum"), weight=1.0)),
        tuple(SCHEMA.entities.values()),
    )  # fmt: skip
    view = FeatureView(
        "f", (Scope("forum", ("group",)), Scope("tone", ("group.tone",)), Scope("item", ("target",))),
        (counts.Count("g", "forum", acc.Total(each("like"))), counts.Count("t", "tone", acc.Total(each("like"))),
         counts.Count("i", "item", acc.Total(each("like")))),
    )  # fmt: skip
    state = State(view, schema, subject="user", item="post")
    state.fold(numbered([
        forum(0, FORUMS[0], tone="kind"), event("entity.set", 0, POSTS[0], None, {"forum": "f0"}),
        event("like", 1, USERS[0], FORUMS[0]), event("like", 2, USERS[0], POSTS[0]),
    ]))  # fmt: skip
    assert view.matrix(state.batch(USERS[0], state.ordinals(["p0"]), NOW, {})).tolist() == [[2.0, 2.0, 1.0]]


def test_what_candidates_share_has_one_row():
    log = [forum(0, FORUMS[0], size=5.0, text="Svensk matlagning"), *(forum(0, post, forum="f0") for post in POSTS[:3])]
    state = folded(numbered([*log, forum(0, POSTS[3], forum="f1")]))
    one = state.batch(USERS[0], state.ordinals(["p0", "p1", "p2"]), NOW, {})
    assert one.part("group").tolist() == [stable_key("forum", "f0")]
    assert one.group_measure("size").tolist() == [5.0]
    assert one.group_sketches().shape == (1, 24)
    assert one.group_sketches().any()
    assert one.attributes("group") == [{"size": 5.0, "text": "Svensk matlagning"}]
    assert one.attributes("target") == [{"forum": "f0"}] * 3
    assert one.attributes("actor") == [{}]
    two = state.batch(USERS[0], state.ordinals(["p0", "p3", "nope"]), NOW, {})
    assert two.part("target.group").tolist() == [stable_key("forum", "f0"), stable_key("forum", "f1"), 0]
    assert [math.isnan(size) for size in two.group_measure("size")] == [False, True, True]
    none = state.batch(USERS[0], np.empty(0, np.int64), NOW, {})
    assert none.part("group").shape == none.group_measure("size").shape == (0,)


def test_a_group_is_mentioned_by_the_item_that_names_it():
    state = folded(numbered([forum(0, POSTS[0], forum="f2")]))
    assert state.has_group("f2")
    assert state.attributes(FORUMS[2]) is None
    state.fold([event("entity.delete", 1, FORUMS[2], sequence=2)])
    assert not state.has_group("f2")
    assert state.members("f2").size == 0
    state.fold([event("entity.set", 2, FORUMS[2], None, {"size": 1.0}, sequence=3)])
    assert state.members("f2").tolist() == [0]


def test_a_merged_group_brings_its_members_and_its_row():
    log = [forum(0, post, forum=f"f{place % 2}") for place, post in enumerate(POSTS)]
    log += [event("like", 1, USERS[0], post) for post in POSTS]
    log += [event("entity.merge", 2, FORUMS[0], FORUMS[1]), event("like", 3, USERS[0], POSTS[1])]
    state = folded(numbered(log))
    assert state.members("f1").tolist() == state.members("f0").tolist() == [0, 1, 2, 3]
    assert state.row("forum", stable_key("forum", "f0")).tolist() == [5.0]
    assert exact(state, USERS[0], 5)["g_wanted"][:4].tolist() == [5.0] * 4
    one_by_one = new_state()
    for each_event in numbered(log):
        one_by_one.fold([each_event])
    assert_same(state, one_by_one)


@pytest.mark.parametrize("wanted", [WANTED, each("like")])
def test_a_code_means_the_same_on_both_sides(wanted):
    view = FeatureView(
        "codes", (Scope("same", ("actor.tone", "target.tone")),), (counts.Count("x", "same", acc.Total(wanted)),)
    )
    state = new_state(view)
    state.fold(numbered([
        forum(0, USERS[0], tone="kind"), forum(0, POSTS[0], tone="kind"), forum(0, POSTS[1], tone="harsh"),
        event("like", 1, USERS[0], POSTS[0]),
    ]))  # fmt: skip
    batch = state.batch(USERS[0], state.ordinals(["p0", "p1"]), NOW, {})
    assert (batch.part("target.tone") == batch.part("actor.tone")).tolist() == [True, False]
    assert view.matrix(batch)[:, 0].tolist() == [1.0, 0.0]
    assert state.column("tone").tolist() == [stable_key("tone", "kind"), stable_key("tone", "harsh")]


def test_levels_are_numbers_in_their_order():
    log = [forum(0, post, grade=grade) for post, grade in zip(POSTS, ("low", "middle", "high"), strict=False)]
    state = folded(numbered([*log, forum(0, POSTS[3], price=1.0), forum(1, POSTS[0], grade="unheard of")]))
    told = state.measure("grade")
    assert told[1:3].tolist() == [1.0, 2.0]
    assert np.isnan(told[[0, 3]]).all()
    assert state.column("grade")[1:].tolist() == [stable_key("grade", "middle"), stable_key("grade", "high"), 0]
