"""The lists protocol: lists that were really shown, oldest to newest, each read as it was, judged by its answers."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.decisions import Decision
from proffer.engine.lists import Answers, Standing, sample
from proffer.engine.logged import NOBODY, Joined, Replayed
from proffer.engine.past import DAY, Past, moment
from proffer.engine.places import Looked, closed
from proffer.engine.pool import Pool, rules_of
from proffer.engine.protocols import PHASES, SERVED, Judged, Span, Want
from proffer.engine.serve import Asked
from proffer.engine.shown import shown_lists
from proffer.engine.walking import Walking
from proffer.models.examination import FEWEST_LISTS, Examination

SPLIT = 0.2
"""The newest lists that are reported on, as a share of all that were answered."""
SHARES = (0.1, 0.7)
"""Where the learn and the choose phase begin among the lists before the report."""
LOOKED_AT = 1_500
"""So many of the newest lists before the report tell where people look."""
HELD_BYTES = 1 << 28
"""So much may be held of lists that are made ahead."""


class Answered(NamedTuple):
    """A list with what its answers say of each item together."""

    joined: Joined
    found: Answers

    @property
    def decision(self) -> Decision:
        """Return what was shown, when, to whom."""
        return self.joined.decision


class ListsWalk(Walking):
    """Answered lists in order of the log, each asked of the state as of just before it was shown.

    The report covers `since` to `until` (epoch seconds), or the newest `split` of the lists; nothing before `lookback`
    days before the end takes part. What answered an earlier list after the report began is not read. Unless `debias`,
    what was not answered was not wanted, wherever it stood and whether it was shown at all. A boundary is each day on
    which a list of a phase was shown.
    """

    name = SERVED

    def __init__(
        self, past: Past, since: float | None = None, until: float = math.inf, seed: int = 0, *,
        split: float = SPLIT, lookback: float | None = None, debias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(past, seed)
        self.debias = debias
        end = min(until, float(past.times[-1]) + 1.0) if len(past) else 0.0
        first = 0.0 if lookback is None else end - lookback * DAY
        every = [one for one in shown_lists(past, first) if one.at < end]
        useful = [one for one in every if one.found(past).wanted]
        count = len(useful)
        cut = count - math.ceil(split * count) if since is None else sum(one.at < since for one in useful)
        self.begins = useful[cut].at if cut < count and since is None else (since if since is not None else end)
        before = [self._closed(one) for one in useful[:cut]]
        kept = [one for one in before if one.found.wanted]
        ends = [0, *(round(len(kept) * share) for share in SHARES), len(kept)]
        self.rows: dict[str, Sequence[Answered]] = {
            phase: kept[a:b] for phase, (a, b) in zip(PHASES[:-1], pairwise(ends), strict=True)
        }
        self.rows["report"] = [Answered(one, one.found(past)) for one in useful[cut:]]
        self.shown = every
        self.unanswered = len(every) - count
        # Where looks are told nobody has to guess them.
        placed = [one for one in every if one.decision.slate and not one.looks and one.at < self.begins][-LOOKED_AT:]
        placed = placed if debias else []
        enough = sum(bool(one.answers) for one in placed) >= FEWEST_LISTS
        self.looked = Looked(past, placed if enough else [], self.begins)
        self.ahead: dict[str, deque[Judged]] = {}
        self.replayed = Replayed(past)
        self.state = self.replayed.state

    @property
    def examination(self) -> Examination | None:
        """Return where people look, by the lists before the report that tell places; None where they are too few."""
        return self.looked.examination

    def span(self, phase: str) -> Span:
        """Return what a phase covers."""
        rows = self.rows[phase]
        days = {one.joined.at // DAY for one in rows}
        if not rows:
            return Span(boundaries=0, lists=0)
        since, until = (moment(pick(one.joined.at for one in rows)) for pick in (min, max))
        return Span(since=since, until=until, boundaries=len(days), lists=len(rows))

    def enter(self, phase: str) -> None:
        """Fold what the log held when the first list of a phase was shown."""
        if self.rows[phase]:
            self.replayed.upto(self.rows[phase][0].decision.as_of)

    def wants(self, phase: str, most: int) -> list[Want]:  # noqa: ARG002
        """Return nothing: which items come into a list is given, so that no retriever's settings are tried."""
        return []

    def read_ahead(self, most: int) -> None:
        """Make the lists of all phases before the report, at most so many of each, while it is read where people look.

        So the log is folded once instead of twice. Nothing is done where the lists would be too many to hold, or would
        still have to look into the state.
        """
        phases, columns = PHASES[:-1], len(self.past.app.view.columns)
        kept = [self.rows[phase][row] for phase in phases for row in self._sampled(phase, most)]
        cells = columns * sum(len(one.joined.items) for one in kept)
        grouped = all(one.decision.query.group is not None for one in kept)
        until = self.rows["report"][0].decision.as_of if self.rows["report"] else math.inf
        if self.looked.over or self.looked.last > until or not grouped or 4 * cells > HELD_BYTES:
            return
        self.looked.leave(one.decision for one in kept)
        for phase in phases:
            self.ahead[phase] = deque(self._made(phase, most, ahead=True))
        self.looked.read(self.replayed)

    def lists(self, phase: str, most: int) -> Iterator[Judged]:
        """Yield a sample of the lists of a phase."""
        held = self.ahead.pop(phase, None)
        if held is None:
            yield from map(self._looked_at, self._made(phase, most))
        while held:
            yield self._looked_at(held.popleft())

    def _looked_at(self, made: Judged) -> Judged:
        # Where a list tells itself what was looked at, nothing is to be estimated.
        if made.positions is None or made.seen is not None or self.examination is None:
            return made
        return replace(made, examined=self.examination.at(made.positions))

    def _sampled(self, phase: str, most: int) -> list[int]:
        kept: list[int] = sample(np.arange(len(self.rows[phase])), most, self.seed).tolist()
        return kept

    def _made(self, phase: str, most: int, *, ahead: bool = False) -> Iterator[Judged]:
        """Yield a sample of the lists of a phase; those made `ahead` need not look into the state any more."""
        rows = self.rows[phase]
        kept = set(self._sampled(phase, most))
        codes = {name: code for code, name in enumerate(self.past.acts.users)}
        days = groupby(enumerate(rows), key=lambda row: row[1].joined.at // DAY)
        for boundary, (_, group) in enumerate(days):
            day = [*group]
            first = day[0][1].joined
            if ahead:
                self.looked.read(self.replayed, first.decision.as_of)
            self.replayed.upto(first.decision.as_of)
            self.fit(first.at, boundary)
            standing = Standing.before(self.past.acts, self.past.before(first.at))
            for place, one in day:
                if place in kept:
                    if ahead:
                        self.looked.read(self.replayed, one.decision.as_of)
                    self.replayed.upto(one.decision.as_of)
                    code = codes.get(one.decision.query.subject.id)
                    segments = NOBODY if code is None else standing.segments(code)
                    judged = self.judged(one, segments)
                    if judged is not None and ahead:
                        judged = replace(judged, pool=self._whole(judged))
                    if ahead:
                        self.looked.take(one.decision, self.state, None if judged is None else judged.pool)
                    if judged is not None:
                        yield judged

    def _whole(self, judged: Judged) -> Pool:
        """Return the pool of a list with all that is to be read of it."""
        pool, query = judged.pool, judged.query
        if pool.matrix is not None:
            return pool
        batch = self.state.batch(query.subject, pool.ordinals, query.at.timestamp(), query.context)
        return replace(pool, matrix=self.state.view.matrix(batch))

    def judged(self, one: Answered, segments: frozenset[str]) -> Judged | None:
        """Return a list as it would be made now; None where none of its items is known to have existed by then."""
        decision, state = one.decision, self.state
        ids = [*dict.fromkeys((*decision.considered.ids, *(placed.id for placed in decision.slate)))]
        ordinals = state.ordinals(ids)
        # In order of mention: a decision tells what it considered best first, and equals keep the order of the pool.
        known = np.unique(ordinals[ordinals >= 0])
        if not len(known):
            return None
        asked = self._asked(decision, known)
        pool = self.maker.pool(asked)
        made = self.maker.judged(asked.query.subject.id, asked, pool, one.found, segments)
        if not decision.slate or not self.debias:
            return made
        positions = places_of(decision, ids, ordinals, pool.ordinals)
        told, seen = one.found.telling(made.grades, positions)
        return replace(made, positions=positions, told=None if told.all() else told, seen=seen)

    def missing(self) -> str:
        """Say why there is nothing to report on."""
        if not self.shown:
            return "no list that was shown is in the log, nor a visit to one"
        if self.unanswered == len(self.shown):
            return f"nobody wanted anything of the {len(self.shown)} lists that were shown"
        return "no list of the report phase was answered by something wanted"

    def notes(self) -> list[str]:
        """Say what was passed over, and how places count."""
        told = [f"{self.unanswered} of {len(self.shown)} lists got no answer that wants anything and judge nobody"]
        if self.examination is not None:
            chances = ", ".join(f"{chance:.2f}" for chance in self.examination.chances[:10])
            told.append(f"the chance that a place is looked at, from the first on: {chances}")
        elif self.debias and any(one.decision.slate and not one.looks for one in self.shown):
            told.append("too few answered lists tell their places: none counts as looked at more rarely than another")
        looks = sum(bool(one.looks) for one in self.shown)
        if looks and self.debias:
            told.append(f"{looks} lists tell what was looked at: what was shown and was not is left out")
        return told

    def _closed(self, one: Joined) -> Answered:
        """Return a list of before the report with the answers that came before it."""
        kept = closed(one, self.begins)
        return Answered(kept, kept.found(self.past))

    def _asked(self, decision: Decision, known: NDArray[np.int64]) -> Asked:
        # What was considered then may be: rules and conditions have been applied already.
        query = msgspec.structs.replace(decision.query, after=None, objectives=None)
        allowed = np.zeros(len(self.state.ids), np.bool_)
        allowed[known] = True
        settings = self.past.settings
        rules = rules_of(self.fitted, settings, query, self.state)
        return Asked(query, self.fitted, settings, self.state, rules, allowed, np.empty(0, np.int64), known)


def places_of(
    decision: Decision, ids: Sequence[str], ordinals: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the place at which each of these rows of a pool, given by ordinal (m,), was shown, 0 for not shown."""
    ranks = {placed.id: placed.rank for placed in decision.slate}
    where = {ordinal: ranks[id] for id, ordinal in zip(ids, ordinals.tolist(), strict=True) if id in ranks}
    return np.array([where.get(ordinal, 0) for ordinal in rows.tolist()], np.int64)
