"""One thread that writes: what waits at the same time is done together, with one flush to disk for all."""

import threading
import time
from collections import deque
from typing import Generic, Protocol, TypeVar

from proffer.core.errors import ProfferError

GATHER = 0.002
LINGER = 0.02
MOST_ROWS = 20_000


class Job(Protocol):
    """Something to write for a thread that waits until it is on disk: how many rows, and what became of it.

    One that is `alone` makes a group by itself.
    """

    rows: int
    alone: bool
    error: BaseException | None
    done: threading.Event


class Waiting(Protocol):
    """Rows that nobody waits for: written along with others, or after a moment on their own."""

    def waiting(self) -> bool:
        """Return whether there are rows to write."""
        ...


class Nothing:
    """No rows that nobody waits for."""

    def waiting(self) -> bool:
        """Return False."""
        return False


J = TypeVar("J", bound=Job)


class Grouped(Generic[J]):
    """Does the jobs of many threads in groups, on one thread of its own; subclass it and give `_transact`.

    The thread starts with `_start`. At most 20,000 rows go into a group, unless one job has more.
    """

    def __init__(self, behind: Waiting) -> None:
        self._behind_them = behind
        self._jobs: deque[J] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._asleep = False
        self._group = 1
        self._not_before = 0.0
        self._thread: threading.Thread | None = None

    def _transact(self, jobs: list[J]) -> None:
        """Do a group, possibly empty, whole: tell each job its result or its error; must not raise."""
        raise NotImplementedError

    def _told(self) -> None:
        """Do what may wait until those of the last group have their answers."""

    def _start(self, name: str) -> None:
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def _put(self, job: J) -> J:
        """Hand in a job and return it once it is on disk. Raises its error."""
        with self._wake:
            if self._closing:
                raise ProfferError("the workspace is closed", remedy="Open it again.")
            self._jobs.append(job)
            self._wake.notify()
        job.done.wait()
        if job.error is not None:
            raise job.error
        return job

    def wake(self) -> None:
        """Tell the thread that rows wait to be written behind; one that is awake or lingers finds them by itself."""
        if self._asleep:
            with self._wake:
                self._wake.notify()

    def _finish(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def _loop(self) -> None:
        while (jobs := self._take()) is not None:
            self._transact(jobs)
            for job in jobs:
                job.done.set()
            self._told()

    def _take(self) -> list[J] | None:
        with self._wake:
            while not self._jobs and not self._closing:
                if not self._behind_them.waiting():
                    self._sleep()
                elif self._linger():
                    return []
            if not self._jobs:
                return None
            self._gather()
            jobs = [self._jobs.popleft()]
            rows = jobs[0].rows
            while self._jobs and not (jobs[0].alone or self._jobs[0].alone) and rows + self._jobs[0].rows <= MOST_ROWS:
                jobs.append(self._jobs.popleft())
                rows += jobs[-1].rows
            self._group = len(jobs)
            return jobs

    def _sleep(self) -> None:
        # Said before the last look: rows that come after it see a sleeper, and wake it once it lets go of the lock.
        self._asleep = True
        try:
            if not self._behind_them.waiting():
                self._wake.wait()
        finally:
            self._asleep = False

    def _linger(self) -> bool:
        until = max(time.monotonic() + LINGER, self._not_before)
        while not self._jobs and not self._closing and (left := until - time.monotonic()) > 0:
            self._wake.wait(left)
        return not self._jobs and not self._closing

    def _gather(self) -> None:
        # Whoever came together last time comes together again: a moment's wait saves a flush to disk for each of them.
        until = time.monotonic() + GATHER
        while len(self._jobs) < self._group and not self._closing and (left := until - time.monotonic()) > 0:
            self._wake.wait(left)
