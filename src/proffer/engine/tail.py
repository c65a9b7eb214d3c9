"""Following: what other processes append and promote reaches this one, and a database that was lost is found again."""

import logging
import threading
import time
from collections.abc import Callable

from proffer.core.errors import Busy

LOOK_SECONDS, MEET_SECONDS = 0.5, 0.9
"""The longest wait for the log to grow, and the time between two looks at what serves."""
AGAIN_SECONDS = 0.5
"""Until the next try, after one that failed."""
SILENT_SECONDS = 5.0
"""A database that says nothing for so long counts as away."""

logger = logging.getLogger("proffer.tail")


class Tail:
    """Two threads that keep an engine over shared stores up to date, from `start` until `close`.

    `follow` waits for the log to grow, at most so many seconds, and folds what it has; `meet` looks at what serves.
    One of them loading a model keeps the other from nothing. An error ends neither: it is kept in `lost` until the
    next try works.
    """

    def __init__(self, follow: Callable[[float], None], meet: Callable[[], None]) -> None:
        self._acts = {"the log": lambda: follow(LOOK_SECONDS), "what serves": lambda: self._pause(meet)}
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lost: dict[str, str] = {}
        self._reached = time.monotonic()

    @property
    def running(self) -> bool:
        """Return whether it follows."""
        return bool(self._threads)

    @property
    def lost(self) -> str | None:
        """Return why the log cannot be followed at the moment, None where it can."""
        return self._lost.get("the log")

    @property
    def age(self) -> float:
        """Return how many seconds ago the log last answered."""
        return time.monotonic() - self._reached

    @property
    def away(self) -> bool:
        """Return whether the log cannot be reached, or has not answered for so long that nobody should ask it."""
        return self.running and (self.lost is not None or self.age > SILENT_SECONDS)

    def touch(self, what: str = "the log") -> None:
        """Note that the log, or what serves, could be reached."""
        if what == "the log":
            self._reached = time.monotonic()
        if self._lost.pop(what, None) is not None:
            logger.info("%s is followed again", what)

    def check(self) -> None:
        """Raise Busy where a log that is followed is away: whoever asks it would wait in vain."""
        if self.away:
            why = self.lost or f"the database has not answered for {self.age:.0f} s"
            raise Busy(f"slates alone are answered at the moment: {why}", remedy="Send the same again in a moment.")

    def start(self) -> "Tail":
        """Begin to follow."""
        self.touch()
        for what in self._acts:
            thread = threading.Thread(target=self._loop, args=(what,), name=f"tail of {what}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def close(self) -> None:
        """Follow no more."""
        self._end.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _loop(self, what: str) -> None:
        while not self._end.is_set():
            try:
                self._acts[what]()
            except Exception as error:
                if what not in self._lost:
                    logger.warning("%s cannot be followed: %s", what, error)
                self._lost[what] = str(error)
                self._end.wait(AGAIN_SECONDS)
                continue
            self.touch(what)

    def _pause(self, meet: Callable[[], None]) -> None:
        meet()
        self._end.wait(MEET_SECONDS)
