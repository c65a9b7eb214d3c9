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
        found = state.interactions()
        if not len(found.at):
            return np.full(len(state.ids), np.nan)
        since = query.at.timestamp() - found.at[np.maximum(found.item_head, 0)]
        return np.where(found.item_head >= 0, -log1p(np.maximum(since, 0.0) / HOUR), np.nan)
