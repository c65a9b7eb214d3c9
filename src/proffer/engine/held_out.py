"""Protocols that hold items out of the log: leave-last-out, and split files that do not go by time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proffer.engine.grades import combine
from proffer.engine.lists import Answers, Standing, sample
from proffer.engine.past import Past, pieces
from proffer.engine.protocols import PHASES, Judged, Span, Want
from proffer.engine.walking import Walking


@dataclass(frozen=True)
class Held:
    """What one phase holds out: which events (n,) stay in the state, and by user what he is asked about."""

    stays: NDArray[np.bool_]
    found: Mapping[int, Answers]


class HeldOutWalk(Walking):
    """One list per user and phase, asked at the end of the log, from a log without what the phase holds out.

    What an earlier phase holds out contains what the later ones do, so that no phase sees anything of a later one.
    """

    def __init__(self, past: Past, name: str, phases: Mapping[str, Held], seed: int = 0) -> None:
        super().__init__(past, seed)
        self.name, self.held = name, phases
        self.at = float(past.times[-1]) if len(past) else 0.0

    def span(self, phase: str) -> Span:
        """Return what a phase covers."""
        users = len(self.held[phase].found)
        return Span(boundaries=int(users > 0), lists=users)

    def enter(self, phase: str) -> None:
        """Fold the log without what the phase holds out, from its start: what it gives back lies all over the log."""
        self.state = self.past.empty()
        if self.held[phase].found:
            for events in pieces(self.past.timeline.since(0), self.held[phase].stays):
                self.state.fold(events)

    def wants(self, phase: str, most: int) -> list[Want]:
        """Return what a sample of users want of what the phase holds out."""
        held = self.held[phase].found
        users = self._users(held, most)
        return [Want(self.maker.query(self.past.user(user), self.at, "upcoming"), held[user].wanted) for user in users]

    def lists(self, phase: str, most: int) -> Iterator[Judged]:
        """Yield the lists of a sample of the users."""
        held = self.held[phase]
        users = self._users(held.found, most)
        if users:
            self.fit(self.at)
        standing = Standing(wanted_counts(self.past, held.stays))
        for user in users:
            query = self.maker.query(self.past.user(user), self.at, phase)
            judged = self.maker.make(self.state, self.fitted, query, held.found[user], standing.segments(user))
            if judged is not None:
                yield judged

    def _users(self, held: Mapping[int, Answers], most: int) -> list[int]:
        users: list[int] = sample(np.array(sorted(held), np.int64), most, self.seed).tolist()
        return users


def wanted_counts(past: Past, stays: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many different items each user wanted among the events that stay (n,)."""
    acts = past.acts
    users = acts.user[acts.news & stays[acts.place]].astype(np.int64)
    return np.bincount(followed(users, past.merged), minlength=len(acts.users))


def leave_last_out(past: Past) -> dict[str, Held]:
    """Return the phases that ask each user about his fourth-last, third-last, second-last and last wanted item.

    The order is that in which a user first did something with the items. A phase's log lacks whatever he did from
    that item on, later events with other items too. One item must be left to tell a user by, so a user with two sits
    all but the report out, and his last item is missing from the earlier phases' logs all the same.
    """
    pairs = Pairs.of(past)
    back = pairs.from_last()
    cuts = np.full(len(past.acts.users) or 1, len(past), np.int64)
    phases: dict[str, Held] = {}
    for number, phase in reversed([*enumerate(PHASES)]):
        mine = np.flatnonzero((back == len(PHASES) - number) & (pairs.rank > 1))
        cuts[pairs.user[mine]] = pairs.place[mine]
        found = {
            user: Answers((past.acts.items[item],), np.array([grade]))
            for user, item, grade in zip(
                *(c[mine].tolist() for c in (pairs.user, pairs.item, pairs.grade)), strict=True
            )
        }
        phases[phase] = Held(stays_before(past, cuts), found)
    return {phase: phases[phase] for phase in PHASES}


def stays_before(past: Past, cuts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which events (n,) stay when everything is dropped that a user did from his cut (users,) on."""
    doer = past.doer.astype(np.int64)
    leads = np.arange(len(cuts))
    for alias, user in past.merged.items():
        leads[alias] = user
    places = np.arange(len(past))
    return (doer < 0) | (places < cuts[leads[np.maximum(doer, 0)]])


@dataclass(frozen=True)
class Pairs:
    """Wanted pairs of a user and an item (p,), by user and then in order of the first event of the two.

    `place` is that of their first event that is an answer, `rank` counts a user's pairs from 1. Merged visitors and
    items are who they turned out to be.
    """

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    place: NDArray[np.int64]
    grade: NDArray[np.float64]
    rank: NDArray[np.int64]

    @classmethod
    def of(cls, past: Past) -> "Pairs":
        """Return the pairs whose events, all together, have a grade above 0."""
        acts = past.acts
        telling = np.flatnonzero(acts.touches | (acts.weight != 0))
        user = followed(acts.user[telling].astype(np.int64), past.merged)
        item = followed(acts.item[telling].astype(np.int64), past.merged_items)
        pair = user * max(len(acts.items), 1) + item
        _, first, groups = np.unique(pair, return_index=True, return_inverse=True)
        grades = combine(groups, acts.weight[telling], len(first), past.labels)
        kept = np.flatnonzero(grades > 0)
        kept = kept[np.lexsort((first[kept], user[first[kept]]))]
        rows = first[kept]
        owners = user[rows]
        rank = np.arange(len(rows)) - np.searchsorted(owners, owners) + 1
        return cls(owners, item[rows], acts.place[telling][rows], grades[kept], rank)

    def from_last(self) -> NDArray[np.int64]:
        """Return the place of each pair from the end of its user's, 1 = last (p,)."""
        return np.searchsorted(self.user, self.user, side="right") - np.arange(len(self.user))


def followed(codes: NDArray[np.int64], leads: Mapping[int, int]) -> NDArray[np.int64]:
    """Return codes (k,) with those of merged entities replaced."""
    if leads:
        codes = codes.copy()
        for alias, into in leads.items():
            codes[codes == alias] = into
    return codes
