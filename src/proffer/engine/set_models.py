"""What is compared on a ready-made set: each learns from lists laid end to end and scores others."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from proffer.engine.metrics import Gain
from proffer.models.base import Ranker
from proffer.models.gains import ideal, mean_ndcg
from proffer.models.rankers.boosted import LambdaRank, Pointwise
from proffer.models.rankers.linear import LinearRanker
from proffer.models.rankers.standing import standings

RANDOM, FEATURE, PEER = "random", "best feature", "lightgbm lambdarank"
CUTOFF = 10
SMALL: dict[str, Any] = {"leaves": 7, "least": 20, "share": 0.5, "rounds": 500}
"""A growth for few lists, beside the declared one: more and smaller trees."""
TIMES, BAG = 4, 0.7
"""Bagging: so many rankers, each of so large a drawn part of the lists; their mean errs less (Breiman 1996)."""
BAGGED: dict[str, Any] = {"relative": True, "times": TIMES}


class Part(NamedTuple):
    """Lists laid end to end: X (n, d), grades y (n,), what a grade adds (n,), rows of each list, names of columns.

    `relative` (n, d) is the rank percentile of each value in its list.
    """

    X: NDArray[np.float32]
    relative: NDArray[np.float32]
    y: NDArray[np.float64]
    gained: NDArray[np.float64]
    sizes: NDArray[np.int64]
    columns: tuple[str, ...]

    def of(self, lists: NDArray[np.bool_]) -> "Part":
        """Return some of the lists."""
        rows = np.repeat(lists, self.sizes)
        return Part(
            self.X[rows], self.relative[rows], self.y[rows], self.gained[rows], self.sizes[lists], self.columns
        )  # fmt: skip

    def doubled(self) -> "Part":
        """Return the lists with the percentiles as columns of their own."""
        names = tuple(f"{name}:rank" for name in self.columns)
        return self._replace(X=np.hstack([self.X, self.relative]), columns=self.columns + names)


def relative(X: NDArray[np.float32], sizes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the rank percentile of each value in its list (n, d), NaN where it is unknown or the only one."""
    ends = np.cumsum(sizes)
    lists = [standings(X[end - size : end])[:, 1::2] for end, size in zip(ends, sizes, strict=True)]
    return np.vstack(lists) if lists else X.copy()


class Scores(Protocol):
    """Something that learned."""

    def __call__(self, part: Part) -> NDArray[np.float64]:
        """Return a score for each row of other lists (n,)."""
        ...


Learns = Callable[[Part, int], Scores]
"""Learns from lists with a seed."""


@dataclass(frozen=True)
class Variant:
    """One way to make a contender, with the settings that tell it from the others of its kind."""

    learns: Learns
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """What is compared: its ways, the declared one first; a peer is compared and never chosen."""

    name: str
    family: str
    variants: tuple[Variant, ...]
    peer: bool = False


def contenders(gain: Gain) -> list[Contender]:
    """Return what is compared, the simpler first."""
    targets = ("gain",) if gain == "grade" else ("gain", "grade")
    last = targets[-1]
    points: list[tuple[dict[str, Any], Ranked]] = [({"learns": to}, Ranked(Pointwise, to)) for to in targets]
    points.append(({"learns": last, **BAGGED}, Ranked(Pointwise, last, **BAGGED)))
    lambdas: tuple[tuple[dict[str, Any], Ranked], ...] = (
        ({}, Ranked(LambdaRank)),
        (SMALL, Ranked(partial(LambdaRank, **SMALL))),
        (BAGGED, Ranked(LambdaRank, **BAGGED)),
    )
    return [
        Contender(FEATURE, "feature", (Variant(best_feature),)),
        Contender("linear", "ranker", tuple(Variant(Ranked(LinearRanker, to), {"learns": to}) for to in targets)),
        Contender("pointwise", "ranker", tuple(Variant(how, settings) for settings, how in points)),
        Contender("lambdarank", "ranker", tuple(Variant(how, settings) for settings, how in lambdas)),
        Contender(PEER, "peer", (Variant(_lightgbm),), peer=True),
    ]


def best_feature(part: Part, seed: int) -> "OneFeature":  # noqa: ARG001 - nothing is drawn
    """Learn which column orders the lists best, and whether more of it is better or less; of equals the earlier."""
    best = ideal(part.gained, part.sizes, None, CUTOFF)
    found, most = OneFeature(0, 1.0, part.columns[0]), -1.0
    for place in range(part.X.shape[1]):
        for sign in (1.0, -1.0):
            one = OneFeature(place, sign, part.columns[place])
            value = float(mean_ndcg(one(part), part.gained, part.sizes, best, CUTOFF))
            if value > most:
                found, most = one, value
    return found


@dataclass(frozen=True)
class OneFeature:
    """Scores by one column, an unknown value last."""

    place: int
    sign: float
    column: str

    def __call__(self, part: Part) -> NDArray[np.float64]:
        """Return the scores."""
        values = self.sign * part.X[:, self.place].astype(np.float64)
        return np.where(np.isnan(values), -np.inf, values)

    @property
    def named(self) -> str:
        """Return the column with its direction."""
        return f"{'more' if self.sign > 0 else 'less'} {self.column}"


class Ranked:
    """Learns one of our rankers, or the mean of several, each of a drawn part of the lists.

    `target` says whether it learns what a grade adds or the grade itself, `relative` whether it also reads where a
    value stands in its list, as rankers of a pipeline do.
    """

    def __init__(
        self, make: Callable[[], Ranker], target: str = "gain", *, relative: bool = False, times: int = 1
    ) -> None:
        self.make, self.target, self.relative, self.times = make, target, relative, times

    def __call__(self, part: Part, seed: int) -> Scores:
        """Learn."""
        part = part.doubled() if self.relative else part
        rng = np.random.default_rng(seed)
        rankers = []
        for _ in range(self.times):
            some = part
            if self.times > 1:
                drawn = rng.permutation(len(part.sizes)) < np.ceil(BAG * len(part.sizes))
                some = part.of(drawn)
            y = some.gained if self.target == "gain" else some.y
            rankers.append(self.make().fit(some.X, y, some.sizes, columns=some.columns, rng=rng))
        return _Mean(rankers, self.relative)


class _Mean:
    def __init__(self, rankers: list[Ranker], relative: bool) -> None:
        self.rankers, self.relative = rankers, relative

    def __call__(self, part: Part) -> NDArray[np.float64]:
        part = part.doubled() if self.relative else part
        ends = np.cumsum(part.sizes)
        lists = [part.X[end - size : end] for end, size in zip(ends, part.sizes, strict=True)]
        total = np.zeros(len(part.y))
        for ranker in self.rankers:
            total += np.concatenate([ranker.predict(one, part.columns) for one in lists])
        return total / len(self.rankers)


def _lightgbm(part: Part, seed: int) -> Scores:
    """Learn as LightGBM does when nothing is said but the objective: 100 rounds, a label's gain 2^label - 1.

    Where a grade is no class of LightGBM's, its rank among the grades is the label and has the gain of the grade.
    """
    import lightgbm

    labels, options = part.y, {}
    if (labels != np.rint(labels)).any() or labels.max() > 30:
        grades, ranks = np.unique(part.gained, return_inverse=True)
        labels, options = ranks.astype(np.float64), {"label_gain": grades.tolist()}
    threads = max((os.cpu_count() or 2) - 1, 1)
    settings = {"objective": "lambdarank", "seed": seed, "deterministic": True, "num_threads": threads, "verbose": -1}
    data = lightgbm.Dataset(part.X, labels, group=part.sizes, params=options)
    model = lightgbm.train(settings | options, data)

    def scores(part: Part) -> NDArray[np.float64]:
        return np.asarray(model.predict(part.X, num_threads=threads), np.float64)

    return scores
