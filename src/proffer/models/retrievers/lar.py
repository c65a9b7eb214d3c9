"""LAR, linear auto-regression: the next item by ridge regression on the decayed last ones."""

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.base import Family
from proffer.models.compiled import compiled
from proffer.models.gram import MOST, members_of, places_of, regressed
from proffer.models.links import strongest
from proffer.models.retrievers.linked import Linked
from proffer.models.sequences import latest, sequences, wanted_counts


class LAR(Linked):
    """Score = sum over the subject's last items of `decay`^(steps back) x their weight for an item as the next one.

    At every place of every sequence the items before it, decayed, are to foretell the one that stands there, and those
    after it by `ahead`^(steps on): with X the histories and Y what comes, the weights are (X^T X + ridge)^-1 X^T Y.
    Both reach `window` items at most; an item that comes again counts again. Each item keeps the `kept` weights
    farthest from 0. Fitted on the `most` wanted items.

    Linear next-item models: Choi, Kim, Lee, Shim and Lee, "Session-aware Linear Item-Item Models", WWW 2021 (SLIT).
    """

    name = "lar"
    family: Family = "sequence"
    settings = ("decay", "ridge", "ahead", "window", "history", "kept", "most")
    alternatives = (
        {"decay": 0.5, "ridge": 50.0}, {"decay": 0.85, "ahead": 0.0}, {"ridge": 50.0, "ahead": 0.7}, {"ridge": 1000.0},
        {"decay": 0.85, "ridge": 1000.0},
    )  # fmt: skip

    def __init__(
        self, decay: float = 0.7, *, ridge: float = 200.0, ahead: float = 0.3, window: int = 30, history: int = 5_000,
        kept: int = 200, most: int = MOST,
    ) -> None:  # fmt: skip
        super().__init__()
        self.decay, self.ridge, self.ahead, self.window = decay, ridge, ahead, window
        self.history, self.kept, self.most = history, kept, most

    def fit(self, state: LiveState, *, at: float, weights: Mapping[str, float]) -> Self:
        """Solve for the weights from every sequence before `at`, and return self."""
        self.weights = dict(weights)
        n = len(state.ids)
        found = sequences(state.interactions(), self.weights, until=at, limit=self.history)
        members = members_of(wanted_counts(found.items, n), self.most)
        A, targets = (np.zeros((len(members), len(members)), np.float32) for _ in range(2))
        if len(members):
            _moments(*found, places_of(members, n), self.decay, self.ahead, self.window, A, targets)
            targets = regressed(A, self.ridge, targets)
        self.links = strongest(lambda begin, end: targets[:, begin:end].T, members, n, self.kept)
        return self

    def recalled(self, query: Query, state: LiveState) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the subject's last `window` items and `decay` to the power of how many came after each."""
        found = latest(query, state, self.weights, self.window)
        return found, self.decay ** np.arange(len(found), dtype=np.float64)

    def memory(self, users: int, items: int, interactions: int) -> int:
        """Return the bytes of two dense matrices, of the sequences, and of the links kept."""
        dense = min(items, self.most)
        return 8 * dense**2 + 8 * dense * min(self.kept, dense) + 24 * interactions + 8 * users + 1_200 * items

    def seconds(self, users: int, items: int, interactions: int) -> float:
        """Return what counting pairs within the window, the regression, and choosing the weights take."""
        dense = float(min(items, self.most))
        pairs = interactions * min(interactions / max(users, 1), self.window)
        return 1e-7 * interactions + 2e-8 * pairs + 2.6e-11 * dense**3 + 2e-8 * dense**2


@compiled
def _moments(start, items, places, decay, ahead, window, A, targets):  # type: ignore[no-untyped-def]
    powers, reach = decay ** np.arange(window + 1), np.zeros(window + 1)
    for gap in range(1, window + 1):
        # Every place between two items sees the early one `decay`ed behind it and the late one `ahead` of it.
        reach[gap] = powers[gap - 1] + ahead * reach[gap - 1]
    spread = 1.0 - decay * decay
    for subject in range(len(start) - 1):
        end = start[subject + 1]
        for early in range(start[subject], end):
            one = places[items[early]]
            for late in range(early, min(early + window, end)) if one >= 0 else range(0):
                other, after = places[items[late]], end - 1 - late
                if other < 0:
                    continue
                if late > early:
                    targets[other, one] += reach[late - early]
                if after > 0:
                    # Both stand in the history of each of the `after` places behind: a geometric sum.
                    both = powers[late - early] * (1.0 - decay ** (2 * after)) / spread
                    A[min(one, other), max(one, other)] += both
