"""The measures of one list in any order: by hits, and by gains without the bias of places."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from proffer.engine.metrics import DEPTH, DISCOUNT, PER_LIST, gains, list_metrics, list_ndcg
from proffer.engine.protocols import Judged

TARGET = "ndcg@10"
CUTS = {"ndcg@5": 5, "ndcg@10": 10, "ndcg@20": 20}
RANDOM = "random"
"""A row of what ordering the lists by chance gives on average: nothing is drawn."""


@lru_cache(maxsize=1 << 15)
def _measures(hits: bytes, wanted: int) -> tuple[float, ...]:
    found = list_metrics(np.frombuffer(hits, np.bool_), wanted)
    return tuple(found[name] for name in PER_LIST)


def measures(hits: NDArray[np.bool_], wanted: int) -> tuple[float, ...]:
    """Return the measures of PER_LIST; most lists hit alike, so that few are worked out."""
    return _measures(hits[:DEPTH].tobytes(), wanted)


class Measure:
    """Measures one list in any order: NDCG by gains, without the bias of places where it is known; all else by hits.

    Of what was not shown hits say nothing: these rows are passed over. What was shown and not looked at is passed over
    by all measures. `weight` is how much the list counts.
    """

    def __init__(self, judged: Judged, wanted: int) -> None:
        self.wanted, self.relevant, self.told, self.seen = wanted, judged.relevant, judged.told, judged.seen
        self.plain = judged.gain == "binary" and judged.examined is None and judged.told is None and judged.seen is None
        self.weight = 1.0
        if self.plain:
            return
        lost = gains(np.array(judged.lost), judged.gain)
        chances = np.ones(len(self.relevant)) if judged.examined is None else judged.examined
        due = judged.due() if judged.seen is None else np.where(judged.seen, judged.due(), 0.0)
        self.gains = np.concatenate([due * chances, lost])
        self.examined = np.concatenate([chances, np.ones(len(lost))])
        _, self.weight = list_ndcg(self.gains, self.examined, np.empty(0, np.int64), CUTS[TARGET])

    @property
    def even(self) -> bool:
        """Return whether all that can tell anything adds the same, so that every order is as good."""
        if self.plain:
            return bool(self.relevant.all())
        own = self.gains[: len(self.relevant)]
        return len(np.unique(own if self.told is None else own[self.told])) < 2

    def telling(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first 20 of these rows that can tell anything."""
        return (order if self.told is None else order[self.told[order]])[:DEPTH]

    def of(self, order: NDArray[np.int64]) -> tuple[float, ...]:
        """Return the measures of PER_LIST for rows in this order, best first."""
        found = measures(self.relevant[self.telling(order)], self.wanted)
        if self.plain:
            return found
        if self.seen is not None:
            order = order[self.seen[order]]
        graded = {name: list_ndcg(self.gains, self.examined, order, k)[0] for name, k in CUTS.items()}
        return tuple(graded.get(name, value) for name, value in zip(PER_LIST, found, strict=True))

    def by_chance(self) -> tuple[float, ...]:
        """Return the NDCG that every order of the list gives on average; the other measures are not told."""
        if self.plain:
            every = np.concatenate([self.relevant, np.ones(self.wanted - int(self.relevant.sum()))])
        else:
            every = self.gains / self.examined
        own, ideal = every[: len(self.relevant)], np.sort(every)[::-1]
        own = own if self.seen is None else own[self.seen]
        told = {}
        for name, k in CUTS.items():
            best = float(ideal[:k] @ DISCOUNT[: min(k, len(ideal))])
            told[name] = float(own.mean() * DISCOUNT[: min(k, len(own))].sum()) / best if best else np.nan
        return tuple(told.get(name, np.nan) for name in PER_LIST)


def weights_of(weights: Sequence[float]) -> NDArray[np.float64] | None:
    """Return how much lists count (lists,), None where all count the same."""
    counts = np.array(weights, np.float64)
    return None if (counts == 1.0).all() else counts
