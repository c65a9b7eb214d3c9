"""Rows of the table: how each source, heuristic and blend ranks the same lists."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.engine.backtest import Judged
from proffer.engine.fitted import Fitted
from proffer.engine.metrics import DEPTH, PER_LIST, Interval, intervals, list_metrics
from proffer.engine.slate import ranking, similarity
from proffer.models.rankers.blend import Blend
from proffer.models.rerankers.mmr import diversity

Weights = Mapping[str, float]
BEYOND = ("diversity", "novelty", "popularity_bias")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One contender over the whole period: its weights and its measures with intervals over users.

    Beside the rankings' measures: `coverage`, the share of the catalogue that stood in some top 10; `diversity`, one
    minus the mean similarity within a top 10 (content vectors; None without any); `novelty`, the mean surprise
    -log2(share of all wanted events so far) of a top 10 (Vargas & Castells 2011); `popularity_bias`, the mean
    percentile of a top 10's items among the catalogue by count so far, 0.5 = none.
    """

    name: str
    family: str
    weights: dict[str, float]
    metrics: dict[str, Interval]


@dataclass
class Tally:
    """What one contender's lists measured so far."""

    weights: Weights
    values: list[list[float]] = field(default_factory=list)
    shown: set[int] = field(default_factory=set)


class Judge:
    """Ranks each list for every contender and keeps the measures."""

    def __init__(self, contenders: Mapping[str, Weights]) -> None:
        self.tallies = {name: Tally(weights) for name, weights in contenders.items()}
        self.users: list[str] = []
        self.unknown = self.wanted = self.catalogue = 0

    def look(self, judged: Judged) -> None:
        """Measure every contender on one list."""
        wanted = int(judged.relevant.sum()) + judged.missed
        self.users.append(judged.user)
        self.unknown += judged.unknown
        self.wanted += wanted
        self.catalogue = max(self.catalogue, len(judged.state.ids))
        for tally in self.tallies.values():
            rows = top(judged, tally.weights)
            found = list_metrics(judged.relevant[rows], wanted)
            tally.shown.update(judged.pool.ordinals[rows[:10]].tolist())
            tally.values.append([*(found[name] for name in PER_LIST), *_beyond(judged, rows[:10])])

    def values(self, name: str, metric: str) -> NDArray[np.float64]:
        """Return a contender's measure list by list (lists,)."""
        return np.array(self.tallies[name].values)[:, (*PER_LIST, *BEYOND).index(metric)]

    def people(self) -> NDArray[np.int64]:
        """Return the user of each list as a number (lists,)."""
        return np.unique(np.array(self.users), return_inverse=True)[1]

    def rows(self, families: Mapping[str, str], seed: int) -> list[Row]:
        """Return a row per contender, best NDCG@10 first."""
        measured = self._measured(seed)
        rows = []
        for name, tally in self.tallies.items():
            metrics = {**measured[name], "coverage": Interval(value=len(tally.shown) / max(self.catalogue, 1))}
            weights = {source: weight for source, weight in tally.weights.items() if weight}
            rows.append(Row(name=name, family=families.get(name, "blend"), weights=weights, metrics=metrics))
        return sorted(rows, key=lambda row: -row.metrics["ndcg@10"].value)

    def _measured(self, seed: int) -> dict[str, dict[str, Interval]]:
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
        measures = (*PER_LIST, *BEYOND)
        return {
            name: {
                metric: found[place] for place, metric in enumerate(measures, number * len(measures)) if place in found
            }
            for number, name in enumerate(self.tallies)
        }


def contenders(fitted: Fitted) -> dict[str, Weights]:
    """Return every source on its own."""
    return {name: {name: 1.0} for name in fitted.sources}


def families(fitted: Fitted) -> dict[str, str]:
    """Return whether a source is a retriever or a heuristic."""
    return {name: "retriever" if name in fitted.retrievers else "heuristic" for name in fitted.sources}


def top(judged: Judged, weights: Weights) -> NDArray[np.int64]:
    """Return the first 20 rows of the pool in the order that serving with these weights would give."""
    rows = served(judged, weights)
    scores = Blend(weights).predict(judged.pool.scores[rows], judged.fitted.sources)
    return rows[ranking(scores, judged.pool.ordinals[rows], judged.state.ids)[:DEPTH]]


def served(judged: Judged, weights: Weights) -> NDArray[np.int64]:
    """Return the rows that the retrievers with a weight propose: serving would see no others."""
    fitted = Fitted(judged.fitted.pipeline, judged.fitted.retrievers, weights)
    places = [fitted.sources.index(name) for name in fitted.proposing()]
    return np.flatnonzero(judged.pool.proposed[:, places].any(axis=1))


def _beyond(judged: Judged, rows: NDArray[np.int64]) -> tuple[float, float, float]:
    if not len(rows):
        return np.nan, np.nan, np.nan
    return _spread(judged, rows), float(judged.surprise[rows].mean()), float(judged.percentile[rows].mean())


def _spread(judged: Judged, rows: NDArray[np.int64]) -> float:
    alike = similarity(judged.fitted)
    if alike is None:
        return np.nan
    matrix = alike(judged.pool.ordinals[rows], judged.state)
    described = np.flatnonzero(np.diagonal(matrix) > 0)  # an item without attributes is not even like itself
    return diversity(matrix[np.ix_(described, described)])


def collect(lists: Iterable[Judged]) -> "Lists":
    """Return lists laid end to end, for a ranker to learn from."""
    found = list(lists)
    return Lists(
        scores=np.concatenate([judged.pool.scores for judged in found]),
        relevant=np.concatenate([judged.relevant for judged in found]).astype(np.float64),
        sizes=np.array([len(judged.relevant) for judged in found], np.int64),
        missed=np.array([judged.missed for judged in found], np.int64),
    )


@dataclass(frozen=True)
class Lists:
    """Lists laid end to end: scores (total, s), relevant (total,), sizes (lists,), missed (lists,)."""

    scores: NDArray[np.float32]
    relevant: NDArray[np.float64]
    sizes: NDArray[np.int64]
    missed: NDArray[np.int64]
