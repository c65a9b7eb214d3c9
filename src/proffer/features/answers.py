"""What a subject answered to, by type and time."""

import math

import numpy as np

from proffer.core.entities import EntityRef
from proffer.core.ports import LiveState
from proffer.features.compile import Floats, Ints, compiled


@compiled
def _walk(row: int, before: Ints, item: Ints, at: Floats, types: Ints, wanted: Ints, since: float) -> Ints:
    found, count = np.empty(16, np.int64), 0
    while row >= 0:
        if at[row] >= since and wanted[types[row]] != 0:
            if count == len(found):
                longer = np.empty(2 * count, np.int64)
                longer[:count] = found
                found = longer
            found[count] = item[row]
            count += 1
        row = before[row]
    return np.unique(found[:count])


def answered(state: LiveState, subject: EntityRef, types: tuple[str, ...] = (), since: float = -math.inf) -> Ints:
    """Return the ordinals of items with an event of these types (none: all) by the subject since epoch seconds."""
    ordinal, found = state.subject_ordinal(subject), state.interactions()
    if ordinal < 0:
        return np.empty(0, np.int64)
    wanted = np.array([not types or name in types for name in found.types], np.int64)
    return _walk(found.subject_head[ordinal], found.by_subject, found.item, found.at, found.type, wanted, since)
