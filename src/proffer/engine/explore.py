"""Exploration: places of a slate drawn by chance, each with the chance it was drawn with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.app import NO_EXPLORATION, App, Exploration, Pipeline, Settings
from proffer.engine.rules import Caps, RuleSet


@dataclass(frozen=True)
class Drawn:
    """Rows of a pool in the order of a slate, best first where nothing was drawn.

    `propensity` holds, for each row that was placed while exploring, its chance given the places before it, and
    `explored` the rows that stand where another one is best.
    """

    rows: list[int]
    propensity: dict[int, float] = field(default_factory=dict)
    explored: frozenset[int] = frozenset()


def exploration_of(pipeline: Pipeline, settings: Settings) -> Exploration:
    """Return how a pipeline explores: as its settings say, else as it declares."""
    return settings.exploration.get(pipeline.name, pipeline.exploration)


def without_exploration(app: App, settings: Settings) -> Settings:
    """Return settings under which nothing is drawn by chance: for slates that nobody logs."""
    return msgspec.structs.replace(settings, exploration={pipeline.name: NO_EXPLORATION for pipeline in app.pipelines})


def explore(
    order: Sequence[int], scores: NDArray[np.floating], ordinals: NDArray[np.int64], rules: RuleSet,
    exploration: Exploration, pinned: Sequence[int] = (),
) -> Drawn:  # fmt: skip
    """Draw the places of a slate one after the other, keep every cap, and return all rows that stay.

    `order` are rows of the pool best first, `scores` (m,) after boosts, `ordinals` (m,). The `pinned` rows, whose
    places are fixed, are not drawn, but count for the caps. Places beyond the query's `n` follow in their order. The
    generator is seeded with the query's id, so that a decision made again draws the same.
    """
    caps, n, fixed = Caps(rules), rules.query.n, frozenset(pinned)
    for row in pinned:
        caps.take(int(ordinals[row]))
    free = [row for row in order if row not in fixed]
    depth = max(exploration.depth, n)
    head, tail = free[:depth], free[depth:]
    draw = Draw(exploration, standing(head, scores), rules.query.id)
    rows: list[int] = []
    chances, explored = dict.fromkeys(pinned, 1.0), set()
    while head and len(rows) < n:
        may = [place for place, row in enumerate(head) if not caps.caps or caps.allow(int(ordinals[row]))]
        if not may:
            break
        chosen, chance = draw.one(may)
        row = head[chosen]
        caps.take(int(ordinals[row]))
        rows.append(row)
        chances[row] = chance
        if chosen != may[0]:
            explored.add(row)
        head.pop(chosen)
        draw.drop(chosen)
    rest = [row for row in (*head, *tail) if caps.take(int(ordinals[row]))]
    # Where the head ran dry there was one choice left for each place.
    chances |= dict.fromkeys(rest[: max(n - len(rows), 0)], 1.0)
    return Drawn([*rows, *rest], chances, frozenset(explored))


def standing(rows: Sequence[int], scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return what each place of a list is worth (h,): the scores of its rows from high to low, in their spread.

    Diversity may have put a row before one of a higher score; what counts is the place it was given.
    """
    values = np.sort(scores[list(rows)].astype(np.float64))[::-1]
    spread = float(values.std()) if len(values) else 0.0
    return np.asarray((values - values.max()) / spread if spread > 0.0 else np.zeros(len(values)))


class Draw:
    """Draws one place after the other from worths (h,) by a policy."""

    def __init__(self, exploration: Exploration, worth: NDArray[np.float64], seed: str) -> None:
        self.exploration = exploration
        self.worth = worth
        self.rng = np.random.default_rng(int.from_bytes(blake2b(seed.encode(), digest_size=8).digest(), "big"))

    def chances(self, may: Sequence[int]) -> NDArray[np.float64]:
        """Return the chance of each place in `may`, best first, to be drawn next; they add up to 1."""
        if self.exploration.policy == "plackett_luce":
            # Relative to the best that may still stand, so that not all of them vanish.
            worth = self.worth[list(may)]
            lifted = np.exp((worth - worth.max()) / self.exploration.temperature)
            return np.asarray(lifted / lifted.sum())
        found = np.full(len(may), self.exploration.epsilon / len(may))
        found[0] += 1.0 - self.exploration.epsilon
        return found

    def one(self, may: Sequence[int]) -> tuple[int, float]:
        """Draw one of the places in `may` and return it with its chance, above 0 and at most 1."""
        chances = self.chances(may)
        ends = np.cumsum(chances)
        found = int(np.searchsorted(ends, self.rng.random() * ends[-1], side="right"))
        chosen = min(found, int(np.flatnonzero(chances)[-1]))
        return may[chosen], min(float(chances[chosen]), 1.0)

    def drop(self, place: int) -> None:
        """Leave out a place that was drawn."""
        self.worth = np.delete(self.worth, place)
