"""How each contender ranks the same lists: every source alone, blends, rankers."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from proffer.engine.fitted import Fitted
from proffer.engine.measure import RANDOM, TARGET, Measure, measures, weights_of
from proffer.engine.metrics import (
    DEPTH,
    PER_LIST,
    Interval,
    intervals,
    paired,
)
from proffer.engine.pool import Pool
from proffer.engine.protocols import Judged
from proffer.engine.ranking import Head, blend, read_head, reorder
from proffer.engine.similar import similarity
from proffer.engine.tops import first_places, id_ranks
from proffer.models.base import Ranker
from proffer.models.rerankers.mmr import diversity

BEYOND = ("diversity", "novelty", "popularity_bias")
NEW_ITEMS, OLD_ITEMS = "new items", "old items"
MEASURES = (*PER_LIST, *BEYOND, NEW_ITEMS, OLD_ITEMS)
NOT_TOLD = (float("nan"),) * (len(BEYOND) + 2)


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
    values: list[tuple[float, ...]] = field(default_factory=list)
    shown: set[int] = field(default_factory=set)
    seconds: float = 0.0


class Judge:
    """Ranks each list for every contender and keeps the measures; `beyond` adds those that go by what items are.

    `chance` adds a row for the order of chance. `weights` tell how much each list counts, `even` how many lists are
    the same in every order.
    """

    def __init__(self, contenders: Mapping[str, Recipe], *, beyond: bool = False, chance: bool = False) -> None:
        self.beyond = beyond
        self.tallies = {name: Tally(recipe) for name, recipe in contenders.items()}
        self.random: list[tuple[float, ...]] | None = [] if chance else None
        self.weights: list[float] = []
        self.users: list[str] = []
        self.segments: list[frozenset[str]] = []
        self.unknown = self.wanted = self.catalogue = self.even = 0

    def look(self, judged: Judged) -> "Shared":
        """Measure every contender on one list; return what they share of it."""
        wanted = int(judged.relevant.sum()) + judged.missed
        self.users.append(judged.user)
        self.segments.append(judged.segments)
        self.unknown += judged.unknown
        self.wanted += wanted
        self.catalogue = max(self.catalogue, len(judged.state.ids))
        shared, measure = Shared(judged), Measure(judged, wanted)
        self.weights.append(measure.weight)
        self.even += measure.even
        if self.random is not None:
            self.random.append((*measure.by_chance(), *NOT_TOLD))
        beyond = Beyond(judged, wanted) if self.beyond else None
        for tally in self.tallies.values():
            rows, seconds = timed_order(
                judged, tally.recipe, shared, DEPTH if judged.told is None and judged.seen is None else None
            )
            tally.seconds += seconds
            more = NOT_TOLD if beyond is None else beyond.measures(rows[:DEPTH], measure.telling(rows))
            tally.values.append((*measure.of(rows), *more))
            tally.shown.update(judged.pool.ordinals[rows[:10]].tolist())
        return shared

    def values(self, name: str, metric: str = TARGET) -> NDArray[np.float64]:
        """Return a contender's measure list by list (lists,)."""
        found = self.random if name == RANDOM and self.random is not None else self.tallies[name].values
        return np.array(found).reshape(-1, len(MEASURES))[:, MEASURES.index(metric)]

    def has(self, name: str) -> bool:
        """Return whether a contender is measured."""
        return name in self.tallies or (name == RANDOM and self.random is not None)

    def counts(self) -> NDArray[np.float64] | None:
        """Return how much each list counts (lists,), None where all count the same."""
        return weights_of(self.weights)

    def lead(self, one: str, other: str, seed: int) -> Interval:
        """Return how much one contender leads another by, list by list."""
        return paired(self.values(one), self.values(other), self.people(), seed, weights=self.counts())

    def mean(self, name: str, metric: str = TARGET) -> float:
        """Return a contender's mean measure over all lists."""
        return float(np.average(self.values(name, metric), weights=self.counts()))

    def people(self) -> NDArray[np.int64]:
        """Return the user of each list as a number (lists,)."""
        return np.unique(np.array(self.users), return_inverse=True)[1]

    def measured(self, seed: int) -> dict[str, dict[str, Interval]]:
        """Return each contender's measures; those told of the same lists share the resamples of users."""
        people, counts = self.people(), self.counts()
        chance = [] if self.random is None else [np.array(self.random)]
        values = np.hstack([np.array(tally.values) for tally in self.tallies.values()] + chance)
        told = ~np.isnan(values)
        alike: dict[bytes, list[int]] = {}
        for place in np.flatnonzero(told.any(axis=0)).tolist():
            alike.setdefault(told[:, place].tobytes(), []).append(place)
        found: dict[int, Interval] = {}
        for places in alike.values():
            lists = told[:, places[0]]
            measured = intervals(values[lists][:, places], people[lists], [str(place) for place in places], seed,
                                 weights=None if counts is None else counts[lists])  # fmt: skip
            found |= {place: measured[str(place)] for place in places}
        named = [*self.tallies, *([RANDOM] if chance else [])]
        told_of = {
            name: {
                metric: found[place]
                for place, metric in enumerate(MEASURES, number * len(MEASURES))
                if place in found and metric in (*PER_LIST, *BEYOND)
            }
            for number, name in enumerate(named)
        }
        for name, tally in self.tallies.items():
            told_of[name]["coverage"] = Interval(value=len(tally.shown) / max(self.catalogue, 1))
        return told_of


def singles(fitted: Fitted) -> dict[str, Recipe]:
    """Return every source on its own."""
    kinds = {name: retriever.family for name, retriever in fitted.retrievers.items()}
    return {name: Recipe({name: 1.0}, family=kinds.get(name, "heuristic")) for name in fitted.sources}


@dataclass
class Blended:
    """What one stage one makes of a list: the rows that it proposes, blended (m,), and the head for rankers.

    `pool` holds the sources with a weight alone.
    """

    rows: NDArray[np.int64]
    pool: Pool
    scores: NDArray[np.float32]
    head: Head | None = None
    seconds: float = 0.0
    head_seconds: float = 0.0


class Shared:
    """What the contenders share of a list: the order of ids in its pool, and blends of the same weights."""

    def __init__(self, judged: Judged) -> None:
        self.judged = judged
        self._blends: dict[tuple[tuple[str, float], ...], Blended] = {}

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """The place of each row of the pool in order of id (m,)."""
        return id_ranks(self.judged.pool.ordinals, self.judged.state.ids)

    def blended(self, recipe: Recipe) -> Blended:
        """Return the list as blended by a recipe's weights."""
        key = tuple(sorted(recipe.weights.items()))
        if key not in self._blends:
            started = time.perf_counter()
            self._blends[key] = blended(self.judged, recipe)
            self._blends[key].seconds = time.perf_counter() - started
        return self._blends[key]

    def headed(self, recipe: Recipe) -> tuple[Blended, Head]:
        """Return the list as blended, and the best of it with the columns that a ranker reads."""
        found = self.blended(recipe)
        if found.head is None:
            started = time.perf_counter()
            found.head = head(self.judged, recipe, found)
            found.head_seconds = time.perf_counter() - started
        return found, found.head


def top(judged: Judged, recipe: Recipe) -> NDArray[np.int64]:
    """Return the first 20 rows of the pool in the order that serving this recipe would give."""
    return timed_order(judged, recipe, Shared(judged), DEPTH)[0]


def timed_order(
    judged: Judged, recipe: Recipe, shared: Shared, depth: int | None
) -> tuple[NDArray[np.int64], float]:  # fmt: skip
    """Return the first so many rows, None for all, and the seconds ordering took, with what was shared with others."""
    if recipe.ranker is None:
        ranks = shared.ranks
        started = time.perf_counter()
        rows = _blend_top(judged, recipe, ranks, len(judged.pool.ordinals) if depth is None else depth)
        return rows, time.perf_counter() - started
    found, best = shared.headed(recipe)
    started = time.perf_counter()
    ranked = reorder(recipe.ranker, best, found.pool, found.scores, judged.state.ids)
    spent = time.perf_counter() - started
    return found.rows[ranked.order[:depth]], spent + found.seconds + found.head_seconds


def _blend_top(judged: Judged, recipe: Recipe, ranks: NDArray[np.int64], depth: int) -> NDArray[np.int64]:
    pool = judged.pool
    proposing, weighted = places_of(judged.fitted, recipe)
    weights = np.array([recipe.weights[pool.sources[place]] for place in weighted.tolist()], np.float64)
    return first_places(pool.scores, pool.proposed, ranks, proposing, weighted, weights, depth)


def places_of(fitted: Fitted, recipe: Recipe) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the columns of a pool whose proposals a recipe sees, and those that have a weight."""
    served, sources = recipe.of(fitted), fitted.sources
    places = {name: place for place, name in enumerate(sources)}
    proposing, counting = served.proposing(), served.counting
    return tuple(np.array([places[name] for name in names], np.int64) for names in (proposing, counting))  # type: ignore[return-value]


def blended(judged: Judged, recipe: Recipe, *, every: bool = False) -> Blended:
    """Return the rows that the retrievers with a weight propose, or every one, blended: serving sees no others."""
    whole = judged.pool
    proposing, weighted = places_of(judged.fitted, recipe)
    rows = np.arange(len(whole.ordinals)) if every else np.flatnonzero(whole.proposed[:, proposing].any(axis=1))
    sources = tuple(whole.sources[place] for place in weighted.tolist())
    cells = np.ix_(rows, weighted)
    # What was read of the whole pool is read of these rows only where they are all of it: columns go by the list.
    matrix = whole.matrix if len(rows) == len(whole.ordinals) else None
    pool = Pool(sources, whole.ordinals[rows], whole.scores[cells], whole.proposed[cells], matrix)
    scores = blend(pool, sources, np.array([recipe.weights[name] for name in sources], np.float64))
    return Blended(rows, pool, scores)


def head(judged: Judged, recipe: Recipe, found: Blended) -> Head:
    """Return the best of a blended list with the columns that a ranker reads."""
    return read_head(found.pool, recipe.of(judged.fitted), judged.query, judged.state, found.scores)


class Beyond:
    """The measures of one list that go by what its items are, in the order of MEASURES."""

    def __init__(self, judged: Judged, wanted: int) -> None:
        self.judged, self.alike = judged, similarity(judged.fitted)
        self._spreads: dict[bytes, float] = {}
        self._ages: list[tuple[NDArray[np.bool_], int]] = []
        if judged.new is not None:
            relevant = judged.relevant
            fresh, old = relevant & judged.new, relevant & ~judged.new
            count = int(fresh.sum()) + judged.missed_new
            self._ages = [(fresh, count), (old, wanted - count)]

    def measures(self, rows: NDArray[np.int64], telling: NDArray[np.int64]) -> tuple[float, ...]:
        """Return the measures of these first rows, and of the first of those that can tell anything."""
        judged, best = self.judged, rows[:10]
        if not len(best):
            return (*NOT_TOLD[: len(BEYOND)], *self._by_age(telling))
        surprise, percentile = float(judged.surprise[best].mean()), float(judged.percentile[best].mean())
        return self._spread(best), surprise, percentile, *self._by_age(telling)

    def _by_age(self, rows: NDArray[np.int64]) -> Iterator[float]:
        """Yield NDCG@10 where only what nobody had wanted yet counts, and where only the rest does; NaN without any."""
        place = PER_LIST.index(TARGET)
        for part, count in self._ages:
            yield measures(part[rows], count)[place] if count else np.nan
        if not self._ages:
            yield from (np.nan, np.nan)

    def _spread(self, rows: NDArray[np.int64]) -> float:
        if self.alike is None:
            return np.nan
        key = rows.tobytes()
        if key not in self._spreads:
            matrix = self.alike(self.judged.pool.ordinals[rows], self.judged.state)
            # An item without attributes is not even like itself.
            described = np.flatnonzero(np.diagonal(matrix) > 0)
            self._spreads[key] = diversity(matrix[np.ix_(described, described)])
        return self._spreads[key]
