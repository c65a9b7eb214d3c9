"""Fixed split files: who did what in train.tsv, and what he is to be asked about in test.tsv."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.app import App, Pipeline, Settings
from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid
from proffer.core.events import Event
from proffer.engine.held_out import Held, HeldOutWalk, stays_before
from proffer.engine.lists import Answers
from proffer.engine.past import EPOCH, Past, moment
from proffer.engine.protocols import PHASES, Walk
from proffer.engine.split_files import SplitFile, read_split
from proffer.engine.temporal import TemporalWalk

SPLIT = "split"
ORDERED = datetime(2000, 1, 1, tzinfo=UTC)
"""When the first row of files without times is said to have happened; each further row a second later."""
MOSTLY = 0.95


class SplitReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of every row of two split files.

    A file's `lines` = its header, `blank`, `damaged` and `taken` ones. The `taken` of the test = `wanted` + `repeated`
    (the same user and item again) + `known` (in train already: nothing that could be shown). `unknown_items` of the
    wanted are of items that train never names: misses for everybody; `unknown_users` are asked about without a past.
    `times` says where times are from, `cut` how train is cut for the earlier phases: as the test seems to have been.
    """

    train: SplitFile
    test: SplitFile
    users: int
    items: int
    wanted: int
    repeated: int
    known: int
    unknown_items: int
    unknown_users: int
    times: str
    cut: str


def split_walk(
    app: App, pipeline: Pipeline, train: Path, test: Path, *, settings: Settings | None = None, seed: int = 0
) -> tuple[Walk, SplitReport]:
    """Return the walk that reports on a test file, with nothing known but a train file, and what became of each row.

    The earlier phases repeat inside train how the test was cut from it: by time where all of it is later; as each
    user's last items where his are his last; else as so many of each user's items, drawn without favour. Raises
    Invalid where nothing is left to learn from or to ask about, and what `Text` raises for a file that is no text.
    """
    names = {"user": app.subject, "item": app.item}
    files = read_split(train, names), read_split(test, names)
    for file, path in zip(files, (train, test), strict=True):
        if not file.rows:
            why = f"line {file.damages[0].line}: {file.damages[0].reason}" if file.damages else "it is empty"
            remedy = "Give lines of user, item and perhaps time, with tabs between."
            raise Invalid(f"no row of {path.name} can be used: {why}", field=path.name, remedy=remedy)
    past = _past(app, pipeline, settings or Settings(), *files)
    split = _Split(past, len(files[0].rows), seed)
    walk, cut = split.walk(timed=all(file.times for file in files))
    return walk, split.report(*files, cut)


def _past(app: App, pipeline: Pipeline, settings: Settings, train: SplitFile, test: SplitFile) -> Past:
    kind, given = wanted_type(app), train.times and test.times
    events: list[Event] = []
    for name, file in (("train", train), ("test", test)):
        for row in file.rows:
            at = moment(row.at) if given else moment((ORDERED - EPOCH).total_seconds() + len(events))
            actor, target = EntityRef(app.subject, row.user), EntityRef(app.item, row.item)
            events.append(Event(id=f"{name}:{row.line}", type=kind, at=at, actor=actor, target=target))
    return Past.of(app, pipeline, settings, events)


def wanted_type(app: App) -> str:
    """Return the event type a row of a split file stands for: the first of weight 1 of a subject with an item.

    Else the first with any weight above 0. Raises Invalid where the application declares none.
    """
    between = [e for e in app.events if e.actor == app.subject and app.item in e.targets and e.weight > 0]
    found = next((event for event in between if event.weight == 1), between[0] if between else None)
    if found is None:
        what = f"{app.name} declares no event by which a {app.subject} wants a {app.item}"
        raise Invalid(what, field="app", remedy="Name another application.")
    return found.name


class _Split:
    """Train and test as one past: which rows are of the test, and what train tells of each pair."""

    def __init__(self, past: Past, trained: int, seed: int) -> None:
        self.past, self.seed = past, seed
        # Every event is an act, so that a place is a row; the test stands behind train where times are equal.
        acts = past.acts
        of_test = np.arange(len(past)) >= trained
        times = np.array([event.at.timestamp() for chunk in past.chunks() for event in chunk])
        self.test = of_test[np.argsort(times, kind="stable")]
        self.user, self.item = acts.user.astype(np.int64), acts.item.astype(np.int64)
        pair = self.user * len(acts.items) + self.item
        self.pair = pair
        self.first = np.unique(pair[~self.test], return_index=True)[1]
        self.rows = np.flatnonzero(~self.test)[self.first]
        """The first row in train of each pair of a user and an item."""
        asked = np.flatnonzero(self.test & ~np.isin(pair, pair[self.rows]))
        self.asked = np.sort(asked[np.unique(pair[asked], return_index=True)[1]])

    def walk(self, *, timed: bool) -> tuple[Walk, str]:
        """Return the walk and how the test was cut."""
        at = self.past.times
        if timed and len(self.asked) and at[self.test].min() > at[~self.test].max():
            since = float(at[self.test].min())
            walk = TemporalWalk(self.past, since, float(at[-1]) + 1.0, self.seed, logged=False)
            walk.name = SPLIT
            return walk, "by time"
        last = timed and self._last()
        return HeldOutWalk(self.past, SPLIT, self._phases(last=last), self.seed), "last" if last else "random"

    def report(self, train: SplitFile, test: SplitFile, cut: str) -> SplitReport:
        """Return what became of every row."""
        known_users, known_items = np.unique(self.user[~self.test]), np.unique(self.item[~self.test])
        known = int(np.isin(self.pair[self.test], self.pair[self.rows]).sum())
        wanted = len(self.asked)
        return SplitReport(
            train=train.told(), test=test.told(), users=len(known_users), items=len(known_items), wanted=wanted,
            repeated=int(self.test.sum()) - known - wanted, known=known,
            unknown_items=int((~np.isin(self.item[self.asked], known_items)).sum()),
            unknown_users=len(np.setdiff1d(self.user[self.asked], known_users)),
            times="given" if train.times and test.times else "order of rows", cut=cut,
        )  # fmt: skip

    def _last(self) -> bool:
        """Return whether nearly every user's items of the test are his last."""
        users = len(self.past.acts.users)
        newest, oldest = np.full(users, -np.inf), np.full(users, np.inf)
        np.maximum.at(newest, self.user[~self.test], self.past.times[~self.test])
        np.minimum.at(oldest, self.user[self.test], self.past.times[self.test])
        both = np.isfinite(newest) & np.isfinite(oldest)
        return bool(both.any() and (oldest[both] >= newest[both]).mean() >= MOSTLY)

    def _phases(self, *, last: bool) -> dict[str, Held]:
        """Return what each phase holds out: the report the test, the others as many pairs of each user's of train."""
        stays = ~self.test
        phases = {PHASES[-1]: Held(stays, self._found(self.asked))}
        many = np.bincount(self.user[self.asked], minlength=len(self.past.acts.users))
        order = self.rows if last else np.random.default_rng(self.seed).permutation(self.rows)
        order = order[np.argsort(order, kind="stable")] if last else order
        order = order[np.argsort(self.user[order], kind="stable")]
        owner = self.user[order]
        back = np.searchsorted(owner, owner, side="right") - np.arange(len(order))
        total = np.bincount(owner, minlength=len(many))
        for number, phase in enumerate(reversed(PHASES[:-1]), 1):
            due = (many[owner] > 0) & (total[owner] > number * many[owner])
            held = order[due & (back > (number - 1) * many[owner]) & (back <= number * many[owner])]
            stays = stays & (self._before(held) if last else ~np.isin(self.pair, self.pair[held]))
            phases[phase] = Held(stays, self._found(np.sort(held)))
        return {phase: phases[phase] for phase in PHASES}

    def _before(self, held: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which events stay when all is dropped that a user did from the first of his held rows on."""
        cuts = np.full(len(self.past.acts.users), len(self.past), np.int64)
        np.minimum.at(cuts, self.user[held], held)
        return stays_before(self.past, cuts)

    def _found(self, rows: NDArray[np.int64]) -> Mapping[int, Answers]:
        """Return by user what these rows, one for each pair, ask about."""
        items: dict[int, list[str]] = {}
        for row in rows.tolist():
            items.setdefault(int(self.user[row]), []).append(self.past.acts.items[int(self.item[row])])
        return {user: Answers(tuple(names), np.ones(len(names))) for user, names in items.items()}
