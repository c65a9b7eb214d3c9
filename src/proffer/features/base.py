"""The words a feature is declared in: scopes, columns, amounts, and features themselves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Invalid
from proffer.core.events import Event
from proffer.core.labels import Scale
from proffer.features.compile import Floats, Ints
from proffer.features.table import mix

if TYPE_CHECKING:
    from proffer.features.batch import Batch
    from proffer.features.encode import EventColumns

SIDES = ("actor", "target", "group")
WHOLE = ("actor", "target", "group", "all", "target.group")
"""The parts that need no attribute but, for two of them, the item's group."""
Weights = tuple[tuple[str, float], ...]
"""The event types an accumulator takes and what each counts for."""
Scales = tuple[tuple[str, Scale], ...]
"""The event types whose grade a field of theirs tells."""


def each(*types: str) -> Weights:
    """Return weights of 1 for these event types.

    >>> each("view", "like")
    (('like', 1.0), ('view', 1.0))
    """
    return graded(dict.fromkeys(types, 1.0))


def graded(weights: Mapping[str, float]) -> Weights:
    """Return weights by event type; a type of weight 0 is left out."""
    return tuple(sorted((name, float(weight)) for name, weight in weights.items() if weight))


@dataclass(frozen=True)
class Scope:
    """What a row belongs to: an entity, a pair of them, or everything.

    A part is `actor`, `target`, `group`, `<one of these>.<role>` (category, author, language, segment, or the name of
    an attribute of role `code`) or `all`. When an event is folded, `actor` and `target` are the event's (where they are
    of the subject's and the item's kind); when rows are read, the query's subject and the candidate. `group`, spelt
    `target.group` too, is the entity whose member the target is, as of the event's place in the log, or the target
    itself where it is of that kind. `target.author` of an event whose target is of the subject's kind (a follow, a
    block) is that target. An event that lacks a part leaves the scope alone.

    >>> Scope("user_category", ("actor", "target.category")).pair
    True
    """

    name: str
    parts: tuple[str, ...]

    def __post_init__(self) -> None:
        unknown = [part for part in self.parts if part not in WHOLE and not _of_side(part)]
        if not self.parts or unknown:
            remedy = f"Use {', '.join(WHOLE)}, or a side and a role such as target.category."
            raise Invalid(f"unknown part {unknown}", field=f"scope {self.name}", remedy=remedy)
        if "actor" in self.parts[1:]:
            raise Invalid("the actor is not the first part", field=f"scope {self.name}", remedy="Name it first.")

    @property
    def pair(self) -> bool:
        """Return whether rows belong to more than one thing."""
        return len(self.parts) > 1

    def rest(self, part: Callable[[str], Ints]) -> Ints:
        """Return the key of all parts but the first, given the keys (n,) or (1,) of each part."""
        key = part(self.parts[-1])
        for name in self.parts[-2:0:-1]:
            key = _mixed(part(name), key)
        return key

    def key(self, part: Callable[[str], Ints]) -> Ints:
        """Return the key of each row (n,), 0 where a part is missing; the same when folding and when reading."""
        return _mixed(part(self.parts[0]), self.rest(part)) if self.pair else part(self.parts[0])


def _of_side(part: str) -> bool:
    side, dot, role = part.partition(".")
    return side in SIDES and bool(dot and role) and role != "group"


def _mixed(left: Ints, right: Ints) -> Ints:
    if left.size != right.size:
        n = max(left.size, right.size) if min(left.size, right.size) else 0
        left, right = (np.ascontiguousarray(np.broadcast_to(side[:n], n)) for side in (left, right))
    return mix(left, right)


class Accumulator(Protocol):
    """A state primitive: what it keeps in its slots of a row. Frozen and hashable, so that equal ones share slots."""

    @property
    def slots(self) -> int:
        """Return how many float64 it needs."""
        ...

    @property
    def blank(self) -> tuple[float, ...]:
        """Return what the slots of a new row hold."""
        ...

    @property
    def weights(self) -> Weights | None:
        """Return the event types it takes, None for all of them."""
        ...

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the parts whose keys or attributes it keeps, beside those of its scope."""
        ...

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the numeric event fields it keeps."""
        ...

    def fold(self, rows: Floats, start: int, index: Ints, events: "EventColumns") -> None:
        """Fold events in order into rows[index] from slot `start` on; an index of -1 leaves the event out."""
        ...

    def merge(self, rows: Floats, start: int, into: int, other: int) -> None:
        """Add what row `other` holds to row `into`."""
        ...


class Amount(Protocol):
    """A number an accumulator keeps, as it is read at a time: a sum, a decayed sum, the sum of a window."""

    @property
    def state(self) -> Accumulator:
        """Return the accumulator."""
        ...

    @property
    def window(self) -> str:
        """Return the window in words."""
        ...

    def read(self, rows: Floats, start: int, index: Ints, at: float) -> Floats:
        """Return the amount in each row (n,) at epoch seconds `at`; 0 where the index is -1."""
        ...


@dataclass(frozen=True)
class Column:
    """A column of the matrix: its name, how it is made, over which time, and when: from state, request, list, model."""

    name: str
    formula: str
    window: str = "all"
    stage: Literal["state", "request", "list", "model"] = "state"


@runtime_checkable
class Feature(Protocol):
    """Something that gives columns, and says what state it needs for that."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return the columns it gives."""
        ...

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return what it reads, as (name of a scope, accumulator)."""
        ...

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the roles and names of the attributes it reads."""
        ...

    def values(self, batch: "Batch") -> NDArray[np.floating]:
        """Return its columns: (1,) when the same for every candidate, (n,), or (n or 1, columns)."""
        ...


class Stateless:
    """What a feature without state is by default."""

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return nothing."""
        return ()

    @property
    def reads(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()


class PlainFeature:
    """A feature in plain Python: give it a name, a scope and slots, and write `update` and `read`.

    The same methods run when serving and when replaying. `types` limits the events it sees (None: all), `blank` is
    what a slot of a new row holds, `revision` goes up whenever the code changes its meaning.
    """

    name: ClassVar[str]
    scope: ClassVar[str]
    formula: ClassVar[str]
    slots: ClassVar[int] = 1
    types: ClassVar[tuple[str, ...] | None] = None
    blank: ClassVar[float] = 0.0
    revision: ClassVar[int] = 1
    attributes: ClassVar[tuple[str, ...]] = ()

    def update(self, row: Floats, event: Event, attributes: Mapping[str, Mapping[str, Any]]) -> None:
        """Fold one event into its slots of a row, in place.

        `attributes` has those of the event's "actor" and "target", as of its place in the log.
        """
        raise NotImplementedError

    def read(self, row: Floats | None, batch: "Batch", place: int) -> float:
        """Return the value for the candidate at a place of the batch; `row` is None where nothing was folded."""
        raise NotImplementedError

    def merge(self, row: Floats, other: Floats) -> None:
        """Add what another row holds, in place; by default it is left aside."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its one column."""
        return (Column(self.name, self.formula),)

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return its slots."""
        return ((self.scope, Plain(self)),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the attributes it declares."""
        return self.attributes

    def values(self, batch: "Batch") -> Floats:
        """Return `read` of each candidate."""
        rows, start, index = batch.slots(self.scope, Plain(self))
        index = np.resize(index, batch.n)
        kept = [rows[row, start : start + self.slots].copy() if row >= 0 else None for row in index]
        return np.array([self.read(row, batch, place) for place, row in enumerate(kept)], np.float64)

    def __repr__(self) -> str:
        kind = type(self)
        return f"{kind.__module__}.{kind.__qualname__}({self.name!r}, {self.scope!r}, {self.slots}, {self.revision})"


@dataclass(frozen=True)
class Plain:
    """The slots of a plain feature, folded by its `update`, event by event."""

    feature: PlainFeature
    parts: ClassVar[tuple[str, ...]] = ()
    fields: ClassVar[tuple[str, ...]] = ()

    @property
    def slots(self) -> int:
        """Return the feature's slots."""
        return self.feature.slots

    @property
    def blank(self) -> tuple[float, ...]:
        """Return the feature's blank."""
        return (self.feature.blank,) * self.slots

    @property
    def weights(self) -> Weights | None:
        """Return the feature's types."""
        return None if self.feature.types is None else each(*self.feature.types)

    def fold(self, rows: Floats, start: int, index: Ints, events: "EventColumns") -> None:
        """Call `update` for each event."""
        taken = events.weights(self.weights)
        for place in np.flatnonzero((index >= 0) & (taken[events.type] != 0)):
            row = rows[index[place], start : start + self.slots]
            self.feature.update(row, events.sources[place], events.facts[place])

    def merge(self, rows: Floats, start: int, into: int, other: int) -> None:
        """Call the feature's `merge`."""
        stop = start + self.slots
        self.feature.merge(rows[into, start:stop], rows[other, start:stop])
