"""History: who did what with which item, and what else he has switched on and off."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import Interactions
from proffer.features.chain import Chain
from proffer.features.compile import Floats, Ints
from proffer.features.encode import EventColumns, EventTypes
from proffer.features.registry import Registry
from proffer.features.vector import Vector

IMPRESSION = "impression"


class History:
    """Interactions (events with a declared weight, of a subject with an item) and edges (all others but impressions).

    Both are columns in order of the log with chains by owner; a merge gives the visitor's rows to the known user.
    """

    def __init__(self, types: EventTypes, weights: Floats) -> None:
        self._types, self._weights = types, weights
        self._subject, self._item, self._type = Vector(np.int64), Vector(np.int64), Vector(np.int64)
        self._at = Vector(np.float64)
        self._weight = Vector(np.float64)
        self._by_subject, self._by_item = Chain(), Chain()
        self._edge_target, self._edge_type, self._edge_actor = Vector(np.int64), Vector(np.int64), Vector(np.int64)
        self._edge_place = Vector(np.float64)
        self._by_actor = Chain()

    def fold(self, events: EventColumns, registry: Registry) -> None:
        """Add a run of events."""
        subject = registry.subject_ordinals.view[events.actor]
        item = registry.item_ordinals.view[events.target]
        weight = self._weights[events.type]
        taken = (weight != 0) & (subject >= 0) & (item >= 0)
        # An edge stands half a place before the interaction that follows it in the log.
        place = len(self._item) + np.cumsum(taken) - 0.5
        self._interactions(subject[taken], item[taken], events.at[taken], events.type[taken], registry)
        shown = self._types.codes.get(IMPRESSION, -1)
        edge = ~taken & (events.target > 0) & (events.type != shown)
        self._edges(events.actor[edge], events.target[edge], events.type[edge], place[edge], registry)

    def view(self, subjects: int, items: int) -> Interactions:
        """Return the interactions as the port has them."""
        self._by_subject.head.grow(subjects)
        self._by_item.head.grow(items)
        return Interactions(
            subject=self._subject.view,
            item=self._item.view,
            at=self._at.view,
            type=self._type.view,
            weight=self._weight.view,
            by_subject=self._by_subject.previous.view,
            by_item=self._by_item.previous.view,
            subject_head=self._by_subject.head.view,
            item_head=self._by_item.head.view,
            types=self._types.names,
        )

    def touched(self, subject: int) -> Ints:
        """Return the items of all interactions of a subject, ascending, each once."""
        return np.unique(self._item.view[self._by_subject.rows(subject)])

    def wanted_last(self, subject: int, limit: int) -> tuple[Ints, Floats]:
        """Return the last items a subject wanted and when, newest in the log first, each once."""
        rows = self._by_subject.rows(subject)
        rows = rows[self._weight.view[rows] > 0]
        _, first = np.unique(self._item.view[rows], return_index=True)
        rows = rows[np.sort(first)[:limit]]
        return self._item.view[rows], self._at.view[rows]

    def switched_on(self, actor: int, subject: int, on: str, off: str, registry: Registry) -> set[int]:
        """Return the numbers of the targets whose last event of the two types, in order of the log, is `on`."""
        wanted = {self._types.codes[name]: name == on for name in (on, off) if name in self._types.codes}
        edges, rows = self._by_actor.rows(actor), self._by_subject.rows(subject)
        edges = edges[_either(self._edge_type.view[edges], *wanted)]
        rows = rows[_either(self._type.view[rows], *wanted)]
        if not len(edges) and not len(rows):
            return set()
        targets = np.concatenate((self._edge_target.view[edges], registry.item_numbers.view[self._item.view[rows]]))
        types = np.concatenate((self._edge_type.view[edges], self._type.view[rows]))
        newest = np.argsort(-np.concatenate((self._edge_place.view[edges], rows)), kind="stable")
        last: dict[int, bool] = {}
        for target, code in zip(targets[newest].tolist(), types[newest].tolist(), strict=True):
            last.setdefault(target, wanted[code])
        return {target for target, state in last.items() if state}

    def merge_subjects(self, into: tuple[int, int], other: tuple[int, int]) -> None:
        """Give the rows of one subject (number, ordinal) to another."""
        self._edge_actor.view[self._by_actor.merge(into[0], other[0])] = into[0]
        self._subject.view[self._by_subject.merge(into[1], other[1])] = into[1]

    def merge_items(self, into: int, other: int) -> None:
        """Give the rows of one item (ordinal) to another."""
        self._item.view[self._by_item.merge(into, other)] = into

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return copies of the columns; the chains follow from them."""
        return {name: column.view.copy() for name, column in self._columns().items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]], registry: Registry) -> None:
        """Take over a snapshot."""
        self._interactions(arrays["subject"], arrays["item"], arrays["at"], arrays["type"], registry)
        places = arrays["edge_place"]
        self._edges(arrays["edge_actor"], arrays["edge_target"], arrays["edge_type"], places, registry)

    def _columns(self) -> dict[str, Vector]:
        return {
            "subject": self._subject,
            "item": self._item,
            "at": self._at,
            "type": self._type,
            "edge_actor": self._edge_actor,
            "edge_target": self._edge_target,
            "edge_type": self._edge_type,
            "edge_place": self._edge_place,
        }

    def _interactions(self, subject: Ints, item: Ints, at: Floats, kind: Ints, registry: Registry) -> None:
        if not subject.size:
            return
        for column, values in ((self._subject, subject), (self._item, item), (self._at, at), (self._type, kind)):
            column.extend(values)
        self._weight.extend(self._weights[kind])
        self._by_subject.extend(subject, registry.subjects)
        self._by_item.extend(item, len(registry.item_ids))

    def _edges(self, actor: Ints, target: Ints, kind: Ints, place: Floats, registry: Registry) -> None:
        if not actor.size:
            return
        self._edge_actor.extend(actor)
        self._edge_target.extend(target)
        self._edge_type.extend(kind)
        self._edge_place.extend(place)
        self._by_actor.extend(actor, len(registry.refs))


def _either(types: Ints, *codes: int) -> NDArray[np.bool_]:
    found = np.zeros(len(types), np.bool_)
    for code in codes:
        found |= types == code
    return found
