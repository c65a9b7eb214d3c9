"""Where people look: what the answers to lists that were shown tell of their places."""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proffer.core.decisions import Decision
from proffer.engine.logged import Joined, Replayed
from proffer.engine.metrics import gains
from proffer.engine.past import Past
from proffer.engine.pool import Pool
from proffer.features.state import State
from proffer.models.examination import FEWEST_ANSWERS, Examination


class _Rows(NamedTuple):
    """The shown rows of a list: their columns (m, d), what each gained (m,), their places from 1 (m,)."""

    X: NDArray[np.float32]
    gained: NDArray[np.float64]
    positions: NDArray[np.int64]


class Looked:
    """What the answers before `until` (epoch seconds) to these lists, in order of the log, tell of their places.

    The lists are read as of when they were shown: of a walk that comes by, or, by the first who asks for
    `examination`, in a pass of their own.
    """

    def __init__(self, past: Past, lists: Sequence[Joined], until: float) -> None:
        self.past, self.lists, self.until = past, lists, until
        view = past.app.view
        # A standing within the list would tell the place.
        self.names = [name for name in view.columns if not view.relative((name,))]
        self._of_view = np.array([view.columns.index(name) for name in self.names], np.int64)
        self._place = {id(one.decision): place for place, one in enumerate(lists)}
        self._found: list[_Rows | None] = [None] * len(lists)
        self._left = set[int]()
        self._next = 0
        self.last = lists[-1].decision.as_of if lists else 0

    @property
    def over(self) -> bool:
        """Return whether no list is left to be read."""
        return self._next == len(self.lists)

    @cached_property
    def examination(self) -> Examination | None:
        """Return where people look; None where too little is told."""
        if not self.over:
            self.read(Replayed(self.past))
        parts = [part for part in self._found if part is not None]
        self._found = []
        if not parts:
            return None
        X, gained, positions = (np.concatenate(column) for column in zip(*parts, strict=True))
        if (gained > 0).sum() < FEWEST_ANSWERS or positions.max() < 2:
            return None
        # What is judged is the gain, so that it is the gain whose places count: a glance may be had at places where
        # nothing is ever done.
        return Examination().fit(X, gained / gained.max(), positions)

    def leave(self, decisions: Iterable[Decision]) -> None:
        """Leave the lists of these decisions to whom `take` gives them."""
        self._left = {place for decision in decisions if (place := self._place.get(id(decision))) is not None}

    def read(self, replayed: Replayed, until: float = math.inf) -> None:
        """Read the lists that were shown up to a sequence of the log and are not left to somebody."""
        while not self.over and (one := self.lists[self._next]).decision.as_of <= until:
            if self._next not in self._left:
                replayed.upto(one.decision.as_of)
                self._found[self._next] = self._rows(replayed.state, one, None)
            self._next += 1

    def take(self, decision: Decision, state: State, pool: Pool | None) -> None:
        """Take what a list tells, where it is one of these: from its pool, if it has one, else from the state."""
        place = self._place.get(id(decision))
        if place is not None:
            self._found[place] = self._rows(state, self.lists[place], pool)

    def _rows(self, state: State, one: Joined, pool: Pool | None) -> _Rows | None:
        query, slate = one.decision.query, one.decision.slate
        ids = [placed.id for placed in slate]
        ordinals = state.ordinals(ids)
        known = ordinals >= 0
        if not known.any():
            return None
        found = closed(one, self.until).found(self.past)
        gained = dict(zip(found.items, gains(found.grades, self.past.labels.gain).tolist(), strict=True))
        answered = np.array([gained.get(id, 0.0) for id in ids])[known]
        positions = np.array([placed.rank for placed in slate], np.int64)[known]
        if pool is not None and pool.matrix is not None:
            X = pool.matrix[np.searchsorted(pool.ordinals, ordinals[known])[:, None], self._of_view]
        else:
            batch = state.batch(query.subject, ordinals[known], query.at.timestamp(), query.context)
            X = np.asarray(state.view.some(batch, self.names), np.float32)
        return _Rows(X, answered, positions)


def closed(one: Joined, until: float) -> Joined:
    """Return a list with the answers that came before `until` alone."""
    kept = Joined(one.decision)
    kept.at, kept.items = one.at, one.items
    kept.looks = [at for at in one.looks if at < until]
    kept.answers = [answer for answer in one.answers if answer[0] < until]
    return kept
