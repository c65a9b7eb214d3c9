"""Floors of the next-item and spectral models on toy worlds."""

import numpy as np
import pytest

from proffer.models.base import DAY
from proffer.models.retrievers.ease import EASE
from proffer.models.retrievers.gfcf import GFCF
from proffer.models.retrievers.itemknn import ItemKNN
from proffer.models.retrievers.lar import LAR
from proffer.models.retrievers.markov import Markov
from proffer.models.retrievers.popularity import DecayedPopularity
from proffer.testing.world import START, World, ask, paths, tastes

from .worlds import hits

AT = START + 21 * DAY


def _next(model, world, follows):
    """Return the share of users whose likeliest next item comes first."""
    found = []
    rows = world.interactions()
    for user, head in zip(world.subjects, rows.subject_head, strict=True):
        expected = follows[world.ids[rows.item[head]]]
        found.append(model.retrieve(ask(user, at=AT), 1, world).ids == (expected,))
    return np.mean(found)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_next_item_models_find_what_follows_and_others_do_not(seed):
    world, follows = paths(seed)
    fitted = {
        model.name: _next(model.fit(world, at=AT, weights={}), world, follows)
        for model in (DecayedPopularity(), ItemKNN(), EASE(), GFCF(), Markov(), LAR())
    }
    assert fitted.pop("markov") > 0.85
    assert fitted.pop("lar") > 0.85
    assert max(fitted.values()) < 0.5


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("make", [EASE, GFCF])
def test_taste_models_find_the_own_half(seed, make):
    world, later = tastes(seed)
    model = make().fit(world, at=AT, weights={})
    rows = world.interactions()
    shares = []
    for user, wanted in later.items():
        allowed = np.ones(len(world.ids), np.bool_)
        allowed[rows.item[rows.subject == world.subjects.index(user)]] = False
        shares.append(hits(model.retrieve(ask(user, at=AT), 10, world, allowed).ids, wanted))
    # Chance finds an eighth, and who knows the half a third.
    assert np.mean(shares) > 0.28


def test_fewer_links_cost_little():
    world, follows = paths(0)
    few = [_next(make(kept=5).fit(world, at=AT, weights={}), world, follows) for make in (LAR, Markov)]
    assert min(few) > 0.85


@pytest.mark.parametrize("make", [EASE, GFCF, Markov, LAR])
def test_an_item_in_the_context_asks_for_more_like_this(make):
    world, _ = tastes(0) if make in (EASE, GFCF) else (paths(0)[0], None)
    model = make().fit(world, at=AT, weights={})
    scores = model.scores(ask("nobody", at=AT, item="p4"), world)
    assert np.isnan(scores[world.ids.index("p4")])
    assert (scores > 0.0).any()
    assert np.isnan(model.scores(ask("u0", at=AT, item="unheard of"), world)).all()


@pytest.mark.parametrize("make", [EASE, GFCF, Markov, LAR])
def test_without_a_history_or_a_want_nothing_is_proposed(make):
    world = World([("ann", "p0", START, "view"), ("ann", "p1", START + 1, "view"), ("bob", "p2", START, "hide")])
    model = make().fit(world, at=AT, weights={})
    for user in ("bob", "nobody"):
        assert np.isnan(model.scores(ask(user, at=AT), world)).all()
    scores = model.scores(ask("ann", at=AT), world)
    assert np.isnan(scores).tolist() == [False, False, True]


@pytest.mark.parametrize("make", [EASE, GFCF, Markov, LAR])
def test_what_a_type_is_worth_is_learned_and_kept(make):
    happened = [(f"u{user}", f"p{item}", START + item, "view") for user in range(4) for item in range(3)]
    happened += [(f"u{user}", "clicked", START + 9, "like") for user in range(4)]
    world = World(happened)
    model = make().fit(world, at=AT, weights={"view": 0.0})
    again = make().restore(*model.parameters())
    for one in (model, again):
        assert np.isnan(one.scores(ask("u0", at=AT), world)).tolist() == [True, True, True, False]


def test_markov_hands_on_to_the_item_before_where_the_last_is_new_to_it():
    happened = [(f"u{row}", post, START + 10 * row + step, "view")
                for row in range(30) for step, post in enumerate(("a", "b"))]  # fmt: skip
    world = World([*happened, ("ann", "a", START + 400, "view"), ("ann", "odd", START + 401, "view")])
    assert Markov().fit(world, at=AT, weights={}).retrieve(ask("ann", at=AT), 1, world).ids == ("b",)


def test_markov_knows_what_came_after_the_fit():
    happened = [(f"u{row}", post, START + 10 * row + step, "view")
                for row in range(30) for step, post in enumerate(("a", "b"))]  # fmt: skip
    since = [(f"v{row}", post, START + DAY + 10 * row + step, "view")
             for row in range(20) for step, post in enumerate(("a", "new"))]  # fmt: skip
    world = World([*happened, *since, ("ann", "a", START + 2 * DAY, "view")])
    model = Markov(prior=5.0).fit(world, at=START + DAY, weights={})
    scores = dict(zip(world.ids, model.scores(ask("ann", at=START + 3 * DAY), world), strict=True))
    assert scores["b"] > scores["new"] > scores["a"]


@pytest.mark.parametrize(("make", "by_order"), [(LAR, True), (Markov, True), (EASE, False), (GFCF, False)])
def test_sequence_models_go_by_order_and_taste_models_do_not(make, by_order):
    world, follows = paths(0)
    rows = world.interactions()
    happened = [(world.subjects[rows.subject[row]], world.ids[rows.item[row]], float(rows.at[row]), "view")
                for row in range(len(rows.item))]  # fmt: skip
    happened += [("ann", "p1", AT, "view"), ("ann", "p2", AT + 1, "view")]
    happened += [("bea", "p2", AT, "view"), ("bea", "p1", AT + 1, "view")]
    model, whole = make().fit(world, at=AT, weights={}), World(happened)
    first = [model.retrieve(ask(user, at=AT + DAY), 1, whole).ids[0] for user in ("ann", "bea")]
    if by_order:
        assert first == [follows["p2"], follows["p1"]]
    else:
        assert first[0] == first[1]
