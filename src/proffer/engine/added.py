"""What columns add to the scores of a few rows of a list, against the list's mean."""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from proffer.engine.fitted import Fitted
from proffer.engine.ranking import Ranked
from proffer.models.base import Contributing, can_tell_parts

BESIDE = 12
"""So many places, spread evenly over the list, stand for its mean: a walk down every tree for each row costs."""
logger = logging.getLogger("proffer.serve")


def added(
    ranked: Ranked, rows: Sequence[int], fitted: Fitted, columns: Sequence[Sequence[str]]
) -> NDArray[np.float64] | None:
    """Return what each group of a ranker's columns adds to each of these rows' scores (rows, groups).

    That is relative to the mean of the list, of which a ranker that tells row by row is asked about a few evenly spread
    places alone. None where no ranker that can tell put these rows in order.
    """
    ranker, head = fitted.ranker, ranked.head
    if ranker is None or head is None or not len(rows) or not can_tell_parts(ranker):
        return None
    held = head.places()
    places = [held.get(row, -1) for row in rows]
    if min(places) < 0:
        return None
    try:
        parts = _parts(ranker, head.matrix, head.columns, places, _spread(ranked, held))
    except Exception as error:
        logger.warning("the ranker of %s cannot tell what adds to its scores: %s", fitted.version, error)
        return None
    return _summed(parts, head.columns, columns)


def _parts(
    ranker: Contributing, X: NDArray[np.float32], columns: Sequence[str], places: Sequence[int], spread: Sequence[int]
) -> NDArray[np.float64]:
    """Return what each column adds to rows of a list (rows, d), against the mean of the list."""
    if not getattr(ranker, "by_row", False):
        whole = ranker.contributions(X, columns).astype(np.float64)
        return np.asarray(whole[list(places)] - whole.mean(axis=0))
    asked = list(dict.fromkeys([*places, *spread]))
    told = ranker.contributions(X[asked], columns).astype(np.float64)
    where = {place: row for row, place in enumerate(asked)}
    mean = told[[where[place] for place in spread]].mean(axis=0)
    return np.asarray(told[: len(places)] - mean)


def _summed(parts: NDArray[np.float64], names: Sequence[str], groups: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Return the sums over each group of the named columns (rows, groups); a name there is not adds nothing."""
    number = {name: place for place, name in enumerate(names)}
    # Each group begins with a column of zeros, so that none is empty.
    padded = np.hstack([parts, np.zeros((len(parts), 1))])
    chosen = [[len(names), *(number[name] for name in group if name in number)] for group in groups]
    starts = np.cumsum([0, *(len(group) for group in chosen)])[:-1]
    flat = [place for group in chosen for place in group]
    return np.asarray(np.add.reduceat(padded[:, flat], starts, axis=1)) if flat else np.zeros((len(parts), 0))


def _spread(ranked: Ranked, held: dict[int, int]) -> list[int]:
    """Return places of the head, spread evenly over it from best to worst."""
    inside = [held[row] for row in ranked.order.tolist() if row in held]
    if len(inside) <= BESIDE:
        return inside
    return [inside[int((step + 0.5) * len(inside) / BESIDE)] for step in range(BESIDE)]
