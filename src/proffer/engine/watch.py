"""The skew watch: from time to time a child process replays some decisions, and tells what does not come out equal."""

import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from proffer.core.clock import Clock, first_id
from proffer.engine import skew, trainer
from proffer.engine.skew import Found, Skew

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

SECONDS, SAMPLE, MEMORY_MB = 900.0, 20, 4096
LONGEST_WAIT = 60.0
SHORTEST_LIMIT, LONGEST_LIMIT = 60.0, 3600.0
LAG = timedelta(seconds=5)
"""Other processes of shared stores write their decisions a moment after they answered."""

logger = logging.getLogger("proffer.watch")


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look to take: at which decisions, how many of them, with which seed and limits."""

    since: datetime
    until: datetime
    sample: int
    seed: int
    seconds: float
    memory_mb: int


Command = Callable[["Engine", Look], Sequence[str]]
"""Gives the command line of the child that takes a look."""


class Watch:
    """Looks at the decisions of some workspaces from `start` until `close`, each as often as its settings say.

    A look replays a sample of the decisions since the last one in a child process of low priority, within limits, one
    look at a time. What it found is added to the workspace's `skew.json`. `every` overrides the settings' seconds.
    """

    def __init__(
        self, engines: Mapping[str, "Engine"], *, clock: Clock, every: float | None = None,
        command: Command | None = None,
    ) -> None:  # fmt: skip
        self._engines = {name: one for name, one in engines.items() if one.home is not None and one.stores.writable}
        self._clock = clock
        self._every = every
        self._command = command or command_of
        self._started = clock.now()
        self._wake = threading.Event()
        self._running: trainer.Trainer | None = None
        self._thread: threading.Thread | None = None

    def due(self, name: str) -> datetime | None:
        """Return when the next look at a workspace is due, None where it is off."""
        seconds = self._seconds(self._engines[name])
        if not seconds:
            return None
        # A clock that was set back must not silence the watch until the old time comes again.
        looked_at = min(skew.kept(root_of(self._engines[name])).looked_at or self._started, self._clock.now())
        return max(looked_at, self._started) + timedelta(seconds=seconds)

    def look(self, name: str) -> Skew:
        """Take a look at a workspace now, wait for its end, and return what every look so far found."""
        engine = self._engines[name]
        known, now = skew.kept(root_of(engine)), self._clock.now()
        seconds = self._seconds(engine) or SECONDS
        until = now - LAG if engine.stores.shared else now
        since = until - timedelta(seconds=seconds)
        if known.until is not None and known.until < until:
            since = known.until
        engine.stores.decisions.flush()
        if not engine.stores.decisions.find(after=first_id("d", since), limit=1):
            # Nobody asked for anything: no child for that.
            found = msgspec.structs.replace(known, looked_at=now, until=until, failed=None)
            skew.keep(root_of(engine), found)
            return found
        values = engine.settings.watch
        ending = self._run(engine, Look(
            since=since, until=until, sample=int(values.get("sample", SAMPLE)), seed=int(until.timestamp() * 1000),
            seconds=min(max(seconds, SHORTEST_LIMIT), LONGEST_LIMIT),
            memory_mb=int(values.get("memory_mb", MEMORY_MB)),
        ))  # fmt: skip
        if ending.cancelled:
            return known
        # Read again: somebody may have been erased from it since the look began.
        found = self._kept(engine, skew.kept(root_of(engine)), ending, until)
        _tell(name, found, ending)
        return found

    def start(self) -> "Watch":
        """Begin to look."""
        if self._engines:
            self._thread = threading.Thread(target=self._loop, name="skew watch", daemon=True)
            self._thread.start()
        return self

    def close(self) -> None:
        """End the look under way, leave no child behind, and look no more."""
        self._wake.set()
        if (running := self._running) is not None:
            running.stop()
        if self._thread is not None:
            self._thread.join()

    def _loop(self) -> None:
        wait = 0.0
        while not self._wake.wait(wait):
            looked = [self._looked(name) for name in self._engines]
            wait = self._pause() if all(looked) else LONGEST_WAIT

    def _looked(self, name: str) -> bool:
        """Take a look at a workspace where it is due; False where that failed."""
        try:
            then = self.due(name)
            if then is not None and then <= self._clock.now() and not self._wake.is_set():
                self.look(name)
        except Exception:
            # A store that cannot be read for a moment must end neither every later look nor those at other workspaces.
            logger.exception("no look at the decisions of %s could be taken", name)
            return False
        return True

    def _pause(self) -> float:
        """Return the seconds until a look is due, at most a minute: settings change, and clocks are set."""
        times = [then for name in self._engines if (then := self.due(name)) is not None]
        if not times:
            return LONGEST_WAIT
        return min(max((min(times) - self._clock.now()).total_seconds(), 0.0), LONGEST_WAIT)

    def _seconds(self, engine: "Engine") -> float:
        return engine.settings.watch.get("seconds", SECONDS) if self._every is None else self._every

    def _run(self, engine: "Engine", look: Look) -> trainer.Ending:
        command = self._command(engine, look)
        self._running = trainer.Trainer(command, look.seconds, look.memory_mb, lambda _: None, work="watch")
        try:
            if self._wake.is_set():
                self._running.stop()
            return self._running.run()
        finally:
            self._running = None

    def _kept(self, engine: "Engine", known: Skew, ending: trainer.Ending, until: datetime) -> Skew:
        now = self._clock.now()
        if ending.found is None:
            failed = f"{ending.error or 'the child said nothing'} {ending.remedy or ''}".strip()
            found = msgspec.structs.replace(known, looked_at=now, failed=failed)
        else:
            found = known.plus(msgspec.convert(ending.found, Found), until=until, now=now)
        skew.keep(root_of(engine), found)
        return found


def root_of(engine: "Engine") -> Path:
    """Return the folder of an engine's workspace."""
    assert engine.home is not None
    return engine.home / engine.workspace


def command_of(engine: "Engine", look: Look) -> list[str]:
    """Return what takes a look at a workspace."""
    assert engine.home is not None
    return [
        sys.executable, "-m", "proffer", "--home", str(engine.home.resolve()), "check-decisions", engine.workspace,
        "--from", look.since.isoformat(), "--until", look.until.isoformat(), "--sample", str(look.sample),
        "--seed", str(look.seed), "--lines",
    ]  # fmt: skip


def _tell(name: str, known: Skew, ending: trainer.Ending) -> None:
    if known.failed is not None:
        logger.warning("the look at the decisions of %s came to nothing: %s", name, known.failed)
        return
    found = msgspec.convert(ending.found, Found)
    for id, text in found.mismatched.items():
        logger.warning("the decision %s of %s comes out otherwise when it is replayed: %s", id, name, text)
    left = sum(found.incomparable.values())
    logger.info("skew watch of %s: %d checked, %d mismatched, %d left out", name, found.checked,
                len(found.mismatched), left)  # fmt: skip
