"""What a view refuses, what its version notices, and the limits of a row."""

import math

import msgspec
import numpy as np
import pytest

from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid
from proffer.core.schema import Schema
from proffer.features import accumulators as acc
from proffer.features import counts, given, lists, recency
from proffer.features.base import Column, Scope, Stateless, each
from proffer.features.layout import ENTITY_SLOTS, PAIR_SLOTS
from proffer.features.state import State
from proffer.features.view import FeatureView

from .world import DAY, FEATURES, SCHEMA, SCOPES, VIEW, WANTED, new_state

USER = Scope("user", ("actor",))
PAIR = Scope("pair", ("actor", "target"))


def _view(*features, scopes=(USER, PAIR)):
    return FeatureView("v", scopes, features)


def _leaky(schema: Schema, kind: str, name: str) -> Schema:
    kinds = []
    for entity in schema.entities.values():
        attributes = tuple(
            msgspec.structs.replace(a, known_at_decision=False) if (entity.name, a.name) == (kind, name) else a
            for a in entity.attributes
        )
        kinds.append(msgspec.structs.replace(entity, attributes=attributes))
    return Schema(tuple(schema.events.values()), tuple(kinds))


@pytest.mark.parametrize(
    ("attribute", "feature"),
    [
        ("category", lists.Affinity("x", "user", acc.LastN(WANTED, 3))),
        ("category", counts.Count("x", "topic", acc.Total(WANTED))),
        ("published_at", recency.Age("x")),
        ("price", given.Number("x", "price")),
    ],
)
def test_an_attribute_known_only_afterwards_is_refused(attribute, feature):
    view = _view(feature, scopes=(USER, Scope("topic", ("target.category",))))
    State(view, SCHEMA, subject="user", item="post")
    with pytest.raises(Invalid, match=f"{attribute} of a post is only known after the outcome"):
        State(view, _leaky(SCHEMA, "post", attribute), subject="user", item="post")


@pytest.mark.parametrize(("scope", "budget"), [("user", ENTITY_SLOTS), ("pair", PAIR_SLOTS)])
def test_rows_have_a_budget(scope, budget):
    fits = _view(counts.Count("x", scope, acc.Tiles(WANTED, DAY, budget - 1).last(DAY)))
    assert fits.widths[scope] == budget
    with pytest.raises(Invalid, match=f"takes {budget + 1} slots"):
        _view(counts.Count("x", scope, acc.Tiles(WANTED, DAY, budget).last(DAY)))


def test_the_rows_a_state_adds_count_too():
    item = Scope("item", ("target",))
    view = _view(counts.Count("x", "item", acc.Tiles(WANTED, DAY, 120).last(DAY)), scopes=(item,))
    with pytest.raises(Invalid, match="slots"):
        new_state(view)


def test_equal_accumulators_share_their_slots():
    both = _view(
        counts.Count("x", "user", acc.Total(each("view", "like"))),
        counts.LogCount("y", "user", acc.Total(each("like", "view"))),
    )
    assert both.widths == {"user": 1, "pair": 0}


def test_the_version_notices_what_matters():
    base = counts.Below("x", "user", acc.Total(WANTED))
    same = _view(counts.Below("x", "user", acc.Total(WANTED)))
    assert _view(base).version == same.version
    others = [
        counts.Below("z", "user", acc.Total(WANTED)),
        counts.Below("x", "pair", acc.Total(WANTED)),
        counts.Below("x", "user", acc.Total(WANTED), threshold=4.0),
        counts.Below("x", "user", acc.Total(each("view"))),
    ]
    assert len({_view(feature).version for feature in (base, *others)}) == 5


def test_refusals_name_what_is_wrong():
    with pytest.raises(Invalid, match="one name"):
        _view(recency.Age("x"), recency.Freshness("x"))
    with pytest.raises(Invalid, match="unknown scope"):
        _view(counts.Count("x", "nowhere", acc.Total(WANTED)))
    with pytest.raises(Invalid, match="unknown part"):
        Scope("s", ("actor", "context.mood"))
    with pytest.raises(Invalid, match=r"unknown part target\.mood: no attribute has that role"):
        new_state(_view(counts.Count("x", "mood", acc.Total(WANTED)), scopes=(Scope("mood", ("target.mood",)),)))
    with pytest.raises(Invalid, match="not the first"):
        Scope("s", ("target", "actor"))
    with pytest.raises(Invalid, match="window"):
        acc.Tiles(WANTED, DAY, 7).last(8 * DAY)
    with pytest.raises(Invalid, match="half-life"):
        acc.DecayGrid(WANTED, (DAY,)).at(math.inf)


@pytest.mark.parametrize("part", ["group", "target.group", "group.category"])
def test_a_part_of_groups_is_refused_where_items_have_none(part):
    alone = Schema(tuple(SCHEMA.events.values()), tuple(k for k in SCHEMA.entities.values() if k.name != "post"))
    view = _view(counts.Count("x", "g", acc.Total(WANTED)), scopes=(Scope("g", (part,)),))
    new_state(view)
    with pytest.raises(Invalid, match=f"there are no groups for {part}"):
        State(view, alone, subject="user", item="user")


def test_every_column_is_described():
    told = VIEW.describe()
    assert [name for name, *_ in told] == list(VIEW.columns)
    assert len(SCOPES) == 12
    assert len(told) == len(FEATURES) + 2
    for name, formula, window, stage in told:
        assert name
        assert formula
        assert window
        assert stage in ("state", "request", "list", "model")


def test_some_columns_are_those_of_the_whole_matrix():
    app_view, state, subject, at = _filled()
    items = np.arange(len(state.ids))
    whole = app_view.matrix(state.batch(subject, items, at, {}))
    for place, name in enumerate(app_view.columns):
        some = app_view.some(state.batch(subject, items, at, {}), [name])
        np.testing.assert_array_equal(some[:, 0], whole[:, place])
    picked = [app_view.columns[5], app_view.columns[-1], app_view.columns[0]]
    both = app_view.some(state.batch(subject, items, at, {}), picked)
    np.testing.assert_array_equal(both, whole[:, [5, -1, 0]])


class Short(Stateless):
    """A stranger's feature that gives two values whatever it is asked for."""

    columns = (Column("short", "of nothing"),)

    def values(self, batch):
        return np.zeros(2)


def test_a_column_of_another_length_than_the_list_is_an_error():
    view = _view(Short())
    state = State(view, SCHEMA, subject="user", item="post")
    for read in (view.matrix, lambda batch: view.some(batch, ["short"])):
        with pytest.raises(ValueError):
            read(state.batch(EntityRef("user", "u1"), np.full(5, -1), DAY, {}))


def test_which_columns_depend_on_the_list():
    view, *_ = _filled()
    assert view.relative(["i_age", "list_rank_age"])
    assert view.relative(["n_candidates"])
    assert not view.relative(["i_age", "hour_sin"])


def _filled():
    from proffer.apps.feed.app import app

    world = app.simulate(1, "small")
    events = [msgspec.structs.replace(event, sequence=place) for place, event in enumerate(world.events, 1)]
    state = State(app.view, app.schema, subject=app.subject, item=app.item)
    state.fold(events[:3000])
    subject = next(event.actor for event in events if event.actor.kind == app.subject)
    return app.view, state, subject, state.latest + 60.0
