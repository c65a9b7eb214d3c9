"""What a retriever, a ranker and a re-ranker are."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, Self, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from proffer.core.candidates import Candidates
from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.topk import top_rows

Parameters = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""What a model learned: a JSON object and named arrays."""

Similarity = NDArray[np.float32] | Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""How alike candidates are, 0..1: a matrix (m, m), or what gives it for catalogue ordinals (m,)."""

Family = Literal["recency", "popularity", "collaborative", "sequence", "content"]
"""What a retriever goes by: how new an item is, how wanted, who else wanted it, what came before it, what it says."""

HOUR = 3_600.0
DAY = 86_400.0
WEEK = 7 * DAY


class Retriever(Protocol):
    """Scores every item of the catalogue for a query; reads the state, never changes it."""

    @property
    def name(self) -> str:
        """The name of the source in candidates and reasons."""
        ...

    @property
    def family(self) -> Family:
        """What it goes by, as fitted."""
        ...

    def fit(self, state: LiveState, *, at: float, weights: Mapping[str, float]) -> Self:
        """Learn parameters from events before epoch seconds `at` and return self.

        `weights` grades event types (> 0 wanted); a type it does not name keeps its declared weight.
        """
        ...

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return a score per catalogue ordinal (n,), higher is better, NaN for an item it does not propose."""
        ...

    def retrieve(self, query: Query, k: int, state: LiveState, allowed: NDArray[np.bool_] | None = None) -> Candidates:
        """Return exactly the `k` best allowed items, ties by id; by default all available ones are allowed."""
        ...

    def parameters(self) -> Parameters:
        """Return what was learned."""
        ...

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what another one of the same declaration learned and return self."""
        ...

    def memory(self, users: int, items: int, interactions: int) -> int:
        """Return about how many bytes fitting and keeping it takes at this size."""
        ...

    def seconds(self, users: int, items: int, interactions: int) -> float:
        """Return about how many seconds one fit takes on one core at this size; said before it starts, never timed."""
        ...


class ScoringRetriever:
    """A retriever whose subclass gives `scores`; it learns nothing unless the subclass does."""

    name: str
    family: Family = "popularity"

    def fit(self, state: LiveState, *, at: float, weights: Mapping[str, float]) -> Self:  # noqa: ARG002
        """Learn nothing and return self."""
        return self

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return a score per catalogue ordinal (n,)."""
        raise NotImplementedError

    def retrieve(self, query: Query, k: int, state: LiveState, allowed: NDArray[np.bool_] | None = None) -> Candidates:
        """Return exactly the `k` best allowed items, ties by id; by default all available ones are allowed."""
        scores = self.scores(query, state)
        rows = top_rows(scores, k, state.ids, state.available() if allowed is None else allowed)
        return Candidates(state.kind, tuple(state.ids[row] for row in rows), rows).scored(scores[rows])

    def parameters(self) -> Parameters:
        """Return what was learned: nothing."""
        return {}, {}

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG002
        """Take over nothing and return self."""
        return self

    def memory(self, users: int, items: int, interactions: int) -> int:  # noqa: ARG002
        """Return the bytes of one score per item."""
        return 8 * items

    def seconds(self, users: int, items: int, interactions: int) -> float:  # noqa: ARG002
        """Return what a pass over the interactions takes."""
        return 1e-7 * interactions


class Ranker(Protocol):
    """Scores the rows of one list from named columns."""

    @property
    def name(self) -> str:
        """Its name in tables and in a saved version."""
        ...

    def fit(
        self, X: NDArray[np.float32], y: NDArray[np.float64], sizes: NDArray[np.int64], *,
        columns: Sequence[str], rng: np.random.Generator, missed: NDArray[np.int64] | None = None,
        positions: NDArray[np.int64] | None = None,
    ) -> Self:  # fmt: skip
        """Learn from lists laid end to end and return self.

        X (total, d) with names `columns`; y (total,) grades, 0 = not wanted; `sizes` (lists,) adds up to total;
        `missed` (lists,) counts wanted items that are not in the list. `positions` (total,) tells at which place,
        from 1, each row was shown when it got its grade, 0 where it was graded without being shown: a bias to be
        learned beside the columns, never a column.
        """
        ...

    def predict(self, X: NDArray[np.float32], columns: Sequence[str]) -> NDArray[np.float32]:
        """Return a score per row (n,) of one list X (n, d), higher is better, never NaN."""
        ...

    def parameters(self) -> Parameters:
        """Return what was learned."""
        ...

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what another one of the same declaration learned and return self."""
        ...


@runtime_checkable
class Contributing(Protocol):
    """A ranker that can tell what each column adds.

    One that also has `by_row`, and it is true, tells of a row the same whatever else is in the list: then some rows can
    be asked about without the others.
    """

    def contributions(self, X: NDArray[np.float32], columns: Sequence[str]) -> NDArray[np.float32]:
        """Return what each column adds to each row's score (n, d), beside what is the same for all rows."""
        ...


@runtime_checkable
class Gaining(Protocol):
    """A ranker that can tell how much each column gained while it learned."""

    def gained(self) -> Mapping[str, float]:
        """Return what each column gained in all, 0 or more, in the ranker's own units."""
        ...


class Reranker(Protocol):
    """Reorders one scored list."""

    def rerank(self, query: Query, candidates: Candidates, similarity: Similarity, n: int) -> Candidates:
        """Return the first `n` of the candidates in their new order, with their scores."""
        ...


@runtime_checkable
class Partial(Protocol):
    """A retriever that can score a few items without the rest of the catalogue."""

    def some(self, query: Query, state: LiveState, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what `scores` gives these ordinals (m,), bit for bit."""
        ...


@runtime_checkable
class Weighable(Protocol):
    """A retriever that weighs the attributes it reads, and can be told how while it serves."""

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Let each attribute count so much from now on; 1 for one that is not named."""
        ...


@runtime_checkable
class Preparable(Protocol):
    """A retriever that keeps something per item, and can make it in pieces before it is asked."""

    def prepare(self, state: LiveState, most: int) -> bool:
        """Make what is missing for at most so many items; return whether there is more to make."""
        ...


@runtime_checkable
class Similar(Protocol):
    """A retriever that can also tell how alike items are."""

    def similarity(self, ordinals: NDArray[np.int64], state: LiveState) -> NDArray[np.float32]:
        """Return how alike each pair of these items is (m, m), 0..1."""
        ...


@runtime_checkable
class Tunable(Protocol):
    """A retriever with settings worth trying."""

    def variants(self) -> Sequence[Mapping[str, Any]]:
        """Return other settings than its own, the most promising first."""
        ...

    def varied(self, settings: Mapping[str, Any]) -> Self:
        """Return an unfitted one of the same name with some settings changed."""
        ...


def can_weigh(retriever: object) -> TypeGuard[Weighable]:
    """Return whether a retriever is `Weighable`."""
    return Weighable in _abilities(type(retriever))


def can_score_some(retriever: object) -> TypeGuard[Partial]:
    """Return whether a retriever is `Partial`."""
    return Partial in _abilities(type(retriever))


def gained(ranker: Ranker) -> dict[str, float]:
    """Return what each column of a ranker gained, nothing where it cannot tell."""
    return dict(ranker.gained()) if isinstance(ranker, Gaining) else {}


def can_tell_alike(retriever: object) -> TypeGuard[Similar]:
    """Return whether a retriever is `Similar`, itself or by what it passes on to."""
    return Similar in _abilities(type(retriever)) or isinstance(retriever, Similar)


def can_tell_parts(ranker: object) -> TypeGuard[Contributing]:
    """Return whether a ranker is `Contributing`, itself or by what it passes on to."""
    return Contributing in _abilities(type(ranker)) or isinstance(ranker, Contributing)


_known: dict[type, frozenset[Any]] = {}


def _abilities(kind: type) -> frozenset[Any]:
    """Return which of these a class is; looked at once, as a look takes longer than many a retriever's scores."""
    if kind not in _known:
        every = (Weighable, Partial, Similar, Contributing)
        _known[kind] = frozenset(protocol for protocol in every if issubclass(kind, protocol))
    return _known[kind]


def nearest(half_lives: tuple[float, ...], wanted: float) -> float:
    """Return the half-life nearest in ratio to the wanted one; infinite ones, which never decay, are taken too.

    >>> nearest((3600.0, 86400.0), 90000.0)
    86400.0
    """
    longest_first = sorted(half_lives, reverse=True)
    return min(longest_first, key=lambda one: abs(math.log2(one) - math.log2(wanted)) if one != wanted else 0.0)


def positive(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores with NaN where they are not above 0."""
    return np.where(scores > 0.0, scores, np.nan)


def plain_half_life(seconds: float) -> float | None:
    """Return a half-life as JSON can hold it: None where nothing decays."""
    return seconds if math.isfinite(seconds) else None


def read_half_life(seconds: float | None) -> float:
    """Return the half-life that `plain_half_life` wrote."""
    return math.inf if seconds is None else float(seconds)
