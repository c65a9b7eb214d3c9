"""Measures against hand-made numbers and a plain oracle; intervals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.engine.metrics import PER_LIST, intervals, list_metrics, paired


def oracle(hits, relevant):
    """The definitions, in loops."""
    hits = list(hits)[:20]
    found = {}
    for k in (5, 10, 20):
        gain = sum(1 / math.log2(place + 2) for place, hit in enumerate(hits[:k]) if hit)
        found[f"ndcg@{k}"] = gain / sum(1 / math.log2(place + 2) for place in range(min(relevant, k)))
    for k in (10, 20):
        found[f"recall@{k}"] = sum(hits[:k]) / relevant
    found["hitrate@10"] = float(any(hits[:10]))
    found["mrr"] = next((1 / (place + 1) for place, hit in enumerate(hits) if hit), 0.0)
    precisions = [sum(hits[: place + 1]) / (place + 1) for place, hit in enumerate(hits) if hit]
    found["map"] = sum(precisions) / min(relevant, 20)
    return found


def test_by_hand():
    found = list_metrics(np.array([False, True, False, True, False, False]), 3)
    third = 1 / math.log2(3)
    ideal = 1 + third + 0.5
    assert found["ndcg@5"] == pytest.approx((third + 1 / math.log2(5)) / ideal)
    assert found["recall@10"] == pytest.approx(2 / 3)
    assert found["hitrate@10"] == 1.0
    assert found["mrr"] == 0.5
    assert found["map"] == pytest.approx((1 / 2 + 2 / 4) / 3)


def test_the_best_list_is_one_and_the_empty_one_nought():
    assert set(list_metrics(np.ones(3, bool), 3).values()) == {1.0}
    assert set(list_metrics(np.zeros(0, bool), 3).values()) == {0.0}


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 40))
def test_the_oracle_agrees(hits, missed):
    relevant = sum(hits) + missed
    if relevant:
        found = list_metrics(np.array(hits, bool), relevant)
        assert found.keys() == set(PER_LIST)
        assert found == pytest.approx(oracle(hits, relevant))


def test_intervals_are_the_same_each_time_and_of_their_seed():
    rng = np.random.default_rng(1)
    values, users = rng.random((60, 2)), rng.integers(0, 20, 60)
    first = intervals(values, users, ["a", "b"], 7)
    assert first == intervals(values, users, ["a", "b"], 7)
    assert first != intervals(values, users, ["a", "b"], 8)
    for place, name in enumerate("ab"):
        assert first[name].value == pytest.approx(values[:, place].mean())
        assert first[name].low < first[name].value < first[name].high


def test_many_lists_of_few_users_do_not_make_an_interval_narrow():
    values = np.arange(50.0)[:, None]
    alone = intervals(values, np.zeros(50, int), ["a"], 0)["a"]
    assert (alone.value, alone.low, alone.high) == (pytest.approx(24.5), None, None)
    ten = intervals(values, np.repeat(np.arange(10), 5), ["a"], 0)["a"]
    assert ten.low < 16
    assert ten.high > 33


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_thing_leads_itself_by_nothing(seed):
    rng = np.random.default_rng(seed)
    values, users = rng.random(30), rng.integers(0, 9, 30)
    lead = paired(values, values, users, seed)
    assert (lead.value, lead.low, lead.high) == (0.0, 0.0, 0.0)
    up = paired(values + 0.25, values, users, seed)
    assert up.low == pytest.approx(0.25)


def test_few_users_give_wide_intervals_and_fewer_than_three_none():
    values = np.array([[0.1], [0.2], [0.12], [0.11]])
    few = intervals(values, np.arange(4), ["lead"], 0)["lead"]
    mean, error = values.mean(), values.std(ddof=1) / 2
    assert few.low == pytest.approx(mean - 3.1824 * error, abs=1e-4)
    assert few.high == pytest.approx(mean + 3.1824 * error, abs=1e-4)
    none = intervals(values, np.array([0, 0, 1, 1]), ["lead"], 0)["lead"]
    assert (none.value, none.low, none.high) == (pytest.approx(mean), None, None)
