"""Lists of a set in folds: what is fitted without some of them, and what is chosen inside the rest."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from proffer.engine.metrics import DEPTH, PER_LIST, graded_ndcg, list_metrics
from proffer.engine.set_models import Part, Scores, Variant

MEASURES = PER_LIST
TARGET = MEASURES.index("ndcg@10")
Floats = NDArray[np.float64]


@dataclass
class Folds:
    """A set whose lists have numbers of folds; `report` are those that are reported on, each with the rest to learn.

    To choose inside what fold f learns from, each other fold k is scored by what learned neither f nor k. What is
    fitted without a pair of folds so serves both of them.
    """

    part: Part
    fold: NDArray[np.int64]
    report: Sequence[int]
    seed: int
    tell: Callable[[], None] = lambda: None
    seconds: dict[int, list[float]] = field(default_factory=dict)
    asked: dict[int, list[float]] = field(default_factory=dict)
    _known: dict[tuple[int, frozenset[int]], tuple[Scores, Floats]] = field(default_factory=dict)

    def inside(self, outer: int) -> list[int]:
        """Return the folds that are learned from where one is reported on."""
        return [one for one in np.unique(self.fold).tolist() if one != outer]

    def left_out(self, variant: Variant, folds: frozenset[int]) -> tuple[Scores, Floats]:
        """Return what a variant learned without some folds, and its scores for their rows."""
        key = (id(variant), folds)
        if key not in self._known:
            started = time.perf_counter()
            held = np.isin(self.fold, list(folds))
            model = variant.learns(self.part.of(~held), self.seed)
            self.seconds.setdefault(id(variant), []).append(time.perf_counter() - started)
            part, started = self.part.of(held), time.perf_counter()
            self._known[key] = model, model(part)
            self.asked.setdefault(id(variant), []).append((time.perf_counter() - started) / max(len(part.sizes), 1))
            self.tell()
        return self._known[key]

    def final(self, variant: Variant, outer: int) -> tuple[Scores, Floats]:
        """Return what learned from all but the fold that is reported on, and its scores for that fold's rows."""
        return self.left_out(variant, frozenset((outer,)))

    def crossed(self, variant: Variant, outer: int) -> Floats:
        """Return scores (n,) of the rows inside, each by what learned neither its fold nor the reported one."""
        scores = np.full(len(self.part.y), np.nan)
        for inner in self.inside(outer):
            both = self.left_out(variant, frozenset((outer, inner)))[1]
            rows = self.rows(inner)
            scores[rows] = both[rows[self.rows(outer, inner)]]
        return scores

    def rows(self, *folds: int) -> NDArray[np.bool_]:
        """Return which rows lie in these folds (n,)."""
        return np.repeat(np.isin(self.fold, folds), self.part.sizes)


def measured(scores: Floats, part: Part) -> Floats:
    """Return the measures of each list in the order of its scores (lists, m), NaN where no grade is above 0.

    Ties keep the order of the rows, which is a drawn one.
    """
    found = np.full((len(part.sizes), len(MEASURES)), np.nan)
    ends = np.cumsum(part.sizes)
    for row, (end, size) in enumerate(zip(ends.tolist(), part.sizes.tolist(), strict=True)):
        gained = part.gained[end - size : end]
        wanted = int((gained > 0).sum())
        if not wanted:
            continue
        order = np.argsort(-scores[end - size : end], kind="stable")[:DEPTH]
        binary = list_metrics(gained[order] > 0, wanted)
        graded = {f"ndcg@{k}": graded_ndcg(gained[order], gained, k) for k in (5, 10, 20)}
        found[row] = [(binary | graded)[name] for name in MEASURES]
    return found
