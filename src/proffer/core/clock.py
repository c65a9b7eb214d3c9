"""Time and ids, injected so that a run can be repeated."""

import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...


class Ids(Protocol):
    """Gives ids nobody had before."""

    def new(self, prefix: str) -> str:
        """Return a new id that starts with the prefix and `_`."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is moved: for tests, replays and toy worlds.

    >>> clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    >>> clock.move(60).now().minute
    1
    """

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Return the time it was set to."""
        return self.at

    def move(self, seconds: float) -> "FixedClock":
        """Move the hands forward."""
        self.at += timedelta(seconds=seconds)
        return self


class RandomIds:
    """Ids that sort by time of making: 12 hex digits of milliseconds, 16 of chance."""

    def new(self, prefix: str) -> str:
        """Return a new id."""
        return f"{prefix}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


def first_id(prefix: str, at: datetime) -> str:
    """Return what every id of RandomIds made before a moment sorts below, and every later one above.

    >>> RandomIds().new("d") > first_id("d", datetime(2026, 1, 1, tzinfo=UTC))
    True
    """
    return f"{prefix}_{max(int(at.timestamp() * 1000), 0):012x}"


def made_at(id: str) -> float | None:
    """Return when RandomIds made an id, epoch seconds; None for an id of another kind.

    >>> abs(made_at(RandomIds().new("d")) - time.time()) < 1, made_at("d_1")
    (True, None)
    """
    _, _, drawn = id.rpartition("_")
    try:
        return int(drawn[:12], 16) / 1000 if len(drawn) == 28 else None
    except ValueError:
        return None


class CountingIds:
    """Ids 1, 2, 3 ...: for tests and replays.

    >>> CountingIds().new("d")
    'd_1'
    """

    def __init__(self) -> None:
        self.last = 0

    def new(self, prefix: str) -> str:
        """Return the next id."""
        self.last += 1
        return f"{prefix}_{self.last}"
