"""Newest first."""

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.base import HOUR, Family, ScoringRetriever
from proffer.models.elementwise import log1p


class Newest(ScoringRetriever):
    """Score = -log1p(hours since an item appeared); what appears later than the query is not proposed."""

    name = "newest"
    family: Family = "recency"

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return minus the logarithm of the age (n,), 0 for an item of this moment."""
        age = query.at.timestamp() - state.published()
        return np.where(age >= 0.0, -log1p(np.maximum(age, 0.0) / HOUR), np.nan)
