"""Trainings by the clock: which are due, which are not worth it, and the thread that starts them."""

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

import msgspec

from proffer.app import Pipeline, Settings
from proffer.core.clock import Clock
from proffer.core.cron import OFF, next_run
from proffer.core.errors import Busy, ProfferError
from proffer.core.jobs import Job
from proffer.core.ports import Stores
from proffer.engine.retraining import Cause, drifted, first, quiet

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

AGAIN_SECONDS = 5.0
LISTENING = timedelta(hours=1)
"""Between two looks at how good what serves is: it takes reading what it served."""
LONGEST_WAIT = 60.0
"""Seconds between two looks at the clock: settings change, and machines sleep or have their clocks set."""

logger = logging.getLogger("proffer.schedule")


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """When a pipeline is trained by itself: the expression in force, the next time, why the last one was left out."""

    expression: str
    next_run: datetime | None
    skipped_at: datetime | None = None
    skipped: str | None = None


class Schedule:
    """Starts the planned trainings of some workspaces, each once, from `start` until `close`.

    The plans are read in `zone`, the machine's own by default, and the time is `clock`'s. A planned time that passed
    while nobody served is made up for at the start, once, where a training was before it. Of several processes that
    plan the same workspaces in the same zone, one starts each.
    """

    def __init__(self, engines: Mapping[str, "Engine"], *, clock: Clock, zone: tzinfo | None = None) -> None:
        self.zone = zone or local_zone()
        self._engines = engines
        self._clock = clock
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._skipped: dict[tuple[str, str], tuple[datetime, str]] = {}
        self._listened: dict[tuple[str, str], datetime] = {}
        now = clock.now()
        self._seen = {
            (name, pipeline.name): last_training(engine.stores, pipeline.name) or now
            for name, engine in engines.items() for pipeline in trainable(engine)
        }  # fmt: skip

    def planned(self, workspace: str, pipeline: str) -> Planned:
        """Return the plan of a pipeline."""
        expression = expression_of(self._engines[workspace], pipeline)
        at, why = self._skipped.get((workspace, pipeline), (None, None))
        then = next_run(expression, self._clock.now(), self.zone)
        return Planned(expression=expression, next_run=then, skipped_at=at, skipped=why)

    def look(self) -> list[Job]:
        """Start every training that is due by now and return the jobs; one that is not worth it leaves its reason.

        Raises Busy, once all others are started, where the stores of a workspace cannot be reached.
        """
        now, started, away = self._clock.now(), [], None
        for engine in self._engines.values():
            try:
                started += self._due(engine, now)
            except Busy as error:
                away = error
        if away is not None:
            raise away
        return started

    def _due(self, engine: "Engine", now: datetime) -> list[Job]:
        started = []
        for pipeline in trainable(engine):
            place = engine.workspace, pipeline.name
            due = next_run(expression_of(engine, pipeline.name), self._seen[place], self.zone)
            cause = self._cause(engine, pipeline, due, now)
            if cause is not None:
                job = self._begin(engine, pipeline, cause, now)
                started += [job] if job else []
            self._seen[place] = now
        return started

    def _cause(self, engine: "Engine", pipeline: Pipeline, due: datetime | None, now: datetime) -> Cause | None:
        """Return why to train a pipeline now: its plan, or what happened; a plan that is "off" shuts both out."""
        place = engine.workspace, pipeline.name
        if expression_of(engine, pipeline.name) == OFF:
            return None
        if due is not None and due <= now:
            return Cause("schedule", planned_key(pipeline.name, due), "planned")
        if now - self._listened.get(place, now - LISTENING) >= LISTENING:
            self._listened[place] = now
            quality, cause = drifted(engine, pipeline)
            if quality is not None:
                engine.jobs.live[pipeline.name] = quality
            if cause is not None:
                return cause
        return first(engine, pipeline)

    def _begin(self, engine: "Engine", pipeline: Pipeline, cause: Cause, now: datetime) -> Job | None:
        """Ask for a training; the first of several processes that ask is the one.

        Raises Busy where the stores cannot be reached: then it is asked for at the next look.
        """
        place = engine.workspace, pipeline.name
        try:
            why = nothing_new(engine.stores, pipeline.name)
            if why is None and cause.by == "schedule":
                why = quiet(engine, pipeline, now)
            if why is None:
                job = engine.jobs.start(pipeline.name, by=cause.by, key=cause.key)
                self._skipped.pop(place, None)
                logger.info("%s in %s is trained: %s", pipeline.name, engine.workspace, cause.text)
                return job
        except Busy:
            raise
        except ProfferError as error:
            why = error.message
        self._skipped[place] = now, why
        logger.info("the training of %s in %s is left out: %s", pipeline.name, engine.workspace, why)
        return None

    def pause(self) -> float:
        """Return the seconds until the next look: until the next planned time, at most a minute."""
        now = self._clock.now()
        times = [
            then
            for workspace, engine in self._engines.items()
            for pipeline in trainable(engine)
            if (then := next_run(expression_of(engine, pipeline.name), now, self.zone)) is not None
        ]
        until = min(times, default=now + timedelta(seconds=LONGEST_WAIT)) - now
        return min(max(until.total_seconds(), 0.0), LONGEST_WAIT)

    def start(self) -> "Schedule":
        """Begin to look at the clock."""
        self._thread = threading.Thread(target=self._loop, name="schedule", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Start nothing more."""
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _loop(self) -> None:
        wait = 0.0
        while not self._wake.wait(wait):
            try:
                self.look()
                wait = self.pause()
            except Busy as error:
                logger.warning("the schedule waits: %s", error)
                wait = AGAIN_SECONDS
            except Exception:
                # A log that cannot be read for a moment must not end every later training.
                logger.exception("the schedule could not be followed")
                wait = LONGEST_WAIT


def trainable(engine: "Engine") -> list[Pipeline]:
    """Return the pipelines that have something to learn."""
    return [pipeline for pipeline in engine.app.pipelines if not pipeline.weights]


def planned_key(pipeline: str, due: datetime) -> str:
    """Return the key of a planned training: the same in every process that plans it.

    >>> planned_key("home", datetime(2026, 1, 31, 2, tzinfo=UTC))
    'schedule home 2026-01-31T02:00:00+00:00'
    """
    return f"schedule {pipeline} {due.astimezone(UTC).isoformat()}"


def expression_of(engine: "Engine", pipeline: str) -> str:
    """Return the cron expression in force for a pipeline, or "off"."""
    settings: Settings = engine.settings
    return settings.schedule.get(pipeline, engine.app.pipeline(pipeline).schedule)


def last_training(stores: Stores, pipeline: str) -> datetime | None:
    """Return when a pipeline was last trained or asked to be: its newest job or model version."""
    jobs = [job.created_at for job in stores.jobs.find(pipeline=pipeline, limit=20) if not job.evaluate_only]
    versions = [version.created_at for version in stores.registry.history(pipeline)[:1]]
    return max(jobs + versions, default=None)


def nothing_new(stores: Stores, pipeline: str) -> str | None:
    """Return why training again would give what is there already, None where it would not.

    A training that ended, whether with a model or with what was missing, has seen the log up to its position.
    """
    asked = [job for job in stores.jobs.find(pipeline=pipeline, limit=20) if not job.evaluate_only]
    jobs = [job.position for job in asked if job.position is not None]
    versions = [version.position for version in stores.registry.history(pipeline)[:1]]
    seen = max(jobs + versions, default=None)
    last = stores.log.last()
    if last == 0:
        return "the log is empty"
    if seen is not None and last <= seen:
        return f"nothing was logged since the last training, at event {seen:,}"
    return None


def local_zone() -> tzinfo:
    """Return the machine's time zone."""
    from tzlocal import get_localzone

    return get_localzone()
