"""Scores for the cold: users without history by their segment, items without events by who made them."""

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.base import WEEK, Family, ScoringRetriever, nearest, positive
from proffer.models.compiled import compiled
from proffer.models.elementwise import halved, log1p


class SegmentPopularity(ScoringRetriever):
    """Score = log1p of an item's decayed count within the subject's segment, shrunk towards its share overall.

    `prior` is how many events of the segment the overall shares are worth. Where the segment wanted nothing yet, or
    the subject has none, nothing is proposed: plain popularity says the rest.
    """

    name = "segment"

    def __init__(self, half_life: float = WEEK, *, prior: float = 10.0) -> None:
        self.half_life = half_life
        self.prior = prior

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return the shrunk scores (n,), NaN for an item nobody wanted."""
        at = query.at.timestamp()
        within = state.segment_decayed(query.subject, at)
        if not within.any():
            return np.full(len(within), np.nan)
        overall = state.decayed(nearest(state.half_lives, self.half_life), at)
        total = overall.sum()
        shares = overall / total if total > 0.0 else overall
        return positive(log1p(within + self.prior * shares))


class ColdItems(ScoringRetriever):
    """Score of an item without events = log1p of what its author's and its category's items get, the mean of both.

    A group's level is its decayed count over its decayed number of items, so that old items weigh as little as old
    events, shrunk by `prior` items towards the level of all. Items with events, author or category unknown: for the
    first nothing is proposed, of the latter what is known counts.
    """

    name = "cold_items"
    family: Family = "content"

    def __init__(self, half_life: float = WEEK, *, prior: float = 5.0, roles: tuple[str, ...] = ("author", "category")):
        self.half_life = half_life
        self.prior = prior
        self.roles = roles

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return the level an item may hope for (n,), NaN where it has events of its own or no known group."""
        at = query.at.timestamp()
        half_life = nearest(state.half_lives, self.half_life)
        counts = state.decayed(half_life, at)
        age = at - state.published()
        presence = np.where(age >= 0.0, halved(age, half_life), 0.0)
        overall = counts.sum() / max(presence.sum(), 1e-12)
        cold = (counts == 0.0) & (age >= 0.0)
        total, groups = np.zeros(len(counts)), np.zeros(len(counts))
        for role in self.roles:
            level = log1p(_levels(state.column(role), counts, presence, self.prior, overall, cold))
            known = ~np.isnan(level)
            total[known] += level[known]
            groups += known
        return np.where(groups > 0, total / np.maximum(groups, 1), np.nan)


@compiled
def _levels(keys, counts, presence, prior, overall, asked):  # type: ignore[no-untyped-def]
    size = 16
    while size < 2 * len(keys):
        size *= 2
    # An open-addressing table from key to sums: no sort of the whole catalogue for each query.
    slot_key = np.zeros(size, np.int64)
    wanted, items = np.zeros(size), np.zeros(size)
    slots = np.empty(len(keys), np.int64)
    for row in range(len(keys)):
        slot = (keys[row] * 0x9E3779B1 ^ keys[row] >> 21) & (size - 1)
        while slot_key[slot] not in (0, keys[row]):
            slot = (slot + 1) & (size - 1)
        slot_key[slot], slots[row] = keys[row], slot
        wanted[slot] += counts[row]
        items[slot] += presence[row]
    levels = np.full(len(keys), np.nan)
    for row in range(len(keys)):
        if asked[row] and keys[row] != 0:
            levels[row] = (wanted[slots[row]] + prior * overall) / (items[slots[row]] + prior)
    return levels
