"""What is wanted more than it used to be."""

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.base import DAY, WEEK, Family, ScoringRetriever, nearest
from proffer.models.elementwise import log1p


class Trending(ScoringRetriever):
    """Score = log of recent over usual demand: (short count + s) / (long count x short/long half-life + s).

    A decayed count of a steady stream is its rate x half-life, so a steady item scores about 0 and a rising one above.
    `smoothing` s keeps single events from making a trend. Items without a recent event are not proposed.
    """

    name = "trending"
    family: Family = "recency"

    def __init__(self, short: float = DAY / 4, long: float = WEEK, *, smoothing: float = 1.0) -> None:
        self.short = short
        self.long = long
        self.smoothing = smoothing

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return the log ratio (n,), NaN for an item with less than a twentieth of a recent event."""
        return self._scores(query, state, None)

    def some(self, query: Query, state: LiveState, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores of these items (m,)."""
        return self._scores(query, state, ordinals)

    def _scores(self, query: Query, state: LiveState, ordinals: NDArray[np.int64] | None) -> NDArray[np.float64]:
        at = query.at.timestamp()
        short, long = nearest(state.half_lives, self.short), nearest(state.half_lives, self.long)
        recent, usual = state.decayed(short, at, ordinals), state.decayed(long, at, ordinals) * (short / long)
        ratio = log1p((recent - usual) / (usual + self.smoothing))
        return np.where(recent >= 0.05, ratio, np.nan)
