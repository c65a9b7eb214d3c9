"""A toy world of lists whose true value is known: what off-policy estimators must find."""

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from proffer.experiments.offpolicy import Direct, Slates
from proffer.experiments.support import Drawn

TYPES, ITEMS, PLACES = 4, 8, 4

Floats = NDArray[np.float64]
Lists = NDArray[np.int64]


class Cascade:
    """Subjects of four types look down lists of four of eight items; how likely an item is wanted depends on type,
    item, place and the item before it.

    Both policies draw lists without replacement by exp(score / `temperature`); `rate` is the level of what is wanted.
    Subjects come back: their decisions are not independent. `values` (4,) is what the first k places of a list of the
    target policy earn on average, summed over every list there is, `logging_values` the same of the logging policy.
    """

    def __init__(self, temperature: float = 1.0, rate: float = 0.25, seed: int = 7) -> None:
        rng = np.random.default_rng(seed)
        self.temperature = temperature
        self.logging = rng.normal(size=(TYPES, ITEMS))
        self.target = 0.5 * self.logging + 0.75**0.5 * rng.normal(size=(TYPES, ITEMS))
        self.appeal = np.clip(rate * np.exp(0.8 * rng.normal(size=(TYPES, ITEMS))), 0.0, 0.9)
        self.values, self.logging_values = self._values(self.target), self._values(self.logging)

    def log(self, seed: int, subjects: int) -> tuple[Slates, Drawn, Direct]:
        """Return what `subjects` subjects, four decisions each on average, leave in a log.

        The direct model is the mean reward of an item at a place for all types alike, learned from the other half of
        the subjects: it is wrong, and knows nothing of what it judges.
        """
        rng = np.random.default_rng(seed)
        whose = np.repeat(np.arange(subjects), 1 + rng.poisson(3, subjects))
        kinds = rng.integers(0, TYPES, subjects)[whose]
        lists, own = self._draw(self.logging, kinds, rng), self._draw(self.target, kinds, rng)
        rewards = (rng.random(lists.shape) < self._wanted(kinds, lists)).astype(np.float64)
        slates = Slates.of(
            self.chances(self.logging, kinds, lists), self.chances(self.target, kinds, lists), rewards, whose
        )
        drawn = Drawn.of(self.chances(self.logging, kinds, own), self.chances(self.target, kinds, own))
        return slates, drawn, self._direct(whose % 2, kinds, lists, own, rewards)

    @property
    def value(self) -> float:
        """Return what a whole list of the target policy earns."""
        return float(self.values[-1])

    @property
    def logging_value(self) -> float:
        """Return what a whole list of the logging policy earns."""
        return float(self.logging_values[-1])

    def chances(self, scores: Floats, kinds: Lists, lists: Lists) -> Floats:
        """Return the chance of each place of lists (n, k) for these types (n,), given the places before it."""
        worth = np.exp(scores / self.temperature)[kinds]
        of = np.take_along_axis(worth, lists, axis=1)
        left = worth.sum(axis=1, keepdims=True) - np.cumsum(of, axis=1) + of
        return np.asarray(of / left)

    def _draw(self, scores: Floats, kinds: Lists, rng: np.random.Generator) -> Lists:
        noisy = scores[kinds] / self.temperature + rng.gumbel(size=(len(kinds), ITEMS))
        return np.argsort(-noisy, axis=1)[:, :PLACES]

    def _wanted(self, kinds: Lists, lists: Lists) -> Floats:
        found = np.take_along_axis(self.appeal[kinds], lists, axis=1) * 0.8 ** np.arange(lists.shape[1])
        alike = np.zeros(lists.shape, np.bool_)
        alike[:, 1:] = lists[:, 1:] % 2 == lists[:, :-1] % 2
        return np.where(alike, found / 2, found)

    def _values(self, scores: Floats) -> Floats:
        lists = np.array(list(permutations(range(ITEMS), PLACES)))
        total = np.zeros(PLACES)
        for kind in range(TYPES):
            kinds = np.full(len(lists), kind)
            total += self.chances(scores, kinds, lists).prod(axis=1) @ self._wanted(kinds, lists)
        return np.asarray(np.cumsum(total) / TYPES)

    def _direct(self, half: Lists, kinds: Lists, lists: Lists, own: Lists, rewards: Floats) -> Direct:
        means = np.zeros((2, PLACES, ITEMS))
        for fold in range(2):
            other = half != fold
            for place in range(PLACES):
                count = np.bincount(lists[other, place], minlength=ITEMS)
                total = np.bincount(lists[other, place], rewards[other, place], minlength=ITEMS)
                means[fold, place] = (total + 10 * rewards[other, place].mean()) / (count + 10)
        places = np.arange(PLACES)
        worth = np.exp(self.target / self.temperature)[kinds]
        policy = np.empty(lists.shape)
        for place in range(PLACES):
            policy[:, place] = (worth * means[half, place]).sum(axis=1) / worth.sum(axis=1)
            np.put_along_axis(worth, lists[:, place : place + 1], 0.0, axis=1)
        return Direct.of(means[half[:, None], places, lists], policy, means[half[:, None], places, own])
