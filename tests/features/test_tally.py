"""Counts of several types in one place: the same as a sum for each of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.core.errors import Invalid
from proffer.features import accumulators as acc
from proffer.features import counts, deviation, rates, text
from proffer.features.base import Scope, each, graded
from proffer.features.view import FeatureView

from .world import DAY, POSTS, SCHEMA, USERS, WEIGHTS, event, folded, logs, matrix, numbered

TYPES = tuple(WEIGHTS)
LIVES = (DAY, 7 * DAY, math.inf)
ITEM, USER = Scope("item", ("target",)), Scope("user", ("actor",))


def _view(*features):
    return FeatureView("tallies", (ITEM, USER), features)


@given(logs, st.sampled_from(LIVES), st.floats(61 * DAY, 90 * DAY))
@settings(deadline=None, max_examples=40)
def test_a_tally_is_a_decayed_sum_for_each_type(log, life, at):
    tally = acc.Tally(TYPES, life)
    alone = [counts.Count(f"{name}_alone", "item", acc.decay(each(name), life)) for name in TYPES]
    together = [counts.Count(f"{name}_here", "item", tally.of(name)) for name in TYPES]
    graded_ = counts.Count("all", "item", tally.of(like=2.0, hide=-1.0))
    exposed = counts.Count("most", "item", tally.exposures)
    found = matrix(folded(log, _view(*alone, *together, graded_, exposed)), USERS[0], at).astype(np.float64)
    one, other = found[:, : len(TYPES)], found[:, len(TYPES) : 2 * len(TYPES)]
    np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-9)
    by_name = dict(zip(TYPES, one.T, strict=True))
    np.testing.assert_allclose(found[:, -2], 2.0 * by_name["like"] - by_name["hide"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[:, -1], one.max(axis=1), rtol=1e-6, atol=1e-9)


def test_what_is_not_tallied_is_refused():
    with pytest.raises(Invalid, match="not tallied"):
        acc.Tally(("view",)).of("like")


def test_a_rate_of_graded_answers_over_whatever_was_exposed():
    tally = acc.Tally(TYPES)
    view = _view(rates.Rate("rate", ("item",), tally.of(view=0.5, like=1.0), tally.exposures))
    log = [event("view", n, USERS[0], POSTS[0]) for n in range(3)] + [event("like", 5, USERS[0], POSTS[0])]
    told = matrix(folded(numbered(log), view), USERS[0], 9)[:, 0]
    assert told[0] == pytest.approx(2.5 / 3)
    assert np.isnan(told[1:]).all()


def test_moments_as_amounts_are_drawn_to_what_is_known_more_broadly():
    seconds = acc.Moments(each("view"), "seconds", 0.0, 600.0)
    view = _view(rates.Rate("dwell", ("item", "user"), seconds.total, seconds.number, 1.0))
    log = [
        event("view", 0, USERS[0], POSTS[0], {"seconds": 9.0}),
        event("view", 0, USERS[0], POSTS[1], {"seconds": 3.0}),
    ]
    told = matrix(folded(numbered(log), view), USERS[0], 9)[:, 0]
    assert told[:3].tolist() == pytest.approx([(9 + 6) / 2, (3 + 6) / 2, 6])


def test_a_deviation_is_from_what_was_wanted_as_it_was_then():
    of = acc.Declared(graded({"like": 1.0}), "price", math.inf)
    view = _view(deviation.Deviation("d_price", "user", of))
    facts = [
        event("entity.set", 0, post, None, {"price": price})
        for post, price in zip(POSTS, (10.0, 1000.0, 100.0), strict=False)
    ]
    likes = [event("like", 1, USERS[0], post) for post in POSTS[:2]]
    later = event("entity.set", 2, POSTS[0], None, {"price": 5.0})
    told = matrix(folded(numbered([*facts, *likes, later]), view), USERS[0], 9)[:, 0]
    low, high = math.log1p(10.0), math.log1p(1000.0)
    mean, spread = (low + high) / 2, (high - low) / 2
    assert told[:3].tolist() == pytest.approx(
        [(math.log1p(price) - mean) / spread for price in (5.0, 1000.0, 100.0)], abs=1e-5
    )
    assert np.isnan(told[3:]).all()
    assert np.isnan(matrix(folded(numbered([*facts, *likes]), view), USERS[1], 9)).all()


def test_tags_like_those_wanted_score_higher():
    from proffer.core.schema import Attribute, EntityKind, Schema
    from proffer.features.state import State

    post = EntityKind("post", (Attribute("tags", "list", role="tags"),))
    schema = Schema(tuple(SCHEMA.events.values()), (EntityKind("user"), post))
    view = _view(text.TagCosine("aff_tag", "user", acc.Tags(each("like"), math.inf)))
    tags = (["Jazz", "live"], ["jazz"], ["food"], [])
    log = [event("entity.set", 0, post, None, {"tags": told}) for post, told in zip(POSTS, tags, strict=False)]
    log = numbered([*log, event("like", 1, USERS[0], POSTS[0])])
    state = State(view, schema, subject="user", item="post")
    state.fold(log)
    early = State.restore(view, schema, subject="user", item="post", position=len(log), arrays=state.snapshot())
    for each_state in (state, early):
        items = each_state.ordinals([post.id for post in POSTS[:4]])
        told = view.matrix(each_state.batch(USERS[0], items, 9.0, {}))[:, 0]
        assert told[0] == pytest.approx(1.0)
        assert told[0] > told[1] > told[2]
        assert np.isnan(told[3])


@given(logs, st.floats(-DAY, 90 * DAY))
@settings(deadline=None, max_examples=30)
def test_a_batch_read_at_once_has_the_same_bits(log, at):
    """The first matrix of a view asks amount by amount, every later one reads them in one pass."""
    tallies = [acc.Tally(TYPES, life) for life in LIVES]
    amounts = [amount for tally in tallies for amount in (tally.of("view", like=0.5), tally.exposures)]
    view = _view(*(counts.Count(f"c{place}", "item", amount) for place, amount in enumerate(amounts)))
    state = folded(log, view)
    assert np.array_equal(matrix(state, USERS[0], at), matrix(state, USERS[0], at), equal_nan=True)
