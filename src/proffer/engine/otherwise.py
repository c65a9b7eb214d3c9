"""What is different about a slate made otherwise: every item that moved, entered or left, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.decisions import Decision, Placed
from proffer.engine import serve
from proffer.engine.pool import masks
from proffer.engine.ranking import ranking
from proffer.engine.slate import pinned_rows


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """An item that stands elsewhere: its place before and after, None where it is not shown, and why."""

    item: str
    before: int | None
    after: int | None
    why: str


class Standing(msgspec.Struct, frozen=True):
    """Where a candidate stands: its place by score, the score after boosts, its place in the line-up (None: cut)."""

    place: int
    score: float
    kept: int | None


@dataclass(frozen=True)
class Stand:
    """Where everything stood when a decision was made, kept without the state it was made from.

    `conditions` tell of each item of the catalogue (n,) whether it met them; `standing` has the candidates by ordinal,
    `ordinals` has those of ids, `placed` the slate by id, `pinned` the ids that a rule pins.
    """

    rung: str
    conditions: Mapping[str, NDArray[np.bool_]]
    standing: Mapping[int, Standing]
    ordinals: Mapping[str, int]
    placed: Mapping[str, Placed]
    pinned: frozenset[str]

    @classmethod
    def of(
        cls, asked: serve.Asked, decided: serve.Decided, shown: Sequence[str], also: Sequence[str] = ()
    ) -> "Stand":  # fmt: skip
        """Return what a decision's making tells; `shown` stood on earlier pages, `also` are ids to know ordinals of."""
        pool, lineup, ids = decided.ranked.pool, decided.lineup, asked.state.ids
        conditions = {name: np.array(mask) for name, mask in masks(asked.fitted, asked.rules, shown).items()}
        order = ranking(lineup.scores, pool.ordinals, ids).tolist()
        kept = {row: place for place, row in enumerate(lineup.kept, 1)}
        standing = {
            int(pool.ordinals[row]): Standing(place, float(lineup.scores[row]), kept.get(row))
            for place, row in enumerate(order, 1)
        }
        placed = {one.id: one for one in decided.slate}
        named = [*placed, *also]
        ordinals = dict(zip(named, asked.state.ordinals(named).tolist(), strict=True))
        pinned = frozenset(ids[int(pool.ordinals[row])] for _, row in pinned_rows(pool, asked.rules))
        return cls(decided.rung, conditions, standing, ordinals, placed, pinned)

    def absent(self, ordinal: int) -> str:
        """Say why an item is not in the slate."""
        size = next((len(mask) for mask in self.conditions.values()), 0)
        if not 0 <= ordinal < size:
            return "nobody had mentioned it yet"
        failed = [name for name, mask in self.conditions.items() if not mask[ordinal]]
        if failed:
            return f"it fails the condition: {', '.join(failed)}"
        found = self.standing.get(ordinal)
        if found is None:
            return f"no source of {self.rung} has it among its best"
        if found.kept is None:
            return f"a cap is used up by better ones ({_scored(found)})"
        return f"at place {found.kept}, and {len(self.placed)} are shown ({_scored(found)})"

    def present(self, id: str, ordinal: int) -> str:
        """Say why an item of the slate is in it."""
        if id in self.pinned:
            return f"pinned to place {self.placed[id].rank}"
        if self.placed[id].explored:
            return f"drawn by exploration with a chance of {self.placed[id].propensity or 0.0:.3g}"
        found = self.standing.get(ordinal)
        return "" if found is None else _scored(found)


def moves(before: Decision, stood: Stand | None, after: Decision, stands: Stand) -> tuple[Move, ...]:
    """Return the items that do not stand in two slates at the same place: those of the second first, then who left.

    `stood` and `stands` are from where the first and the second were made, in one log: ordinals mean the same items.
    Where the first cannot be made again (None) nobody can tell what was different then.
    """
    then, now = ({one.id: one.rank for one in decision.slate} for decision in (before, after))
    ordinals = {**stands.ordinals, **(stood.ordinals if stood else {})}
    found = []
    for id in [*now, *(id for id in then if id not in now)]:
        if then.get(id) != now.get(id):
            why = _why(id, ordinals.get(id, -1), stood, stands)
            found.append(Move(item=id, before=then.get(id), after=now.get(id), why=why))
    return tuple(found)


def _why(id: str, ordinal: int, stood: Stand | None, stands: Stand) -> str:
    if id not in stands.placed:
        return f"left: {stands.absent(ordinal)}"
    now = stands.present(id, ordinal)
    if stood is None:
        return now
    if id not in stood.placed:
        return f"entered: {now or 'it may be shown'}; before, {stood.absent(ordinal)}"
    before = stood.present(id, ordinal)
    if before == now:
        return f"moved by diversity, caps or what moved around it: {now}, as before"
    return f"moved: {now}; before, {before}"


def _scored(found: Standing) -> str:
    return f"place {found.place} by score, {found.score:.4g}"
