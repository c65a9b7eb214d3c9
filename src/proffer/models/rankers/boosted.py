"""Rankers of boosted trees, grown by LightGBM and scored by our own kernel."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Invalid
from proffer.models.base import Parameters
from proffer.models.rankers.lists import Lists, in_order
from proffer.models.rankers.trees import LEAVES, Trees

MOST_PLACES = 50
"""Places beyond this one share a bias: few rows tell anything of each."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How trees are grown: at most `rounds` of them, fewer when the newest lists gain nothing for `patience`.

    `rate` shrinks each tree; `leaves` and `least` (rows in a leaf) bound one; `share` is the part of the columns each
    may split on; `ridge` the L2 penalty on leaves; `bins` how finely columns are cut.
    """

    rounds: int = 300
    rate: float = 0.05
    leaves: int = 31
    least: int = 50
    share: float = 0.7
    ridge: float = 1.0
    bins: int = 127
    patience: int = 40

    def __post_init__(self) -> None:
        if not 2 <= self.leaves <= LEAVES or self.rounds < 1:
            raise Invalid(f"2 to {LEAVES} leaves and a round at least", field="leaves", remedy="Choose within them.")


class Boosted:
    """What boosted rankers share; a subclass names LightGBM's objective and the labels it learns."""

    name = "boosted"
    objective = ""
    by_row = True

    def __init__(self, **growth: Any) -> None:
        self.growth = Growth(**growth)
        self.columns: tuple[str, ...] = ()
        self.trees: Trees | None = None
        self.gains: tuple[float, ...] = ()

    def fit(
        self, X: NDArray[np.float32], y: NDArray[np.float64], sizes: NDArray[np.int64], *,
        columns: Sequence[str], rng: np.random.Generator, missed: NDArray[np.int64] | None = None,
        positions: NDArray[np.int64] | None = None,
    ) -> Self:  # fmt: skip
        """Grow trees on lists laid end to end, oldest first, and return self. Raises Invalid where nothing is wanted.

        The newest fifth tells how many trees pay; then as many are grown on all lists. Lists of which nothing is
        wanted teach nothing and are left out.
        """
        lists = Lists.of(X, y, sizes, columns, missed, positions)
        seed = int(rng.integers(2**31 - 1))
        rounds, parts = min(self.growth.rounds, 50), lists.cut()
        if parts is not None:
            rounds = self._rounds(*parts, seed)
        self.columns = tuple(columns)
        grown = self._grown(lists, seed, rounds)
        self.trees = Trees.read(grown.model_to_string(num_iteration=rounds))
        self.gains = tuple(grown.feature_importance("gain", iteration=rounds).tolist())
        self.trees.check(len(self.columns))
        return self

    def predict(self, X: NDArray[np.float32], columns: Sequence[str]) -> NDArray[np.float32]:
        """Return a score per row (n,) of one list X (n, d); a row's does not depend on the others."""
        return self._fitted().scores(in_order(X, columns, self.columns)).astype(np.float32)

    def contributions(self, X: NDArray[np.float32], columns: Sequence[str]) -> NDArray[np.float32]:
        """Return what each of the columns adds to each row's score (n, d), beside what is the same for all rows."""
        found = self._fitted().contributions(in_order(X, columns, self.columns))
        out = np.zeros((len(X), len(columns)), np.float32)
        places = {name: place for place, name in enumerate(columns)}
        out[:, [places[name] for name in self.columns]] = found[:, :-1]
        return out

    def gained(self) -> dict[str, float]:
        """Return how much the splits by each column lowered the loss."""
        return dict(zip(self.columns, self.gains, strict=False))

    def parameters(self) -> Parameters:
        """Return how the trees were grown, their columns and what each gained, and the trees."""
        told = {"growth": asdict(self.growth), "columns": list(self.columns), "gains": list(self.gains)}
        return told, self._fitted().arrays()

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over trees and return self. Raises Corrupt where the arrays are none."""
        self.growth, self.columns = Growth(**values["growth"]), tuple(values["columns"])
        self.gains = tuple(values.get("gains", ()))
        self.trees = Trees.restore(arrays, len(self.columns))
        return self

    def labels(self, y: NDArray[np.float64]) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Return what LightGBM learns of grades (n,), and the options that go with it."""
        raise NotImplementedError

    def _fitted(self) -> Trees:
        if self.trees is None:
            raise Invalid("was not fitted", field=self.name, remedy="Fit it first.")
        return self.trees

    def _rounds(self, older: Lists, newer: Lists, seed: int) -> int:
        """Return after how many rounds, grown on the older lists, the newer ones are ordered best."""
        import lightgbm

        gains: list[float] = []
        best = [0, -1.0]

        def look(env: Any) -> None:
            # A prediction that names no number of threads makes all later rounds take every core.
            scores = env.model.predict(
                newer.X, raw_score=True, start_iteration=env.iteration, num_iteration=1, num_threads=_threads()
            )
            held[:] += scores
            gains.append(newer.gain(held))
            if gains[-1] > best[1]:
                best[:] = [env.iteration + 1, gains[-1]]
            if env.iteration + 1 - best[0] >= self.growth.patience:
                raise lightgbm.callback.EarlyStopException(env.iteration, [])

        held = np.zeros(len(newer.y))
        self._grown(older, seed, self.growth.rounds, look)
        return max(int(best[0]), 1)

    def _grown(self, lists: Lists, seed: int, rounds: int, look: Any = None) -> Any:
        import lightgbm

        growth = self.growth
        labels, options = self.labels(lists.y)
        places = None
        if lists.positions is not None and self.objective == "lambdarank":
            places = np.minimum(lists.positions, MOST_PLACES).astype(np.int32)
        options |= {
            "objective": self.objective, "metric": "None", "learning_rate": growth.rate, "num_leaves": growth.leaves,
            "min_data_in_leaf": min(growth.least, max(len(labels) // 20, 1)), "feature_fraction": growth.share,
            "lambda_l2": growth.ridge, "max_bin": growth.bins, "seed": seed, "deterministic": True,
            "force_row_wise": True, "num_threads": _threads(), "verbose": -1,
        }  # fmt: skip
        held = lightgbm.Dataset(lists.X, labels, group=lists.sizes, position=places, params=options)
        return lightgbm.train(options, held, rounds, callbacks=[] if look is None else [look])


def _threads() -> int:
    """Return how many threads trees grow with: one core stays free."""
    return max((os.cpu_count() or 2) - 1, 1)


class LambdaRank(Boosted):
    """Trees whose gradients are the change of NDCG when two rows of a list swap (Burges 2010).

    A grade's gain is the grade itself. Where rows tell the place they were shown at, a bias of each place is learned
    beside the trees and forgotten afterwards (unbiased LambdaMART; Hu et al. 2019).
    """

    name = "lambdarank"
    objective = "lambdarank"

    def labels(self, y: NDArray[np.float64]) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Return the rank of each grade among the grades there are, and the grades as gains."""
        grades, ranks = np.unique(np.maximum(y, 0.0), return_inverse=True)
        gains = grades.tolist() if grades[0] == 0.0 else [0.0, *grades.tolist()]
        return ranks.astype(np.float64) + (len(gains) - len(grades)), {"label_gain": gains}


class Pointwise(Boosted):
    """Trees that predict the grade itself, row by row, by least squares; places are not looked at."""

    name = "pointwise"
    objective = "regression"

    def labels(self, y: NDArray[np.float64]) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Return the grades."""
        return y, {}
