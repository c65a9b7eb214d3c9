"""The past made again: a list for each user and day, just before the user's day began, and what he then did."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.app import App, Pipeline, Settings
from proffer.core.entities import EntityRef
from proffer.core.events import Event
from proffer.core.queries import Query
from proffer.engine.fitted import Fitted, unfitted
from proffer.engine.metrics import DEPTH
from proffer.engine.pool import Pool
from proffer.engine.serve import Asked
from proffer.features.state import State

if TYPE_CHECKING:
    from proffer.engine.engine import Progress

FITS = 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Judged:
    """One list before it is ranked: the pool, which of its rows the user then wanted, and how many it missed.

    `missed` counts wanted items outside the pool, `unknown` those of them that did not exist yet. `surprise` and
    `percentile` (m,) tell how rare each row's item was by then: -log2 of its share of all wanted events, and its
    place by count within the catalogue, 0..1.
    """

    user: str
    day: int
    pool: Pool
    relevant: NDArray[np.bool_]
    missed: int
    unknown: int
    surprise: NDArray[np.float64]
    percentile: NDArray[np.float64]
    state: State
    fitted: Fitted


@dataclass(frozen=True)
class Past:
    """A log's events in order of time, renumbered, ready to be folded up to any moment."""

    app: App
    pipeline: Pipeline
    settings: Settings
    events: Sequence[Event]

    @classmethod
    def of(cls, app: App, pipeline: Pipeline, settings: Settings, events: Sequence[Event]) -> "Past":
        """Sort by time; what the log learned late is taken at the time it happened."""
        ordered = sorted(events, key=lambda event: event.at)
        renumbered = [msgspec.structs.replace(event, sequence=place + 1) for place, event in enumerate(ordered)]
        return cls(app, pipeline, settings, renumbered)

    def before(self, at: datetime) -> int:
        """Return how many events happened before a moment."""
        low, high = 0, len(self.events)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.events[middle].at < at else (low, middle)
        return low

    def acts(self, event: Event) -> bool:
        """Return whether a subject did something with an item."""
        target = event.target
        return event.actor.kind == self.app.subject and target is not None and target.kind == self.app.item

    def user_days(self, since: datetime, until: datetime) -> list[tuple[int, int, str]]:
        """Return (day, place of the user's first event of the day, user) in order of time."""
        firsts: dict[tuple[int, str], int] = {}
        for place in range(self.before(since), self.before(until)):
            event = self.events[place]
            if self.acts(event):
                firsts.setdefault(((event.at - EPOCH).days, event.actor.id), place)
        return sorted((day, place, user) for (day, user), place in firsts.items())

    def walk(
        self,
        since: datetime,
        until: datetime,
        *,
        lists: int,
        seed: int,
        fits: int = FITS,
        progress: "Progress | None" = None,
        what: str = "",
    ) -> Iterator[Judged]:
        """Yield the lists of a period; models are fitted anew at the start of each day, on what came before it.

        Where the period has more than `lists` user-days, a seeded sample of them is judged; where it has more than
        `fits` days with a list, models are fitted that many times, at even distances. Live state is never behind.
        """
        user_days = sample(self.user_days(since, until), lists, seed)
        state = State(self.app.view, self.app.schema, subject=self.app.subject, item=self.app.item)
        fitted = unfitted(self.pipeline)
        every = -(-len({day for day, _, _ in user_days}) // fits)
        done = 0
        for number, (day, group) in enumerate(groupby(user_days, key=lambda row: row[0])):
            start = EPOCH + timedelta(days=day)
            self._fold(state, self.before(start))
            if number % every == 0:
                fitted = fit(fitted, state, start, self.settings.labels)
            wants = self._wants(state.position, self.before(min(start + timedelta(days=1), until)))
            for _, place, user in group:
                self._fold(state, place)
                judged = self._judge(state, fitted, day, place, user, wants.get(user, {}))
                done += 1
                if judged is not None:
                    yield judged
            if progress is not None:
                progress(what, done, len(user_days))

    def _fold(self, state: State, place: int) -> None:
        if place > state.position:
            state.fold(self.events[state.position : place])

    def _wants(self, since: int, until: int) -> dict[str, dict[str, None]]:
        """Return what each user wanted between two places of the past, in order, each item once."""
        weights = {**self.app.weights, **self.settings.labels}
        found: dict[str, dict[str, None]] = {}
        for event in self.events[since:until]:
            if self.acts(event) and weights.get(event.type, 0) > 0 and event.target is not None:
                found.setdefault(event.actor.id, {})[event.target.id] = None
        return found

    def _judge(
        self, state: State, fitted: Fitted, day: int, place: int, user: str, wants: Iterable[str]
    ) -> Judged | None:
        ref = EntityRef(self.app.subject, user)
        touched = state.touched(ref)
        seen = {state.ids[ordinal] for ordinal in touched}
        wanted = [item for item in wants if item not in seen]
        if not wanted:
            return None
        at = self.events[place].at
        query = Query(id=f"{user}/{day}", pipeline=self.pipeline.name, subject=ref, at=at, n=DEPTH)
        asked = Asked.of(query, fitted, self.settings, state)
        asked.allowed[touched] = False
        for name in fitted.retrievers:
            asked.ask(name)
        pool = asked.pool(tuple(fitted.retrievers), tuple(fitted.pipeline.heuristics))
        known = state.ordinals(wanted)
        relevant = np.isin(pool.ordinals, known)
        missed, unknown = len(wanted) - int(relevant.sum()), int((known < 0).sum())
        rarity = _rarity(state.decayed(np.inf, at.timestamp()), pool.ordinals)
        slim = replace(pool, matrix=pool.matrix[:0])
        return Judged(user, day, slim, relevant, missed, unknown, *rarity, state, fitted)


def _rarity(
    counts: NDArray[np.float64], ordinals: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    share = (counts[ordinals] + 1) / (counts.sum() + len(counts))
    ranked = np.sort(counts)
    below, upto = (np.searchsorted(ranked, counts[ordinals], side=side) for side in ("left", "right"))
    return -np.log2(share), (below + upto) / 2 / max(len(counts), 1)


def fit(fitted: Fitted, state: State, at: datetime, labels: dict[str, float]) -> Fitted:
    """Fit every retriever on the state as of a moment and return the pipeline."""
    for retriever in fitted.retrievers.values():
        retriever.fit(state, at=at.timestamp(), weights=labels)
    return fitted


def sample(rows: list[tuple[int, int, str]], most: int, seed: int) -> list[tuple[int, int, str]]:
    """Return at most so many rows, drawn without favour, in their order."""
    if len(rows) <= most:
        return rows
    chosen = np.random.default_rng(seed).choice(len(rows), most, replace=False)
    return [rows[row] for row in np.sort(chosen)]
