"""What the models of weighted links share: a query adds up the rows of the subject's own items."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.base import Family, Parameters
from proffer.models.histories import ITEM
from proffer.models.links import Links, no_links
from proffer.models.tuned import Tuned
from proffer.models.wanted import columns_of, taste


class Linked(Tuned):
    """Score = weighted sum of the links that lead from the subject's items to an item.

    The subject's items are read from the live state, so a model holds nothing of any person and is never older than
    his last event. Ordinals are places in the order of the log: a fitted model serves every state of that log, and
    items mentioned after the fit are not proposed. Nothing is proposed to a subject without known items.
    """

    family: Family = "collaborative"

    def __init__(self) -> None:
        self.links = no_links()
        self.weights: dict[str, float] = {}

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return the summed links (n,), NaN for an item the model was not fitted on."""
        found, weights = self.recalled(query, state)
        scores = self.links.scores(found, weights, len(state.ids))
        if ITEM in query.context:
            scores[found] = np.nan
        return scores

    def some(self, query: Query, state: LiveState, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what `scores` gives these ordinals (m,)."""
        found, weights = self.recalled(query, state)
        scores = self.links.some(found, weights, ordinals)
        if ITEM in query.context:
            scores[np.isin(ordinals, found)] = np.nan
        return scores

    def recalled(self, query: Query, state: LiveState) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the items that the answer goes by (r,), newest first, and how much each counts (r,)."""
        raise NotImplementedError

    def parameters(self) -> Parameters:
        """Return the settings, the grades of event types, and the links."""
        return {**self.told(), "weights": self.weights}, self.links.arrays()

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over settings, grades and links and return self."""
        self.take(values)
        self.weights = {name: float(grade) for name, grade in values["weights"].items()}
        self.links = Links.of(arrays)
        return self


def all_wanted(
    query: Query, state: LiveState, weights: Mapping[str, float], limit: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
    """Return the last `limit` different items the subject wanted (r,), each 1, or the one the context names."""
    named = query.context.get(ITEM)
    found = np.empty(0, np.int64)
    if named is not None:
        found = state.ordinals([str(named)])
        found = found[found >= 0]
    else:
        rows, subject = state.interactions(), state.subject_ordinal(query.subject)
        if 0 <= subject < len(rows.subject_head):
            columns = columns_of(rows, weights)
            found, _ = taste(int(rows.subject_head[subject]), columns, limit, len(state.ids))
    return found, np.ones(len(found))
