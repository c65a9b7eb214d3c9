"""How much at once, and how often."""

import time
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
import msgspec

from proffer.api.problems import TooMany
from proffer.core.errors import Busy

T = TypeVar("T")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the server takes: threads and waiting calls per lane, requests a minute per token."""

    readers: int = 4
    writers: int = 64
    waiting: int = 256
    requests_per_minute: int = 120_000


class Lane:
    """Threads for the engine's calls, with a bounded queue before them."""

    def __init__(self, threads: int, waiting: int) -> None:
        self.limiter = anyio.CapacityLimiter(threads)
        self.most = threads + waiting
        self.inside = 0

    async def run(self, call: Callable[[], T]) -> T:
        """Return what the call returns, from a thread. Raises Busy when the queue is full."""
        if self.inside >= self.most:
            raise Busy("too many requests wait already", remedy="Try again after the seconds in Retry-After.")
        self.inside += 1
        try:
            return await anyio.to_thread.run_sync(call, limiter=self.limiter)
        finally:
            self.inside -= 1


class Rate:
    """A bucket of requests per token that fills evenly: at most a minute's worth at once."""

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self.now = now
        self._level: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, key: tuple[str, str]) -> dict[str, str]:
        """Take one request from a token's bucket and return the RateLimit headers. Raises TooMany when it is empty."""
        now = self.now()
        level, at = self._level.get(key, (float(self.per_minute), now))
        level = min(float(self.per_minute), level + (now - at) * self.per_minute / 60)
        if level < 1:
            self._level[key] = (level, now)
            message = f"more than {self.per_minute} requests a minute"
            raise TooMany(message, field="Authorization", remedy="Wait the seconds in Retry-After; send batches.")
        self._level[key] = (level - 1, now)
        full = round((self.per_minute - level + 1) * 60 / self.per_minute)
        return self.headers(int(level - 1), full)

    def headers(self, left: int, seconds: int) -> dict[str, str]:
        """Return the headers of the IETF draft: the policy, and what is left until the bucket is full again."""
        policy = f'"token";q={self.per_minute};w=60'
        return {"RateLimit-Policy": policy, "RateLimit": f'"token";r={left};t={seconds}'}
