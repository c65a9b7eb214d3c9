"""One list as it would have been made, and the grades of what is in it."""

import time
from collections.abc import MutableMapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proffer.core.entities import EntityRef
from proffer.core.queries import Query
from proffer.engine.fitted import Fitted
from proffer.engine.grades import graded_items
from proffer.engine.metrics import DEPTH
from proffer.engine.past import Acts, Past, moment
from proffer.engine.pool import Pool
from proffer.engine.protocols import COLD, HEAVY, LIGHT, WARM, Cost, Judged
from proffer.engine.serve import Asked
from proffer.features.state import State


class Answers(NamedTuple):
    """What a subject did with items in a period: their ids, in order of first event, and the grade of each (k,).

    `looks` counts the events that say that something was looked at, where these are told apart.
    """

    items: tuple[str, ...]
    grades: NDArray[np.float64]
    looks: int = 0

    @property
    def wanted(self) -> tuple[str, ...]:
        """Return the items with a grade above 0."""
        return tuple(item for item, grade in zip(self.items, self.grades.tolist(), strict=True) if grade > 0)

    def news(self, state: State, touched: NDArray[np.int64]) -> "Answers":
        """Return the answers to items that are not among those touched already (t,), whatever their names."""
        kept = np.flatnonzero(~np.isin(state.ordinals(self.items), touched))
        return Answers(tuple(self.items[place] for place in kept.tolist()), self.grades[kept])

    def telling(
        self, grades: NDArray[np.float64], positions: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:  # fmt: skip
        """Return which rows of a list tell anything, by their grades and places (0: not shown), and which are left in.

        Where looks are told, what was shown and neither looked at nor answered is left out; else all is left in: None.
        """
        answered, placed = grades != 0, positions > 0
        return (answered, answered | ~placed) if self.looks else (answered | placed, None)


def answers(past: Past, rows: NDArray[np.int64]) -> Answers:
    """Return what these acts of one user, in order of time, say together."""
    acts = past.acts
    items, grades = graded_items(acts.item[rows].astype(np.int64), acts.weight[rows], past.labels)
    return Answers(tuple(acts.items[item] for item in items.tolist()), grades)


class Standing:
    """How many items each user had wanted before a place of the past: who is new, who does a lot."""

    def __init__(self, counts: NDArray[np.int64]) -> None:
        self.counts = counts
        some = counts[counts > 0]
        self.median = float(np.median(some)) if len(some) else np.inf

    @classmethod
    def before(cls, acts: Acts, place: int) -> "Standing":
        """Return the standing as of a place."""
        last = int(np.searchsorted(acts.place, place))
        users = acts.user[:last][acts.news[:last]]
        return cls(np.bincount(users, minlength=len(acts.users)))

    def segments(self, user: int) -> frozenset[str]:
        """Return the segments of a user by his place in `Acts.users`."""
        count = int(self.counts[user])
        return frozenset((WARM if count else COLD, HEAVY if count >= self.median else LIGHT))


class Maker:
    """Makes lists of one past and measures what each retriever takes."""

    def __init__(self, past: Past, costs: MutableMapping[str, Cost]) -> None:
        self.past, self.costs = past, costs
        self._counted: tuple[State | None, int, float] = (None, -1, 0.0)
        self._counts = np.empty(0, np.int64)
        self._rare = rarity(self._counts)

    def query(self, user: EntityRef, at: float, name: str) -> Query:
        """Return what a user asks at epoch seconds."""
        return Query(id=f"{user.id}/{name}", pipeline=self.past.pipeline.name, subject=user, at=moment(at), n=DEPTH)

    def make(
        self, state: State, fitted: Fitted, query: Query, found: Answers, segments: frozenset[str]
    ) -> Judged | None:
        """Return the list of a query; None when the subject wanted nothing that is new to him."""
        touched = state.touched(query.subject)
        found = found.news(state, touched)
        if not found.wanted:
            return None
        asked = Asked.of(query, fitted, self.past.settings, state)
        asked.allowed[touched] = False
        pool = self.pool(asked)
        return self.judged(query.subject.id, asked, pool, found, segments)

    def pool(self, asked: Asked) -> Pool:
        """Return what every source makes of a query; its scores of the whole catalogue are let go."""
        for name in asked.fitted.retrievers:
            started = time.perf_counter()
            asked.ask(name)
            cost = self.costs.setdefault(name, Cost())
            cost.ask_seconds += time.perf_counter() - started
            cost.lists += 1
        pool = asked.pool(tuple(asked.fitted.retrievers), tuple(asked.fitted.pipeline.heuristics), whole=True)
        asked.scored.clear()
        return pool

    def judged(
        self, user: str, asked: Asked, pool: Pool, found: Answers, segments: frozenset[str],
        positions: NDArray[np.int64] | None = None,
    ) -> Judged:  # fmt: skip
        """Return a list with its grades and how rare its items are."""
        state = asked.state
        grades = np.zeros(len(pool.ordinals))
        missed, unknown, lost = set[int](), 0, list[float]()
        for ordinal, grade in zip(state.ordinals(found.items).tolist(), found.grades.tolist(), strict=True):
            rows = np.flatnonzero(pool.ordinals == ordinal) if ordinal >= 0 else ()
            if len(rows):
                grades[rows] = grade
            elif grade > 0:
                unknown += ordinal < 0
                lost.append(grade)
                missed.add(ordinal if ordinal >= 0 else -unknown)
        rare = self.rarity(state, asked.query.at.timestamp(), pool.ordinals)
        new = self._counts == 0
        missed_new = sum(ordinal < 0 or bool(new[ordinal]) for ordinal in missed)
        return Judged(
            user, asked, pool, grades, len(missed), unknown, *rare, segments, positions, new[pool.ordinals], missed_new,
            gain=self.past.labels.gain, lost=tuple(lost),
        )  # fmt: skip

    def rarity(self, state: State, at: float, ordinals: NDArray[np.int64]) -> "Rarity":
        """Return how rare items are by now."""
        if self._counted != (state, state.position, at):
            self._counted = (state, state.position, at)
            self._counts = state.decayed(np.inf, at).astype(np.int64)
            self._rare = rarity(self._counts)
        counts = self._counts[ordinals]
        return Rarity(self._rare.surprise[counts], self._rare.percentile[counts])


class Rarity(NamedTuple):
    """How surprising something is, and its percentile by count, 0..1."""

    surprise: NDArray[np.float64]
    percentile: NDArray[np.float64]


def rarity(counts: NDArray[np.int64]) -> Rarity:
    """Return, for each count that an item of a catalogue with these counts (n,) can have, how rare it is.

    Its surprise is -log2 of its share of all counts, one added to each; its percentile its place by count.

    >>> rarity(np.array([2, 1, 0])).percentile.round(2)
    array([0.17, 0.5 , 0.83])
    """
    times = np.bincount(counts)
    percentile = (np.cumsum(times) - times / 2) / max(len(counts), 1)
    share = (np.arange(len(times)) + 1) / max(counts.sum() + len(counts), 1)
    return Rarity(-np.log2(share), percentile)


def sample(rows: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """Return at most so many rows (n, ...), drawn without favour, in their order.

    >>> sample(np.arange(100), 3, 0).tolist() == sample(np.arange(100), 3, 0).tolist()
    True
    """
    if len(rows) <= most:
        return rows
    return rows[np.sort(np.random.default_rng(seed).choice(len(rows), max(most, 0), replace=False))]
