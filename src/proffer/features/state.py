"""The state: everything folded from the log up to a position."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.entities import EntityRef
from proffer.core.errors import Corrupt, Invalid, NotFound
from proffer.core.events import (
    ENTITY_DELETE,
    ENTITY_ERASE,
    ENTITY_MERGE,
    ENTITY_SET,
    ERASED,
    NOT_NAMED,
    SETTINGS_SET,
    Event,
)
from proffer.core.ports import Interactions
from proffer.core.schema import Schema
from proffer.features import live
from proffer.features.base import Plain, Scope
from proffer.features.batch import Batch
from proffer.features.compile import Floats, Ints
from proffer.features.encode import EventTypes
from proffer.features.history import History
from proffer.features.pending import Pending
from proffer.features.registry import NOBODY, Registry
from proffer.features.rows import ScopeRows
from proffer.features.view import FeatureView

_RUN = 1 << 15
_FORMAT = 3
"""Goes up whenever a snapshot holds other arrays, so that an older one is passed over and the log replayed."""
_FACTS = (ENTITY_SET, ENTITY_DELETE, ENTITY_MERGE, SETTINGS_SET, ENTITY_ERASE, ERASED)


class State:
    """Rows of a view, attributes, catalogue and interactions as of one position of the log; a `LiveState`.

    `subject` and `item` are the kinds of who is served and of what is. Folding events together, one by one, or from a
    snapshot on gives the same bits. `erased_at` is the sequence of the last note of an erasure that was folded,
    `cleared` that of the last one that the log held when its folding began: what came after it may be folded of rows
    that the log has no more. Raises Invalid when the view reads what is not known at decision time.
    """

    half_lives = live.HALF_LIVES

    def __init__(self, view: FeatureView, schema: Schema, *, subject: str, item: str) -> None:
        view.check(schema)
        self.view, self.schema = view, schema
        self.subject_kind, self.kind = subject, item
        self.position = 0
        self.settings: dict[str, Any] = {}
        self.latest = 0.0
        self.merged = 0
        self.erased_at = self.cleared = 0
        self._faded_at, self._faded = (0, 0.0), dict[float, Floats]()
        self._indexed, self._index = (0, 0), np.empty(0, np.int64)
        self.registry = Registry(schema, subject, item)
        self._types = EventTypes(schema.events)
        weights = np.array([event.weight for event in schema.events.values()], np.float64)
        self._history = History(self._types, weights)
        self._popularity = live.popularity(schema)
        self._segment = live.in_segment(schema) if _has_segment(schema, subject) else None
        own = Scope("live.item", ("target",))
        self._item_scope = next((scope for scope in view.scopes if scope.parts == own.parts), own)
        added = [self._item_scope] + ([live.SEGMENT_ITEM] if self._segment else [])
        states = [(self._item_scope.name, self._popularity)]
        if self._segment:
            states.append((live.SEGMENT_ITEM.name, self._segment.state))
        self.layout = view.layout.extended(added, states)
        self.scopes = {name: ScopeRows(scope, self.layout, self._types) for name, scope in self.layout.scopes.items()}
        self._plain = any(isinstance(accumulator, Plain) for _, accumulator in self.layout.starts)

    @property
    def version(self) -> str:
        """Return what a snapshot must agree in to be restored: the view, and what this state keeps beside it."""
        events = [(event.name, event.weight) for event in self.schema.events.values()]
        kinds = [
            (kind.name, [(a.name, a.type, a.role, a.kind, a.levels) for a in kind.attributes])
            for kind in self.schema.entities.values()
        ]
        declared = f"{_FORMAT} {self.view.version} {self.layout!r} {events} {kinds} {self.subject_kind} {self.kind}"
        return blake2b(declared.encode(), digest_size=8).hexdigest()

    @property
    def outdated(self) -> bool:
        """Return whether somebody was erased whose events it has folded: replay the log instead of keeping it."""
        return self.erased_at > self.cleared

    def fold(self, events: Sequence[Event]) -> None:
        """Fold events in order of the log. Raises Invalid, with nothing folded, when a sequence does not ascend."""
        sequences = np.array([self.position, *(event.sequence for event in events)])
        if (np.diff(sequences) <= 0).any():
            remedy = f"Give events above {self.position}, each once, in ascending order."
            raise Invalid("sequences do not ascend", field="sequence", remedy=remedy)
        for start in range(0, len(events), _RUN):
            run = events[start : start + _RUN]
            self._fold(run)
            self.position = run[-1].sequence

    def batch(
        self, subject: EntityRef | None, items: Ints, at: float, context: Mapping[str, Any],
        sources: Mapping[str, NDArray[np.floating]] | None = None,
    ) -> Batch:  # fmt: skip
        """Return a subject (None: nobody) and candidates by ordinal (n,) as of epoch seconds, for `view.matrix`."""
        number = NOBODY if subject is None else self.registry.numbers.get(subject, NOBODY)
        return Batch(self, number, np.asarray(items, np.int64), float(at), context, sources or {})

    def row(self, scope: str, *keys: int) -> Floats | None:
        """Return a copy of the row of these keys, one for each part of the scope (1 for "all"); None if there is none.

        Keys are `core.entities.stable_key`.
        """
        held = self._scope(scope)
        parts = dict(zip(held.scope.parts, keys, strict=True))
        row = int(held.table.find(held.scope.key(lambda part: np.array([parts[part]], np.int64)))[0])
        return None if row < 0 else held.table.rows[row].copy()

    def sizes(self) -> dict[str, dict[str, int]]:
        """Return for each scope its number of rows, their width in slots and the bytes they take."""
        return {
            name: {"rows": len(held.table), "width": self.layout.widths[name], "bytes": held.nbytes}
            for name, held in self.scopes.items()
        }

    @property
    def ids(self) -> Sequence[str]:
        """Return the ids of the catalogue in order of first mention."""
        return self.registry.item_ids

    def ordinals(self, ids: Sequence[str]) -> Ints:
        """Return the ordinals of item ids (n,), -1 where unknown."""
        # A plain pair finds what an EntityRef does, and is made in a fraction of the time.
        number, kind = cast("Mapping[tuple[str, str], int]", self.registry.numbers).get, self.kind
        numbers = [number((kind, name), NOBODY) for name in ids]
        return self.registry.item_ordinals.view[np.array(numbers, np.int64)]

    def subject_ordinal(self, subject: EntityRef) -> int:
        """Return the ordinal of a subject, -1 where unknown."""
        return int(self.registry.subject_ordinals.view[self.registry.numbers.get(subject, NOBODY)])

    def published(self, ordinals: Ints | None = None) -> Floats:
        """Return when each item, or each of these, appeared, epoch seconds (n,)."""
        rows, numbers = self.registry.item_rows.view, self.registry.item_numbers.view
        if ordinals is not None:
            rows, numbers = rows[ordinals], numbers[ordinals]
        stated = self.registry.encoded.measure("published", rows)
        return np.where(np.isnan(stated), self.registry.first.view[numbers], stated)

    def column(self, role: str, ordinals: Ints | None = None) -> Ints:
        """Return the keys of a role, a code or the group of each item, or of each of these (n,), 0 where unknown."""
        if role == "group":
            groups = self.registry.groups.of_items.view
            keys: Ints = self.registry.keys.view[groups if ordinals is None else groups[ordinals]]
            return keys
        rows = self.registry.item_rows.view
        return self.registry.encoded.key(role, rows if ordinals is None else rows[ordinals])

    def measure(self, name: str, ordinals: Ints | None = None) -> Floats:
        """Return a measure of each item, or of each of these (n,), NaN where unknown: "expires", or a number's or
        flag's name."""
        rows = self.registry.item_rows.view
        return self.registry.encoded.measure(name, rows if ordinals is None else rows[ordinals])

    def available(self) -> NDArray[np.bool_]:
        """Return which items exist (n,)."""
        return ~self.registry.deleted.view

    @property
    def group_kind(self) -> str | None:
        """Return the kind of entity whose members items are, None where they are nobody's."""
        return self.registry.groups.kind

    def has_group(self, group: str) -> bool:
        """Return whether something is known of a group by this id, be it only that something names it."""
        number = self._group_number(group)
        return number != NOBODY and number not in self.registry.groups.gone

    def members(self, group: str) -> Ints:
        """Return the ordinals of the items that are members of a group now (m,), ascending: in order of first mention.

        An item is a member while its attribute of role `group` names the group, so none that was deleted is. A group
        that nobody mentioned, or that was deleted, has none. Read only.
        """
        return self.registry.groups.members(self._group_number(group))

    def interactions(self) -> Interactions:
        """Return every interaction so far, as views of the live arrays."""
        return self._history.view(self.registry.subjects, len(self.ids))

    def decayed(self, half_life: float, at: float, ordinals: Ints | None = None) -> Floats:
        """Return each item's decayed count of wanted events (n,); a world in which nothing happens does not age.

        With `ordinals` (m,) those items' alone, read from what was already counted where it was.
        """
        at = min(at, self.latest)
        if ordinals is not None:
            return self._decayed_of(half_life, at, ordinals)
        if self._faded_at != (self.position, at):
            self._faded_at, self._faded = (self.position, at), {}
        if half_life not in self._faded:
            self._faded[half_life] = self._counted(half_life, at, self._item_index())
            self._faded[half_life].flags.writeable = False
        return self._faded[half_life]

    def _decayed_of(self, half_life: float, at: float, ordinals: Ints) -> Floats:
        if self._faded_at == (self.position, at) and half_life in self._faded:
            found: Floats = self._faded[half_life][ordinals]
            return found
        table = self.scopes[self._item_scope.name].table
        numbers = self.registry.item_numbers.view[ordinals]
        return self._counted(half_life, at, table.find(self.registry.keys.view[numbers]))

    def _counted(self, half_life: float, at: float, index: Ints) -> Floats:
        start = self.layout.starts[self._item_scope.name, self._popularity]
        table = self.scopes[self._item_scope.name].table
        return self._popularity.at(half_life).read(table.rows, start, index, at)

    def _item_index(self) -> Ints:
        """Return the row of each item in the items' scope, -1 for none; looked up anew only when either has grown."""
        table = self.scopes[self._item_scope.name].table
        if self._indexed != (len(self.ids), len(table)):
            self._indexed = (len(self.ids), len(table))
            self._index = table.find(self.registry.keys.view[self.registry.item_numbers.view])
        return self._index

    def segment_decayed(self, subject: EntityRef, at: float) -> Floats:
        """Return each item's decayed count within the subject's segment (n,)."""
        if self._segment is None:
            return np.zeros(len(self.ids))
        batch = self.batch(subject, np.arange(len(self.ids)), min(at, self.latest), {})
        return batch.read(live.SEGMENT_ITEM.name, self._segment)

    def attributes(self, ref: EntityRef) -> Mapping[str, Any] | None:
        """Return an entity's attributes, None when nothing is known of it."""
        return self.registry.attributes.get(self.registry.numbers.get(ref, NOBODY))

    def revised(self) -> Ints:
        """Return the position of the log at which each item's attributes last changed (n,), 0 for never."""
        return self.registry.revised.view

    def touched(self, subject: EntityRef) -> Ints:
        """Return the ordinals of the items a subject did something with, ascending."""
        return self._history.touched(self.subject_ordinal(subject))

    def wanted_last(self, subject: EntityRef, limit: int) -> tuple[Ints, Floats]:
        """Return the ordinals of the last items a subject wanted, newest first, and when."""
        return self._history.wanted_last(self.subject_ordinal(subject), limit)

    def targets_of(self, subject: EntityRef, types: tuple[str, str]) -> set[EntityRef]:
        """Return the targets that an event of the first type switched on and none of the second switched off since."""
        number = self.registry.numbers.get(subject, NOBODY)
        found = self._history.switched_on(number, self.subject_ordinal(subject), *types, self.registry)
        refs = (self.registry.refs[target] for target in found)
        return {self.registry.refs[self.registry.numbers[ref]] for ref in refs}

    def listing(self, kind: str) -> list[str]:
        """Return the ids of a kind's entities in order of first mention, without merged visitors."""
        numbers = self.registry.numbers
        refs = enumerate(self.registry.refs)
        return [ref.id for number, ref in refs if ref.kind == kind and numbers.get(ref) == number]

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays of their own, without pickle."""
        parts = {f"scope/{name}": held.snapshot() for name, held in self.scopes.items()}
        parts |= {"registry": self.registry.snapshot(), "history": self._history.snapshot()}
        arrays = {f"{part}/{name}": array for part, held in parts.items() for name, array in held.items()}
        told = {
            "version": self.version, "settings": self.settings, "latest": self.latest, "erased_at": self.erased_at,
            "cleared": self.cleared,
        }  # fmt: skip
        return {**arrays, "state": np.frombuffer(msgspec.json.encode(told), np.uint8)}

    @classmethod
    def restore(
        cls, view: FeatureView, schema: Schema, *, subject: str, item: str, position: int,
        arrays: Mapping[str, NDArray[Any]],
    ) -> "State":  # fmt: skip
        """Return the state of a snapshot. Raises Corrupt when it is of another view or schema."""
        state = cls(view, schema, subject=subject, item=item)
        declared = msgspec.json.decode(arrays["state"].tobytes())
        if declared["version"] != state.version:
            raise Corrupt("the snapshot is of another view", field="snapshot", remedy="Replay the log instead.")
        state.position, state.settings, state.latest = position, declared["settings"], declared["latest"]
        state.erased_at, state.cleared = declared.get("erased_at", 0), declared.get("cleared", 0)
        state.registry.restore(_below(arrays, "registry/"))
        state._history.restore(_below(arrays, "history/"), state.registry)
        for name, held in state.scopes.items():
            held.restore(_below(arrays, f"scope/{name}/"), len(state.registry.refs))
        return state

    def _fold(self, events: Sequence[Event]) -> None:
        pending = Pending(self.registry, self._types, self.view.fields, plain=self._plain)
        place = 0
        while (place := pending.take(events, place)) < len(events):
            if events[place].type in _FACTS:
                self._fact(events[place], pending)
            place += 1
        self._flush(pending)

    def _fact(self, event: Event, pending: Pending) -> None:
        if event.type == SETTINGS_SET:
            self.settings = {**self.settings, **event.fields}
            return
        if event.type == ENTITY_ERASE:
            self._erase(event, pending)
            return
        if event.type == ERASED:
            # What was done is gone; that something was mentioned stays, so that later ordinals do.
            for ref in (event.actor, event.target):
                if ref is not None and ref != NOT_NAMED:
                    pending.number(ref, event)
            return
        actor = pending.number(event.actor, event)
        if event.type == ENTITY_SET:
            self.registry.set(actor, event.fields, event.sequence, event.at.timestamp())
        elif event.type == ENTITY_DELETE:
            self.registry.delete(actor, event.sequence)
        elif event.target is not None:
            other = pending.number(event.target, event)
            if other != actor:
                self._flush(pending)
                self._merge(actor, other, event.sequence)

    def _erase(self, event: Event, pending: Pending) -> None:
        """Note an erasure, and take what goes by another name since off the catalogue."""
        self.erased_at = event.sequence
        for kind, token in event.fields.get("tokens", ()):
            self.registry.delete(pending.number(EntityRef(kind, token), event), event.sequence)

    def _merge(self, into: int, other: int, sequence: int) -> None:
        known = self.registry
        subjects, items = known.subject_ordinals.view, known.item_ordinals.view
        for held in self.scopes.values():
            if subjects[into] >= 0:
                held.merge_actor(into, other, known)
            if items[into] >= 0:
                held.merge_target(into, other, known)
            if known.refs[into].kind == known.groups.kind:
                held.merge_group(into, other, known)
        if subjects[into] >= 0:
            self._history.merge_subjects((into, int(subjects[into])), (other, int(subjects[other])))
        if items[into] >= 0:
            self._history.merge_items(int(items[into]), int(items[other]))
        known.merge(into, other, sequence)
        self.merged += 1

    def _flush(self, pending: Pending) -> None:
        events = pending.columns()
        if events.at.size:
            self.latest = max(self.latest, float(events.at.max()))
            for held in self.scopes.values():
                held.fold(events, len(self.registry.refs))
            self._history.fold(events, self.registry)
        self.registry.settle()

    def _group_number(self, group: str) -> int:
        kind = self.registry.groups.kind
        return NOBODY if kind is None else self.registry.numbers.get(EntityRef(kind, group), NOBODY)

    def _scope(self, name: str) -> ScopeRows:
        if name not in self.scopes:
            raise NotFound("no such scope", field=name, remedy=f"Use one of {', '.join(self.scopes)}.")
        return self.scopes[name]


def _has_segment(schema: Schema, kind: str) -> bool:
    declared = schema.entities.get(kind)
    return declared is not None and declared.role("segment") is not None


def _below(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
