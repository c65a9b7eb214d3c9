import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.models.gram import inverted, members_of, mirrored, paired, places_of, regressed
from proffer.models.links import Links, no_links, strongest


def _matrix(seed, size, levels):
    rng = np.random.default_rng(seed)
    return rng.integers(-levels, levels + 1, (size, size)).astype(np.float32)


def _dense(links, n):
    found = np.zeros((n, n))
    for row in range(n):
        inside = slice(links.start[row], links.start[row + 1])
        found[row, links.to[inside]] = links.weight[inside]
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 999), st.integers(1, 150), st.sampled_from([1, 3, 1000]), st.integers(1, 160))
def test_keeps_what_is_farthest_from_nothing_and_ties_by_ordinal(seed, size, levels, most):
    matrix, members = _matrix(seed, size, levels), np.arange(size) * 2
    links = strongest(lambda begin, end: matrix[begin:end], members, 2 * size, most)
    expected = np.zeros((2 * size, 2 * size))
    for row in range(size):
        others = [other for other in range(size) if other != row and matrix[row, other] != 0.0]
        best = sorted(others, key=lambda other: (-abs(matrix[row, other]), other))[: min(most, size - 1)]
        expected[2 * row, 2 * np.array(best, np.int64)] = matrix[row, best]
    np.testing.assert_array_equal(_dense(links, 2 * size), expected)
    np.testing.assert_array_equal(np.flatnonzero(links.known), members)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.lists(st.integers(0, 25), max_size=12))
def test_scores_are_a_weighted_sum_of_rows(seed, found):
    matrix, rng = _matrix(seed, 10, 5), np.random.default_rng(seed)
    links = strongest(lambda begin, end: matrix[begin:end], np.arange(10) * 2, 20, 4)
    weights = rng.random(len(found))
    scores = links.scores(np.array(found, np.int64), weights, 26)
    inside = [(item, weight) for item, weight in zip(found, weights, strict=True) if item < 20 and item % 2 == 0]
    expected = np.full(26, np.nan)
    if inside:
        expected[:20:2] = sum(weight * _dense(links, 20)[item] for item, weight in inside)[::2]
    np.testing.assert_allclose(scores, expected, rtol=1e-12, atol=1e-12)


def test_links_pass_through_arrays():
    matrix = _matrix(0, 6, 3)
    links = strongest(lambda begin, end: matrix[begin:end], np.arange(6), 6, 3)
    for one, other in zip(links, Links.of(links.arrays()), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.isnan(no_links().scores(np.array([0, 3]), np.ones(2), 5)).all()


def test_a_ridge_regression_is_that_of_textbooks():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(80, 30)), rng.normal(size=(80, 30))
    A, targets = (X.T @ X).astype(np.float32), np.ascontiguousarray((X.T @ Y).T.astype(np.float32))
    expected = np.linalg.solve(X.T @ X + 2.0 * np.eye(30), X.T @ Y)
    memory = targets.__array_interface__["data"]
    found = regressed(np.triu(A), 2.0, targets)
    np.testing.assert_allclose(found.T, expected, atol=1e-4)
    assert found.__array_interface__["data"] == memory, "solved in place"
    inverse = inverted(np.triu(A), 2.0)
    whole = np.concatenate([mirrored(inverse, 0, 7), mirrored(inverse, 7, 30)])
    np.testing.assert_allclose(whole, np.linalg.inv(X.T @ X + 2.0 * np.eye(30)), atol=1e-4)


def test_pairs_are_counted_among_members_only():
    start, columns = np.array([0, 3, 5, 5]), np.array([4, 1, 2, 2, 4], np.int32)
    members = members_of(np.bincount(columns, minlength=6), 2)
    assert members.tolist() == [2, 4]
    A = np.zeros((2, 2), np.float32)
    paired(start, columns, places_of(members, 6), A)
    assert A.tolist() == [[2.0, 2.0], [0.0, 2.0]]


def test_no_ridge_where_one_is_needed_is_an_error():
    with pytest.raises(ArithmeticError, match="too small"):
        inverted(np.ones((3, 3), np.float32), 0.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.lists(st.integers(0, 25), max_size=12), st.lists(st.integers(0, 25), max_size=12))
def test_some_scores_are_those_of_the_whole_catalogue(seed, found, asked):
    matrix, rng = _matrix(seed, 10, 5), np.random.default_rng(seed)
    links = strongest(lambda begin, end: matrix[begin:end], np.arange(10) * 2, 20, 4)
    found, asked, weights = np.array(found, np.int64), np.array(asked, np.int64), rng.random(len(found))
    np.testing.assert_array_equal(links.some(found, weights, asked), links.scores(found, weights, 26)[asked])
