"""The direct model of rewards, and how much rankings agree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.experiments.agreement import correlation, overlap
from proffer.experiments.direct import fit, folds, predict


def test_known_weights_are_found_again():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 2))
    y = (rng.random(20_000) < 1 / (1 + np.exp(-(X @ [1.0, -0.5] - 1.0)))).astype(float)
    assert fit(X, y) == pytest.approx([1.0, -0.5, -1.0], abs=0.08)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_answers_that_are_all_alike_give_a_level_within_0_and_1(level):
    X = np.random.default_rng(0).normal(size=(50, 2))
    found = predict(fit(X, np.full(50, level)), X)
    assert np.isfinite(found).all()
    assert np.abs(found - level).max() < 0.05


def test_columns_that_repeat_each_other_and_separate_perfectly_are_no_fault():
    X = np.repeat(np.linspace(-1, 1, 40)[:, None], 3, axis=1)
    found = predict(fit(X, (X[:, 0] > 0).astype(float)), X)
    assert found[0] < 0.2 < 0.8 < found[-1]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=50), st.integers(1, 5), st.integers(0, 100))
def test_a_subject_is_in_one_fold(clusters, count, seed):
    found = folds(np.array(clusters), count, np.random.default_rng(seed))
    assert all(0 <= fold < count for fold in found.tolist())
    assert len({*zip(clusters, found.tolist(), strict=True)}) == len({*clusters})


@given(st.lists(st.floats(-9, 9, allow_subnormal=False), min_size=2, max_size=9, unique=True))
def test_a_ranking_agrees_with_itself_and_is_the_opposite_of_its_reverse(scores):
    assert correlation(scores, scores) == (1.0, 1.0)
    assert correlation(scores, [-score for score in scores]) == (-1.0, -1.0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=30))
def test_ties_count_as_scipy_counts_them(pairs):
    from scipy.stats import kendalltau, spearmanr

    one, other = zip(*pairs, strict=True)
    found = correlation(one, other)
    if found.kendall is not None:
        assert found == pytest.approx((kendalltau(one, other).statistic, spearmanr(one, other).statistic), abs=1e-6)


def test_nothing_to_compare():
    assert correlation([1.0], [2.0]) == (None, None)
    assert correlation([1.0, 1.0], [1.0, 2.0]) == (None, None)
    assert overlap([], [], 5) is None
    assert overlap(["a"], [], 5) == 0.0
    assert overlap(["a", "b"], ["b"], 1) == 0.0
