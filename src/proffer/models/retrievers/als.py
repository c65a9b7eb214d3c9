"""Implicit-feedback matrix factorisation by alternating least squares."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.models.algebra import add, dot, solve
from proffer.models.alternating import Alternating
from proffer.models.compiled import compiled
from proffer.models.wanted import Wanted


class ALS(Alternating):
    """Vectors for which the product of a user and an item is 1 where he wanted it and 0 elsewhere, by weighted squares.

    A pair that was wanted with a grade counts 1 + `confidence` x grade times as much as any other pair, and
    `regularisation` times the squared length of each vector is added. Training moves every vector by `steps` of
    conjugate gradient in each of the `iterations`. Folding in, of subjects and of new items alike, solves the same
    least squares exactly, with the summed outer products of the other side kept from the fit.

    Hu, Koren and Volinsky, ICDM 2008; conjugate gradient: Takacs, Pilaszy and Tikk, RecSys 2011.
    """

    name = "als"
    settings = (
        "factors",
        "regularisation",
        "confidence",
        "iterations",
        "steps",
        "seed",
        "history",
        "first",
        "most",
    )

    def __init__(
        self, factors: int = 64, *, regularisation: float = 10.0, confidence: float = 1.0, iterations: int = 10,
        steps: int = 3, seed: int = 0, history: int = 500, first: int = 16, most: int = 10_000,
    ) -> None:  # fmt: skip
        self.regularisation, self.confidence = regularisation, confidence
        self.iterations, self.steps, self.seed = iterations, steps, seed
        super().__init__(factors, history=history, first=first, most=most)

    def variants(self) -> Sequence[Mapping[str, Any]]:
        """Return other numbers of factors, regularisations and confidences."""
        return (
            {"factors": 32},
            {"regularisation": self.regularisation * 4},
            {"factors": 16},
            {"confidence": self.confidence * 4},
            {"regularisation": self.regularisation / 4},
        )

    def seconds(self, users: int, items: int, interactions: int) -> float:
        """Return what reading the matrix and the passes over it and over all vectors take."""
        passes = 2 * self.iterations + 1
        a_pass = (3e-10 * self.factors * (self.steps + 1)) * interactions
        return 3e-7 * interactions + passes * (a_pass + 1e-10 * self.factors**2 * (self.steps + 3) * (users + items))

    def _begin(self, rng: np.random.Generator, wanted: Wanted, by_item: Wanted) -> NDArray[np.float32]:
        del wanted
        return (rng.standard_normal((len(by_item.start) - 1, self.factors)) * 0.1).astype(np.float32)

    def _move(
        self, matrix: Wanted, fixed: NDArray[np.float32], moved: NDArray[np.float32], summed: NDArray[np.float32], *,
        last: bool,
    ) -> None:  # fmt: skip
        del last
        _move(*matrix, fixed, moved, summed, np.float32(self.confidence), self.steps)

    def _fold(
        self, vectors: NDArray[np.float32], grades: NDArray[np.float64], summed: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        found: NDArray[np.float32] = _least_squares(vectors, self.confidence * grades, summed, self.regularisation)
        return found


@compiled
def _least_squares(vectors, extra, summed, regularisation):  # type: ignore[no-untyped-def]
    f = vectors.shape[1]
    A, b, vector = summed.copy(), np.zeros(f), np.empty(f)
    for place in range(f):
        A[place, place] += regularisation
    for row in range(len(vectors)):
        vector[:] = vectors[row]
        for left in range(f):
            value = extra[row] * vector[left]
            b[left] += (1.0 + extra[row]) * vector[left]
            for right in range(left, f):
                A[left, right] += value * vector[right]
    solve(A, b)
    return b.astype(np.float32)


@compiled
def _move(start, columns, grades, fixed, moved, summed, confidence, steps):  # type: ignore[no-untyped-def]
    f = fixed.shape[1]
    left, way, image = np.empty(f, np.float32), np.empty(f, np.float32), np.empty(f, np.float32)
    for row in range(len(start) - 1):
        first, last = start[row], start[row + 1]
        if first == last:
            moved[row] = np.float32(0.0)
            continue
        x = moved[row]
        for place in range(f):
            left[place] = -dot(summed[place], x)
        for place in range(first, last):
            vector, extra = fixed[columns[place]], confidence * grades[place]
            add(left, np.float32(1.0) + extra - extra * dot(vector, x), vector)
        way[:] = left
        size = dot(left, left)
        for _ in range(steps):
            if size < np.float32(1e-20):
                break
            for place in range(f):
                image[place] = dot(summed[place], way)
            for place in range(first, last):
                vector = fixed[columns[place]]
                add(image, confidence * grades[place] * dot(vector, way), vector)
            stride = size / dot(way, image)
            add(x, stride, way)
            add(left, -stride, image)
            before = size
            size = dot(left, left)
            for place in range(f):
                way[place] = left[place] + size / before * way[place]
