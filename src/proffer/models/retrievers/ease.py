"""EASE: which items foretell which, by one inversion."""

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.gram import MOST, inverted, members_of, mirrored, paired, places_of
from proffer.models.links import strongest
from proffer.models.retrievers.linked import Linked, all_wanted
from proffer.models.wanted import wanted_matrix


class EASE(Linked):
    """Score = sum over the subject's wanted items of their weight for an item, by the ridge regression of all on all.

    The weights are the ones that best restore, by least squares plus `ridge` times their squares, the matrix of who
    wanted what without letting an item foretell itself: with P the inverse of X^T X + ridge, -P[i, j] / P[j, j].
    Each item keeps the `kept` weights farthest from 0. Fitted on the `most` wanted items, from the last `history` of
    every subject.

    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
    """

    name = "ease"
    settings = ("ridge", "history", "kept", "most")
    alternatives = ({"ridge": 100.0}, {"ridge": 1000.0}, {"ridge": 30.0}, {"ridge": 3000.0})

    def __init__(self, ridge: float = 300.0, *, history: int = 500, kept: int = 200, most: int = MOST) -> None:
        super().__init__()
        self.ridge, self.history, self.kept, self.most = ridge, history, kept, most

    def fit(self, state: LiveState, *, at: float, weights: Mapping[str, float]) -> Self:
        """Solve for the weights from what every subject wanted before `at`, and return self."""
        self.weights = dict(weights)
        n = len(state.ids)
        wanted = wanted_matrix(state.interactions(), self.weights, until=at, limit=self.history, items=n)
        members = members_of(np.bincount(wanted.columns, minlength=n), self.most)
        P = np.zeros((len(members), len(members)), np.float32)
        if len(members):
            paired(wanted.start, wanted.columns, places_of(members, n), P)
            P = inverted(P, self.ridge)
        level = -P.diagonal().copy()
        self.links = strongest(lambda begin, end: mirrored(P, begin, end) / level, members, n, self.kept)
        return self

    def recalled(self, query: Query, state: LiveState) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the last `history` different items the subject wanted, each counting 1."""
        return all_wanted(query, state, self.weights, self.history)

    def memory(self, users: int, items: int, interactions: int) -> int:
        """Return the bytes of one dense matrix, of who wanted what, and of the links kept."""
        dense = min(items, self.most)
        return 4 * dense**2 + 8 * dense * min(self.kept, dense) + 30 * interactions + 8 * users + 1_200 * items

    def seconds(self, users: int, items: int, interactions: int) -> float:
        """Return what counting pairs, inverting, and choosing the weights take."""
        dense = float(min(items, self.most))
        pairs = interactions * min(interactions / max(users, 1), self.history)
        return 2e-7 * interactions + 2e-9 * pairs + 1.1e-11 * dense**3 + 2e-8 * dense**2
