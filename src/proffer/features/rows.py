"""The rows of one scope: its table, its accumulators, and for pairs of an actor the chain of his rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.features.base import Scope
from proffer.features.chain import Chain
from proffer.features.compile import Floats, Ints, compiled
from proffer.features.encode import EventColumns, EventTypes
from proffer.features.layout import Layout
from proffer.features.registry import Registry
from proffer.features.table import RowTable, mix
from proffer.features.vector import Vector


@compiled
def _newcomers(index: Ints, size: int, count: int) -> Ints:
    """Return the place at which each of `count` rows from `size` on appears first (rows are dense in that order)."""
    out = np.empty(count, np.int64)
    found = 0
    for place in range(index.size):
        if index[place] == size + found:
            out[found] = place
            found += 1
    return out


class ScopeRows:
    """One scope's rows; a pair that starts with the actor also knows each row's other key and all rows of an actor."""

    def __init__(self, scope: Scope, layout: Layout, types: EventTypes) -> None:
        self.scope = scope
        self.accumulators = layout.accumulators(scope.name)
        blanks = [value for accumulator, _ in self.accumulators for value in accumulator.blank]
        self.table = RowTable(layout.widths[scope.name], np.array(blanks, np.float64))
        self._taken = {accumulator: types.table(accumulator.weights) != 0 for accumulator, _ in self.accumulators}
        self._any = np.any([*self._taken.values(), np.zeros(len(types.names), np.bool_)], axis=0)
        self._owned = scope.pair and scope.parts[0] == "actor"
        self._others = Vector(np.int64)
        self._owners = Vector(np.int64)
        self._by_actor = Chain()

    def fold(self, events: EventColumns, numbers: int) -> None:
        """Fold a run of events; `numbers` is how many entities there are."""
        present = np.unique(events.type)
        if not self._any[present].any():
            return
        keys = np.where(self._any[events.type], self.scope.key(events.part), 0)
        before = len(self.table)
        index = self.table.ensure(keys)
        added = len(self.table) - before
        if self._owned and added:
            places = _newcomers(index, before, added)
            self._own(self.scope.rest(events.part)[places], events.actor[places], numbers)
        for accumulator, start in self.accumulators:
            if self._taken[accumulator][present].any():
                accumulator.fold(self.table.rows, start, index, events)

    def merge_actor(self, into: int, other: int, registry: Registry) -> None:
        """Merge all rows of one actor (entity number) into those of another."""
        keys = registry.keys.view
        if self.scope.parts == ("actor",):
            self._merge(keys[[into]], keys[[other]])
        elif self._owned:
            rows = self._by_actor.rows(other)[::-1]
            others = self._others.view[rows].copy()
            before = len(self.table)
            index = self._merge(mix(np.full(rows.size, keys[into]), others), self.table.keys[rows])
            places = _newcomers(index, before, len(self.table) - before)
            self._own(others[places], np.full(places.size, into), len(registry.refs))

    def merge_target(self, into: int, other: int, registry: Registry) -> None:
        """Merge the row of one item (entity number) into that of another; pairs with the other item stay behind."""
        if self.scope.parts == ("target",):
            self._merge(registry.keys.view[[into]], registry.keys.view[[other]])

    def merge_group(self, into: int, other: int, registry: Registry) -> None:
        """Merge the row of one group (entity number) into that of another; pairs with the other stay behind."""
        if self.scope.parts in (("group",), ("target.group",)):
            self._merge(registry.keys.view[[into]], registry.keys.view[[other]])

    def owned(self, number: int) -> tuple[Ints, Floats]:
        """Return the other keys (r,) and copies of the rows (r, width) of an actor's pairs, the newest first."""
        rows = self._by_actor.rows(number) if self._owned else np.zeros(0, np.int64)
        return self._others.view[rows].copy(), self.table.rows[rows].copy()

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return copies of the rows, and of their owners."""
        owned = {"others": self._others.view.copy(), "owners": self._owners.view.copy()}
        return {**self.table.snapshot(), **(owned if self._owned else {})}

    def restore(self, arrays: Mapping[str, NDArray[Any]], numbers: int) -> None:
        """Take over a snapshot."""
        self.table.restore(arrays)
        if self._owned:
            self._own(arrays["others"], arrays["owners"], numbers)

    @property
    def nbytes(self) -> int:
        """Return the bytes in use."""
        return self.table.nbytes + len(self._others) * 24

    def _own(self, others: Ints, owners: Ints, numbers: int) -> None:
        self._others.extend(others)
        self._owners.extend(owners)
        self._by_actor.extend(owners, numbers)

    def _merge(self, keys: Ints, other_keys: Ints) -> Ints:
        """Merge the rows of these other keys into those of the keys, and blank them; return the rows merged into."""
        others = self.table.find(other_keys)
        index = self.table.ensure(np.where(others >= 0, keys, 0))
        rows = self.table.rows
        for into, other in zip(index.tolist(), others.tolist(), strict=True):
            if other >= 0:
                for accumulator, start in self.accumulators:
                    accumulator.merge(rows, start, into, other)
                rows[other] = self.table.blank
        return index
