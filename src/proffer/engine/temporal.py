"""The temporal protocol: at four cuts in time, one list for each user, and what he first wanted until the next cut."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from proffer.engine.daily import active, period_wants
from proffer.engine.lists import Standing, answers, sample
from proffer.engine.logged import logged_lists
from proffer.engine.past import Past
from proffer.engine.protocols import PHASES, Judged, Span, Want
from proffer.engine.walking import Walking, timed

SHARES = (0.6, 0.7, 0.8, 0.9)
"""Where the phases begin, as shares of the wanted interactions of a user and an item that are the first of the two."""


class TemporalWalk(Walking):
    """One list per user and phase, from a state and retrievers that stand still at the phase's cut.

    The report covers `since` to `until` (epoch seconds). A phase before which nothing was wanted has no lists.
    """

    name = "temporal"

    def __init__(
        self, past: Past, since: float, until: float, seed: int = 0, *, logged: bool = True,
        earliest: float = -np.inf,
    ) -> None:  # fmt: skip
        super().__init__(past, seed)
        self.logged = logged
        cuts = (*earlier_cuts(past, since, earliest), since, until)
        self.spans = dict(zip(PHASES, pairwise(cuts), strict=True))

    def span(self, phase: str) -> Span:
        """Return what a phase covers."""
        users = len(active(self.past, *self._places(phase)))
        return timed(*self.spans[phase], boundaries=int(users > 0), lists=users)

    def enter(self, phase: str) -> None:
        """Fold what happened before a phase."""
        self.fold(self._places(phase)[0])

    def wants(self, phase: str, most: int) -> list[Want]:
        """Return what a sample of users first want in a phase."""
        return period_wants(self, *self._places(phase), self.spans[phase][0], most)

    def lists(self, phase: str, most: int) -> Iterator[Judged]:
        """Yield the lists of a sample of the users; after those of the learn phase, what was decided in it."""
        (first, last), at = self._places(phase), self.spans[phase][0]
        users = sample(active(self.past, first, last), most, self.seed)
        if len(users):
            self.fit(at)
        standing = Standing.before(self.past.acts, first)
        for user in users.tolist():
            query = self.maker.query(self.past.user(user), at, phase)
            found = answers(self.past, self.past.acts.of(user, first, last))
            judged = self.maker.make(self.state, self.fitted, query, found, standing.segments(user))
            if judged is not None:
                yield judged
        if phase == "learn" and self.logged:
            yield from logged_lists(self, *self.spans[phase], most)

    def _places(self, phase: str) -> tuple[int, int]:
        """Return the places where a phase begins and ends; none lie between where nothing is known before it."""
        first, last = (self.past.before(at) for at in self.spans[phase])
        acts = self.past.acts
        known = (acts.weight[: int(np.searchsorted(acts.place, first))] > 0).any()
        return (first, last) if known else (first, first)


def earlier_cuts(past: Past, since: float, earliest: float = -np.inf) -> tuple[float, ...]:
    """Return where the first three phases begin, so that the last cut is at `since`, by what is wanted since
    `earliest`."""
    at = past.acts.at[past.acts.news]
    at = at[(at < since) & (at >= earliest)]
    return tuple(_cut(at, share / SHARES[-1], since) for share in SHARES[:-1])


def last_cut(past: Past, split: float | None = None, earliest: float = -np.inf) -> float:
    """Return the moment after which a share of the wanted interactions since `earliest` lie, by default a tenth."""
    at = past.acts.at[past.acts.news]
    return _cut(at[at >= earliest], SHARES[-1] if split is None else 1.0 - split, 0.0)


def _cut(at: NDArray[np.float64], share: float, otherwise: float) -> float:
    return float(at[min(int(len(at) * share + 1e-9), len(at) - 1)]) if len(at) else otherwise
