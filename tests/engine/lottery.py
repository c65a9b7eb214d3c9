"""A source that is no function of its input, as a stranger's may be."""

import random

import numpy as np
from numpy.typing import NDArray

from proffer.core.queries import Query
from proffer.features.state import State
from proffer.models.base import ScoringRetriever


class Lottery(ScoringRetriever):
    """Scores drawn anew at each question."""

    name = "lottery"

    def scores(self, query: Query, state: State) -> NDArray[np.float64]:
        return np.array([random.random() for _ in state.ids])
