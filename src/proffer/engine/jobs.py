"""Trainings as jobs: asked for, run one after another in child processes, and what came of them put in charge."""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from proffer.core.errors import CannotTrain, Conflict, NotFound, ProfferError
from proffer.core.jobs import Cause, Job, JobState
from proffer.engine import trainer
from proffer.engine.leases import LEASE_SECONDS, holder, taken_away
from proffer.engine.live_quality import LiveQuality
from proffer.engine.options import DEFAULT, Options
from proffer.engine.running import Run, command

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

SECONDS, MEMORY_MB = 3600.0, 4096
CLOSE_SECONDS = 15.0
POLL_SECONDS = 0.5
"""Between two looks at whether somebody asked for a training."""
DEAD = "the server ended while it ran"

Command = Callable[[Job], Sequence[str]]
"""Gives the command line that trains what a job asks for."""

logger = logging.getLogger("proffer.jobs")
_turn = threading.Semaphore(1)
"""One trainer at a time in this process, whatever the workspace: each may use its whole limit of memory."""


class Jobs:
    """The trainings of one workspace. Each runs in a child process; a second one of the same pipeline is refused.

    This process runs what it is asked for, unless `here` is False: then some worker does. After `work` it also runs
    what others are asked for. Whoever runs a job holds it by a lease of `lease` seconds, endless over stores that only
    one process writes; there, what a process before it left running is noted as failed. `live` keeps, by pipeline, how
    good what serves was when somebody last looked. `command` starts the child; by
    default it trains the folder of the stores, and stores without a folder take no job.
    """

    def __init__(self, engine: "Engine", command: Command | None = None, *, lease: float = LEASE_SECONDS) -> None:
        self.here = True
        self._engine = engine
        self._command = command
        self._shared = engine.stores.shared
        self._seconds = lease if self._shared else math.inf
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._over = threading.Condition()
        self._thread: threading.Thread | None = None
        self._asked: dict[str, str] = {}
        self._all = False
        self._current: Run | None = None
        self._closing = False
        self.ended: Counter[tuple[str, JobState]] = Counter()
        self.seconds = 0.0
        self.live: dict[str, LiveQuality] = {}
        if engine.stores.writable and not self._shared:
            self._bury()

    @property
    def active(self) -> int:
        """Return how many trainings wait for this process or run in it."""
        current = self._current
        return len(self._asked.keys() | ({current.job.id} if current else set()))

    def start(
        self, pipeline: str | None = None, *, search: bool = True, seconds: float | None = None,
        memory_mb: int | None = None, budget: float | None = None, by: Cause = "request",
        seed: int = 0, key: str | None = None, options: Options = DEFAULT, evaluate_only: bool = False,
    ) -> Job:  # fmt: skip
        """Ask for a training and return its job at once; where its key is known, the job that has it.

        Limits left out are the settings'. Raises Conflict naming the job when one of the pipeline is not over yet, or
        the key was another request's; CannotTrain where nothing can be trained.
        """
        engine = self._engine
        chosen = engine.app.pipeline(pipeline) if pipeline else engine.app.pipelines[0]
        if chosen.weights:
            raise CannotTrain(f"{chosen.name} declares its weights", field="pipeline", remedy="Train another pipeline.")
        if self._command is None and engine.home is None:
            raise CannotTrain("the workspace has no folder that a trainer could read", remedy="Train in this process.")
        limits = engine.settings.training
        asked = Job(
            id=engine.ids.new("j"), pipeline=chosen.name, search=search, by=by, state="queued", key=key,
            budget=budget, seed=seed, options=msgspec.to_builtins(options), evaluate_only=evaluate_only,
            seconds=float(limits.get("seconds", SECONDS) if seconds is None else seconds),
            memory_mb=int(limits.get("memory_mb", MEMORY_MB) if memory_mb is None else memory_mb),
            created_at=engine.clock.now(),
        )  # fmt: skip
        with self._lock:
            if self._closing:
                raise Conflict("the server is about to stop", remedy="Ask again when it is back.")
            job = engine.stores.jobs.add(asked)
            if job.id != asked.id:
                return self._repeated(job, asked)
            if self.here:
                self._asked[job.id] = job.pipeline
                self._begin()
        return job

    def work(self) -> None:
        """Run from now on whatever training anybody asks for, one after the other."""
        with self._lock:
            self._all = True
            self._begin()

    def get(self, id: str) -> Job:
        """Return a job as it is now, with its progress while it runs. Raises NotFound."""
        job = self._engine.stores.jobs.get(id)
        if job is None:
            raise NotFound(f"no job {id[:40]!r}", field="id", remedy="See the list of jobs.")
        return self._live(job)

    def find(self, *, pipeline: str | None = None, before: str | None = None, limit: int = 100) -> list[Job]:
        """Return jobs as they are now, newest first, of one pipeline or of all."""
        found = self._engine.stores.jobs.find(pipeline=pipeline, before=before, limit=limit)
        return [self._live(job) for job in found]

    def last(self, pipeline: str) -> Job | None:
        """Return the newest job of a pipeline."""
        return next(iter(self.find(pipeline=pipeline, limit=1)), None)

    def cancel(self, id: str) -> Job:
        """Ask for the end of a job and return it; the child has ended soon after. Raises NotFound, Conflict.

        One that waits, or that another process runs, is over at once; that process ends its child when it next renews
        its lease.
        """
        while (job := self.get(id)).active:
            with self._lock:
                if self._current is not None and self._current.job.id == id:
                    self._current.stop("cancelled")
                    return job
                over = msgspec.structs.replace(job, state="cancelled", ended_at=self._engine.clock.now())
                if taken_away(self._engine.stores.jobs, job, over):
                    self._let_go(over)
                    return self.get(id)
        raise Conflict(f"the job {id} is over: {job.state}", field="id", remedy="Nothing is left to cancel.")

    def wait(self, id: str, seconds: float = math.inf) -> Job:
        """Wait for a job's end, at most so many seconds, and return it as it is then."""
        until = time.monotonic() + seconds
        while (job := self.get(id)).active and (left := until - time.monotonic()) > 0:
            if not self._shared and id not in self._asked:
                break
            with self._over:
                self._over.wait(min(left, trainer.LOOK_SECONDS))
        return job

    def close(self) -> None:
        """Leave no child behind, and take no more jobs.

        What waits or runs is cancelled; over shared stores it is left, or given back, to whoever works next.
        """
        with self._lock:
            self._closing = True
            waiting = set() if self._shared else set(self._asked)
            if self._current is not None:
                waiting.discard(self._current.job.id)
                self._current.stop("queued" if self._shared else "cancelled")
            thread = self._thread
        for id in waiting:
            with suppress(NotFound, Conflict):
                self.cancel(id)
        self._wake.set()
        if thread is not None:
            thread.join(CLOSE_SECONDS)

    def _begin(self) -> None:
        if self._thread is None:
            name = f"trainings of {self._engine.workspace}"
            self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
            self._thread.start()
        self._wake.set()

    def _loop(self) -> None:
        """Run one job after the other, as long as there may be one for this process."""
        ran, away = True, False
        while True:
            if not ran:
                self._wake.wait(POLL_SECONDS)
            self._wake.clear()
            with self._lock:
                if self._closing or not (self._all or self._asked):
                    self._thread = None
                    return
            if not (ran := _turn.acquire(timeout=trainer.LOOK_SECONDS)):
                continue
            try:
                ran, away = self._one(), False
            except ProfferError as error:
                if not away:
                    logger.warning("no job of %s can be claimed: %s", self._engine.workspace, error)
                ran, away = False, True
            except Exception:
                # Whatever is wrong with one job must not be the end of every later one.
                logger.exception("a job of %s could not be run", self._engine.workspace)
                ran = False
            finally:
                _turn.release()

    def _one(self) -> bool:
        """Claim a job whose turn it is and run it; False where there is none."""
        with self._lock:
            if self._closing or (job := self._claimed()) is None:
                return False
            run = self._current = Run(self._engine, job, self._line(job), seconds=self._seconds)
        over = None
        try:
            over = run.run()
        finally:
            with self._lock:
                self._current = None
            self._let_go(over or job)
        return True

    def _claimed(self) -> Job | None:
        jobs, asked = self._engine.stores.jobs, self._asked.values()
        mine = [one.name for one in self._engine.app.pipelines if self._all or one.name in asked]
        job = jobs.claim(holder(), seconds=self._seconds, pipelines=mine)
        if job is None:
            # Somebody else may have run what was asked for here, or ended it.
            for id in list(self._asked):
                if (known := jobs.get(id)) is None or not known.active:
                    self._asked.pop(id)
        return job

    def _line(self, job: Job) -> Sequence[str]:
        if self._command is not None:
            return self._command(job)
        assert self._engine.home is not None
        return command(self._engine.home, self._engine.workspace, job)

    def _let_go(self, job: Job) -> None:
        """Count a job that is over, and forget it."""
        with self._lock:
            self._asked.pop(job.id, None)
            if not job.active:
                self.ended[job.pipeline, job.state] += 1
                if job.started_at is not None and job.ended_at is not None:
                    self.seconds += (job.ended_at - job.started_at).total_seconds()
        with self._over:
            self._over.notify_all()

    def _live(self, job: Job) -> Job:
        current = self._current
        return current.live(job) if job.active and current is not None and current.job.id == job.id else job

    def _repeated(self, job: Job, asked: Job) -> Job:
        if _asked(job) != _asked(asked):
            message = f"the key was used for another training, {job.id}"
            raise Conflict(message, field="Idempotency-Key", remedy="Send a new key with a new request.")
        return self._live(job)

    def _bury(self) -> None:
        """Note as failed what a process that is no more left queued or running."""
        jobs = self._engine.stores.jobs
        for pipeline in self._engine.app.pipelines:
            for job in jobs.find(pipeline=pipeline.name, limit=1):
                if job.active:
                    remedy = "Ask for it again; the model of before serves on."
                    now = self._engine.clock.now()
                    jobs.put(msgspec.structs.replace(job, state="failed", ended_at=now, error=DEAD, remedy=remedy))


def _asked(job: Job) -> tuple[Any, ...]:
    """Return what a request asks for, so that its repetition is known from another one."""
    return job.pipeline, job.search, job.evaluate_only, job.options
