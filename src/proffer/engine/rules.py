"""Rules as data: which items they let through, lift, cap and pin."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.app import Rule
from proffer.core.entities import EntityRef
from proffer.core.queries import Query
from proffer.features.answers import answered
from proffer.features.conditions import Condition, ItemColumn, matches
from proffer.features.state import State


def item_column(where: Mapping[str, Condition]) -> ItemColumn:
    """Return the column that is 1 where an item meets the conditions; equal conditions share one."""
    return _column(msgspec.json.encode(where, order="sorted"))


@lru_cache(maxsize=64)
def _column(conditions: bytes) -> ItemColumn:
    where = msgspec.json.decode(conditions)
    return ItemColumn(lambda attributes: float(matches(attributes, where)))


class RuleSet:
    """The rules of a pipeline that apply to one query."""

    def __init__(self, rules: Sequence[Rule], query: Query, state: State) -> None:
        subject = state.attributes(query.subject)
        self.rules = [rule for rule in rules if matches(subject, rule.subject)]
        self.query = query
        self.state = state

    def of(self, verb: str) -> list[Rule]:
        """Return the rules that do this."""
        return [rule for rule in self.rules if rule.do == verb]

    def masks(self, among: NDArray[np.int64] | None = None) -> dict[str, NDArray[np.bool_]]:
        """Return what each filter and seen_out rule lets through, of all items (n,) or of these ordinals (m,), by a
        name for explanations."""
        masks = {}
        for place, rule in enumerate(self.rules):
            name = rule.name or f"{rule.do} {place + 1}"
            if rule.do == "filter":
                values = item_column(rule.where).look(self.state)
                masks[name] = (values if among is None else values[among]) > 0
            elif rule.do == "seen_out" and self.query.candidates is None:
                masks[name] = self._unseen(rule) if among is None else self._unseen(rule)[among]
        return masks

    def boosts(self, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the standard deviations that boost rules add to each item (m,)."""
        total = np.zeros(len(ordinals))
        for rule in self.of("boost"):
            total += item_column(rule.where).look(self.state)[ordinals] * (rule.by or 0.0)
        return total

    def capped(self, ordinals: Sequence[int]) -> list[int]:
        """Return the places of a ranked list that stay when every cap is kept, in order."""
        caps = Caps(self)
        return [place for place, ordinal in enumerate(ordinals) if caps.take(ordinal)]

    def _unseen(self, rule: Rule) -> NDArray[np.bool_]:
        mask = np.ones(len(self.state.ids), np.bool_)
        since = (self.query.at - timedelta(days=rule.within_days)).timestamp() if rule.within_days else -np.inf
        mask[answered(self.state, self.query.subject, tuple(rule.types), since)] = False
        return mask


class Caps:
    """The caps of one query, and how far a slate in the making has used them up."""

    def __init__(self, rules: RuleSet) -> None:
        self.state = rules.state
        self.caps = rules.of("cap")
        self.counts: dict[tuple[int, str], int] = {}

    def take(self, ordinal: int) -> bool:
        """Place an item if every cap allows it, and return whether it does."""
        keys = self._keys(ordinal)
        allowed = self._allow(keys)
        if allowed:
            for key in keys:
                self.counts[key] = self.counts.get(key, 0) + 1
        return allowed

    def allow(self, ordinal: int) -> bool:
        """Return whether every cap allows one more item like this."""
        return self._allow(self._keys(ordinal))

    def _allow(self, keys: list[tuple[int, str]]) -> bool:
        return all(self.counts.get(key, 0) < (self.caps[key[0]].at_most or 0) for key in keys)

    def _keys(self, ordinal: int) -> list[tuple[int, str]]:
        if not self.caps:
            return []
        found = self.state.attributes(EntityRef(self.state.kind, self.state.ids[ordinal])) or {}
        values = [(number, found.get(str(rule.per))) for number, rule in enumerate(self.caps)]
        return [(number, str(value)) for number, value in values if value is not None]
