"""How likely a place is looked at: known chances are found again, answers without a bias give none."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from proffer.models.examination import LEAST, Examination, _loss


def browsed(eta, lists=800, places=8, columns=12, seed=0):
    """Return what was shown in order of one column, what was answered, and the places, when eyes wander as 1/k^eta."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(lists, 3 * places, columns))
    wanted = 1 / (1 + np.exp(-(X[:, :, :4] @ np.array([0.5, 0.8, 0.8, -0.6]) - 1.0)))
    order = np.argsort(-X[:, :, 0], axis=1)[:, :places]
    shown = np.take_along_axis(X, order[:, :, None], 1)
    chance = np.take_along_axis(wanted, order, 1) / np.arange(1, places + 1) ** eta
    positions = np.tile(np.arange(1, places + 1), (lists, 1))
    return shown.reshape(-1, columns), (rng.random(chance.shape) < chance).ravel(), positions.ravel()


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_known_chances_are_found_though_the_better_stand_higher(eta):
    X, answered, positions = browsed(eta)
    found = Examination().fit(X, answered, positions)
    known = 1 / np.arange(1, 9) ** eta
    assert found.chances[0] == 1.0
    assert (np.diff(found.chances) <= 0).all()
    assert np.abs(found.chances - known).mean() < 0.06
    # Rates of answers alone take what stands higher because it is better for what is looked at more.
    rates = np.array([answered[positions == place].mean() for place in range(1, 9)])
    assert np.abs(rates / rates[0] - known).mean() > 1.5 * np.abs(found.chances - known).mean()


def test_rows_without_a_place_count_as_seen_and_no_place_weighs_more_than_ten():
    held = Examination([1.0, 0.5, 0.01])
    assert held.at(np.array([0, 1, 2, 3, 99])).tolist() == [1.0, 1.0, 0.5, LEAST, LEAST]


def test_unknown_constant_and_huge_columns_do_no_harm():
    X, answered, positions = browsed(0.5, lists=200)
    X = np.column_stack(
        [X, np.full(len(X), 3.0), np.where(np.arange(len(X)) % 2, np.nan, 1e30), np.full(len(X), np.nan)]
    )
    assert np.isfinite(Examination().fit(X, answered, positions).chances).all()


def test_the_gradient_is_that_of_the_loss():
    X, answered, positions = browsed(0.5, lists=20, columns=5)
    rest = (X, answered.astype(float), positions - 1, 8)
    start = np.random.default_rng(1).normal(size=7 + 5 + 1) * 0.3
    assert check_grad(lambda p: _loss(p, *rest)[0], lambda p: _loss(p, *rest)[1], start) < 1e-3


def test_the_same_rows_give_the_same_bits():
    X, answered, positions = browsed(1.0, lists=100)
    one, other = (Examination().fit(X, answered, positions).chances for _ in range(2))
    assert one.tobytes() == other.tobytes()
