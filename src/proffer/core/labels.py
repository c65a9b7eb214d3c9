"""Labels: how the events of one subject and item become one grade."""

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

import msgspec


class Scale(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an event is worth by one of its numeric fields: `points` (value, grade) joined by straight lines.

    Below the first and above the last point the grade stays that of the point. An event without the field has the
    weight of its type.

    >>> Scale("seconds", ((1.0, 0.1), (31.0, 0.4))).grade(16.0)
    0.25
    """

    field: str
    points: tuple[tuple[float, float], ...]

    def grade(self, value: float) -> float:
        """Return the grade of a value."""
        before, least = self.points[0]
        if value <= before:
            return least
        for after, grade in self.points[1:]:
            if value <= after:
                return least + (grade - least) * (value - before) / (after - before)
            before, least = after, grade
        return least


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """How the events of one subject and item become one grade; the weight of a type, or its scale, grades each event.

    `combine` takes the highest grade, the sum of all, or that of the last event. An event below 0 makes the grade that
    of the lowest, unless one above `outweighed` happened too: by default none is high enough, with 0 any is. `window`
    is how long after a decision an event that names no query still counts as an answer to it; older decisions are
    closed. `scales` grade events of a type by a field. `gain` is what a grade adds to a list's NDCG: 1 for any above 0,
    the grade itself, or 2^grade - 1. `looks` are types that say that an item was looked at: of a list with any of them,
    what has neither one nor another answer was not looked at, and nobody knows whether it is wanted.
    """

    combine: Literal["max", "sum", "last"] = "max"
    outweighed: float = math.inf
    window: timedelta = timedelta(days=1)
    scales: Mapping[str, Scale] = {}
    gain: Literal["binary", "grade", "exponential"] = "binary"
    looks: tuple[str, ...] = ()


class Grading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What settings may change of `Labels`; what is left out stays as declared, each scale by itself."""

    combine: Literal["max", "sum", "last"] | None = None
    outweighed: float | None = None
    window_hours: float | None = None
    scales: dict[str, Scale] = {}

    def over(self, declared: Labels) -> Labels:
        """Return the labels in force."""
        return Labels(
            combine=declared.combine if self.combine is None else self.combine,
            outweighed=declared.outweighed if self.outweighed is None else self.outweighed,
            window=declared.window if self.window_hours is None else timedelta(hours=self.window_hours),
            scales={**declared.scales, **self.scales},
            gain=declared.gain,
            looks=declared.looks,
        )


AS_DECLARED = Grading()
