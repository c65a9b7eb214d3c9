"""How likely a pipeline under a model shows a slate: the chance of each place, given the places before it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from proffer.engine.explore import Choice, Walk, exploration_of
from proffer.engine.replay import Again
from proffer.engine.serve import answering
from proffer.engine.slate import Arranged, arrange, pin


class Path(NamedTuple):
    """A policy led along a list of items.

    `chances` are those of the items (k,), 0 from the first that cannot stand there on. `choices` tell for each place,
    up to that one, what may stand there; None where the policy's list is over.
    """

    chances: list[float]
    choices: list[Choice | None]


class Policy:
    """What a decision made again would draw its slate from: rows of its pool, rules, pins, how it explores."""

    def __init__(self, again: Again) -> None:
        asked, ranked, aimed = again.asked, again.decided.ranked, again.decided.aimed
        fitted = answering(asked, again.decided.rung)
        self.pool, self._rules = ranked.pool, asked.rules
        self.ids = [asked.state.ids[ordinal] for ordinal in self.pool.ordinals]
        self.arranged: Arranged = arrange(ranked, fitted, asked.settings, asked.rules, asked.query, aimed)
        self._exploration = exploration_of(fitted.pipeline, asked.settings)
        self._row_of = {id: row for row, id in enumerate(self.ids)}
        self._n = asked.query.n

    def walk(self) -> Walk:
        """Return the places in which it draws, none filled yet."""
        return self.arranged.walk(self.pool, self._rules, self._exploration)

    def along(self, items: Sequence[str], places: int) -> Path:
        """Return how likely the first places of a list are, one after the other.

        A list that ends before `places` is led one place further, to tell what this policy would show there.
        """
        rows = [self._row_of.get(item, -1) for item in items[:places]]
        fixed = {row for _, row in self.arranged.fixed}
        free, drawn, follows = _lead(self.walk(), [row for row in rows if row not in fixed])
        layout = pin([*free, *follows], self.arranged.fixed)[: self._n]
        path, choices = Path([], []), iter(drawn)
        for place in range(min(places, len(rows) + 1)):
            row = rows[place] if place < len(rows) else -1
            pinned = place < len(layout) and layout[place] in fixed
            choice = Choice([layout[place]], np.ones(1)) if pinned else next(choices, None)
            path.choices.append(choice if place < len(layout) else None)
            chance = 0.0 if path.choices[-1] is None or row < 0 else path.choices[-1].chance(row)
            if place < len(rows):
                path.chances.append(chance)
            if chance == 0.0:
                break
        path.chances.extend([0.0] * (len(rows) - len(path.chances)))
        return path


def _lead(walk: Walk, rows: Sequence[int]) -> tuple[list[int], list[Choice], list[int]]:
    """Lead a walk along rows as far as it can go.

    Returns the rows that could be placed, what might have stood at each of their places and at the one after them,
    and the rows that would follow.
    """
    choices: list[Choice] = []
    for row in rows:
        choice = walk.choice()
        if choice is None:
            break
        choices.append(choice)
        if choice.chance(row) == 0.0:
            return [*walk.rows], choices, walk.rest()
        walk.take(row)
    else:
        choice = walk.choice()
        if choice is not None:
            return [*walk.rows], [*choices, choice], walk.rest()
    # Nothing is drawn any more: what is left follows in its order.
    placed, rest = [*walk.rows], walk.rest()
    certain = [Choice([row], np.ones(1)) for row in rest[: max(walk.n - len(placed), 0)]]
    return placed, [*choices, *certain], rest
