"""One training from its lease to what is kept of it: the child, what it made put in charge, the last word."""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from proffer.core.errors import Busy, CannotServe, Conflict, ProfferError
from proffer.core.jobs import Job, JobState, Progress
from proffer.engine import trainer
from proffer.engine.leases import MOST_LEASES, Lease

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

PAUSE_SECONDS = 0.5
PATIENCE_SECONDS = 60.0
"""How long what a training made is kept for stores that cannot be reached."""

T = TypeVar("T")
logger = logging.getLogger("proffer.jobs")


class Run:
    """A claimed job in this process, under a lease of `seconds`. `command` starts the child.

    `stop` may be called from any thread. The last word is put with the job's fence: it is refused, and let go, once the
    job is somebody else's.
    """

    def __init__(self, engine: "Engine", job: Job, command: Sequence[str], *, seconds: float) -> None:
        self.job = msgspec.structs.replace(job, started_at=engine.clock.now())
        self._engine = engine
        self._progress: Progress | None = None
        self._stopped: JobState | None = None
        self._trainer = trainer.Trainer(command, job.seconds, job.memory_mb, self._tell, finding=job.evaluate_only)
        self._lease = Lease(engine.stores.jobs, job, seconds=seconds, tell=lambda: self.live(self.job), lose=self._lose)

    def stop(self, state: JobState) -> None:
        """End the child soon, and let the job be `cancelled`, or `queued` again for whoever works next."""
        self._stopped = state if self._stopped in (None, "queued") else self._stopped
        self._trainer.stop()

    def live(self, job: Job) -> Job:
        """Return the job as it is kept with what the child told since."""
        return msgspec.structs.replace(job, progress=self._progress or job.progress, log=self._trainer.log)

    def run(self) -> Job | None:
        """Run the child to its end and keep what came of it; None where the job was somebody else's by then."""
        try:
            with self._lease:
                over = self._too_often() or self._in_turn()
            if over is None:
                return None
            self._patiently(lambda: self._engine.stores.jobs.put(over, fence=self.job.fence))
        except Conflict as error:
            logger.warning("what came of %s is not kept: %s", self.job.id, error.message)
            return None
        except Exception as error:
            logger.exception("the job %s of %s could not be kept", self.job.id, self._engine.workspace)
            return self._forget(error)
        # An error's words may be anybody's id: they stay with the job.
        said = over.why or ("see the job" if over.error else "")
        logger.info("training %s of %s: %s %s", over.id, self._engine.workspace, over.state, said)
        return over

    def _too_often(self) -> Job | None:
        if self.job.fence <= MOST_LEASES:
            return None
        message = f"{self.job.fence - 1} processes that ran it ended before it did"
        remedy = "See the logs of the workers; ask for it again with less `memory_mb`."
        return self._ended(self.job, trainer.Ending(error=message, remedy=remedy))

    def _in_turn(self) -> Job | None:
        """Run the trainer and put in charge what it made; None where the job is no longer ours."""
        stores, job = self._engine.stores, self.job
        _, revision = self._patiently(lambda: stores.registry.champion(job.pipeline))
        position = self._patiently(stores.log.last)
        self._patiently(lambda: stores.jobs.put(job, fence=job.fence))
        ending = self._trainer.run()
        # Asked at the last moment: a process that stood still for longer than its lease puts nothing in charge.
        if not self._patiently(self._lease.hold):
            return None
        if ending.cancelled and self._stopped == "queued":
            return msgspec.structs.replace(job, state="queued", holder=None, started_at=None)
        told = msgspec.structs.replace(job, progress=self._progress)
        if (version := ending.version) is not None and self._stopped != "cancelled":
            told = self._patiently(lambda: self._released(told, version, revision))
        elif ending.found is not None:
            told = msgspec.structs.replace(told, report=ending.found, position=position)
        elif ending.error is not None:
            told = msgspec.structs.replace(told, position=position)
        return self._ended(told, ending)

    def _released(self, job: Job, version: str, revision: int) -> Job:
        """Adopt a version and put it in charge, where its report says that it wins; tell how that went."""
        try:
            adopted = self._engine.stores.registry.adopt(version)
            told = msgspec.structs.replace(job, version=version, position=adopted.position)
            wins, why = self._engine.settle(version, revision)
        except CannotServe as error:
            return msgspec.structs.replace(told, error=error.message, remedy=error.remedy)
        except Conflict as error:
            return msgspec.structs.replace(told, released=False, why=f"{error.message}; what served before serves on")
        except Busy:
            raise
        except ProfferError as error:
            return msgspec.structs.replace(job, error=error.message, remedy=error.remedy)
        return msgspec.structs.replace(told, released=wins, why=why)

    def _ended(self, job: Job, ending: trainer.Ending) -> Job:
        error = ending.error or job.error
        cancelled = error is None and (ending.cancelled or (job.version is None and self._stopped == "cancelled"))
        state: JobState = "failed" if error is not None else "cancelled" if cancelled else "succeeded"
        return msgspec.structs.replace(
            job, state=state, ended_at=self._engine.clock.now(), error=error, remedy=ending.remedy or job.remedy,
            log=ending.log,
        )  # fmt: skip

    def _patiently(self, act: Callable[[], T]) -> T:
        """Do what may be done twice, and again for a while where shared stores cannot be reached."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return act()
            except Busy:
                if not self._engine.stores.shared or self._stopped is not None or time.monotonic() > until:
                    raise
            time.sleep(PAUSE_SECONDS)

    def _forget(self, error: Exception) -> Job:
        """Try once more to note that a job is over; where the disk refuses that too, the next start does."""
        over = msgspec.structs.replace(
            self.job, state="failed", ended_at=self._engine.clock.now(), error=f"{type(error).__name__}: {error}",
            remedy="This is a fault of Proffer or of the disk: see the server's log.",
        )  # fmt: skip
        try:
            self._engine.stores.jobs.put(over, fence=self.job.fence)
        except ProfferError:
            logger.warning("the job %s stays listed as %s until the next start", over.id, self.job.state)
        return over

    def _lose(self) -> None:
        self._trainer.stop()

    def _tell(self, told: Progress) -> None:
        self._progress = told


def command(home: Path, workspace: str, job: Job) -> list[str]:
    """Return what starts the trainer of a workspace."""
    budget = [] if job.budget is None else ["--budget", f"{job.budget:g}"]
    seed = ["--seed", str(job.seed)] if job.seed else []
    return [
        sys.executable, "-m", "proffer", "--home", str(home.resolve()), "train", workspace, "--lines",
        "--pipeline", job.pipeline, "--seconds", f"{job.seconds:g}", "--memory", f"{job.memory_mb}", *budget, *seed,
        *([] if job.search else ["--retrain"]), *(["--evaluate-only"] if job.evaluate_only else []),
        *(part for name, value in job.options.items() for part in (f"--{name.replace('_', '-')}", plain(value))),
    ]  # fmt: skip


def plain(value: float) -> str:
    """Return a number as a command line takes it: a whole one without a fraction.

    >>> plain(100.0), plain(0.25)
    ('100', '0.25')
    """
    return str(int(value)) if value == int(value) else repr(value)
