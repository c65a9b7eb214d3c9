"""Leases: a job belongs to the process that renews it in time, and to another one once it does not."""

import logging
import os
import socket
import threading
from collections.abc import Callable

import msgspec

from proffer.core.errors import Conflict, ProfferError
from proffer.core.jobs import Job
from proffer.core.ports import JobStore

LEASE_SECONDS = 20.0
RENEWALS = 10
"""How often a lease is renewed within its time: so many of them may fail before anybody else gets the job."""
MOST_LEASES = 5
"""A job whose holders ended so often before it did is not begun again."""

logger = logging.getLogger("proffer.jobs")


class Lease:
    """Holds a claimed job while it is entered, by renewing its lease of `seconds` in a thread.

    `tell` gives the job with its newest progress, which is kept along. Once somebody else has the job, or ended it,
    `lost` is True and `lose` was called. An endless lease needs no thread. What holds at the last look may be over by
    the next: only a put with the job's fence decides.
    """

    def __init__(
        self, jobs: JobStore, job: Job, *, seconds: float, tell: Callable[[], Job], lose: Callable[[], None]
    ) -> None:
        self.lost = False
        self._jobs = jobs
        self._job = job
        self._told = job
        self._seconds = seconds
        self._tell = tell
        self._lose = lose
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Lease":
        if self._seconds != float("inf"):
            self._thread = threading.Thread(target=self._loop, name=f"lease of {self._job.id}", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def hold(self) -> bool:
        """Renew the lease now and return whether it is still this process's. Raises Busy where nobody can say."""
        if not self.lost and not self._jobs.renew(self._job.id, self._job.fence, seconds=self._seconds):
            self._give_up()
        return not self.lost

    def _loop(self) -> None:
        while not self.lost and not self._end.wait(self._seconds / RENEWALS):
            try:
                if self.hold():
                    self._keep(self._tell())
            except ProfferError as error:
                # Where the store cannot be reached nobody else can claim the job either; when it is back, it tells.
                logger.warning("the lease of %s could not be renewed: %s", self._job.id, error)

    def _keep(self, job: Job) -> None:
        if job == self._told:
            return
        try:
            self._jobs.put(job, fence=self._job.fence)
            self._told = job
        except Conflict:
            self._give_up()

    def _give_up(self) -> None:
        self.lost = True
        logger.warning("the job %s is no longer this process's: it is ended here", self._job.id)
        self._lose()


def holder() -> str:
    """Return the name of this process among all that run jobs: its machine and its number."""
    return f"{socket.gethostname()}:{os.getpid()}"


def taken_away(jobs: JobStore, job: Job, over: Job) -> bool:
    """Put a job that another process may hold as over, under a fence of its own; False when it changed meanwhile.

    Its holder finds that out when it next renews, and ends the work.
    """
    try:
        jobs.put(msgspec.structs.replace(over, fence=job.fence + 1), fence=job.fence)
    except Conflict:
        return False
    return True
