"""Trainings as jobs: asked for, run one after another in child processes, and what came of them put in charge."""

import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from proffer.core.errors import CannotServe, CannotTrain, Conflict, NotFound, ProfferError
from proffer.core.jobs import Job, JobState, Progress
from proffer.engine import trainer

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

SECONDS, MEMORY_MB = 3600.0, 4096
CLOSE_SECONDS = 15.0
DEAD = "the server ended while it ran"

Command = Callable[[Job], Sequence[str]]
"""Gives the command line that trains what a job asks for."""

logger = logging.getLogger("proffer.jobs")
_turn = threading.Semaphore(1)
"""One trainer at a time in this process, whatever the workspace: each may use its whole limit of memory."""


class Jobs:
    """The trainings of one workspace. Each runs in a child process; a second one of the same pipeline is refused.

    In a process that writes the workspace, what a process before it left running is noted as failed. `command` starts
    the child; by default it trains the folder of the stores, and stores without a folder take no job.
    """

    def __init__(self, engine: "Engine", command: Command | None = None) -> None:
        self._engine = engine
        self._command = command
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._trainers: dict[str, trainer.Trainer] = {}
        self._cancelled: set[str] = set()
        self._progress: dict[str, Progress] = {}
        self._closing = False
        self.ended: Counter[tuple[str, JobState]] = Counter()
        self.seconds = 0.0
        if engine.stores.writable:
            self._bury()

    @property
    def active(self) -> int:
        """Return how many trainings wait or run."""
        return len(self._threads)

    def start(
        self, pipeline: str | None = None, *, search: bool = True, seconds: float | None = None,
        memory_mb: int | None = None, budget: float | None = None, by: Literal["request", "schedule"] = "request",
        seed: int = 0, key: str | None = None,
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
            budget=budget, seed=seed,
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
            thread = threading.Thread(target=self._run, args=(job,), name=f"training {job.id}", daemon=True)
            self._threads[job.id] = thread
        thread.start()
        return job

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
        """Ask for the end of a job and return it; the child has ended soon after. Raises NotFound, Conflict."""
        job = self.get(id)
        with self._lock:
            if not job.active or id not in self._threads:
                raise Conflict(f"the job {id} is over: {job.state}", field="id", remedy="Nothing is left to cancel.")
            self._cancelled.add(id)
            if (running := self._trainers.get(id)) is not None:
                running.stop()
        return job

    def wait(self, id: str, seconds: float | None = None) -> Job:
        """Wait for a job's end, at most so many seconds, and return it as it is then."""
        thread = self._threads.get(id)
        if thread is not None:
            thread.join(seconds)
        return self.get(id)

    def close(self) -> None:
        """Cancel what runs or waits, leave no child behind, and take no more jobs."""
        with self._lock:
            self._closing = True
            self._cancelled |= self._threads.keys()
            for running in self._trainers.values():
                running.stop()
            waited = list(self._threads.values())
        for thread in waited:
            thread.join(CLOSE_SECONDS)

    def _run(self, job: Job) -> None:
        try:
            while not _turn.acquire(timeout=trainer.LOOK_SECONDS):
                if job.id in self._cancelled:
                    break
            else:
                try:
                    self._in_turn(job)
                finally:
                    _turn.release()
                return
            self._end(job, trainer.Ending(cancelled=True))
        except Exception as error:
            logger.exception("the job %s of %s could not be kept", job.id, self._engine.workspace)
            self.ended[job.pipeline, "failed"] += 1
            self._forget(job, error)
        finally:
            with self._lock:
                self._threads.pop(job.id, None)
                self._trainers.pop(job.id, None)
                self._progress.pop(job.id, None)
                self._cancelled.discard(job.id)

    def _in_turn(self, job: Job) -> None:
        """Run the trainer of a job whose turn it is, and put in charge what it made."""
        engine = self._engine
        started = msgspec.structs.replace(job, state="running", started_at=engine.clock.now())
        _, revision = engine.stores.registry.champion(job.pipeline)
        position = engine.stores.log.last()
        running = trainer.Trainer(self._line(job), job.seconds, job.memory_mb, lambda told: self._tell(job.id, told))
        with self._lock:
            if job.id in self._cancelled:
                running.stop()
            self._trainers[job.id] = running
        engine.stores.jobs.put(started)
        ending = running.run()
        told = msgspec.structs.replace(started, progress=self._progress.get(job.id))
        if ending.version is not None and job.id not in self._cancelled:
            told = self._released(told, ending.version, revision)
        elif ending.error is not None:
            told = msgspec.structs.replace(told, position=position)
        self._end(told, ending)

    def _line(self, job: Job) -> Sequence[str]:
        if self._command is not None:
            return self._command(job)
        assert self._engine.home is not None
        return command(self._engine.home, self._engine.workspace, job)

    def _released(self, job: Job, version: str, revision: int) -> Job:
        """Adopt a version and put it in charge, where its report says that it wins; tell how that went."""
        engine = self._engine
        try:
            adopted = engine.stores.registry.adopt(version)
            told = msgspec.structs.replace(job, version=version, position=adopted.position)
            wins, why = engine.settle(version, revision)
        except CannotServe as error:
            return msgspec.structs.replace(told, error=error.message, remedy=error.remedy)
        except Conflict as error:
            return msgspec.structs.replace(told, released=False, why=f"{error.message}; what served before serves on")
        except ProfferError as error:
            return msgspec.structs.replace(job, error=error.message, remedy=error.remedy)
        return msgspec.structs.replace(told, released=wins, why=why)

    def _end(self, job: Job, ending: trainer.Ending) -> None:
        now, error = self._engine.clock.now(), ending.error or job.error
        cancelled = error is None and (ending.cancelled or (job.version is None and job.id in self._cancelled))
        state: JobState = "failed" if error is not None else "cancelled" if cancelled else "succeeded"
        over = msgspec.structs.replace(
            job, state=state, ended_at=now, error=error, remedy=ending.remedy or job.remedy, log=ending.log,
        )  # fmt: skip
        self._engine.stores.jobs.put(over)
        self._count(over)
        said = over.error or over.why or ""
        logger.info("training %s of %s: %s %s", over.id, self._engine.workspace, over.state, said)

    def _count(self, job: Job) -> None:
        with self._lock:
            self.ended[job.pipeline, job.state] += 1
            if job.started_at is not None and job.ended_at is not None:
                self.seconds += (job.ended_at - job.started_at).total_seconds()

    def _forget(self, job: Job, error: Exception) -> None:
        """Try once more to note that a job is over; where the disk refuses that too, the next start does."""
        try:
            over = msgspec.structs.replace(
                job, state="failed", ended_at=self._engine.clock.now(), error=f"{type(error).__name__}: {error}",
                remedy="This is a fault of Proffer or of the disk: see the server's log.",
            )  # fmt: skip
            self._engine.stores.jobs.put(over)
        except ProfferError:
            logger.warning("the job %s stays listed as %s until the next start", job.id, job.state)

    def _tell(self, id: str, told: Progress) -> None:
        self._progress[id] = told

    def _live(self, job: Job) -> Job:
        if not job.active:
            return job
        running = self._trainers.get(job.id)
        log = job.log if running is None else running.log
        return msgspec.structs.replace(job, progress=self._progress.get(job.id), log=log)

    def _repeated(self, job: Job, asked: Job) -> Job:
        if (job.pipeline, job.search) != (asked.pipeline, asked.search):
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


def command(home: Path, workspace: str, job: Job) -> list[str]:
    """Return what starts the trainer of a workspace."""
    budget = [] if job.budget is None else ["--budget", f"{job.budget:g}"]
    seed = ["--seed", str(job.seed)] if job.seed else []
    return [
        sys.executable, "-m", "proffer", "--home", str(home.resolve()), "train", workspace, "--lines",
        "--pipeline", job.pipeline, "--seconds", f"{job.seconds:g}", "--memory", f"{job.memory_mb}", *budget, *seed,
        *([] if job.search else ["--retrain"]),
    ]  # fmt: skip
