"""The accumulators of a state as a plain Python loop over events, for comparison."""

# The folds share one signature, whatever each of them reads of it.
# ruff: noqa: ARG001

import math
from collections.abc import Callable

import numpy as np

from proffer.core.entities import EntityRef
from proffer.core.events import ENTITY_SET, Event
from proffer.features import accumulators as acc
from proffer.features.live import HOUR
from proffer.features.state import State

Fold = Callable[[list[float], float, float, float, tuple[float, ...]], None]


def loop_of(accumulator: object) -> Fold:
    """Return a plain Python fold: (slots, at, weight, key or field, sketch) in place."""
    if isinstance(accumulator, acc.DecayGrid):
        return _grid(accumulator.half_lives)
    if isinstance(accumulator, acc.Tiles):
        return _tiles(accumulator.hop, accumulator.count)
    if isinstance(accumulator, acc.LastN):
        return _last(accumulator.n)
    if isinstance(accumulator, acc.Sessions):
        return _sessions(accumulator.gap, accumulator.half_life)
    if isinstance(accumulator, acc.Moments | acc.Blocks | acc.Sketch):
        return _vector(accumulator)
    return {acc.Total: _total, acc.Stamp: _stamp, acc.LastGrade: _mark}[type(accumulator)]


def _total(row, at, weight, value, sketch):
    row[0] += weight


def _stamp(row, at, weight, value, sketch):
    row[0] = min(row[0], at) if row[0] == row[0] else at
    row[1] = max(row[1], at) if row[1] == row[1] else at


def _mark(row, at, weight, value, sketch):
    if not row[1] > at:
        row[0], row[1] = weight, at


def _grid(half_lives):
    def fold(row, at, weight, value, sketch):
        ahead = at - row[-1]
        for place, half_life in enumerate(half_lives):
            if ahead >= 0:
                row[place] = row[place] * 2.0 ** (-ahead / half_life) + weight
            else:
                row[place] += weight * 2.0 ** (ahead / half_life)
        row[-1] = max(row[-1], at)

    return fold


def _tiles(hop, count):
    def fold(row, at, weight, value, sketch):
        epoch, head = math.floor(at / hop), int(row[0])
        if epoch > head:
            for stale in range(max(head, epoch - count) + 1, epoch + 1):
                row[1 + stale % count] = 0.0
            row[0] = epoch
        if epoch > head - count:
            row[1 + epoch % count] += weight

    return fold


def _last(n):
    def fold(row, at, weight, value, sketch):
        if value:
            row[1 + int(row[0]) % n] = value
            row[0] += 1

    return fold


def _sessions(gap, half_life):
    def fold(row, at, weight, value, sketch):
        ahead = at - row[1]
        if ahead > 0:
            row[0] *= 2.0 ** (-ahead / half_life)
            row[1] = at
        row[0] += ahead > gap

    return fold


def _vector(accumulator):
    def added(at, value, sketch):
        if isinstance(accumulator, acc.Moments):
            x = min(max(value, accumulator.low), accumulator.high)
            return (1.0, x, x * x)
        if isinstance(accumulator, acc.Sketch):
            return sketch
        block = int(at // (4 * HOUR)) % 6
        return tuple(1.0 if place == block else 0.0 for place in range(6))

    def fold(row, at, weight, value, sketch):
        if value != value:
            return
        ahead = at - row[-1]
        kept = 2.0 ** (-max(ahead, 0) / accumulator.half_life)
        taken = weight * 2.0 ** (-max(-ahead, 0) / accumulator.half_life)
        for place, x in enumerate(added(at, value, sketch)):
            row[place] = row[place] * kept + x * taken
        row[-1] = max(row[-1], at)

    return fold


def plain_loop(state: State, events: list[Event]) -> tuple[dict, int]:
    """Fold events into dictionaries of lists by the same accumulators; return the rows and the number of folds."""
    keyed = {
        name: [(a, s, dict(a.weights), loop_of(a)) for a, s in held.accumulators] for name, held in state.scopes.items()
    }
    blanks = {name: held.table.blank.tolist() for name, held in state.scopes.items()}
    taken = {name: {t for _, _, weights, _ in held for t in weights} for name, held in keyed.items()}
    rows: dict = {name: {} for name in keyed}
    known: dict[EntityRef, dict] = {}
    sketches, folds = {}, 0
    for event in events:
        if event.type == ENTITY_SET:
            known[event.actor] = event.fields
            number = state.registry.numbers[event.actor]
            sketches[event.actor] = tuple(
                state.registry.encoded.sketches(np.array([state.registry.rows[number]]))[0].astype(float).tolist()
            )
            continue
        at, facts = event.at.timestamp(), known[event.target]
        parts = {
            "actor": event.actor.id, "target": event.target.id, "all": 1, "target.category": facts["category"],
            "target.author": facts["author"], "actor.segment": None,
        }  # fmt: skip
        for name, held in keyed.items():
            key = tuple(parts[part] for part in state.layout.scopes[name].parts)
            if event.type not in taken[name] or None in key:
                continue
            row = rows[name].setdefault(key, None)
            if row is None:
                row = rows[name][key] = [blanks[name][s : s + a.slots] for a, s, _, _ in held]
            for place, (accumulator, _, weights, fold) in enumerate(held):
                weight = weights.get(event.type)
                if weight:
                    value = hash(facts["category"]) if isinstance(accumulator, acc.LastN) else 0.0
                    if isinstance(accumulator, acc.Moments):
                        value = event.fields.get("seconds", math.nan)
                    fold(row[place], at, weight, value, sketches[event.target])
                    folds += 1
    return rows, folds
