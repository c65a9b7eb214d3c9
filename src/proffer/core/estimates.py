"""Estimates: a number that says how sure it is."""

import msgspec


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A value with an interval at a level (0.9 = nine in ten) and the model that gave it."""

    value: float
    low: float
    high: float
    level: float
    model: str
