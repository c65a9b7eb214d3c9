"""Items that the same people wanted, learned at once from all history."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.base import DAY, Family, Parameters, positive
from proffer.models.compiled import compiled
from proffer.models.elementwise import halved
from proffer.models.histories import ITEM, graded, seeds, wanted_pairs
from proffer.models.tuned import Tuned


class ItemKNN(Tuned):
    """Score = sum over the subject's recent wanted items of their fitted similarity to an item.

    `weighting` of the interaction matrix is "cosine" (columns of length 1) or "bm25" (a person with long history says
    little, an item's many events saturate at `saturation`, the more so the more it has of them, by `length` 0..1; the
    other weighting knows neither). Each item keeps its `neighbours` most similar, ties by ordinal. A history
    item weighs 2^(-age / half-life), relative to the newest. Ordinals are places in the order of the log, so a
    fitted model serves every state of that log; items mentioned later are not proposed.

    Item-kNN: Sarwar et al., WWW 2001; BM25 weighting as in implicit (Frederickson).
    """

    family: Family = "collaborative"
    fixed = ("weighting",)
    settings = ("neighbours", "recent", "half_life", "history", "saturation", "length")
    alternatives = (
        {"half_life": 7 * DAY}, {"neighbours": 300}, {"half_life": 365 * DAY, "recent": 200}, {"recent": 10},
        {"neighbours": 30},
    )  # fmt: skip

    def __init__(
        self, weighting: Literal["cosine", "bm25"] = "cosine", *, neighbours: int = 100, recent: int = 50,
        half_life: float = 30 * DAY, history: int = 500, saturation: float = 1.2, length: float = 0.75,
    ) -> None:  # fmt: skip
        self.name = f"itemknn_{weighting}"
        self.weighting = weighting
        self.neighbours = neighbours
        self.recent = recent
        self.half_life = half_life
        self.history = history
        self.saturation, self.length = saturation, length
        self.near = np.empty((0, neighbours), np.int32)
        self.alike = np.empty((0, neighbours), np.float32)

    def variants(self) -> Sequence[Mapping[str, Any]]:
        """Return the alternatives that differ from its own settings; for BM25 how it saturates comes first."""
        bm25 = (
            {"saturation": 0.3, "length": 0.9}, {"saturation": 100.0, "length": 0.8}, {"half_life": 7 * DAY},
            {"saturation": 0.3, "length": 0.3}, {"half_life": 365 * DAY, "recent": 200}, {"neighbours": 300},
        )  # fmt: skip
        own = self.told()
        found = bm25 if self.weighting == "bm25" else self.alternatives
        return tuple(one for one in found if {**own, **one} != own)

    def fit(self, state: LiveState, *, at: float, weights: Mapping[str, float]) -> Self:
        """Compute each item's neighbours from the last `history` wanted items of every subject; return self."""
        interactions = state.interactions()
        grades = graded(interactions, weights)
        rows = np.flatnonzero((grades > 0) & (interactions.at < at))
        subjects, items = wanted_pairs(interactions.subject[rows], interactions.item[rows], self.history)
        n, users = len(state.ids), len(interactions.subject_head)
        values = _cosine(items, n)
        if self.weighting == "bm25":
            values = _bm25(subjects, items, n, users, self.saturation, self.length)
        by_item = np.argsort(items, kind="stable")
        self.near, self.alike = _neighbours(
            _starts(items, n), subjects[by_item], values[by_item], _starts(subjects, users), items, values,
            self.neighbours,
        )  # fmt: skip
        return self

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return the summed similarity (n,), NaN where it is 0."""
        return positive(self._summed(query, state))

    def some(self, query: Query, state: LiveState, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what `scores` gives these ordinals (m,)."""
        return positive(self._summed(query, state)[ordinals])

    def _summed(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        found, times = seeds(query, state, self.recent)
        scores = np.zeros(len(state.ids))
        if len(found):
            weights = halved(times[0] - times, self.half_life)
            _sums(found, weights, self.near, self.alike, scores)
        if ITEM in query.context:
            scores[found] = 0.0
        return scores

    def parameters(self) -> Parameters:
        """Return the settings, the neighbours' ordinals (n, m), -1 for none, and similarities (n, m)."""
        return self.told(), {"near": self.near, "alike": self.alike}

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over settings and neighbours and return self."""
        self.take(values)
        self.near, self.alike = arrays["near"].astype(np.int32), arrays["alike"].astype(np.float32)
        return self

    def memory(self, users: int, items: int, interactions: int) -> int:
        """Return the bytes of the matrix by subject and by item, of the neighbours, and of one row of sums."""
        return 80 * interactions + 8 * users + (8 * self.neighbours + 40) * items

    def seconds(self, users: int, items: int, interactions: int) -> float:
        """Return what sorting who wanted what, and the steps over common people, take."""
        pairs = interactions * min(interactions / max(users, 1), self.history)
        return 1e-6 * interactions + 1e-8 * pairs + 2e-6 * items


def _cosine(items: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    return 1.0 / np.sqrt(np.bincount(items, minlength=n)[items])


def _bm25(
    subjects: NDArray[np.int64], items: NDArray[np.int64], n: int, users: int, saturation: float, length: float
) -> NDArray[np.float64]:
    by_item, by_user = np.bincount(items, minlength=n), np.bincount(subjects, minlength=users)
    usual = len(items) / max(n, 1)
    norm = (1.0 - length) + length * by_item[items] / max(usual, 1e-12)
    rarity = np.log(max(n, 1)) - np.log1p(by_user[subjects])
    weights: NDArray[np.float64] = np.maximum(rarity, 0.0) * (saturation + 1.0) / (saturation * norm + 1.0)
    return weights


def _starts(owners: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=n))]).astype(np.int64)


@compiled
def _neighbours(  # type: ignore[no-untyped-def]
    item_start, subjects, item_values, user_start, items, user_values, most
):  # fmt: skip
    n = len(item_start) - 1
    near, alike = np.full((n, most), -1, np.int32), np.zeros((n, most), np.float32)
    # One row of the similarity at a time: memory stays linear in the catalogue.
    total, reached = np.zeros(n), np.empty(n, np.int64)
    for item in range(n):
        size = 0
        for place in range(item_start[item], item_start[item + 1]):
            user = subjects[place]
            for other in range(user_start[user], user_start[user + 1]):
                gain = item_values[place] * user_values[other]
                if items[other] != item and gain > 0.0:
                    if total[items[other]] == 0.0:
                        reached[size] = items[other]
                        size += 1
                    total[items[other]] += gain
        found = np.sort(reached[:size])
        best = found[np.argsort(-total[found], kind="mergesort")]
        for place, other in enumerate(best[:most]):
            near[item, place], alike[item, place] = other, total[other]
        total[found] = 0.0
    return near, alike


@compiled
def _sums(found, weights, near, alike, scores):  # type: ignore[no-untyped-def]
    for place in range(len(found)):
        if found[place] < len(near):
            for column in range(near.shape[1]):
                other = near[found[place], column]
                if other < 0:
                    break
                scores[other] += weights[place] * alike[found[place], column]
