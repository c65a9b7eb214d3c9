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
        return _scores(query.at.timestamp() - state.published())

    def some(self, query: Query, state: LiveState, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores of these items (m,)."""
        return _scores(query.at.timestamp() - state.published(ordinals))


def _scores(age: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(age >= 0.0, -log1p(np.maximum(age, 0.0) / HOUR), np.nan)
