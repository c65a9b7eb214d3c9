import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.core.errors import Invalid
from proffer.models.gains import ideal, mean_ndcg
from proffer.models.rankers.blend import Blend
from proffer.testing.ranker_contract import COLUMNS, sample_lists


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_fit_finds_the_source_that_knows(seed):
    X, y, sizes = sample_lists(seed)
    blend = Blend().fit(X, y, sizes, columns=COLUMNS, rng=np.random.default_rng(0))
    assert max(blend.weights, key=blend.weights.__getitem__) == "signal"
    assert blend.weights["signal"] > 0.8
    assert blend.weights["constant"] == 0.0
    assert blend.gain > 0.8


def test_fit_is_seeded():
    X, y, sizes = sample_lists(3)
    one, other = (Blend().fit(X, y, sizes, columns=COLUMNS, rng=np.random.default_rng(5)) for _ in range(2))
    assert one.parameters() == other.parameters()


def test_two_sources_that_each_know_half_beat_either():
    rng = np.random.default_rng(0)
    sizes = np.full(80, 30)
    parts = rng.normal(size=(2400, 2))
    y = (parts.sum(axis=1) > 2.5).astype(np.float64)
    fit = {"columns": ("a", "b"), "rng": np.random.default_rng(1)}
    blend = Blend().fit(parts.astype(np.float32), y, sizes, **fit)
    best = ideal(y, sizes, None, 10)
    assert blend.gain > max(mean_ndcg(parts[:, column].copy(), y, sizes, best, 10) for column in (0, 1)) + 0.05
    assert 0.3 < blend.weights["a"] < 0.7


def test_a_tie_goes_to_fewer_sources():
    X, y, sizes = sample_lists(0)
    twice = np.stack([X[:, 1], X[:, 1]], 1)
    blend = Blend().fit(twice, y, sizes, columns=("one", "same"), rng=np.random.default_rng(0))
    assert blend.weights == {"one": 1.0, "same": 0.0}


def test_nothing_wanted_weighs_all_alike():
    X, y, sizes = sample_lists(0)
    blend = Blend().fit(X, np.zeros_like(y), sizes, columns=COLUMNS, rng=np.random.default_rng(0))
    assert set(blend.weights.values()) == {0.25}


def test_missed_items_lower_the_gain():
    X, y, sizes = sample_lists(0)
    whole = Blend().fit(X, y, sizes, columns=COLUMNS, rng=np.random.default_rng(0))
    short = Blend().fit(X, y, sizes, columns=COLUMNS, rng=np.random.default_rng(0), missed=np.full(len(sizes), 3))
    assert short.gain < whole.gain - 0.1


def test_lengths_must_match():
    X, y, sizes = sample_lists(0)
    with pytest.raises(Invalid):
        Blend().fit(X, y, sizes[1:], columns=COLUMNS, rng=np.random.default_rng(0))


def test_an_item_a_source_does_not_propose_ranks_with_its_weakest():
    X = np.array([[0.5], [np.nan], [2.0]], np.float32)
    scores = Blend({"s": 1.0}).predict(X, ("s",))
    assert scores[2] > scores[0] > scores[1]
    below = Blend({"s": 1.0}).predict(-X, ("s",))
    assert below[1] == below[2] < below[0]


def test_a_source_without_any_proposal_says_nothing():
    X = np.array([[np.nan, 1.0], [np.nan, 2.0]], np.float32)
    np.testing.assert_array_equal(Blend({"a": 9.0, "b": 1.0}).predict(X, ("a", "b")), np.float32([-1, 1]))


def test_contributions_add_up_and_parameters_restore():
    X, _, _ = sample_lists(1)
    blend = Blend({"noise": 0.25, "signal": 0.75})
    parts, scores = blend.contributions(X[:30], COLUMNS), blend.predict(X[:30], COLUMNS)
    np.testing.assert_allclose(parts.sum(axis=1), scores, rtol=1e-5, atol=1e-6)
    again = Blend().restore(json.loads(json.dumps(blend.parameters()[0])), {})
    np.testing.assert_array_equal(again.predict(X[:30], COLUMNS), scores)


@pytest.mark.parametrize("rows", [0, 1])
def test_short_lists(rows):
    scores = Blend({"a": 1.0}).predict(np.ones((rows, 1), np.float32), ("a",))
    np.testing.assert_array_equal(scores, np.zeros(rows, np.float32))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=25), st.integers(1, 12))
def test_mean_ndcg_is_that_of_a_full_sort(rows, k):
    y = np.array([float(grade) for grade, _ in rows])
    scores = np.array([float(score) for _, score in rows])
    sizes = np.array([len(rows)])
    order = np.argsort(-scores, kind="stable")[:k]
    gain = (y[order] / np.log2(np.arange(len(order)) + 2)).sum()
    best = (np.sort(y)[::-1][:k] / np.log2(np.arange(min(k, len(y))) + 2)).sum()
    expected = gain / best if best else 0.0
    assert mean_ndcg(scores, y, sizes, ideal(y, sizes, None, k), k) == pytest.approx(expected)
