"""Exploration: places of a slate drawn by chance, each with the chance it was drawn with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

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


def explore(walk: "Walk", seed: str) -> Drawn:
    """Draw the places of a slate one after the other, keep every cap, and return all rows that stay.

    Places beyond the query's `n` follow in their order. The generator is seeded with the query's id, so that a
    decision made again draws the same.
    """
    rng = np.random.default_rng(int.from_bytes(blake2b(seed.encode(), digest_size=8).digest(), "big"))
    chances, explored = dict.fromkeys(walk.pinned, 1.0), set()
    while (choice := walk.choice()) is not None:
        row, chance = choice.draw(rng)
        walk.take(row)
        chances[row] = chance
        if row != choice.rows[0]:
            explored.add(row)
    placed, rest = [*walk.rows], walk.rest()
    # Where the head ran dry there was one choice left for each place.
    chances |= dict.fromkeys(rest[: max(walk.n - len(placed), 0)], 1.0)
    return Drawn([*placed, *rest], chances, frozenset(explored))


class Choice(NamedTuple):
    """What may stand at a place: rows of the pool, best first, and the chance of each (c,); they add up to 1."""

    rows: list[int]
    chances: NDArray[np.float64]

    def draw(self, rng: np.random.Generator) -> tuple[int, float]:
        """Draw one of the rows and return it with its chance, above 0 and at most 1."""
        ends = np.cumsum(self.chances)
        found = int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))
        chosen = min(found, int(np.flatnonzero(self.chances)[-1]))
        return self.rows[chosen], min(float(self.chances[chosen]), 1.0)

    def chance(self, row: int) -> float:
        """Return the chance of a row, 0 where it cannot stand here."""
        return min(float(self.chances[self.rows.index(row)]), 1.0) if row in self.rows else 0.0


class Walk:
    """The places of a slate filled one after the other: what may stand next, and how likely each is.

    Drawing and asking how likely a slate was take the same steps. `order` are rows of the pool best first, `scores`
    (m,) after boosts, `ordinals` (m,). The `pinned` rows, whose places are fixed, are not drawn, but count for the
    caps. `rows` holds what was placed.
    """

    def __init__(
        self, order: Sequence[int], scores: NDArray[np.floating], ordinals: NDArray[np.int64], rules: RuleSet,
        exploration: Exploration, pinned: Sequence[int] = (),
    ) -> None:  # fmt: skip
        self.rows: list[int] = []
        self.n, self.pinned = rules.query.n, tuple(pinned)
        self._caps, self._ordinals = Caps(rules), ordinals
        for row in pinned:
            self._caps.take(int(ordinals[row]))
        fixed = frozenset(pinned)
        free = [row for row in order if row not in fixed]
        depth = max(exploration.depth, self.n)
        self._head, self._tail = free[:depth], free[depth:]
        self._exploration, self._worth = exploration, standing(self._head, scores)

    def choice(self) -> Choice | None:
        """Return what may be drawn for the next place, None where nothing is drawn any more."""
        if len(self.rows) >= self.n:
            return None
        if not self._caps.caps:
            return Choice([*self._head], self._chances(self._worth)) if self._head else None
        may = [place for place, row in enumerate(self._head) if self._allows(row)]
        return Choice([self._head[place] for place in may], self._chances(self._worth[may])) if may else None

    def take(self, row: int) -> None:
        """Place a row that may stand next."""
        place = self._head.index(row)
        self._caps.take(int(self._ordinals[row]))
        self.rows.append(row)
        self._head.pop(place)
        self._worth = np.delete(self._worth, place)

    def rest(self) -> list[int]:
        """Return what follows when nothing more is drawn, every cap kept; the walk ends here."""
        return [row for row in (*self._head, *self._tail) if self._caps.take(int(self._ordinals[row]))]

    def _allows(self, row: int) -> bool:
        return self._caps.allow(int(self._ordinals[row]))

    def _chances(self, worth: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the chance of each of the rows of these worths, best first, to be drawn next."""
        if self._exploration.policy == "plackett_luce":
            # Relative to the best that may still stand, so that not all of them vanish.
            lifted = np.exp((worth - worth.max()) / self._exploration.temperature)
            return np.asarray(lifted / lifted.sum())
        epsilon = self._exploration.epsilon if self._exploration.policy == "epsilon" else 0.0
        found = np.full(len(worth), epsilon / len(worth))
        found[0] += 1.0 - epsilon
        return found


def standing(rows: Sequence[int], scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return what each place of a list is worth (h,): the scores of its rows from high to low, in their spread.

    Diversity may have put a row before one of a higher score; what counts is the place it was given.
    """
    values = np.sort(scores[list(rows)].astype(np.float64))[::-1]
    spread = float(values.std()) if len(values) else 0.0
    return np.asarray((values - values.max()) / spread if spread > 0.0 else np.zeros(len(values)))
