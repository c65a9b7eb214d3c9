"""Sums over feature columns: declared ones that need no training and can be told at any time, and fitted ones."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Corrupt, Invalid
from proffer.models.base import Parameters
from proffer.models.blas import one_thread
from proffer.models.rankers.lists import Lists, in_order
from proffer.models.rankers.standing import standard

Transform = Literal["identity", "log1p"]


class LinearHeuristic:
    """Score = sum of weight x transformed column; an unknown value (NaN) adds nothing.

    `terms` maps a column to its weight and transform; log1p takes the sign along, so that it is defined below 0.

    >>> heuristic = LinearHeuristic({"likes_7d": (2.0, "log1p"), "age_hours": (-0.1, "identity")})
    >>> heuristic.predict(np.array([[0.0, 5.0], [np.nan, 1.0]], np.float32), ("likes_7d", "age_hours"))
    array([-0.5, -0.1], dtype=float32)
    """

    name = "heuristic"

    def __init__(self, terms: Mapping[str, tuple[float, Transform]]) -> None:
        for name, (weight, transform) in terms.items():
            if not np.isfinite(weight) or transform not in ("identity", "log1p"):
                raise Invalid("not a finite weight and a transform", field=name, remedy="Use identity or log1p.")
        self.terms = dict(terms)

    def weighted(self, weights: Mapping[str, float]) -> "LinearHeuristic":
        """Return the same heuristic with other weights for some of its columns. Raises Invalid for any other."""
        for name in weights:
            if name not in self.terms:
                raise Invalid("no such term", field=name, remedy=f"Use one of {', '.join(self.terms)}.")
        changed = {name: (float(weights.get(name, weight)), how) for name, (weight, how) in self.terms.items()}
        return LinearHeuristic(changed)

    def fit(
        self, X: NDArray[np.float32], y: NDArray[np.float64], sizes: NDArray[np.int64], *,  # noqa: ARG002
        columns: Sequence[str], rng: np.random.Generator, missed: NDArray[np.int64] | None = None,  # noqa: ARG002
        positions: NDArray[np.int64] | None = None,  # noqa: ARG002
    ) -> Self:  # fmt: skip
        """Learn nothing: the weights are declared."""
        return self

    def contributions(self, X: NDArray[np.float32], columns: Sequence[str]) -> NDArray[np.float32]:
        """Return what each column adds to each row's score (n, d). Raises Invalid where a term's column is missing."""
        places = {name: place for place, name in enumerate(columns)}
        out = np.zeros((len(X), len(columns)), np.float32)
        for name, (weight, transform) in self.terms.items():
            if name not in places:
                raise Invalid("the view has no such column", field=name, remedy="Declare the feature or drop the term.")
            values = np.nan_to_num(np.asarray(X[:, places[name]], np.float64), nan=0.0)
            values = np.sign(values) * np.log1p(np.abs(values)) if transform == "log1p" else values
            out[:, places[name]] = weight * values
        return out

    def predict(self, X: NDArray[np.float32], columns: Sequence[str]) -> NDArray[np.float32]:
        """Return the score of each row (n,)."""
        parts = self.contributions(X, columns)
        total = np.zeros(len(X), np.float32)
        for column in range(parts.shape[1]):
            total += parts[:, column]
        return total

    def parameters(self) -> Parameters:
        """Return the terms."""
        return {"terms": {name: [weight, transform] for name, (weight, transform) in self.terms.items()}}, {}

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG002
        """Take over terms and return self."""
        self.terms = {name: (float(weight), transform) for name, (weight, transform) in values["terms"].items()}
        return self


PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Tried L2 penalties, as shares of the mean variance of the inputs."""
CHUNK = 20_000
SPREADS = 8.0
"""A value further from the mean than this many standard deviations counts as so far."""
OFTEN = 0.01
"""That a value is unknown is an input of its own where it is so, and where it is not, at least this often."""


class LinearRanker:
    """Ridge regression of grades on standardised columns.

    Each column comes in twice, standardised over all rows and within its list, an unknown value (NaN) as 0; where some
    rows know a column and some do not, not knowing it is an input too. Grades and inputs are taken relative to their
    list's mean, so that the weights tell rows of one list apart, not lists. The penalty is the one of `PENALTIES` that
    orders the newest fifth of the lists best.
    """

    name = "linear"

    def __init__(self) -> None:
        self.columns: tuple[str, ...] = ()
        self.penalty = PENALTIES[-1]
        self.mean: NDArray[Any]
        self.spread: NDArray[Any]
        self.flagged: NDArray[Any]
        self.weights: NDArray[Any]
        self.mean = self.spread = self.flagged = self.weights = np.zeros(0)

    @one_thread()
    def fit(
        self, X: NDArray[np.float32], y: NDArray[np.float64], sizes: NDArray[np.int64], *,
        columns: Sequence[str], rng: np.random.Generator, missed: NDArray[np.int64] | None = None,  # noqa: ARG002
        positions: NDArray[np.int64] | None = None,
    ) -> Self:  # fmt: skip
        """Learn weights of lists laid end to end, oldest first; return self. Raises Invalid where nothing is wanted.

        Where rows tell the place they were shown at, its logarithm takes part in the regression and is then forgotten.
        """
        lists = Lists.of(X, y, sizes, columns, missed, positions)
        self.columns = tuple(columns)
        self._standardise(lists.X)
        parts = lists.cut()
        if parts is not None:
            older, newer = parts
            inputs, moments = self._inputs(newer.X, newer.sizes), self._moments(older)
            tried = {penalty: newer.gain(inputs @ self._solved(moments, penalty)) for penalty in PENALTIES}
            # Of equals the stronger penalty.
            self.penalty = max(reversed(PENALTIES), key=lambda penalty: tried[penalty])
        self.weights = self._solved(self._moments(lists), self.penalty)
        return self

    def predict(self, X: NDArray[np.float32], columns: Sequence[str]) -> NDArray[np.float32]:
        """Return a score per row (n,) of one list X (n, d)."""
        scores: NDArray[np.float32] = self.contributions(X, columns).sum(axis=1, dtype=np.float64).astype(np.float32)
        return scores

    def contributions(self, X: NDArray[np.float32], columns: Sequence[str]) -> NDArray[np.float32]:
        """Return what each column adds to each row's score (n, d)."""
        return self._contributions(X, np.array([len(X)], np.int64), columns)

    def predict_lists(
        self, X: NDArray[np.float32], sizes: NDArray[np.int64], columns: Sequence[str]
    ) -> NDArray[np.float32]:  # fmt: skip
        """Return the scores of lists laid end to end (total,), bit for bit those of `predict` list by list."""
        parts = self._contributions(X, np.asarray(sizes, np.int64), columns)
        # A sum over all rows at once may be rounded where a buffer ends: each list is summed by itself.
        ends = np.cumsum(sizes)[:-1].tolist()
        return np.concatenate([part.sum(axis=1, dtype=np.float64) for part in np.split(parts, ends)]).astype(np.float32)

    def _contributions(
        self, X: NDArray[np.float32], sizes: NDArray[np.int64], columns: Sequence[str]
    ) -> NDArray[np.float32]:  # fmt: skip
        if not self.columns:
            raise Invalid("was not fitted", field=self.name, remedy="Fit it first.")
        X = np.clip(in_order(X, columns, self.columns), -3e38, 3e38)
        parts = self._inputs(X, sizes) * self.weights
        d = len(self.columns)
        found = parts[:, :d] + parts[:, d : 2 * d]
        found[:, self.flagged > 0] += parts[:, 2 * d :]
        out = np.zeros((len(X), len(columns)), np.float32)
        places = {name: place for place, name in enumerate(columns)}
        out[:, [places[name] for name in self.columns]] = found
        return out

    def gained(self) -> dict[str, float]:
        """Return the weight of each column by size, of all inputs it gives, in grades a standard deviation."""
        d = len(self.columns)
        size = np.abs(self.weights)
        total = size[:d] + size[d : 2 * d]
        total[self.flagged > 0] += size[2 * d :]
        return dict(zip(self.columns, total.tolist(), strict=True))

    def parameters(self) -> Parameters:
        """Return the penalty, the names of the columns, and what they are standardised and weighted by."""
        arrays = {"mean": self.mean, "spread": self.spread, "flagged": self.flagged, "weights": self.weights}
        return {"penalty": self.penalty, "columns": list(self.columns)}, arrays

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over weights and return self. Raises Corrupt where they do not fit the columns."""
        self.penalty, self.columns = float(values["penalty"]), tuple(values["columns"])
        self.mean, self.spread = arrays["mean"], arrays["spread"]
        self.flagged, self.weights = arrays["flagged"], arrays["weights"]
        d = len(self.columns)
        lengths = (len(self.mean), len(self.spread), len(self.flagged), len(self.weights))
        if lengths != (d, d, d, 2 * d + int((self.flagged > 0).sum())):
            raise Corrupt("weights and columns differ in number", field="ranker", remedy="Train again.")
        return self

    def _standardise(self, X: NDArray[np.float32]) -> None:
        known = ~np.isnan(X)
        count = np.maximum(known.sum(axis=0), 1)
        self.mean = np.where(known, X, 0.0).sum(axis=0, dtype=np.float64) / count
        squares = sum(
            (np.where(known[rows], X[rows] - self.mean, 0.0) ** 2).sum(axis=0)
            for rows in (slice(start, start + CHUNK) for start in range(0, len(X), CHUNK))
        )
        spread = np.sqrt(squares / count)
        # float32 noise of a constant column is not a difference.
        self.spread = np.where(spread > 1e-6 * np.maximum(np.abs(self.mean), 1e-30), spread, np.inf)
        share = known.mean(axis=0)
        self.flagged = ((share > OFTEN) & (share < 1.0 - OFTEN)).astype(np.float64)

    def _inputs(self, X: NDArray[np.float32], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the regression's inputs of lists laid end to end (total, 2 d + flags)."""
        z = np.clip(np.nan_to_num((X - self.mean) / self.spread, nan=0.0), -SPREADS, SPREADS)
        within = standard(np.ascontiguousarray(X, np.float32), sizes)
        unknown = np.isnan(X)
        within[unknown] = 0.0
        return np.hstack([z, np.clip(within, -SPREADS, SPREADS), unknown[:, self.flagged > 0]])

    def _solved(self, moments: tuple[NDArray[Any], NDArray[Any]], penalty: float) -> NDArray[np.float64]:
        """Return the weights of the inputs that ridge regression gives."""
        gram, moment = moments
        weight = penalty * max(float(np.trace(gram)) / len(gram), 1e-12)
        found = np.asarray(np.linalg.solve(gram + weight * np.eye(len(gram)), moment), np.float64)
        return found[: 2 * len(self.columns) + int((self.flagged > 0).sum())]

    def _moments(self, lists: Lists) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the inner products of the inputs with each other and with the grades, list by list about the mean."""
        width = 2 * len(self.columns) + int((self.flagged > 0).sum()) + (0 if lists.positions is None else 2)
        gram: NDArray[Any] = np.zeros((width, width))
        moment: NDArray[Any] = np.zeros(width)
        start = 0
        ends = np.cumsum(lists.sizes)
        for chunk in np.split(np.arange(len(ends)), np.flatnonzero(np.diff(ends // CHUNK)) + 1):
            rows = slice(start, int(ends[chunk[-1]]))
            sizes, start = lists.sizes[chunk], rows.stop
            parts: list[NDArray[Any]] = [self._inputs(lists.X[rows], sizes)]
            if lists.positions is not None:
                shown = lists.positions[rows]
                parts += [np.log1p(shown)[:, None], (shown > 0)[:, None].astype(np.float64)]
            inputs = _centred(np.hstack(parts), sizes)
            y = _centred(lists.y[rows, None], sizes)
            gram = gram + inputs.T @ inputs
            moment = moment + inputs.T @ y[:, 0]
        return gram, moment


def _centred(values: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    means = np.add.reduceat(values, starts, axis=0) / sizes[:, None]
    centred: NDArray[np.float64] = values - np.repeat(means, sizes, axis=0)
    return centred
