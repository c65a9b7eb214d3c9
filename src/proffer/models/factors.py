"""What the factor models share: items as vectors, and a user made of his history when he asks."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.base import Family, Parameters
from proffer.models.compiled import compiled
from proffer.models.histories import ITEM
from proffer.models.newcomers import Newcomers
from proffer.models.products import products
from proffer.models.tuned import Tuned
from proffer.models.wanted import Wanted, columns_of, taste, wanted_matrix


class FactorRetriever(Tuned):
    """Score = product of the subject's vector with an item's; a model keeps items' vectors and no subject's.

    A subject's vector is folded in from the last `history` items he wanted, as the state has them when he asks: it is
    never older than his last event, and a forgotten user leaves nothing in a model. Grades count as confidence. An
    item nobody had wanted at the fit is folded in from the first `first` people who want it, where the model can (see
    `Newcomers`). A query with an item in its context asks for what has a vector in the same direction (cosine).

    A subclass learns (`_learn`), folds (`_user`, `_item`) and names its settings (`settings`).
    """

    family: Family = "collaborative"
    folds_items = True

    def __init__(self, factors: int, *, history: int = 500, first: int = 16, most: int = 10_000) -> None:
        self.factors, self.history, self.first, self.most = factors, history, first, most
        self.weights: dict[str, float] = {}
        self.rows = 0
        self._take(np.zeros((0, 1), np.float32), np.zeros(0, np.bool_), {})

    def fit(self, state: LiveState, *, at: float, weights: Mapping[str, float]) -> Self:
        """Learn vectors of the items wanted before `at` from the last `history` items of every subject."""
        self.weights = dict(weights)
        rows, n = state.interactions(), len(state.ids)
        wanted = wanted_matrix(rows, self.weights, until=at, limit=self.history, items=n)
        self.rows = int((rows.at < at).sum())
        items, arrays = self._learn(wanted, n)
        self._take(items, np.bincount(wanted.columns, minlength=n) > 0, arrays)
        return self

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return the products (n,), NaN for an item without a vector; all NaN where nothing is known of the subject."""
        scores = np.full(len(state.ids), np.nan)
        vector, alike = self._asked(query, state)
        if vector is not None:
            fitted = np.flatnonzero(self.known[: len(scores)])
            found = products(vector, self.items)[fitted]
            scores[fitted] = found / self._lengths[fitted] if alike is not None else found
            if self._fresh is not None:
                scores[self._fresh.ordinals] = self._products(vector, self._fresh.vectors, alike)
        if alike is not None:
            scores[alike] = np.nan
        return scores

    def some(self, query: Query, state: LiveState, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what `scores` gives these ordinals (m,)."""
        scores = np.full(len(ordinals), np.nan)
        vector, alike = self._asked(query, state)
        if vector is not None:
            vectors, have = self._vectors(ordinals)
            scores[have] = self._products(vector, vectors, alike)
        if alike is not None:
            scores[ordinals == alike] = np.nan
        return scores

    def prepare(self, state: LiveState, most: int) -> bool:
        """Fold in at most so many people's wants of new items; return whether there are more."""
        return self._fresh is not None and self._fresh.follow(state, most)

    def parameters(self) -> Parameters:
        """Return the settings, the grades of event types, the number of rows fitted on, and the arrays learned."""
        values = {**self.told(), "weights": self.weights, "rows": self.rows}
        return values, {"items": self.items, "known": self.known, **self.arrays}

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over settings and arrays and return self."""
        self.take(values)
        self.rows = int(values["rows"])
        self.weights = {name: float(grade) for name, grade in values["weights"].items()}
        kept = {name: np.ascontiguousarray(array) for name, array in arrays.items() if name not in ("items", "known")}
        self._take(np.ascontiguousarray(arrays["items"], np.float32), arrays["known"].astype(np.bool_), kept)
        return self

    def variants(self) -> Sequence[Mapping[str, Any]]:
        """Return other settings than its own, the most promising first."""
        raise NotImplementedError

    def _learn(self, wanted: Wanted, n: int) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        """Return vectors of the items (n, f), zeros for one nobody wanted, and what else folding needs."""
        raise NotImplementedError

    def _user(self, vectors: NDArray[np.float32], grades: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return a subject's vector (f,) from those of what he wanted (h, f) and the grades (h,)."""
        raise NotImplementedError

    def _item(self, vectors: NDArray[np.float32], grades: NDArray[np.float64], exposure: float) -> NDArray[np.float32]:
        """Return an item's vector (f,) from those of who wanted it (h, f), the grades (h,) and its exposure, 0..1."""
        raise NotImplementedError

    def _subject(
        self, ordinals: NDArray[np.int64], vectors: NDArray[np.float32], grades: NDArray[np.float64]
    ) -> NDArray[np.float32]:  # fmt: skip
        """Return the vector (f,) of the one who asks, who wanted the items of these ordinals (h,)."""
        del ordinals
        return self._user(vectors, grades)

    def _take(self, items: NDArray[np.float32], known: NDArray[np.bool_], arrays: dict[str, NDArray[Any]]) -> None:
        self.items, self.known, self.arrays = items, known, arrays
        self._lengths = self._measured(items)
        self._fresh: Newcomers | None = None
        if self.folds_items and self.known.any():
            self._fresh = Newcomers(
                self._user, self._item, items, known, self.weights,
                rows=self.rows, first=self.first, most=self.most, history=self.history,
            )  # fmt: skip

    def _vectors(self, ordinals: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the vectors (h, f) of those of the items (m,) that have one, and which have one (m,)."""
        vectors = np.zeros((len(ordinals), self.items.shape[1]), np.float32)
        have = (ordinals >= 0) & (ordinals < len(self.items))
        have[have] = self.known[ordinals[have]]
        vectors[have] = self.items[ordinals[have]]
        if self._fresh is not None:
            places = np.where(have | (ordinals < 0), -1, self._fresh.places(ordinals))
            vectors[places >= 0] = self._fresh.vectors[places[places >= 0]]
            have |= places >= 0
        return vectors[have], have

    def _asked(self, query: Query, state: LiveState) -> tuple[NDArray[np.float32] | None, int | None]:
        """Return the vector (f,) to multiply, None where nothing is known, and the item that others shall be like."""
        if self._fresh is not None:
            self._fresh.follow(state)
        named = query.context.get(ITEM)
        if named is not None:
            ordinals = state.ordinals([str(named)])
            vectors, have = self._vectors(ordinals)
            one = int(ordinals[0]) if ordinals[0] >= 0 else None
            if not have[0] or not vectors.any():
                return None, one
            vector = (vectors[0] / self._measured(vectors)[0]).astype(np.float32)
            vector[self.factors :] = 0.0
            return vector, one
        subject, rows = state.subject_ordinal(query.subject), state.interactions()
        if not 0 <= subject < len(rows.subject_head):
            return None, None
        columns = columns_of(rows, self.weights)
        ordinals, grades = taste(int(rows.subject_head[subject]), columns, self.history, len(state.ids))
        vectors, have = self._vectors(ordinals)
        if not len(vectors):
            return None, None
        vector = self._subject(ordinals[have], vectors, grades[have])
        return (vector if vector.any() else None), None

    def _products(
        self, vector: NDArray[np.float32], vectors: NDArray[np.float32], alike: int | None
    ) -> NDArray[np.float64]:
        found = products(vector, vectors)
        return found / self._measured(vectors) if alike is not None else found

    def _measured(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the length of each vector (n,) in its first `factors` columns; 1 for one of zeros."""
        lengths = np.ones(len(vectors))
        _measure(vectors, min(self.factors, vectors.shape[1]), lengths)
        return lengths


@compiled
def _measure(rows, width, lengths):  # type: ignore[no-untyped-def]
    for row in range(len(rows)):
        total = 0.0
        for place in range(width):
            total += rows[row, place] * rows[row, place]
        if total > 0.0:
            lengths[row] = np.sqrt(total)
