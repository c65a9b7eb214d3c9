"""Lists that were really shown: logged decisions, read as they were made, with the answers they got."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from proffer.core.decisions import Decision
from proffer.core.events import Event
from proffer.core.labels import Labels
from proffer.engine.fitted import Fitted, unfitted
from proffer.engine.grades import Grader, graded_items
from proffer.engine.lists import Answers, Standing, sample
from proffer.engine.past import DAY, Past
from proffer.engine.protocols import COLD, LIGHT, Judged
from proffer.engine.serve import Asked
from proffer.features.state import State

if TYPE_CHECKING:
    from proffer.engine.walking import Walking

FEWEST = 100
"""Fewer answered decisions than these say too little to be learned from."""
NOBODY = frozenset((COLD, LIGHT))
MOST = 10_000
"""So many of the newest decisions of a period are looked at."""
_sequence = attrgetter("sequence")


class Joined:
    """A decision and the events that answered it; `looks` are the times of those that say that somebody looked."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.at = decision.query.at.timestamp()
        self.items = {*decision.considered.ids, *(placed.id for placed in decision.slate)}
        self.answers: list[tuple[float, str, float]] = []
        self.looks: list[float] = []

    def answer(self, event: Event, item: str, grade: float, labels: Labels) -> None:
        """Add an event that answers the decision with an item."""
        at = event.at.timestamp()
        self.answers.append((at, item, grade))
        if event.type in labels.looks:
            self.looks.append(at)

    def found(self, past: Past) -> Answers:
        """Return what the answers to each item say together."""
        return self.graded(past.labels)

    def graded(self, labels: Labels) -> Answers:
        """Return what the answers to each item say together, combined as declared."""
        self.answers.sort(key=lambda answer: answer[0])
        codes = {item: code for code, item in enumerate(dict.fromkeys(item for _, item, _ in self.answers))}
        items = np.array([codes[item] for _, item, _ in self.answers], np.int64)
        kept, grades = graded_items(items, np.array([weight for *_, weight in self.answers]), labels)
        names = [*codes]
        return Answers(tuple(names[code] for code in kept.tolist()), grades, len(self.looks))


def logged_lists(walk: "Walking", since: float, until: float, most: int) -> Iterator[Judged]:
    """Yield the answered decisions of a period (epoch seconds), a seeded sample of at most so many; none below 100.

    Each is read from the log's own order at the decision's `as_of`, as it was when it was made, with retrievers that
    are fitted anew on the first decision's state of each day. `positions` tells where each row stood.
    """
    past = walk.past
    joined = [(one, found) for one in join(past, since, until) if (found := one.found(past)).wanted]
    if len(joined) < FEWEST:
        return
    joined.sort(key=lambda pair: (pair[0].decision.as_of, pair[0].decision.id))
    kept = set(sample(np.arange(len(joined)), most, walk.seed).tolist())
    replayed = Replayed(past)
    fitted = again(walk.fitted, walk.skipped)
    codes = {name: code for code, name in enumerate(past.acts.users)}
    days = groupby(enumerate(joined), key=lambda row: row[1][0].at // DAY)
    for boundary, (_, group) in enumerate(days):
        rows = [*group]
        first = rows[0][1][0]
        replayed.upto(first.decision.as_of)
        walk.fit(first.at, boundary, state=replayed.state, fitted=fitted)
        standing = Standing.before(past.acts, past.before(first.at))
        for place, (one, found) in rows:
            if place in kept:
                replayed.upto(one.decision.as_of)
                code = codes.get(one.decision.query.subject.id)
                segments = NOBODY if code is None else standing.segments(code)
                yield shown(walk, replayed.state, fitted, one.decision, found, segments)


def shown(
    walk: "Walking", state: State, fitted: Fitted, decision: Decision, found: Answers, segments: frozenset[str]
) -> Judged:
    """Return the list of what a decision considered and placed."""
    ranks = {placed.id: placed.rank for placed in decision.slate}
    ids = [*dict.fromkeys((*decision.considered.ids, *ranks))]
    ordinals = state.ordinals(ids)
    known = np.unique(ordinals[ordinals >= 0])
    # What was considered then may be: rules and conditions have been applied already.
    query = msgspec.structs.replace(decision.query, candidates=None, after=None)
    asked = Asked.of(query, fitted, walk.past.settings, state)
    allowed = np.zeros(len(state.ids), np.bool_)
    allowed[known] = True
    asked = replace(asked, allowed=allowed, added=known)
    pool = walk.maker.pool(asked)
    positions = np.zeros(len(pool.ordinals), np.int64)
    for item, ordinal in zip(ids, ordinals.tolist(), strict=True):
        if item in ranks:
            positions[pool.ordinals == ordinal] = ranks[item]
    return replace(walk.maker.judged(query.subject.id, asked, pool, found, segments, positions), learn=True)


def again(fitted: Fitted, without: frozenset[str]) -> Fitted:
    """Return a pipeline of the same settings with retrievers of its own."""
    fresh = unfitted(fitted.pipeline, without=without)
    taken = {name: fresh.retrievers[name].restore(*one.parameters()) for name, one in fitted.retrievers.items()}
    return replace(fitted, retrievers=taken)


class Replayed:
    """A state that follows the log in its own order, as serving did."""

    def __init__(self, past: Past) -> None:
        self.state = past.empty()
        self._chunks = iter(past.chunks())
        self._held: Sequence[Event] = ()
        self._folded = 0

    def upto(self, sequence: int) -> None:
        """Fold the events up to a sequence of the log."""
        while True:
            if self._folded == len(self._held):
                self._held, self._folded = next(self._chunks, ()), 0
                if not self._held:
                    return
            due = bisect_right(self._held, sequence, self._folded, key=_sequence)
            if due > self._folded:
                self.state.fold(self._held[self._folded : due])
                self._folded = due
            if due < len(self._held):
                return


def join(past: Past, since: float, until: float) -> list[Joined]:
    """Return the newest decisions of a period that closed before its end, each with the events that answered it.

    An event answers the decision of the query it names. One that names none answers the subject's last decision that
    considered the item, if that is no older than `Labels.window`. What happened after the period is not read.
    """
    window = past.labels.window.total_seconds()
    closed = deque[Joined](maxlen=MOST)
    for decision in past.decisions():
        at = decision.query.at.timestamp()
        if decision.query.pipeline == past.pipeline.name and since <= at and at + window <= until:
            closed.append(Joined(decision))
    if len(closed) < FEWEST:
        return []
    by_query = {one.decision.query.id: one for one in closed}
    by_subject: dict[str, list[Joined]] = {}
    for one in sorted(closed, key=lambda one: one.at):
        by_subject.setdefault(one.decision.query.subject.id, []).append(one)
    grader = Grader(past.app, past.settings)
    for chunk in past.chunks():
        for event in chunk:
            weight = grader(event)
            target, at = event.target, event.at.timestamp()
            if weight and target is not None and target.kind == past.app.item and since <= at < until:
                answered = answers_to(event, target.id, at, by_query, by_subject.get(event.actor.id, ()), window)
                if answered is not None:
                    answered.answer(event, target.id, weight, past.labels)
    return [*closed]


def answers_to(
    event: Event, item: str, at: float, by_query: Mapping[str, Joined], mine: Sequence[Joined], window: float
) -> Joined | None:
    """Return the decision that an event with an item answers: of those by query, or of the actor's in order of time."""
    if event.query_id is not None:
        named = by_query.get(event.query_id)
        return named if named is not None and item in named.items else None
    return next((one for one in reversed(mine) if one.at <= at <= one.at + window and item in one.items), None)
