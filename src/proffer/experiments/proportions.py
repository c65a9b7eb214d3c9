"""Rates of few trials, with the interval that fits them."""

import math
from statistics import NormalDist

from proffer.core.errors import Invalid


def wilson(hits: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval (low, high) of a rate of independent trials (Wilson 1927); with no trial it is all of 0..1.

    It stays within 0..1 and is never of no width, also where nothing or everything was a hit. Raises Invalid for more
    hits than trials.

    >>> [round(bound, 3) for bound in wilson(3, 10)]
    [0.108, 0.603]
    >>> wilson(0, 0)
    (0.0, 1.0)
    """
    if not 0 <= hits <= trials:
        raise Invalid("more hits than trials", field="hits", remedy="Count each hit as a trial.")
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    rate, square = hits / trials, z * z / trials
    middle = (rate + square / 2) / (1 + square)
    half = z * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials)) / (1 + square)
    return (0.0 if hits == 0 else max(0.0, middle - half)), (1.0 if hits == trials else min(1.0, middle + half))
