"""How alike the items of a slate are."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from proffer.app import Settings
from proffer.core.ports import LiveState
from proffer.engine.fitted import Fitted
from proffer.models.base import can_tell_alike, can_weigh
from proffer.models.rerankers.mmr import diversity


def similarity(
    fitted: Fitted, content: Mapping[str, float] | None = None
) -> Callable[[NDArray[np.int64], LiveState], NDArray[np.float32]] | None:
    """Return what tells how alike items are (m, m), from the first retriever that can.

    `content` weighs the attributes; None leaves them as they were weighed last.
    """
    retriever = next((one for one in fitted.retrievers.values() if can_tell_alike(one)), None)
    if retriever is None:
        return None
    alike = retriever.similarity
    # Nobody may have asked it for scores since the settings changed.
    if content is not None and can_weigh(retriever):
        retriever.weigh(content)
    return alike


def diversity_score(ordinals: NDArray[np.int64], fitted: Fitted, settings: Settings, state: LiveState) -> float | None:
    """Return 1 - the mean similarity of two different items among these (m,), 0..1; None where nothing can tell.

    An item that says nothing of itself is left out; of fewer than two others nobody can tell.
    """
    alike = similarity(fitted, settings.content)
    return None if alike is None or len(ordinals) < 2 else described_diversity(alike(ordinals, state))


def described_diversity(matrix: NDArray[np.float32]) -> float | None:
    """Return 1 - the mean similarity of two different items (m, m), of those alone that are like themselves.

    >>> described_diversity(np.array([[1.0, 0.25, 0.0], [0.25, 1.0, 0.0], [0.0, 0.0, 0.0]], np.float32))
    0.75
    """
    described = np.flatnonzero(np.diagonal(matrix) > 0)
    return diversity(matrix[np.ix_(described, described)]) if len(described) > 1 else None
