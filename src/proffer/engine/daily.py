"""The daily protocol: a list for each user and day, just before the user's day began, and what he then did."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from proffer.engine.lists import Standing, answers, sample
from proffer.engine.logged import logged_lists
from proffer.engine.past import DAY, Past
from proffer.engine.protocols import PHASES, Judged, Span, Want
from proffer.engine.walking import Walking, timed

CHOOSING = 6_000
"""So many user-days before the report are chosen on, or the newer three quarters of all earlier ones, where less."""
SHARES = (0.25, 0.75)
"""Where the learn phase begins and ends among them."""
REPORTED = 1_500
FEWEST_REPORTED = 250


class DailyWalk(Walking):
    """User-days in order of time from a live state; the report covers `since` to `until` (epoch seconds).

    A boundary is the beginning of each day of a phase on which somebody acted.
    """

    name = "daily"

    def __init__(
        self, past: Past, since: float, until: float, seed: int = 0, *, logged: bool = True,
        earliest: float = -np.inf,
    ) -> None:  # fmt: skip
        super().__init__(past, seed)
        self.logged = logged
        cuts = (*choosing(past, since, earliest), since, until)
        self.spans = dict(zip(PHASES, pairwise(cuts), strict=True))
        self.rows = {phase: past.user_days(*span) for phase, span in self.spans.items()}

    def span(self, phase: str) -> Span:
        """Return what a phase covers."""
        rows = self.rows[phase]
        return timed(*self.spans[phase], boundaries=len(np.unique(rows[:, 0])), lists=len(rows))

    def enter(self, phase: str) -> None:
        """Fold what happened before a phase."""
        self.fold(self.past.before(self.spans[phase][0]))

    def wants(self, phase: str, most: int) -> list[Want]:
        """Return what a sample of users first want in a phase."""
        since, until = (self.past.before(at) for at in self.spans[phase])
        return period_wants(self, since, until, self.spans[phase][0], most)

    def lists(self, phase: str, most: int) -> Iterator[Judged]:
        """Yield a sample of the user-days; after those of the learn phase, what was decided in it."""
        yield from self._made(phase, sample(self.rows[phase], most, self.seed))
        if phase == "learn" and self.logged:
            yield from logged_lists(self, *self.spans[phase], most)

    def _made(self, phase: str, kept: NDArray[np.int64]) -> Iterator[Judged]:
        since, until = self.spans[phase]
        days = np.unique(self.rows[phase][:, 0])
        for boundary, day in enumerate(days.tolist()):
            start = max(day * DAY, since)
            mine = kept[kept[:, 0] == day]
            if self._due(boundary, days, kept):
                self.fold(self.past.before(start))
                self.fit(start, boundary)
            if not len(mine):
                continue
            end = self.past.before(min((day + 1) * DAY, until))
            standing = Standing.before(self.past.acts, self.past.before(start))
            for _, place, user in mine.tolist():
                self.fold(place)
                found = answers(self.past, self.past.acts.of(user, place, end))
                query = self.maker.query(self.past.user(user), float(self.past.times[place]), str(day))
                judged = self.maker.make(self.state, self.fitted, query, found, standing.segments(user))
                if judged is not None:
                    yield judged

    def _due(self, boundary: int, days: NDArray[np.int64], kept: NDArray[np.int64]) -> bool:
        """Return whether any list is made of what is fitted at a boundary: a sample may have none for some days."""
        if not self.refits:
            return bool((kept[:, 0] == days[boundary]).any())
        longest = max(1, *self.refits.values())
        reach = days[boundary : boundary + longest]
        return bool(np.isin(kept[:, 0], reach).any())


def period_wants(walk: Walking, since: int, until: int, at: float, most: int) -> list[Want]:
    """Return what a sample of the users who act between two places first want there, asked at epoch seconds."""
    past, found = walk.past, []
    for user in sample(active(past, since, until), most, walk.seed).tolist():
        query = walk.maker.query(past.user(user), at, "upcoming")
        touched = walk.state.touched(query.subject)
        wanted = answers(past, past.acts.of(user, since, until)).news(walk.state, touched).wanted
        if wanted:
            found.append(Want(query, wanted))
    return found


def active(past: Past, since: int, until: int) -> NDArray[np.int64]:
    """Return the users who want something between two places (u,), ascending."""
    acts = past.acts
    first, last = np.searchsorted(acts.place, (since, until))
    return np.unique(acts.user[first:last][acts.weight[first:last] > 0]).astype(np.int64)


def choosing(past: Past, since: float, earliest: float = -np.inf) -> tuple[float, float, float]:
    """Return where the blend, learn and choose phases begin, at the beginnings of days where there are several.

    None begins before `earliest`, epoch seconds.
    """
    rows = past.user_days(max(earliest, 0.0), since)
    known = len(past) > 0 and earliest > past.times[0]
    # What came before the first list makes its features: where nothing did, a quarter of the lists is left for that.
    keep = min(CHOOSING, len(rows) if known else 3 * len(rows) // 4)
    rows = rows[len(rows) - keep :]
    if not len(rows):
        return since, since, since
    starts = [rows[0, 0], *(rows[int(len(rows) * share), 0] for share in SHARES)]
    first, second, third = (min(max(float(day) * DAY, earliest), since) for day in starts)
    return first, second, third


def reporting(past: Past, split: float | None = None, earliest: float = -np.inf) -> float:
    """Return the beginning of the day that leaves the newest tenth of user-days to report on, epoch seconds.

    At least 250, at most 1,500, no more than a third of all; with `split` this share of all from `earliest` on.
    """
    rows = past.user_days(earliest, np.inf)
    if not len(rows):
        return 0.0
    if split is not None:
        return float(rows[len(rows) - max(round(len(rows) * split), 1), 0]) * DAY
    keep = min(max(len(rows) // 10, FEWEST_REPORTED), REPORTED, len(rows) // 3)
    return float(rows[len(rows) - max(keep, 1), 0]) * DAY
