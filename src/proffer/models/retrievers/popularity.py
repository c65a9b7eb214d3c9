"""Decayed popularity, with the half-life that best foresaw what people wanted."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.base import (
    DAY,
    WEEK,
    Family,
    Parameters,
    ScoringRetriever,
    nearest,
    plain_half_life,
    positive,
    read_half_life,
)
from proffer.models.compiled import compiled
from proffer.models.elementwise import log1p
from proffer.models.histories import first_wanted, graded, latest_sample


class DecayedPopularity(ScoringRetriever):
    """Score = log1p of an item's decayed count of wanted events; items without one are not proposed.

    `fit` replays the wanted events before the cut, and just before each of the latest of them asks every half-life of
    the state at what rank its counts have the item that came, among those new to the subject. The highest mean of
    1 / log2(1 + rank) wins, a tie goes to the longest; an item nobody wanted before is a miss for all. When all
    miss, or nothing was wanted, it stays at 7 days.
    """

    name = "popularity"

    def __init__(self, half_life: float = WEEK, *, sample: int = 1_000) -> None:
        self.half_life = half_life
        self.sample = sample
        self.judged: dict[str, float] = {}

    def fit(self, state: LiveState, *, at: float, weights: Mapping[str, float]) -> Self:
        """Choose the half-life among those the state counts and return self."""
        interactions = state.interactions()
        grades = graded(interactions, weights)
        asked = latest_sample(first_wanted(interactions, grades, at), 1 / 3, self.sample)
        self.judged = {}
        if not len(asked):
            self.half_life = WEEK
            return self
        wanted = np.flatnonzero((grades > 0) & (interactions.at < at))
        columns = interactions.subject[wanted], interactions.item[wanted], interactions.at[wanted]
        ask = np.isin(wanted, asked)
        candidates = sorted(state.half_lives, reverse=True)
        gains = _foresight(*columns, ask, len(state.ids), np.asarray(candidates, np.float64))
        self.judged = {f"{half_life / DAY:g} d": float(gain) for half_life, gain in zip(candidates, gains, strict=True)}
        self.half_life = candidates[int(np.argmax(gains))] if gains.max() > 0.0 else WEEK
        return self

    @property
    def family(self) -> Family:  # type: ignore[override]
        """Return recency where what was wanted days ago hardly counts."""
        return "recency" if self.half_life <= 3 * DAY else "popularity"

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return log1p of the decayed counts (n,), NaN where an item has none."""
        counts = state.decayed(nearest(state.half_lives, self.half_life), query.at.timestamp())
        return positive(log1p(counts))

    def some(self, query: Query, state: LiveState, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores of these items (m,)."""
        counts = state.decayed(nearest(state.half_lives, self.half_life), query.at.timestamp(), ordinals)
        return positive(log1p(counts))

    def parameters(self) -> Parameters:
        """Return the half-life in seconds (None: nothing decays) and how well each one did."""
        return {"half_life": plain_half_life(self.half_life), "judged": self.judged}, {}

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG002
        """Take over a half-life and return self."""
        self.half_life = read_half_life(values["half_life"])
        self.judged = dict(values.get("judged", {}))
        return self

    def memory(self, users: int, items: int, interactions: int) -> int:  # noqa: ARG002
        """Return the bytes of the replay's columns and of one count per item."""
        return 33 * interactions + 24 * items


@compiled
def _foresight(subjects, items, times, ask, n, half_lives):  # type: ignore[no-untyped-def]
    gains = np.zeros(len(half_lives))
    before, last, seen = (
        np.empty(len(items), np.int64),
        np.full(subjects.max() + 1, -1, np.int64),
        np.zeros(n, np.int64),
    )
    for row in range(len(items)):
        before[row], last[subjects[row]] = last[subjects[row]], row
    for place in range(len(half_lives)):
        # log2 of a count, moved to the time of the first row: an order of counts at any one time is that of these.
        level = np.full(n, -np.inf)
        for row in range(len(items)):
            item, age = items[row], (times[row] - times[0]) / half_lives[place]
            own = level[item]
            if ask[row] and own > -np.inf:
                gains[place] += 1.0 / np.log2(
                    1.0 + _rank(level, own, items, before, row, seen, place * len(items) + row)
                )
            high, low = max(own, age), min(own, age)
            level[item] = high + np.log2(1.0 + 2.0 ** (low - high))
    return gains / max(ask.sum(), 1)


@compiled
def _rank(level, own, items, before, row, seen, stamp):  # type: ignore[no-untyped-def]
    ahead, tied = 0, 0
    for other in level:
        ahead += other > own
        tied += other == own
    past = before[row]
    while past >= 0:
        if seen[items[past]] != stamp:
            seen[items[past]] = stamp
            ahead -= level[items[past]] > own
            tied -= level[items[past]] == own
        past = before[past]
    return ahead + (tied + 1) / 2.0
