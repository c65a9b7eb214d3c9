"""Groups: whose member each item is, and the members of each group, as the log has it so far."""

from bisect import insort
from collections.abc import Mapping
from typing import Any

import numpy as np

from proffer.core.schema import Schema
from proffer.features.compile import Ints
from proffer.features.vector import Vector

NONE = 0
"""The number of nobody stands where there is no group."""
_NOBODY: Ints = np.empty(0, np.int64)
_NOBODY.flags.writeable = False


class Groups:
    """The groups of a schema's items (`Attribute.role` "group"), by entity number; nothing where items have none.

    `of` has the group of each entity: that of an item, the group itself for an entity of the group's kind, else 0.
    `of_items` has the same by item ordinal. `gone` are groups that were deleted. Members are ordinals, ascending, so
    in order of first mention.
    """

    def __init__(self, schema: Schema, item: str) -> None:
        self.kind = schema.group(item)
        self._attribute = schema.entities[item].role("group") if self.kind else None
        self.of: list[int] = []
        self.of_items = Vector(np.int64)
        self.gone: set[int] = set()
        self._members: dict[int, list[int]] = {}
        self._changes: dict[int, int] = {}
        self._arrays: dict[int, tuple[int, Ints]] = {}

    def add(self, number: int, kind: str, item: int) -> None:
        """Take in a new entity by its number, its kind and its ordinal among the items (-1: none)."""
        if self.kind is not None:
            self.of.append(number if kind == self.kind else NONE)
            if item >= 0:
                self.of_items.append(NONE)

    def named(self, values: Mapping[str, Any]) -> str | None:
        """Return the id of the group that an item's attributes name, None where they name none."""
        return values.get(self._attribute) or None if self._attribute else None

    def join(self, number: int, item: int, group: int) -> None:
        """Make an item (its number and ordinal) a member of a group and of no other; 0 means of none."""
        before = self.of[number]
        if before == group:
            return
        self.of[number] = self.of_items.view[item] = group
        if before != NONE:
            self._members[before].remove(item)
            self._changes[before] += 1
        if group != NONE:
            insort(self._members.setdefault(group, []), item)
            self._changes[group] = self._changes.get(group, 0) + 1

    def merge(self, into: int, other: int, numbers: Ints) -> None:
        """Give the members of one group to another; `numbers` are those of the items by ordinal."""
        for item in list(self._members.get(other, ())):
            self.join(int(numbers[item]), item, into)
        self.gone.discard(other)

    def members(self, group: int) -> Ints:
        """Return the members of a group (m,), none of one that is gone; read only."""
        if group in self.gone or group not in self._members:
            return _NOBODY
        # Counted after each change, so that one who looks meanwhile does not keep what was for good.
        changes, (kept, array) = self._changes.get(group, 0), self._arrays.get(group, (-1, _NOBODY))
        if kept != changes:
            array = np.array(self._members[group], np.int64)
            array.flags.writeable = False
            self._arrays[group] = changes, array
        return array
