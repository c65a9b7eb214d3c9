"""The one thread that writes: what waits at the same time shares one transaction and one flush to disk."""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from proffer.core.errors import Invalid, ProfferError
from proffer.stores.sqlite.failures import code, is_storage, meaning

T = TypeVar("T")

GATHER = 0.002
LINGER = 0.02
RETRY = 1.0
MOST_ROWS = 20_000


class Behind(Protocol):
    """Rows that nobody waits for: written along with others, or after a moment on their own."""

    def waiting(self) -> bool:
        """Return whether there are rows to write."""
        ...

    def write(self, connection: sqlite3.Connection) -> int:
        """Write the first rows inside the open transaction; return how many."""
        ...

    def written(self, rows: int) -> None:
        """Forget the first rows: they are on disk."""
        ...


class _Job(Generic[T]):
    def __init__(self, work: Callable[[sqlite3.Connection], T], rows: int) -> None:
        self.work = work
        self.rows = rows
        self.result: T | None = None
        self.error: BaseException | None = None
        self.done = threading.Event()


class Writer:
    """Runs jobs of many threads on one connection, grouped into transactions; a job is on disk when `run` returns.

    A job that fails takes back its own rows only. A disk that fails takes back the whole group, and everybody in it
    gets the error. `commits` counts the transactions that reached the disk.
    """

    def __init__(self, root: Path, connect: Callable[[Path], sqlite3.Connection], behind: Behind) -> None:
        self.commits = 0
        self._root = root
        self._connect = connect
        self._behind = behind
        self._connection: sqlite3.Connection | None = connect(root)
        self._jobs: deque[_Job[Any]] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._asleep = False
        self._group = 1
        self._not_before = 0.0
        self._thread = threading.Thread(target=self._loop, name=f"writer of {root.name}", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[sqlite3.Connection], T], rows: int = 1) -> T:
        """Do the work inside a transaction and return its result once that is on disk, or raise its error.

        Raises StorageFull when the disk is full; then, as after any failure of the disk, nothing was written.
        """
        job = _Job(work, rows)
        with self._wake:
            if self._closing:
                raise ProfferError("the workspace is closed", remedy="Open it again.")
            self._jobs.append(job)
            self._wake.notify()
        job.done.wait()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def wake(self) -> None:
        """Tell the thread that rows wait to be written behind; one that is awake or lingers finds them by itself."""
        if self._asleep:
            with self._wake:
                self._wake.notify()

    def close(self) -> None:
        """Finish what waits, close the connection and end the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _loop(self) -> None:
        while (jobs := self._take()) is not None:
            self._transact(jobs)
            for job in jobs:
                job.done.set()

    def _take(self) -> list[_Job[Any]] | None:
        with self._wake:
            while not self._jobs and not self._closing:
                if not self._behind.waiting():
                    self._sleep()
                elif self._linger():
                    return []
            if not self._jobs:
                return None
            self._gather()
            jobs = [self._jobs.popleft()]
            rows = jobs[0].rows
            while self._jobs and rows + self._jobs[0].rows <= MOST_ROWS:
                jobs.append(self._jobs.popleft())
                rows += jobs[-1].rows
            self._group = len(jobs)
            return jobs

    def _sleep(self) -> None:
        # Said before the last look: rows that come after it see a sleeper, and wake it once it lets go of the lock.
        self._asleep = True
        try:
            if not self._behind.waiting():
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

    def _transact(self, jobs: list[_Job[Any]]) -> None:
        try:
            if self._connection is None:
                self._connection = self._connect(self._root)
            self._connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                _attempt(job, self._connection)
            behind = self._behind.write(self._connection)
            self._connection.execute("COMMIT")
            self.commits += 1
            self._behind.written(behind)
        except Exception as error:
            self._not_before = time.monotonic() + RETRY
            self._take_back(error)
            told = meaning(error, self._root) if isinstance(error, sqlite3.Error) else error
            for job in jobs:
                job.error = told

    def _take_back(self, error: BaseException) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if code(error) != sqlite3.SQLITE_FULL:
                self._connection = None
                connection.close()
        except sqlite3.Error:
            # After a failed flush nobody knows what the handle's cache holds: only a fresh one may be trusted.
            self._connection = None


def _attempt(job: _Job[Any], connection: sqlite3.Connection) -> None:
    connection.execute("SAVEPOINT job")
    try:
        job.result = job.work(connection)
    except Exception as error:
        if is_storage(error):
            raise
        connection.execute("ROLLBACK TO job")
        unfit = isinstance(error, OverflowError | UnicodeEncodeError)
        job.error = Invalid(f"not a value a log can hold: {error}", remedy="Check it first.") if unfit else error
    connection.execute("RELEASE job")
