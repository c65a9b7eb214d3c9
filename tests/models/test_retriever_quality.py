import math

import numpy as np
import pytest

from proffer.models.base import DAY, HOUR, nearest
from proffer.models.retrievers.cold import ColdItems, SegmentPopularity
from proffer.models.retrievers.content import Content
from proffer.models.retrievers.covisits import Covisits
from proffer.models.retrievers.itemknn import ItemKNN
from proffer.models.retrievers.newest import Newest
from proffer.models.retrievers.popularity import DecayedPopularity
from proffer.models.retrievers.trending import Trending
from proffer.testing.world import START, World, ask, tastes

from .worlds import ageing, fresh_item, hits, popular

SEEDS = (0, 1, 2)
END = START + 100 * DAY


def _untouched(world, user):
    rows = world.interactions()
    allowed = np.ones(len(world.ids), np.bool_)
    allowed[rows.item[rows.subject == world.subjects.index(user)]] = False
    return allowed


def _found(retriever, world, wanted, at):
    found = {user: retriever.retrieve(ask(user, at=at), 10, world, _untouched(world, user)).ids for user in wanted}
    return np.mean([hits(found[user], wanted[user]) for user in wanted])


@pytest.mark.parametrize("seed", SEEDS)
def test_popularity_finds_the_order_of_a_steady_world(seed):
    world = popular(seed)
    model = DecayedPopularity().fit(world, at=END, weights={})
    assert model.half_life >= 30 * DAY
    found = model.retrieve(ask(at=START + 90 * DAY), 5, world).ids
    assert len({"p0", "p1", "p2", "p3", "p4"} & set(found)) >= 4


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("life", "chosen"), [(2 * HOUR, (HOUR,)), (2 * DAY, (6 * HOUR, DAY, 7 * DAY))])
def test_popularity_fits_its_half_life_to_how_things_age(seed, life, chosen):
    world = ageing(seed, life=life, days=10)
    model = DecayedPopularity().fit(world, at=END, weights={})
    assert model.half_life in chosen
    assert model.judged[f"{model.half_life / DAY:g} d"] == max(model.judged.values())


def test_popularity_never_looks_ahead():
    world = ageing(0, life=4 * HOUR, days=10)
    cut = START + 5 * DAY
    rows = world.interactions()
    before = [
        (world.subjects[rows.subject[row]], world.ids[rows.item[row]], float(rows.at[row]), "view")
        for row in np.flatnonzero(rows.at < cut)
    ]
    past = World(before, posts=world.posts)
    for make in (DecayedPopularity, Covisits):
        assert make().fit(world, at=cut, weights={}).parameters() == make().fit(past, at=cut, weights={}).parameters()


def test_a_count_that_never_decays_can_be_learned_and_written_as_json():
    happened = [(f"u{row}", "old" if row % 3 else f"p{row}", START + row * DAY, "view") for row in range(90)]
    model = DecayedPopularity().fit(World(happened), at=END, weights={})
    assert model.parameters()[0]["half_life"] is None
    assert DecayedPopularity().restore(*model.parameters()).half_life == math.inf


def test_half_lives_are_matched_by_ratio():
    assert nearest((HOUR, DAY), 3 * HOUR) == HOUR
    assert nearest((HOUR, DAY, math.inf), 365 * DAY) == DAY
    assert nearest((HOUR, DAY, math.inf), math.inf) == math.inf
    assert nearest((HOUR, DAY), math.inf) == DAY


def test_popularity_without_wanted_events_says_a_week():
    world = World([("u0", "p0", START, "hide")])
    assert DecayedPopularity(DAY).fit(world, at=END, weights={}).parameters()[0]["half_life"] == 7 * DAY


def test_weights_of_event_types_decide_what_is_wanted():
    world = popular(0, events=300)
    assert DecayedPopularity().fit(world, at=END, weights={"view": 0.0}).judged == {}
    assert DecayedPopularity().fit(world, at=END, weights={"like": 0.0}).judged != {}


def test_a_repeat_is_no_news():
    world = World([("u0", f"p{row % 3}", START + row * HOUR, "view") for row in range(30)])
    assert DecayedPopularity().fit(world, at=END, weights={}).judged["1 d"] == 0.0


def test_newest_orders_by_age_and_leaves_the_future_out():
    posts = {f"p{row}": {"published": START + row * HOUR} for row in range(4)}
    found = Newest().retrieve(ask(at=START + 2 * HOUR), 10, World([], posts=posts))
    assert found.ids == ("p2", "p1", "p0")
    np.testing.assert_allclose(found.scores, -np.log1p([0.0, 1.0, 2.0]), rtol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_taste_models_beat_popularity_where_tastes_differ(seed):
    world, later = tastes(seed)
    at = START + 21 * DAY
    models = (DecayedPopularity(), Covisits(), Content(), ItemKNN(), ItemKNN("bm25"))
    popularity, *rest = [_found(model.fit(world, at=at, weights={}), world, later, at) for model in models]
    assert popularity < 0.25
    for model, found in zip(models[1:], rest, strict=True):
        assert found > 0.27, model.name
        assert found > popularity + 0.05, model.name


def test_covisits_finds_what_entered_after_the_fit():
    world = fresh_item()
    model = Covisits().fit(world, at=START, weights={})
    assert model.retrieve(ask("ann", at=START + 51 * HOUR), 1, world).ids == ("new",)


def test_covisits_ignores_the_asker_himself():
    world = World([("ann", f"p{row}", START + row, "view") for row in range(5)])
    assert len(Covisits().retrieve(ask("ann", at=START + DAY), 5, world)) == 0


def test_a_hide_takes_back_a_view():
    happened = [("ann", "p0", START, "view"), ("bob", "p0", START, "view"), ("bob", "p1", START, "view")]
    at = START + DAY
    assert Covisits().retrieve(ask("ann", at=at), 5, World(happened)).ids == ("p1",)
    hidden = World([*happened, ("ann", "p0", START + 1, "hide")])
    assert len(Covisits().retrieve(ask("ann", at=at), 5, hidden)) == 0


@pytest.mark.parametrize("make", [Covisits, Content, ItemKNN])
def test_an_item_in_the_context_asks_for_more_like_this(make):
    world, _ = tastes(0)
    model = make().fit(world, at=END, weights={})
    found = model.retrieve(ask("nobody", at=START + 21 * DAY, item="p4"), 10, world).ids
    assert "p4" not in found
    assert np.mean([int(post[1:]) % 2 == 0 for post in found]) >= 0.8
    assert len(model.retrieve(ask("u0", at=START + 21 * DAY, item="unheard of"), 10, world)) == 0


def test_segment_popularity_answers_the_cold_by_their_segment():
    users = {"ann": {"segment": "north"}, "bob": {"segment": "north"}, "cid": {"segment": "south"}}
    happened = [("bob", "p1", START, "view")] + [("cid", f"p{row}", START + row, "view") for row in (2, 2, 2, 3)]
    world, at = World(happened, users=users), START + HOUR
    few = SegmentPopularity(prior=0.5)
    assert few.retrieve(ask("ann", at=at), 3, world).ids[0] == "p1"
    assert not few.retrieve(ask("nobody", at=at), 3, world).ids


def test_cold_items_are_scored_by_author_and_category_and_only_they():
    posts = {f"p{row}": {"author": "good" if row % 2 else "dull", "published": START} for row in range(10)}
    posts |= {"fresh_good": {"author": "good", "published": START + HOUR}}
    posts |= {"fresh_dull": {"author": "dull", "published": START + HOUR}}
    posts |= {"fresh_unknown": {"published": START + HOUR}, "later": {"author": "good", "published": START + DAY}}
    happened = [(f"u{row}", f"p{1 + 2 * (row % 5)}", START + row, "view") for row in range(50)]
    world = World([*happened, ("u0", "p0", START, "view")], posts=posts)
    found = ColdItems().retrieve(ask(at=START + 2 * HOUR), 20, world)
    assert found.ids[0] == "fresh_good"
    assert set(found.ids) == {"fresh_good", "fresh_dull", "p2", "p4", "p6", "p8"}


def test_trending_prefers_the_rising_to_the_large():
    happened = [(f"u{row}", "large", START + row * 2 * HOUR, "view") for row in range(240)]
    happened += [(f"v{row}", "rising", START + 475 * HOUR + row * 600, "view") for row in range(20)]
    world = World(sorted(happened, key=lambda row: row[2]))
    assert Trending().retrieve(ask(at=START + 480 * HOUR), 2, world).ids[0] == "rising"
