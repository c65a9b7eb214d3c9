"""What people did with one item, and what one subject did: counts, rates with intervals, grades."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from proffer.core.entities import EntityRef
from proffer.core.errors import NotFound
from proffer.core.events import Event
from proffer.engine.grades import Grader, graded_items
from proffer.experiments.proportions import wilson

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

PAGE = 10_000
LEVEL = 0.95


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A rate of events: `counts` names what is divided by what, `low` to `high` is its Wilson interval at `level`.

    Where there is nothing to divide by it is null, and `why` says so; the interval is null too where more were counted
    than it is of.
    """

    value: float | None
    numerator: int
    denominator: int
    counts: str
    low: float | None = None
    high: float | None = None
    level: float = LEVEL
    why: str | None = None

    @classmethod
    def of(cls, counts: Mapping[str, int], hit: str, trial: str) -> "Rate":
        """Return how many events of a type there are for one of another."""
        hits, trials, told = counts.get(hit, 0), counts.get(trial, 0), f"{hit} / {trial}"
        absent = [name for name in (trial, hit) if name not in counts]
        if absent or trials == 0:
            why = f"the application has no event {absent[0]}" if absent else f"no {trial} yet"
            return cls(value=None, numerator=hits, denominator=trials, counts=told, why=why)
        if hits > trials:
            return cls(
                value=hits / trials, numerator=hits, denominator=trials, counts=told, why=f"more {hit} than {trial}"
            )
        low, high = wilson(hits, trials, LEVEL)
        return cls(value=hits / trials, numerator=hits, denominator=trials, counts=told, low=low, high=high)


class Mean(msgspec.Struct, frozen=True, kw_only=True):
    """A mean of grades; `counts` names what it is of; null with the reason where there is nothing."""

    value: float | None
    denominator: int
    counts: str
    why: str | None = None

    @classmethod
    def of(cls, grades: Sequence[float], counts: str) -> "Mean":
        """Return the mean of these grades."""
        if not len(grades):
            return cls(value=None, denominator=0, counts=counts, why="no graded interaction yet")
        return cls(value=float(np.mean(grades)), denominator=len(grades), counts=counts)


class ItemStats(msgspec.Struct, frozen=True, kw_only=True):
    """What people did with an item: how many events of each type that is an answer, how many were on a screen,
    of how many subjects, and the mean of the subjects' grades."""

    id: str
    counts: dict[str, int]
    impressions: int
    subjects: int
    grade: Mean

    @property
    def total(self) -> int:
        """Return how many interactions there are; an impression is none."""
        return sum(self.counts.values())


class Taste(msgspec.Struct, frozen=True, kw_only=True):
    """What a subject did with the items of a category (null: of none): how often, with how many, the mean grade."""

    category: str | None
    interactions: int
    items: int
    grade: Mean


class Did(msgspec.Struct, frozen=True, kw_only=True):
    """One interaction of a subject: with what, how, when, and the grade of it alone under the labels in force."""

    item: str
    type: str
    at: datetime
    grade: float
    fields: dict[str, object]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What a subject did: counts, the categories with the best mean grade first, the mean grade of the items, and the
    newest interactions, newest first."""

    id: str
    counts: dict[str, int]
    impressions: int
    items: int
    tastes: list[Taste]
    grade: Mean
    newest: list[Did]
    first_at: datetime | None
    last_at: datetime | None

    @property
    def total(self) -> int:
        """Return how many interactions there are; an impression is none."""
        return sum(self.counts.values())


class _Act(NamedTuple):
    """An event of a subject with an item, each by the number it goes by now."""

    event: Event
    subject: int
    item: int


def item_stats(engine: "Engine", id: str) -> ItemStats:
    """Return what people did with an item, read from the log by its index. Raises NotFound for an unknown one."""
    ref = EntityRef(engine.app.item, id)
    if ref not in engine.state.registry.numbers:
        remedy = "Set it first, or send an event that names it."
        raise NotFound(f"no {engine.app.item} of that id", field="id", remedy=remedy)
    acts = list(_acts(engine, ref))
    counts, impressions = _counted(engine, acts)
    subjects = np.array([act.subject for act in acts], np.int64)
    who, grades = _graded(engine, acts, subjects)
    return ItemStats(
        id=id, counts=counts, impressions=impressions, subjects=len(who),
        grade=Mean.of(grades, f"{engine.app.subject}s who did something"),
    )  # fmt: skip


def subject_history(engine: "Engine", id: str, limit: int) -> History:
    """Return what a subject did, with the newest `limit` interactions; of one that is not known, nothing."""
    acts = list(_acts(engine, EntityRef(engine.app.subject, id)))
    counts, impressions = _counted(engine, acts)
    items = np.array([act.item for act in acts], np.int64)
    found, grades = _graded(engine, acts, items)
    did = [act for act in acts if act.event.type in counts]
    grader, refs = Grader(engine.app, engine.settings), engine.state.registry.refs
    newest = [
        Did(
            item=refs[act.item].id, type=act.event.type, at=act.event.at, grade=grader(act.event),
            fields=dict(act.event.fields),
        )
        for act in did[: -limit - 1 : -1]
    ]  # fmt: skip
    times = [act.event.at for act in did]
    return History(
        id=id, counts=counts, impressions=impressions, items=len(found),
        tastes=_tastes(engine, did, dict(zip(found, grades, strict=True))),
        grade=Mean.of(grades, f"{engine.app.item}s the {engine.app.subject} did something with"), newest=newest,
        first_at=min(times, default=None), last_at=max(times, default=None),
    )  # fmt: skip


def _acts(engine: "Engine", ref: EntityRef) -> Iterator[_Act]:
    """Yield what subjects did with items where one of them is this entity, by whatever name, in order of the log."""
    app, numbers = engine.app, engine.state.registry.numbers
    found: dict[int, Event] = {}
    for name in engine.state.registry.names(ref):
        after = 0
        while page := engine.stores.log.find(entity=name, after=after, limit=PAGE):
            after = page[-1].sequence
            found |= {event.sequence: event for event in page}
    for sequence in sorted(found):
        event = found[sequence]
        if event.type not in app.schema.events or event.target is None or event.actor.kind != app.subject:
            continue
        subject, item = numbers.get(event.actor), numbers.get(event.target)
        # What another process recorded a moment ago counts once it is folded.
        if event.target.kind == app.item and subject is not None and item is not None:
            yield _Act(event, subject, item)


def _counted(engine: "Engine", acts: Sequence[_Act]) -> tuple[dict[str, int], int]:
    """Return how many acts there are of each type that items can have, and how many impressions."""
    app, seen = engine.app, Counter(act.event.type for act in acts)
    types = [event.name for event in app.events if app.item in event.targets and event.name != app.impression]
    return {name: seen[name] for name in types}, seen[app.impression] if app.impression else 0


def _graded(engine: "Engine", acts: Sequence[_Act], groups: np.ndarray) -> tuple[list[int], list[float]]:
    """Return the groups (subjects of an item, items of a subject) that say anything, and the grade of each."""
    grader = Grader(engine.app, engine.settings)
    weights = np.array([grader(act.event) for act in acts], np.float64)
    found, grades = graded_items(groups, weights, grader.labels)
    return found.tolist(), grades.tolist()


def _tastes(engine: "Engine", did: Sequence[_Act], grade_of: Mapping[int, float]) -> list[Taste]:
    known, category = engine.state.registry.attributes, engine.app.schema.entities[engine.app.item].role("category")
    of = {act.item: known.get(act.item, {}).get(category or "") for act in did}
    acts = Counter(of[act.item] for act in did)
    tastes = []
    for name in acts:
        items = [item for item in of if of[item] == name]
        grades = [grade_of[item] for item in items if item in grade_of]
        told = f"{engine.app.item}s of the category"
        tastes.append(
            Taste(category=name, interactions=acts[name], items=len(items), grade=Mean.of(grades, told))
        )  # fmt: skip
    return sorted(
        tastes, key=lambda one: (-(one.grade.value or 0.0), -one.interactions, one.category is None, one.category or "")
    )
