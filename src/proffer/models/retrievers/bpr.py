"""Bayesian personalised ranking: factors learned from pairs of a wanted item and another."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.models.algebra import dot
from proffer.models.compiled import compiled
from proffer.models.factors import FactorRetriever
from proffer.models.wanted import Wanted


class BPR(FactorRetriever):
    """Vectors and a level per item for which what a user wanted stands above what he did not.

    Training draws `iterations` times as many pairs as there are wants, one after the other: a want and an item the
    user did not want, drawn as often as others wanted it (a share `popular` of the pairs) or all alike. Each pair is
    one step of size `rate` uphill the log of the chance that the first stands above; a want steps in proportion to
    its grade.

    A subject is folded in by going up what his trained vector would: the mean over his `recent` last wants and
    `negatives` items, drawn at the fit as training draws them and kept, less half of `regularisation` times his
    squared length. The way starts at the mean user and stops after `ascents` times the root of his number of wants,
    short of the top: the items' vectors were learned with his wants among others', and at the top he would only be
    told what he had. k accelerated steps shrink towards the mean as a penalty of 1 / k^2 does, so one who wanted
    little stays near it. Items nobody had wanted at the fit have no vector before the next one, since without a
    least-squares form few wants would say too little.

    Rendle, Freudenthaler, Gantner and Schmidt-Thieme, UAI 2009; acceleration: Nesterov 1983.
    """

    name = "bpr"
    settings = (
        "factors", "rate", "regularisation", "iterations", "popular", "negatives", "ascents", "recent", "seed",
        "history", "first", "most",
    )  # fmt: skip
    folds_items = False

    def __init__(
        self, factors: int = 64, *, rate: float = 0.03, regularisation: float = 0.02, iterations: int = 80,
        popular: float = 0.75, negatives: int = 200, ascents: float = 1.0, recent: int = 50, seed: int = 0,
        history: int = 500, first: int = 16, most: int = 10_000,
    ) -> None:  # fmt: skip
        self.rate, self.regularisation, self.iterations = rate, regularisation, iterations
        self.popular, self.negatives, self.ascents = popular, negatives, ascents
        self.recent, self.seed = recent, seed
        super().__init__(factors, history=history, first=first, most=most)

    def variants(self) -> Sequence[Mapping[str, Any]]:
        """Return other sizes with their pace, ways to draw, and lengths of the way and of the history at folding in."""
        return (
            {"factors": 128, "iterations": 100},
            {"popular": 1.0},
            {"recent": 20},
            {"popular": 0.5, "ascents": 1.5},
            {"regularisation": self.regularisation * 4},
            {"factors": 32},
        )

    def memory(self, users: int, items: int, interactions: int) -> int:
        """Return the bytes of the matrix, sorted, and of all vectors."""
        return 28 * interactions + (4 * self.factors + 16) * users + (8 * self.factors + 40) * items

    def seconds(self, users: int, items: int, interactions: int) -> float:
        """Return what reading the matrix and the steps take."""
        return interactions * (5e-7 + self.iterations * (2e-7 + 2e-9 * self.factors)) + 1e-8 * (users + items)

    def _learn(self, wanted: Wanted, n: int) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        rng = np.random.default_rng(self.seed)
        by_item = wanted.transposed(n)
        ordered = by_item.transposed(len(wanted.start) - 1)
        users = self._started(rng, len(wanted.start) - 1)
        items = self._started(rng, n)
        users[:, -1], items[:, -1] = 1.0, 0.0
        met = np.flatnonzero(np.diff(by_item.start)).astype(np.int32)
        first, second = (np.uint64(seed) for seed in rng.integers(1, 1 << 62, 2))
        drawn = np.zeros(0, np.int32)
        if len(ordered.columns):
            owners = np.repeat(np.arange(len(users), dtype=np.int32), np.diff(ordered.start))
            strength = (ordered.grades / ordered.grades.mean()).astype(np.float32)
            _climb(
                ordered.start, ordered.columns, owners, strength, met, users, items, first,
                np.float32(self.rate), np.float32(self.regularisation), self.popular, self.iterations,
            )  # fmt: skip
            drawn = _drawn(ordered.columns, met, second, self.popular, self.negatives)
        items[np.diff(by_item.start) == 0] = 0.0
        active = np.diff(ordered.start) > 0
        mean = users[active].mean(axis=0) if active.any() else np.zeros(self.factors + 1, np.float32)
        return items, {"negatives": drawn, "mean": mean.astype(np.float32)}

    def _started(self, rng: np.random.Generator, n: int) -> NDArray[np.float32]:
        spread = 1.0 / self.factors
        return rng.uniform(-spread, spread, (n, self.factors + 1)).astype(np.float32)

    def _subject(
        self, ordinals: NDArray[np.int64], vectors: NDArray[np.float32], grades: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        drawn = self.arrays["negatives"]
        other = drawn[~np.isin(drawn, ordinals)]
        if not len(other):
            return np.asarray(self.arrays["mean"])
        vectors, grades = vectors[: self.recent], grades[: self.recent]
        steps = max(round(self.ascents * math.sqrt(len(vectors))), 1)
        found: NDArray[np.float32] = _folded(
            vectors, grades / grades.sum(), self.items[other], self.arrays["mean"], self.regularisation, steps
        )
        return found


@compiled
def _next(state):  # type: ignore[no-untyped-def]
    """Return the next state of a generator (Marsaglia, xorshift64)."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    return state ^ (state << np.uint64(17))


@compiled
def _below(state, n):  # type: ignore[no-untyped-def]
    """Return a number of 0 .. n - 1 from the upper half of a state."""
    return np.int64(((state >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@compiled
def _other(state, columns, met, popular):  # type: ignore[no-untyped-def]
    """Return the next state and an item: that of any want, or any one of those met."""
    state = _next(state)
    coin = (state >> np.uint64(11)) * (1.0 / 9007199254740992.0)
    state = _next(state)
    if coin < popular:
        return state, columns[_below(state, len(columns))]
    return state, met[_below(state, len(met))]


@compiled
def _drawn(columns, met, state, popular, most):  # type: ignore[no-untyped-def]
    out = np.empty(most, np.int32)
    for place in range(most):
        state, out[place] = _other(state, columns, met, popular)
    return out


@compiled
def _climb(  # type: ignore[no-untyped-def]
    start, columns, owners, strength, met, users, items, state, rate, regularisation, popular, iterations
):  # fmt: skip
    width = users.shape[1]
    apart = np.empty(width, np.float32)
    for _ in range(iterations * len(columns)):
        state = _next(state)
        pair = _below(state, len(columns))
        user, better = owners[pair], columns[pair]
        state, worse = _other(state, columns, met, popular)
        row = columns[start[user] : start[user + 1]]
        place = np.searchsorted(row, worse)
        if place < len(row) and row[place] == worse:
            continue
        x, up, down = users[user], items[better], items[worse]
        for k in range(width):
            apart[k] = up[k] - down[k]
        wrong = rate * strength[pair] / (np.float32(1.0) + np.float32(math.exp(dot(x, apart))))
        shrink = rate * regularisation
        for k in range(width):
            step = wrong * x[k]
            x[k] += wrong * apart[k] - shrink * x[k]
            up[k] += step - shrink * up[k]
            down[k] -= step + shrink * down[k]
        x[width - 1] = np.float32(1.0)


@compiled
def _folded(wanted, share, other, mean, regularisation, ascents):  # type: ignore[no-untyped-def]
    f, h, m = len(mean) - 1, len(wanted), len(other)
    up, down = wanted.astype(np.float64), other.astype(np.float64)
    x, look = mean.astype(np.float64), mean.astype(np.float64)
    stride = 1.0 / (0.25 * _spread(up, share, down, f) + regularisation)
    above, below, slope = np.empty(h), np.empty(m), np.empty(f + 1)
    for step in range(ascents):
        above[:], below[:] = 0.0, 0.0
        for row in range(h):
            for k in range(f + 1):
                above[row] += look[k] * up[row, k]
        for row in range(m):
            for k in range(f + 1):
                below[row] += look[k] * down[row, k]
        slope[:] = -regularisation * look
        # Only differences count: the highest is taken as 0, so that no exponential is infinite, nor two of them 0.
        highest = max(above.max(), below.max())
        above, below = np.exp(np.maximum(above - highest, -300.0)), np.exp(np.maximum(below - highest, -300.0))
        _pull(up, share, down, above, below, slope)
        slope[f] = 0.0
        before = x.copy()
        x = look + stride * slope
        look = x + (step / (step + 3.0)) * (x - before)
    return x.astype(np.float32)


@compiled
def _pull(up, share, down, above, below, slope):  # type: ignore[no-untyped-def]
    """Add to the slope what each pair pulls: its chance of standing wrong, times its weight and its difference."""
    pushed = np.zeros(len(below))
    for row in range(len(above)):
        pulled = 0.0
        for place in range(len(below)):
            wrong = share[row] / len(below) * below[place] / (above[row] + below[place])
            pulled += wrong
            pushed[place] += wrong
        slope += pulled * up[row]
    for place in range(len(below)):
        slope -= pushed[place] * down[place]


@compiled
def _spread(up, share, down, f):  # type: ignore[no-untyped-def]
    """Return the mean squared length of the differences: no direction of theirs can be more curved than a quarter."""
    total, near, far = 0.0, np.zeros(f), np.zeros(f)
    for row in range(len(up)):
        for k in range(f):
            total += share[row] * up[row, k] ** 2
            near[k] += share[row] * up[row, k]
    for row in range(len(down)):
        for k in range(f):
            total += down[row, k] ** 2 / len(down)
            far[k] += down[row, k] / len(down)
    for k in range(f):
        total -= 2.0 * near[k] * far[k]
    return total
