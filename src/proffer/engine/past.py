"""The past: what a log tells in order of time, its events streamed, its acts as columns."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from proffer.app import App, Pipeline, Settings
from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.core.events import ENTITY_MERGE, Event
from proffer.core.labels import Labels
from proffer.core.ports import DecisionLog, EventLog
from proffer.engine.grades import Grader
from proffer.engine.timeline import Chunks, Timeline, timeline
from proffer.features.state import State

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400.0
CHUNK = 10_000


def moment(seconds: float) -> datetime:
    """Return epoch seconds as a time in UTC."""
    return EPOCH + timedelta(microseconds=round(seconds * 1e6))


@dataclass(frozen=True)
class Acts:
    """What subjects did with items, as columns in order of time (a,): impressions too, whatever their weight.

    `place` is the event's place among all events of the past, from 0; `user` and `item` index `users` and `items`;
    `weight` is its grade in force, by its type or its type's scale; `touches` tells whether it is an answer at all (its
    type is declared with a weight), so that a state counts the item as touched.
    """

    place: NDArray[np.int64]
    at: NDArray[np.float64]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    weight: NDArray[np.float64]
    touches: NDArray[np.bool_]
    users: Sequence[str]
    items: Sequence[str]

    def __len__(self) -> int:
        return len(self.place)

    @cached_property
    def news(self) -> NDArray[np.bool_]:
        """Return which of them are the first with a grade above 0 of their user and item (a,)."""
        first = np.zeros(len(self), np.bool_)
        rows = np.flatnonzero(self.weight > 0)
        pair = self.user[rows].astype(np.int64) * max(len(self.items), 1) + self.item[rows]
        first[rows[np.unique(pair, return_index=True)[1]]] = True
        return first

    @cached_property
    def by_user(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows user by user, each user's in order of time (a,), and where each user's begin (users + 1,)."""
        rows = np.argsort(self.user, kind="stable")
        return rows, np.searchsorted(self.user[rows], np.arange(len(self.users) + 1))

    def of(self, user: int, since: int, until: int) -> NDArray[np.int64]:
        """Return the rows of a user with since <= place < until, in order of time."""
        rows, starts = self.by_user
        mine = rows[starts[user] : starts[user + 1]]
        first, last = np.searchsorted(self.place[mine], (since, until))
        return mine[first:last]


@dataclass(frozen=True)
class Past:
    """A log's events before a moment, in order of time and renumbered, ready to be folded up to any place.

    `times` (n,) tells when each of them happened, `doer` (n,) which user did it (-1: no user's act, but a fact).
    `merged` leads from a visitor's place in `acts.users` to that of the user he turned out to be, `merged_items` the
    same for items; `chunks` gives the whole log anew in its own order, `decisions` what was decided meanwhile.
    """

    app: App
    pipeline: Pipeline
    settings: Settings
    acts: Acts
    times: NDArray[np.float64]
    doer: NDArray[np.int32]
    timeline: Timeline
    chunks: Chunks
    merged: dict[int, int] = field(default_factory=dict)
    merged_items: dict[int, int] = field(default_factory=dict)
    decisions: Callable[[], Iterable[Decision]] = tuple

    @classmethod
    def of(
        cls, app: App, pipeline: Pipeline, settings: Settings, events: Iterable[Event], *,
        decisions: Sequence[Decision] = (),
    ) -> "Past":  # fmt: skip
        """Return the past that these events make; they stand in order of the log."""
        held = list(events)
        pieces = [held[start : start + CHUNK] for start in range(0, len(held), CHUNK)]
        return _read(app, pipeline, settings, lambda: pieces, None, lambda: decisions)

    @classmethod
    def read(
        cls, app: App, pipeline: Pipeline, settings: Settings, log: EventLog, *, until: datetime | None = None,
        decisions: DecisionLog | None = None,
    ) -> "Past":  # fmt: skip
        """Return the past of a log before a moment; its events are read again whenever they are folded."""
        last = log.last()
        decided = partial(_pages, decisions) if decisions is not None else tuple
        return _read(app, pipeline, settings, lambda: log.scan(0, last, chunk=CHUNK), until, decided)

    def __len__(self) -> int:
        return len(self.times)

    @property
    def labels(self) -> Labels:
        """Return how events become grades under the settings."""
        return self.app.labels_in_force(self.settings)

    def before(self, at: float) -> int:
        """Return how many events happened before epoch seconds `at`."""
        return int(np.searchsorted(self.times, at, side="left"))

    def empty(self) -> State:
        """Return a state that nothing has been folded into."""
        return State(self.app.view, self.app.schema, subject=self.app.subject, item=self.app.item)

    def user(self, code: int) -> EntityRef:
        """Return the subject of a place in `acts.users`."""
        return EntityRef(self.app.subject, self.acts.users[code])

    def user_days(self, since: float, until: float) -> NDArray[np.int64]:
        """Return (day since 1970, place of the user's first act of the day, user) in order of time (l, 3).

        Only of days on which the user wanted something, be it known to him or not.
        """
        acts = self.acts
        first, last = np.searchsorted(acts.at, (since, until))
        day, user = (acts.at[first:last] // DAY).astype(np.int64), acts.user[first:last].astype(np.int64)
        pair = day * max(len(acts.users), 1) + user
        found, rows = np.unique(pair, return_index=True)
        rows = np.sort(rows[np.isin(found, pair[acts.weight[first:last] > 0])])
        return np.column_stack([day[rows], acts.place[first:last][rows], user[rows]])

    def span(self) -> str:
        """Say which period the past covers."""
        if not len(self.acts):
            return "Import events first."
        return f"The log covers {moment(self.acts.at[0]):%Y-%m-%d} to {moment(self.acts.at[-1]):%Y-%m-%d}."


class _Columns:
    """Columns of a log as it is read."""

    def __init__(self, app: App, settings: Settings) -> None:
        self.app, self.grader = app, Grader(app, settings)
        self.times, self.doer = array("d"), array("i")
        self.at_event, self.item, self.type = array("q"), array("i"), array("i")
        self.grade = array("d")
        self.users: dict[str, int] = {}
        self.items: dict[str, int] = {}
        self.types = {event.name: code for code, event in enumerate(app.events)}
        self.merges: dict[str, list[tuple[float, int, int]]] = {app.subject: [], app.item: []}

    def take(self, chunk: Sequence[Event]) -> None:
        """Add events."""
        subject, kind = self.app.subject, self.app.item
        for event in chunk:
            doer = -1
            code = self.types.get(event.type)
            if code is not None and event.actor.kind == subject:
                doer = self.users.setdefault(event.actor.id, len(self.users))
                if event.target is not None and event.target.kind == kind:
                    self.at_event.append(len(self.times))
                    self.item.append(self.items.setdefault(event.target.id, len(self.items)))
                    self.type.append(code)
                    self.grade.append(self.grader(event))
            elif event.type == ENTITY_MERGE and event.target is not None and event.actor.kind in self.merges:
                self._merge(event)
            self.times.append(event.at.timestamp())
            self.doer.append(doer)

    def _merge(self, event: Event) -> None:
        for kind, codes in ((self.app.subject, self.users), (self.app.item, self.items)):
            if event.actor.kind == kind and event.target is not None:
                into, other = (codes.setdefault(ref.id, len(codes)) for ref in (event.actor, event.target))
                self.merges[kind].append((event.at.timestamp(), into, other))

    def merged(self, kind: str, until: float) -> dict[int, int]:
        """Return where each merged visitor's acts belong in the end."""
        leads: dict[int, int] = {}
        for _, into, other in sorted(merge for merge in self.merges[kind] if merge[0] < until):
            into, other = leads.get(into, into), leads.get(other, other)
            if into != other:
                leads[other] = into
                leads |= {alias: into for alias, user in leads.items() if user == other}
        return leads


def _read(
    app: App, pipeline: Pipeline, settings: Settings, chunks: Chunks, until: datetime | None,
    decisions: Callable[[], Iterable[Decision]],
) -> Past:  # fmt: skip
    found = _Columns(app, settings)
    for chunk in chunks():
        found.take(chunk)
    end = np.inf if until is None else until.timestamp()
    times = np.frombuffer(found.times, np.float64) if found.times else np.empty(0)
    kept = np.flatnonzero(times < end)
    order = kept[np.argsort(times[kept], kind="stable")]
    doer = np.array(found.doer, np.int32)[order]
    return Past(
        app, pipeline, settings, _acts(found, times, order), times[order], doer,
        timeline(chunks, times, end), chunks, found.merged(app.subject, end), found.merged(app.item, end),
        decisions,
    )  # fmt: skip


def _acts(found: _Columns, times: NDArray[np.float64], order: NDArray[np.int64]) -> Acts:
    places = np.full(len(times), -1, np.int64)
    places[order] = np.arange(len(order))
    event = np.array(found.at_event, np.int64)
    rows = np.flatnonzero(places[event] >= 0)
    rows = rows[np.argsort(places[event[rows]], kind="stable")]
    event, kind = event[rows], np.array(found.type, np.int64)[rows]
    declared = np.array([kind.weight != 0 for kind in found.app.events] or [False])
    return Acts(
        places[event], times[event], np.array(found.doer, np.int32)[event], np.array(found.item, np.int32)[rows],
        np.array(found.grade, np.float64)[rows], declared[kind], [*found.users], [*found.items],
    )  # fmt: skip


def pieces(chunks: Iterable[Sequence[Event]], keep: NDArray[np.bool_]) -> Iterator[list[Event]]:
    """Yield the events of a timeline (from its start) whose place is kept (n,)."""
    place = 0
    for chunk in chunks:
        kept = keep[place : place + len(chunk)].tolist()
        place += len(chunk)
        yield [event for event, stays in zip(chunk, kept, strict=False) if stays]


def _pages(decisions: DecisionLog) -> Iterator[Decision]:
    after = ""
    while page := decisions.find(after=after, limit=1000):
        yield from page
        after = page[-1].id
