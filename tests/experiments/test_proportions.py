"""The interval of a rate of few trials."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proffer.core.errors import Invalid
from proffer.experiments.proportions import wilson


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0.5, 0.999))
def test_it_holds_the_rate_and_stays_between_nothing_and_everything(hits: int, more: int, level: float) -> None:
    low, high = wilson(hits, hits + more, level)
    assert 0 <= low < high <= 1
    if hits + more:
        assert low <= hits / (hits + more) <= high
    mirrored = wilson(more, hits + more, level)
    assert mirrored == pytest.approx((1 - high, 1 - low))


def test_known_values() -> None:
    # Of Newcombe 1998, table I, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=1e-4)


def test_it_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    covered = []
    for rate in (0.05, 0.2, 0.5):
        hits = rng.binomial(40, rate, 2000)
        bounds = [wilson(int(count), 40) for count in hits]
        covered.append(np.mean([low <= rate <= high for low, high in bounds]))
    assert min(covered) > 0.92
    assert max(covered) < 0.99


@pytest.mark.parametrize(("hits", "trials"), [(3, 2), (-1, 2), (1, 0)])
def test_more_hits_than_trials_are_refused(hits: int, trials: int) -> None:
    with pytest.raises(Invalid):
        wilson(hits, trials)
