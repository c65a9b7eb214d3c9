"""How each contender ranks the same lists: every source alone, blends, rankers."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.engine.fitted import Fitted
from proffer.engine.metrics import DEPTH, PER_LIST, Interval, intervals, list_metrics
from proffer.engine.pool import Pool
from proffer.engine.protocols import Judged
from proffer.engine.ranking import Head, blend, ranking, read_head, reorder
from proffer.engine.slate import similarity
from proffer.models.base import Ranker
from proffer.models.rerankers.mmr import diversity

BEYOND = ("diversity", "novelty", "popularity_bias")
NEW_ITEMS, OLD_ITEMS = "new items", "old items"
MEASURES = (*PER_LIST, *BEYOND, NEW_ITEMS, OLD_ITEMS)
TARGET = "ndcg@10"
Alike = Callable[[NDArray[np.int64], LiveState], NDArray[np.float32]] | None
"""What tells how alike items are (m, m), where a source can."""


@dataclass(frozen=True)
class Recipe:
    """How a contender ranks: the weights of a blend of sources, and what re-orders the best of it."""

    weights: Mapping[str, float]
    ranker: Ranker | None = None
    family: str = "blend"

    def of(self, fitted: Fitted) -> Fitted:
        """Return these retrievers as the pipeline that would serve."""
        return replace(fitted, weights=dict(self.weights), ranker=self.ranker)


@dataclass
class Tally:
    """What one contender's lists measured so far; `seconds` is what ordering them took on this machine."""

    recipe: Recipe
    values: list[list[float]] = field(default_factory=list)
    shown: set[int] = field(default_factory=set)
    seconds: float = 0.0


class Judge:
    """Ranks each list for every contender and keeps the measures; `beyond` adds those that go by what items are."""

    def __init__(self, contenders: Mapping[str, Recipe], *, beyond: bool = False) -> None:
        self.beyond = beyond
        self.tallies = {name: Tally(recipe) for name, recipe in contenders.items()}
        self.users: list[str] = []
        self.segments: list[frozenset[str]] = []
        self.unknown = self.wanted = self.catalogue = 0

    def look(self, judged: Judged) -> None:
        """Measure every contender on one list."""
        wanted = int(judged.relevant.sum()) + judged.missed
        self.users.append(judged.user)
        self.segments.append(judged.segments)
        self.unknown += judged.unknown
        self.wanted += wanted
        self.catalogue = max(self.catalogue, len(judged.state.ids))
        blends: Blends = {}
        alike = similarity(judged.fitted) if self.beyond else None
        for tally in self.tallies.values():
            rows, seconds = timed_top(judged, tally.recipe, blends)
            tally.seconds += seconds
            found = list_metrics(judged.relevant[rows], wanted)
            tally.shown.update(judged.pool.ordinals[rows[:10]].tolist())
            beyond = (*self._beyond(judged, rows[:10], alike), *_by_age(judged, rows, wanted))
            tally.values.append([*(found[name] for name in PER_LIST), *beyond])

    def values(self, name: str, metric: str = TARGET) -> NDArray[np.float64]:
        """Return a contender's measure list by list (lists,)."""
        return np.array(self.tallies[name].values).reshape(-1, len(MEASURES))[:, MEASURES.index(metric)]

    def people(self) -> NDArray[np.int64]:
        """Return the user of each list as a number (lists,)."""
        return np.unique(np.array(self.users), return_inverse=True)[1]

    def measured(self, seed: int) -> dict[str, dict[str, Interval]]:
        """Return each contender's measures; those told of the same lists share the resamples of users."""
        people = self.people()
        values = np.hstack([np.array(tally.values) for tally in self.tallies.values()])
        told = ~np.isnan(values)
        alike: dict[bytes, list[int]] = {}
        for place in np.flatnonzero(told.any(axis=0)).tolist():
            alike.setdefault(told[:, place].tobytes(), []).append(place)
        found: dict[int, Interval] = {}
        for places in alike.values():
            lists = told[:, places[0]]
            measured = intervals(values[lists][:, places], people[lists], [str(place) for place in places], seed)
            found |= {place: measured[str(place)] for place in places}
        return {
            name: {
                metric: found[place]
                for place, metric in enumerate(MEASURES, number * len(MEASURES))
                if place in found and metric in (*PER_LIST, *BEYOND)
            }
            | {"coverage": Interval(value=len(tally.shown) / max(self.catalogue, 1))}
            for number, (name, tally) in enumerate(self.tallies.items())
        }

    def _beyond(self, judged: Judged, rows: NDArray[np.int64], alike: Alike) -> tuple[float, float, float]:
        if not self.beyond or not len(rows):
            return np.nan, np.nan, np.nan
        return _spread(judged, rows, alike), float(judged.surprise[rows].mean()), float(judged.percentile[rows].mean())


def singles(fitted: Fitted) -> dict[str, Recipe]:
    """Return every source on its own."""
    kinds = {name: retriever.family for name, retriever in fitted.retrievers.items()}
    return {name: Recipe({name: 1.0}, family=kinds.get(name, "heuristic")) for name in fitted.sources}


@dataclass
class Blended:
    """What one stage one makes of a list: the rows that it proposes, blended (m,), and the head for rankers."""

    rows: NDArray[np.int64]
    pool: Pool
    scores: NDArray[np.float32]
    order: NDArray[np.int64]
    head: Head | None = None
    seconds: float = 0.0
    head_seconds: float = 0.0


Blends = dict[tuple[tuple[str, float], ...], Blended]
"""What contenders of the same weights share of a list."""


def top(judged: Judged, recipe: Recipe) -> NDArray[np.int64]:
    """Return the first 20 rows of the pool in the order that serving this recipe would give."""
    return timed_top(judged, recipe, {})[0]


def timed_top(judged: Judged, recipe: Recipe, blends: Blends) -> tuple[NDArray[np.int64], float]:
    """Return the first 20 rows, and the seconds that ordering took, with what was shared with others."""
    key = tuple(sorted(recipe.weights.items()))
    started = time.perf_counter()
    if key not in blends:
        blends[key] = blended(judged, recipe)
        blends[key].seconds = time.perf_counter() - started
    found = blends[key]
    if recipe.ranker is None:
        return found.rows[found.order[:DEPTH]], found.seconds
    started = time.perf_counter()
    if found.head is None:
        found.head = head(judged, recipe, found)
        found.head_seconds = time.perf_counter() - started
    started = time.perf_counter()
    ranked = reorder(recipe.ranker, found.head, found.pool, found.scores, judged.state.ids)
    spent = time.perf_counter() - started
    return found.rows[ranked.order[:DEPTH]], spent + found.seconds + found.head_seconds


def blended(judged: Judged, recipe: Recipe, *, every: bool = False) -> Blended:
    """Return the rows that the retrievers with a weight propose, or every one, blended: serving sees no others."""
    fitted = recipe.of(judged.fitted)
    places = [fitted.sources.index(name) for name in fitted.proposing()]
    proposed = judged.pool.proposed[:, places].any(axis=1)
    rows = np.arange(len(judged.pool.ordinals)) if every else np.flatnonzero(proposed)
    whole = judged.pool
    pool = replace(whole, ordinals=whole.ordinals[rows], scores=whole.scores[rows], proposed=whole.proposed[rows])
    scores = blend(pool, fitted.sources, fitted.vector())
    return Blended(rows, pool, scores, ranking(scores, pool.ordinals, judged.state.ids))


def head(judged: Judged, recipe: Recipe, found: Blended) -> Head:
    """Return the best of a blended list with the columns that a ranker reads."""
    return read_head(found.pool, recipe.of(judged.fitted), judged.query, judged.state, found.scores)


def _by_age(judged: Judged, rows: NDArray[np.int64], wanted: int) -> tuple[float, float]:
    """Return NDCG@10 where only what nobody had wanted yet counts, and where only the rest does; NaN without any."""
    if judged.new is None:
        return np.nan, np.nan
    fresh = int((judged.relevant & judged.new).sum()) + judged.missed_new
    parts = []
    for part, count in ((judged.new, fresh), (~judged.new, wanted - fresh)):
        hits = (judged.relevant & part)[rows]
        parts.append(list_metrics(hits, count)[TARGET] if count else np.nan)
    return parts[0], parts[1]


def _spread(judged: Judged, rows: NDArray[np.int64], alike: Alike) -> float:
    if alike is None:
        return np.nan
    matrix = alike(judged.pool.ordinals[rows], judged.state)
    described = np.flatnonzero(np.diagonal(matrix) > 0)  # an item without attributes is not even like itself
    return diversity(matrix[np.ix_(described, described)])


class Lists:
    """Lists laid end to end for what learns from them: their columns grow list by list."""

    def __init__(self, columns: Iterable[str]) -> None:
        self.columns = tuple(columns)
        self._parts: list[tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64] | None]] = []
        self._missed: list[int] = []

    def add(
        self, X: NDArray[np.float32], y: NDArray[np.float64], missed: int, positions: NDArray[np.int64] | None = None
    ) -> None:
        """Add a list: X (m, d), grades y (m,), wanted items that are not in it, places at which rows were shown."""
        self._parts.append((np.ascontiguousarray(X, np.float32), np.asarray(y, np.float64), positions))
        self._missed.append(missed)

    def put(self, place: int, X: NDArray[np.float32], y: NDArray[np.bool_], missed: int) -> None:
        """Add a list at the end, or in the place of another."""
        if place == len(self._parts):
            self.add(X, y.astype(np.float64), missed)
        else:
            self._parts[place] = np.ascontiguousarray(X, np.float32), y.astype(np.float64), None
            self._missed[place] = missed

    def __len__(self) -> int:
        return len(self._parts)

    def joined(self, other: "Lists") -> "Lists":
        """Return these lists followed by others of the same columns."""
        both = Lists(self.columns or other.columns)
        both._parts, both._missed = [*self._parts, *other._parts], [*self._missed, *other._missed]
        return both

    @property
    def wanted(self) -> int:
        """Return how many lists hold a wanted item."""
        return sum(bool((y > 0).any()) for _, y, _ in self._parts)

    @property
    def X(self) -> NDArray[np.float32]:  # noqa: N802 - as `Ranker.fit` calls it
        """Return the rows (total, d)."""
        return np.concatenate([X for X, _, _ in self._parts])

    @property
    def y(self) -> NDArray[np.float64]:
        """Return the grades (total,)."""
        return np.concatenate([y for _, y, _ in self._parts])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Return the length of each list (lists,)."""
        return np.array([len(y) for _, y, _ in self._parts], np.int64)

    @property
    def missed(self) -> NDArray[np.int64]:
        """Return the wanted items outside each list (lists,)."""
        return np.array(self._missed, np.int64)

    @property
    def positions(self) -> NDArray[np.int64] | None:
        """Return the place at which each row was shown (total,), 0 for not shown; None where no list tells."""
        if all(positions is None for _, _, positions in self._parts):
            return None
        return np.concatenate(
            [np.zeros(len(y), np.int64) if positions is None else positions for _, y, positions in self._parts]
        )
