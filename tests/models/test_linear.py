import json

import numpy as np
import pytest

from proffer.core.errors import Invalid
from proffer.models.rankers.linear import LinearHeuristic, LinearRanker

COLUMNS = ("likes", "age", "unused")
X = np.array([[np.e - 1, 2.0, 9.0], [np.nan, 1.0, 9.0], [-(np.e - 1), np.nan, np.nan]], np.float32)


def test_weights_and_transforms_add_up():
    heuristic = LinearHeuristic({"likes": (3.0, "log1p"), "age": (-0.5, "identity")})
    np.testing.assert_allclose(heuristic.predict(X, COLUMNS), [2.0, -0.5, -3.0], rtol=1e-6)
    np.testing.assert_allclose(heuristic.contributions(X, COLUMNS)[0], [3.0, -1.0, 0.0], rtol=1e-6)


def test_other_weights_make_another_heuristic():
    heuristic = LinearHeuristic({"likes": (3.0, "log1p"), "age": (-0.5, "identity")})
    changed = heuristic.weighted({"age": 0.0})
    assert changed.terms == {"likes": (3.0, "log1p"), "age": (0.0, "identity")}
    assert heuristic.terms["age"] == (-0.5, "identity")
    with pytest.raises(Invalid, match="likes, age"):
        heuristic.weighted({"agee": 1.0})


def test_bad_terms_are_refused():
    with pytest.raises(Invalid):
        LinearHeuristic({"a": (float("nan"), "identity")})
    with pytest.raises(Invalid):
        LinearHeuristic({"a": (1.0, "sqrt")})
    with pytest.raises(Invalid, match="no such column"):
        LinearHeuristic({"gone": (1.0, "identity")}).predict(X, COLUMNS)


def test_parameters_restore():
    heuristic = LinearHeuristic({"likes": (3.0, "log1p")})
    again = LinearHeuristic({}).restore(json.loads(json.dumps(heuristic.parameters()[0])), {})
    np.testing.assert_array_equal(again.predict(X, COLUMNS), heuristic.predict(X, COLUMNS))


def test_lists_scored_at_once_are_those_scored_one_by_one():
    rng = np.random.default_rng(0)
    sizes = np.array([40, 1, 7, 300, 40])
    rows = rng.normal(0, 1, (int(sizes.sum()), 150)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    columns = tuple(f"c{place}" for place in range(150))
    ranker = LinearRanker().fit(rows, (rng.random(len(rows)) < 0.3) * 1.0, sizes, columns=columns, rng=rng)
    alone = np.concatenate([ranker.predict(part, columns) for part in np.split(rows, np.cumsum(sizes)[:-1])])
    assert ranker.predict_lists(rows, sizes, columns).tobytes() == alone.tobytes()
