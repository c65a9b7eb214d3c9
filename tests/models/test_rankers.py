import numpy as np
import pytest

from proffer.core.errors import Corrupt, Invalid
from proffer.models.gains import ideal, mean_ndcg
from proffer.models.rankers.boosted import LambdaRank, Pointwise
from proffer.models.rankers.linear import LinearRanker

COLUMNS = tuple("abcdefgh")
FLOOR = 0.02
"""A lead in NDCG@10 that is no accident of these lists."""


def world(seed, lists, wants):
    """Lists of 40 rows of eight columns, some unknown; the three best of each by a noisy wish are wanted."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(lists * 40, 8))
    wish = wants(X) + rng.normal(size=len(X)) * 0.5
    best = np.argsort(-wish.reshape(lists, 40), axis=1)[:, :3]
    y = np.zeros((lists, 40))
    for place, grade in enumerate((4.0, 2.0, 1.0)):
        y[np.arange(lists), best[:, place]] = grade
    X[rng.random(X.shape) < 0.05] = np.nan
    return X.astype(np.float32), y.ravel(), np.full(lists, 40)


def quality(ranker, X, y, sizes):
    scores = np.concatenate([ranker.predict(part, COLUMNS) for part in np.split(X, np.cumsum(sizes)[:-1])])
    return float(mean_ndcg(scores.astype(np.float64), y, sizes, ideal(y, sizes, None, 10), 10))


def judged(wants):
    X, y, sizes = world(0, 300, wants)
    later = world(1, 100, wants)
    found = {}
    for ranker in (LambdaRank(), Pointwise(), LinearRanker()):
        found[ranker.name] = quality(ranker.fit(X, y, sizes, columns=COLUMNS, rng=np.random.default_rng(0)), *later)
    return found


def test_where_columns_work_together_trees_win():
    found = judged(lambda X: 2.0 * X[:, 0] * X[:, 1] + X[:, 2])
    assert found["lambdarank"] > found["linear"] + 10 * FLOOR
    assert found["pointwise"] > found["linear"] + 5 * FLOOR
    assert found["lambdarank"] > 0.6


def test_where_columns_add_up_the_linear_one_is_as_good():
    found = judged(lambda X: 2.0 * X[:, 0] - X[:, 1] + 0.5 * X[:, 2])
    assert found["linear"] > 0.7
    assert found["linear"] > found["lambdarank"] - FLOOR


def test_grades_are_the_gains():
    labels, options = LambdaRank().labels(np.array([0.0, 4.0, 2.5, -1.0]))
    assert options["label_gain"] == [0.0, 2.5, 4.0]
    assert labels.tolist() == [0.0, 2.0, 1.0, 0.0]
    labels, options = LambdaRank().labels(np.array([4.0, 4.0]))
    assert (labels.tolist(), options["label_gain"]) == ([1.0, 1.0], [0.0, 4.0])


def biased(seed, lists=400):
    """Lists of 20 shown in random order: the first places are answered more, whatever stands there."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(lists * 20, 8)).astype(np.float32)
    places = np.tile(np.arange(1, 21), lists)
    # Column b tells the place but for noise, as an old ranking's score would.
    X[:, 1] = -np.log(places) + rng.normal(size=len(X)) * 0.3
    chance = 1 / (1 + np.exp(-(1.5 * X[:, 0] - 2.0))) / places**0.7
    return X, (rng.random(len(X)) < chance).astype(float), np.full(lists, 20), places


@pytest.mark.parametrize("make", [LambdaRank, LinearRanker])
def test_the_bias_of_places_is_learned_beside_the_columns(make):
    X, y, sizes, places = biased(0)
    plain = make().fit(X, y, sizes, columns=COLUMNS, rng=np.random.default_rng(0))
    aware = make().fit(X, y, sizes, columns=COLUMNS, rng=np.random.default_rng(0), positions=places)
    row = np.zeros((2, 8), np.float32)
    row[:, 1] = [-3.0, 0.0]
    leaning = {name: np.ptp(ranker.predict(row, COLUMNS)) for name, ranker in (("plain", plain), ("aware", aware))}
    assert leaning["aware"] < 0.7 * leaning["plain"]
    unknown = make().fit(X, y, sizes, columns=COLUMNS, rng=np.random.default_rng(0), positions=np.zeros(len(y), int))
    np.testing.assert_array_equal(unknown.predict(X[:20], COLUMNS), plain.predict(X[:20], COLUMNS))


def test_lists_of_which_nothing_is_wanted_are_left_out():
    X, y, sizes = world(3, 30, lambda X: X[:, 0])
    more = np.concatenate([X, X[:400]]), np.concatenate([y, np.zeros(400)]), np.full(40, 40)
    one = LinearRanker().fit(X, y, sizes, columns=COLUMNS, rng=np.random.default_rng(0))
    other = LinearRanker().fit(*more, columns=COLUMNS, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(one.weights, other.weights)


@pytest.mark.parametrize("make", [LambdaRank, Pointwise, LinearRanker])
def test_contributions_add_up_to_the_differences(make):
    X, y, sizes = world(4, 60, lambda X: X[:, 0] * X[:, 1] + X[:, 2])
    ranker = make().fit(X, y, sizes, columns=COLUMNS, rng=np.random.default_rng(0))
    parts, scores = ranker.contributions(X[:40], COLUMNS), ranker.predict(X[:40], COLUMNS)
    rest = scores - parts.sum(axis=1)
    np.testing.assert_allclose(rest, rest[0], atol=1e-4)
    assert np.abs(parts[:, :3]).sum() > np.abs(parts[:, 3:]).sum()


@pytest.mark.parametrize("make", [LambdaRank, Pointwise, LinearRanker])
def test_unfitted_or_damaged_ones_say_so(make):
    X, y, sizes = world(5, 20, lambda X: X[:, 0])
    with pytest.raises(Invalid):
        make().predict(X[:40], COLUMNS)
    values, arrays = make().fit(X, y, sizes, columns=COLUMNS, rng=np.random.default_rng(0)).parameters()
    for name in arrays:
        with pytest.raises(Corrupt):
            make().restore(values, {**arrays, name: arrays[name][:-1]})


@pytest.mark.parametrize("wrong", [{"leaves": 1}, {"leaves": 65}, {"rounds": 0}])
def test_growth_has_bounds(wrong):
    with pytest.raises(Invalid):
        LambdaRank(**wrong)
