"""What somebody wanted a moment ago."""

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.base import HOUR, Family, ScoringRetriever
from proffer.models.elementwise import log1p


class Active(ScoringRetriever):
    """Score = -log1p(hours since anybody last answered to the item); an item nobody answered to is not proposed."""

    name = "active"
    family: Family = "recency"

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return minus the logarithm of the time since the last interaction (n,)."""
        return _scores(query, state, state.interactions().item_head)

    def some(self, query: Query, state: LiveState, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores of these items (m,)."""
        return _scores(query, state, state.interactions().item_head[ordinals])


def _scores(query: Query, state: LiveState, heads: NDArray[np.int64]) -> NDArray[np.float64]:
    times = state.interactions().at
    if not len(times):
        return np.full(len(heads), np.nan)
    since = query.at.timestamp() - times[np.maximum(heads, 0)]
    return np.where(heads >= 0, -log1p(np.maximum(since, 0.0) / HOUR), np.nan)
