"""What every Ranker must do."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from proffer.core.errors import Invalid
from proffer.models.base import Ranker

COLUMNS = ("noise", "signal", "constant", "sparse")
"""The columns of `sample_lists`."""

Lists = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]
"""X (total, 4), grades y (total,) and sizes (lists,) of lists laid end to end."""


class RankerContract:
    """Subclass it and give `make`: the class itself where it needs no arguments, else a method.

    Lists have the columns `COLUMNS`, for a ranker that is declared over columns.
    """

    make: Callable[[], Ranker]
    """Return a new ranker that was not fitted."""
    learns = False
    """Whether `fit` needs lists of which something is wanted, and raises Invalid where there is none."""

    def fitted(self, lists: Lists) -> Ranker:
        """Return a ranker fitted on lists, from one seed."""
        X, y, sizes = lists
        return self.make().fit(X, y, sizes, columns=COLUMNS, rng=np.random.default_rng(0))

    @pytest.fixture
    def lists(self) -> Lists:
        """Twenty lists in which one column knows what is wanted."""
        return sample_lists(0, 20)

    def test_scores_every_row_and_again_the_same(self, lists: Lists) -> None:
        """One float32 per row and never NaN, the same at each call and from each fit with the same seed."""
        one, other, X = self.fitted(lists), self.fitted(lists), lists[0][:30]
        scores = one.predict(X, COLUMNS)
        assert (scores.shape, scores.dtype) == ((30,), np.dtype(np.float32))
        assert not np.isnan(scores).any()
        np.testing.assert_array_equal(scores, one.predict(X, COLUMNS))
        np.testing.assert_array_equal(scores, other.predict(X, COLUMNS))

    @pytest.mark.parametrize("rows", [0, 1])
    def test_short_lists(self, lists: Lists, rows: int) -> None:
        """An empty list and one of a single row."""
        scores = self.fitted(lists).predict(lists[0][:rows], COLUMNS)
        assert scores.shape == (rows,)
        assert not np.isnan(scores).any()

    def test_unknown_values(self, lists: Lists) -> None:
        """Rows of which nothing is known are scored."""
        assert not np.isnan(self.fitted(lists).predict(np.full((3, 4), np.nan, np.float32), COLUMNS)).any()

    def test_columns_go_by_name(self, lists: Lists) -> None:
        """The same columns in another order give the same scores."""
        ranker, X, order = self.fitted(lists), lists[0][:30], [2, 0, 3, 1]
        moved = ranker.predict(X[:, order], [COLUMNS[column] for column in order])
        np.testing.assert_allclose(moved, ranker.predict(X, COLUMNS), rtol=1e-4, atol=1e-5)

    def test_the_place_of_a_row_does_not_count(self, lists: Lists) -> None:
        """The same rows in another order have the same scores."""
        ranker, X, order = self.fitted(lists), lists[0][:30], np.random.default_rng(1).permutation(30)
        np.testing.assert_allclose(ranker.predict(X[order], COLUMNS), ranker.predict(X, COLUMNS)[order], 1e-4, 1e-5)

    def test_nothing_wanted(self, lists: Lists) -> None:
        """Lists that nobody wanted anything of teach nothing: a ranker that learns says so, another goes on."""
        X, y, sizes = lists
        if self.learns:
            with pytest.raises(Invalid):
                self.fitted((X, np.zeros_like(y), sizes))
        else:
            assert not np.isnan(self.fitted((X, np.zeros_like(y), sizes)).predict(X[:30], COLUMNS)).any()

    def test_one_list_and_one_row(self, lists: Lists) -> None:
        """Little to learn from breaks nothing."""
        X, _, sizes = lists
        first = int(sizes[0])
        graded = np.eye(1, first, 0)[0]
        for fitted in (self.fitted((X[:first], graded, sizes[:1])), self.fitted((X[:1], graded[:1], np.array([1])))):
            assert not np.isnan(fitted.predict(X[:30], COLUMNS)).any()

    def test_columns_that_say_nothing(self, lists: Lists) -> None:
        """Columns that are all unknown, or all the same, are no matter."""
        X, y, sizes = lists
        for nothing in (np.full_like(X, np.nan), np.full_like(X, 3.0)):
            scores = self.fitted((nothing, y, sizes)).predict(nothing[:30], COLUMNS)
            assert len(np.unique(scores)) == 1

    def test_infinite_values(self, lists: Lists) -> None:
        """A value out of all bounds is not contagious."""
        X, y, sizes = lists
        wild = X.copy()
        wild[:3, 0] = [np.inf, -np.inf, 3e38]
        assert not np.isnan(self.fitted((wild, y, sizes)).predict(X[:30], COLUMNS)).any()

    def test_columns_are_checked(self, lists: Lists) -> None:
        """Lists whose lengths do not match are refused."""
        X, y, sizes = lists
        if self.learns:
            with pytest.raises(Invalid):
                self.fitted((X, y, sizes[:-1]))
            with pytest.raises(Invalid):
                self.fitted(lists).predict(X[:3, :2], COLUMNS[:2])

    def test_places_are_a_bias_and_no_column(self, lists: Lists) -> None:
        """Places can be given when fitting, and a restored one asks for none."""
        X, y, sizes = lists
        places = np.concatenate([np.arange(1, size + 1) for size in sizes])
        fitted = self.make().fit(X, y, sizes, columns=COLUMNS, rng=np.random.default_rng(0), positions=places)
        again = self.make().restore(*fitted.parameters())
        np.testing.assert_array_equal(again.predict(X[:30], COLUMNS), fitted.predict(X[:30], COLUMNS))

    def test_an_own_name(self) -> None:
        """A saved version finds its ranker by name."""
        assert self.make().name

    def test_restored_parameters_give_the_same_scores(self, lists: Lists) -> None:
        """What was learned passes through strict JSON and arrays of plain numbers, bit for bit."""
        fitted, X = self.fitted(lists), lists[0][:30]
        values, arrays = fitted.parameters()
        assert all(array.dtype.kind in "iufb" for array in arrays.values())
        again = self.make().restore(json.loads(json.dumps(values, allow_nan=False)), arrays)
        np.testing.assert_array_equal(again.predict(X, COLUMNS), fitted.predict(X, COLUMNS))

    def test_reads_and_does_not_write(self, lists: Lists) -> None:
        """Rows, grades and sizes are as they were after fitting and scoring."""
        before = [array.copy() for array in lists]
        self.fitted(lists).predict(lists[0], COLUMNS)
        for one, other in zip(before, lists, strict=True):
            np.testing.assert_array_equal(one, other)


def sample_lists(seed: int, count: int = 60) -> Lists:
    """Return lists in which `signal` knows what is wanted; `noise` and `sparse` (nearly all NaN) do not.

    >>> X, y, sizes = sample_lists(0, 5)
    >>> X.shape == (sizes.sum(), len(COLUMNS))
    True
    """
    rng = np.random.default_rng(seed)
    sizes = rng.integers(12, 40, count)
    total = int(sizes.sum())
    signal = rng.normal(size=total)
    y = (signal + 0.5 * rng.normal(size=total) > 1.5).astype(np.float64)
    sparse = np.where(rng.random(total) < 0.05, rng.normal(size=total), np.nan)
    X = np.stack([100 * rng.normal(size=total), signal, np.full(total, 7.0), sparse], 1).astype(np.float32)
    return X, y, sizes
