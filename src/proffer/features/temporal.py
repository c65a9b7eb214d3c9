"""The calendar: hour and weekday of the request, Swedish holidays, and whether it is the subject's time of day."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from proffer.features.accumulators.simple import slot
from proffer.features.accumulators.vectors import BLOCKS, HOURS, Blocks
from proffer.features.base import Accumulator, Column, Stateless
from proffer.features.batch import Batch
from proffer.features.compile import Floats


@lru_cache(maxsize=256)
def swedish_holidays(year: int) -> frozenset[date]:
    """Return the public holidays of a year in Sweden, Sundays that are nothing else left out.

    >>> date(2026, 6, 6) in swedish_holidays(2026), date(2026, 6, 7) in swedish_holidays(2026)
    (True, False)
    """
    from holidays.countries.sweden import Sweden

    return frozenset(Sweden(years=year, include_sundays=False))


@lru_cache(maxsize=64)
def local(at: float, zone: str) -> datetime:
    """Return epoch seconds as a time of a zone of the IANA database."""
    return datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone))


@dataclass(frozen=True)
class Cycle(Stateless):
    """Where the request stands in the day (`hour`) or the week (`dow`): sine and cosine, local time."""

    name: str = "hour"
    zone: str = "UTC"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return the sine and the cosine."""
        period = "day" if self.name == "hour" else "week"
        shapes = (("sin", "sine"), ("cos", "cosine"))
        return tuple(
            Column(f"{self.name}_{short}", f"{shape} of the time of the {period}, {self.zone}", stage="request")
            for short, shape in shapes
        )

    def values(self, batch: Batch) -> Floats:
        """Return both (1, 2)."""
        at = local(batch.at, self.zone)
        day = (at.hour + at.minute / 60.0) / 24.0
        angle = 2.0 * math.pi * (day if self.name == "hour" else (at.weekday() + day) / 7.0)
        return np.array([[math.sin(angle), math.cos(angle)]])


@dataclass(frozen=True)
class Weekend(Stateless):
    """1 on Saturday and Sunday, local time."""

    name: str = "is_weekend"
    zone: str = "UTC"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, f"1 on Saturday and Sunday, {self.zone}", stage="request"),)

    def values(self, batch: Batch) -> Floats:
        """Return 1 or 0."""
        return np.array([float(local(batch.at, self.zone).weekday() >= 5)])


@dataclass(frozen=True)
class SwedishHoliday(Stateless):
    """1 on a public holiday in Sweden, local time."""

    name: str = "is_holiday_se"
    zone: str = "Europe/Stockholm"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "1 on a public holiday in Sweden", stage="request"),)

    def values(self, batch: Batch) -> Floats:
        """Return 1 or 0."""
        day = local(batch.at, self.zone).date()
        return np.array([float(day in swedish_holidays(day.year))])


@dataclass(frozen=True)
class BlockMatch:
    """The share of the subject's decayed events in this 4-hour block of the day (UTC); NaN while there are none."""

    name: str
    scope: str
    of: Blocks

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its column."""
        return (Column(self.name, "share of events in this 4 h block of the day", self.of.window),)

    @property
    def states(self) -> tuple[tuple[str, Accumulator], ...]:
        """Return the blocks."""
        return ((self.scope, self.of),)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def values(self, batch: Batch) -> Floats:
        """Return the shares: all blocks decay alike, so the time has no part in them but to choose the block."""
        rows, start, index = batch.slots(self.scope, self.of)
        blocks = [slot(rows, start + block, index, 0.0) for block in range(BLOCKS)]
        whole = sum(blocks[1:], blocks[0])
        return blocks[math.floor(batch.at / HOURS) % BLOCKS] / np.where(whole > 0, whole, math.nan)
