import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.core.errors import Corrupt
from proffer.models.rankers.trees import MISSING_NAN, MISSING_NONE, MISSING_ZERO, Trees

lightgbm = pytest.importorskip("lightgbm")
OPTIONS = {"verbose": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True, "min_data_in_leaf": 3}


def sample(seed, rows=400, unknown=0.2, zeros=0.2):
    """Columns with unknown values, zeros and few distinct values, so that thresholds are hit exactly."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 6))
    X[:, 2] = np.round(X[:, 2] * 2)
    X[:, 3] = rng.integers(0, 4, rows)
    X[rng.random(X.shape) < zeros] = 0.0
    y = X[:, 0] * X[:, 1] + X[:, 2] + (X[:, 3] == 2) + rng.normal(size=rows) * 0.1
    X[rng.random(X.shape) < unknown] = np.nan
    return X.astype(np.float32), y


def grown(X, y, rounds=20, **options):
    return lightgbm.train({**OPTIONS, "objective": "regression", **options}, lightgbm.Dataset(X, y), rounds)


def assert_same(booster, X):
    trees = Trees.read(booster.model_to_string())
    trees.check(X.shape[1])
    np.testing.assert_array_equal(trees.scores(X), booster.predict(X, raw_score=True, num_threads=1))
    again = Trees.restore(trees.arrays(), X.shape[1])
    np.testing.assert_array_equal(again.scores(X), trees.scores(X))
    parts = trees.contributions(X)
    np.testing.assert_allclose(parts.sum(axis=1), trees.scores(X), rtol=1e-9, atol=1e-9)
    return trees


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**20), leaves=st.sampled_from([2, 5, 31, 32, 33, 64]),
    unknown=st.sampled_from([0.0, 0.3]), zero_as_missing=st.booleans(), use_missing=st.booleans(),
)  # fmt: skip
def test_scores_are_lightgbms_bit_for_bit(seed, leaves, unknown, zero_as_missing, use_missing):
    X, y = sample(seed, unknown=unknown)
    booster = grown(X, y, num_leaves=leaves, zero_as_missing=zero_as_missing, use_missing=use_missing)
    asked, _ = sample(seed + 1)
    asked[:5] = [np.nan, 0.0, 1e-36, -1e-36, 1e-30, -1e-30]
    asked[5:7] = [[np.inf] * 6, [-np.inf] * 6]
    assert_same(booster, asked)


def test_values_on_and_beside_every_threshold():
    X, y = sample(3)
    booster = grown(X, y, num_leaves=31)
    trees = Trees.read(booster.model_to_string())
    at = trees.threshold.astype(np.float32)
    near = np.concatenate([at, np.nextafter(at, np.float32(-np.inf)), np.nextafter(at, np.float32(np.inf))])
    asked = np.repeat(near[:, None], 6, axis=1)
    assert_same(booster, asked)


def test_every_way_of_missing_is_met():
    seen = set()
    for unknown, options in [(0.3, {}), (0.0, {}), (0.3, {"zero_as_missing": True})]:
        X, y = sample(5, unknown=unknown)
        seen |= set(((assert_same(grown(X, y, **options), X).decision >> 2) & 3).tolist())
    assert seen == {MISSING_NONE, MISSING_ZERO, MISSING_NAN}


@pytest.mark.parametrize("rows", [0, 1, 127, 128, 129, 300])
def test_any_number_of_rows(rows):
    X, y = sample(1)
    assert_same(grown(X, y), X[:rows] if rows else X[:1])
    assert Trees.read(grown(X, y).model_to_string()).scores(X[:0]).shape == (0,)


def test_trees_of_one_leaf():
    X, _ = sample(1)
    booster = grown(X, np.ones(len(X)), rounds=3)
    assert_same(booster, X)


def test_ranking_objective_with_a_stop_before_the_end():
    X, y = sample(2)
    ranks = np.digitize(y, [0.5, 1.5]).astype(float)
    held = lightgbm.Dataset(X, ranks, group=[40] * 10)
    booster = lightgbm.train({**OPTIONS, "objective": "lambdarank"}, held, 12)
    trees = Trees.read(booster.model_to_string(num_iteration=7))
    np.testing.assert_array_equal(trees.scores(X), booster.predict(X, raw_score=True, num_iteration=7, num_threads=1))


def test_what_is_no_model_is_refused():
    X, y = sample(1)
    text = grown(X, y).model_to_string()
    with pytest.raises(Corrupt):
        Trees.read("hello")
    with pytest.raises(Corrupt):
        Trees.read(text.replace("num_cat=0", "num_cat=1"))
    with pytest.raises(Corrupt):
        Trees.read(text.replace("leaf_value", "leaf_worth"))


@pytest.mark.parametrize("name", ["nodes", "leaves", "feature", "left", "right", "threshold", "value", "decision"])
def test_damaged_arrays_are_refused_and_never_walked(name):
    X, y = sample(1)
    trees = Trees.read(grown(X, y).model_to_string())
    arrays = trees.arrays()
    with pytest.raises(Corrupt):
        Trees.restore({**arrays, name: arrays[name][:-1]}, 6)
    with pytest.raises(Corrupt):
        Trees.restore({key: array for key, array in arrays.items() if key != name}, 6)
    if name in ("feature", "left", "right"):
        for wrong in (99, -99):
            edited = arrays[name].copy()
            edited[3] = wrong
            with pytest.raises(Corrupt):
                Trees.restore({**arrays, name: edited}, 6)


def test_a_contribution_is_the_difference_its_split_makes():
    X = np.array([[0.0, 5.0]] * 30 + [[1.0, 5.0]] * 10, np.float32)
    y = np.array([0.0] * 30 + [4.0] * 10)
    trees = Trees.read(grown(X, y, rounds=1, learning_rate=1.0).model_to_string())
    np.testing.assert_allclose(trees.contributions(X[[0, 39]]), [[-1.0, 0.0, 1.0], [3.0, 0.0, 1.0]], atol=1e-6)
