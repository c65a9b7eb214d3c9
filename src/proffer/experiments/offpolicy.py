"""Off-policy estimation: what another policy would have earned, from what the logging one drew by chance.

A policy shows a list of places one after the other; `chances` of a place are conditional on the places before it. One
action is a list of one place. The estimand of every function is the mean, over the decisions that were logged, of the
rewards on the first K places if the target policy had filled them, in the state in which each decision was made:
what a policy does to later decisions is not in it. The estimators for lists hold when what happens at a place depends
on it and on the places before it, not on those after it (McInerney et al., KDD 2020).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from proffer.core.errors import Invalid

LEVEL = 0.95
MOST_WIDE = 50.0
"""What the logarithm of half an interval's ratio is cut at."""
Floats = NDArray[np.float64]


class Estimated(NamedTuple):
    """A mean reward with its interval at a level, its standard error, and what each decision adds to the error (n,)."""

    value: float
    low: float
    high: float
    error: float
    level: float
    influence: Floats


class Slates(NamedTuple):
    """Logged lists as matrices (n, K), a row a decision, a column a place; NaN where a list ended before a place.

    `logged` and `target` are the chances with which either policy puts there what was there, given the places before;
    `rewards` what came of it. `clusters` (n,) tells whose decision it was: those of one subject are not independent.
    """

    logged: Floats
    target: Floats
    rewards: Floats
    clusters: NDArray[np.int64] | None = None

    @classmethod
    def of(
        cls, logged: ArrayLike, target: ArrayLike, rewards: ArrayLike, clusters: ArrayLike | None = None
    ) -> "Slates":
        """Return checked matrices; vectors (n,) are lists of one place.

        Raises Invalid for a propensity that is missing, not above 0 or above 1, and for shapes that differ.

        >>> Slates.of([0.5, 0.25], [0.25, 0.5], [1, 0]).weights.tolist()
        [[0.5], [2.0]]
        """
        found = [_matrix(values) for values in (logged, target, rewards)]
        shape = found[0].shape
        whose = None if clusters is None else np.asarray(clusters, np.int64)
        if any(values.shape != shape for values in found) or (whose is not None and len(whose) != len(found[0])):
            raise Invalid(
                "chances, rewards and clusters differ in length", remedy="Give one of each for each decision."
            )
        if not shape[0] or not shape[1]:
            raise Invalid("there are no decisions", remedy="Log decisions first.")
        _check(*found)
        return cls(found[0], found[1], found[2], whose)

    @property
    def weights(self) -> Floats:
        """Return how much likelier the target policy is to fill the first k places as they were (n, K); 0 beyond."""
        ratios = np.where(np.isnan(self.logged), 0.0, self.target / self.logged)
        return np.asarray(np.cumprod(ratios, axis=1))

    @property
    def earned(self) -> Floats:
        """Return the rewards (n, K), 0 beyond the end of a list."""
        return np.nan_to_num(self.rewards, nan=0.0)

    def first(self, places: int) -> "Slates":
        """Return the first so many places."""
        return self._replace(
            logged=self.logged[:, :places], target=self.target[:, :places], rewards=self.rewards[:, :places]
        )


class Direct(NamedTuple):
    """What a model says of rewards, learned from other decisions than those it judges, and of the target policy.

    `taken` (n, K) is what it expects of what stood at each place, `policy` (n, K) of what the target policy would put
    there after the same places before, `ahead` (n, K) of the target policy's list as a whole, place by place.
    """

    taken: Floats
    policy: Floats
    ahead: Floats

    @classmethod
    def of(cls, taken: ArrayLike, policy: ArrayLike, ahead: ArrayLike | None = None) -> "Direct":
        """Return matrices; of lists of one place `ahead` is `policy`. Raises Invalid for shapes that differ."""
        one, other, own = (
            np.nan_to_num(_matrix(values), nan=0.0) for values in (taken, policy, policy if ahead is None else ahead)
        )
        if not one.shape == other.shape == own.shape:
            raise Invalid("predictions differ in shape", remedy="Give one for each decision and place.")
        return cls(one, other, own)

    def first(self, places: int) -> "Direct":
        """Return the first so many places."""
        return Direct(self.taken[:, :places], self.policy[:, :places], self.ahead[:, :places])

    def later(self) -> Floats:
        """Return what the target policy's list is expected to earn after each place (n, K)."""
        after = np.cumsum(self.ahead[:, ::-1], axis=1)[:, ::-1]
        return np.hstack([after[:, 1:], np.zeros((len(after), 1))])


def on_policy(slates: Slates, level: float = LEVEL) -> Estimated:
    """Return the mean reward of the lists as they were shown."""
    return _estimated(slates.earned.sum(axis=1), slates.clusters, level)


def ips(slates: Slates, level: float = LEVEL) -> Estimated:
    """Return the inverse propensity score: the mean of weight x reward over places (Horvitz and Thompson 1952).

    >>> round(ips(Slates.of([0.5, 0.5], [0.9, 0.1], [1, 0])).value, 6)
    0.9
    """
    return _estimated((slates.weights * slates.earned).sum(axis=1), slates.clusters, level)


def clipped_ips(slates: Slates, most: float, level: float = LEVEL) -> Estimated:
    """Return IPS with no weight above `most`: less noise, and a bias downwards for rewards not below 0."""
    return _estimated((np.minimum(slates.weights, most) * slates.earned).sum(axis=1), slates.clusters, level)


def snips(slates: Slates, level: float = LEVEL) -> Estimated:
    """Return IPS with the weights of each place divided by their mean (Swaminathan and Joachims 2015)."""
    weights = slates.weights
    values, influence = _ratios(weights * slates.earned, weights)
    return _interval(values.sum(), influence.sum(axis=1), slates.clusters, level)


def direct(model: Direct) -> float:
    """Return the mean of what a model expects of the target policy's lists.

    It is as wrong as the model is, which no interval would tell, so it has none.
    """
    return float(model.ahead.sum(axis=1).mean())


def doubly_robust(slates: Slates, model: Direct, level: float = LEVEL) -> Estimated:
    """Return the model's expectation corrected by the weighted errors it makes; unbiased where IPS is.

    Dudik, Langford and Li 2011 for one place; for lists the cascade form of Kiyohara et al., WSDM 2022, in which the
    model of a place counts what is expected of the places after it.
    """
    before, weights = _before(slates.weights), slates.weights
    later = model.later()
    terms = weights * (slates.earned - model.taken - later) + before * (model.policy + later)
    return _estimated(terms.sum(axis=1), slates.clusters, level)


def self_normalised_dr(slates: Slates, model: Direct, level: float = LEVEL) -> Estimated:
    """Return the doubly robust estimate with the weights of each place divided by their mean."""
    before, weights = _before(slates.weights), slates.weights
    later = model.later()
    errors, first = _ratios(weights * (slates.earned - model.taken - later), weights)
    expected, second = _ratios(before * (model.policy + later), before)
    return _interval((errors + expected).sum(), (first + second).sum(axis=1), slates.clusters, level)


def effective_size(weights: ArrayLike) -> float:
    """Return how many decisions of equal weight say as much: (sum w)^2 / sum w^2, 0 where all weights are 0.

    >>> effective_size([1, 1, 2])
    2.6666666666666665
    """
    found = np.asarray(weights, np.float64)
    squares = float((found**2).sum())
    return float(found.sum()) ** 2 / squares if squares > 0 else 0.0


def difference(one: Estimated, other: Estimated, clusters: ArrayLike | None = None) -> Estimated:
    """Return how much one estimate is above another over the same decisions, whose errors are not independent."""
    whose = None if clusters is None else np.asarray(clusters, np.int64)
    influence = one.influence - other.influence
    value = one.value - other.value
    error, freedom = _error(influence, whose)
    half = _half(error, freedom, one.level)
    return Estimated(value, value - half, value + half, error, one.level, influence)


def _matrix(values: ArrayLike) -> Floats:
    found = np.asarray(values, np.float64)
    return found[:, None] if found.ndim == 1 else found


def _check(logged: Floats, target: Floats, rewards: Floats) -> None:
    shown = ~np.isnan(rewards)
    if (np.isnan(logged) & shown).any():
        missing = int((np.isnan(logged) & shown).any(axis=1).sum())
        raise Invalid(f"{missing} decisions have no propensity", field="propensity", remedy="Explore, then log again.")
    for name, values in (("logged", logged), ("target", target)):
        known = values[shown]
        if not np.isfinite(known).all() or (known < 0).any() or (known > 1 + 1e-9).any():
            raise Invalid("a chance is not between 0 and 1", field=name, remedy="Give conditional chances.")
    if (logged[shown] == 0).any():
        remedy = "What was shown had a chance above 0: look for what logged it."
        raise Invalid("a logged chance is 0", field="propensity", remedy=remedy)
    if not np.isfinite(rewards[shown]).all():
        raise Invalid("a reward is no finite number", field="rewards", remedy="Give 0 where nothing came of it.")


def _before(weights: Floats) -> Floats:
    """Return the weights of the places before each (n, K): 1 before the first."""
    return np.hstack([np.ones((len(weights), 1)), weights[:, :-1]])


def _ratios(terms: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return mean(terms) / mean(weights) of each column (K,), and what each row adds to its error (n, K)."""
    means = weights.mean(axis=0)
    # Where the target policy never gets that far, nothing is earned.
    safe = np.where(means > 0, means, 1.0)
    values = np.where(means > 0, terms.mean(axis=0) / safe, 0.0)
    return values, (terms - weights * values) / safe


def _estimated(terms: Floats, clusters: NDArray[np.int64] | None, level: float) -> Estimated:
    value = terms.mean()
    return _interval(value, terms - value, clusters, level)


def _interval(value: float, influence: Floats, clusters: NDArray[np.int64] | None, level: float) -> Estimated:
    """Return a value with its interval; of one above 0 it is as wide on either side by ratio, not by difference.

    Rewards are rare and weights skewed: an interval of equal sides is exceeded from above far more often than it says.
    """
    value = float(value)
    error, freedom = _error(influence, clusters)
    half = _half(error, freedom, level)
    if value <= 0.0:
        return Estimated(value, value - half, value + half, error, level, influence)
    times = float(np.exp(min(half / value, MOST_WIDE)))
    return Estimated(value, value / times, value * times, error, level, influence)


def _half(error: float, freedom: float, level: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2)) * error if error > 0.0 else 0.0


def _error(influence: Floats, clusters: NDArray[np.int64] | None) -> tuple[float, float]:
    """Return the sandwich estimate of the standard error, what one cluster adds taken together, and its freedom.

    The degrees of freedom are those that the clusters' own kurtosis leaves (Satterthwaite): where a few of great weight
    make the error, nobody knows it well.
    """
    sums = influence if clusters is None else np.bincount(np.unique(clusters, return_inverse=True)[1], influence)
    count = len(sums)
    squares = float((sums**2).sum())
    if count < 2:
        return float("inf"), 1.0
    if squares == 0.0:
        return 0.0, count - 1.0
    tails = float((sums**4).sum()) / squares**2 - 1 / count
    freedom = min(count - 1.0, 2 / tails) if tails > 0 else count - 1.0
    return float(np.sqrt(count / (count - 1) * squares)) / len(influence), max(freedom, 1.0)
