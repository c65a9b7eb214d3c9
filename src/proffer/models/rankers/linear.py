"""A declared sum over feature columns: heuristics that need no training and can be told at any time."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Invalid
from proffer.models.base import Parameters

Transform = Literal["identity", "log1p"]


class LinearHeuristic:
    """Score = sum of weight x transformed column; an unknown value (NaN) adds nothing.

    `terms` maps a column to its weight and transform; log1p takes the sign along, so that it is defined below 0.

    >>> heuristic = LinearHeuristic({"likes_7d": (2.0, "log1p"), "age_hours": (-0.1, "identity")})
    >>> heuristic.predict(np.array([[0.0, 5.0], [np.nan, 1.0]], np.float32), ("likes_7d", "age_hours"))
    array([-0.5, -0.1], dtype=float32)
    """

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
