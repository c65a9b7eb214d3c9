"""The one thread that writes: what waits at the same time shares one transaction and one flush to disk."""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from proffer.core.errors import Invalid
from proffer.stores.grouping import Grouped, Waiting
from proffer.stores.sqlite.failures import code, is_storage, meaning

T = TypeVar("T")

RETRY = 1.0


class Behind(Waiting, Protocol):
    """Rows that nobody waits for: written along with others, or after a moment on their own."""

    def write(self, connection: sqlite3.Connection) -> int:
        """Write the first rows inside the open transaction; return how many."""
        ...

    def written(self, rows: int) -> None:
        """Forget the first rows: they are on disk."""
        ...


class _Job(Generic[T]):
    def __init__(self, work: Callable[[sqlite3.Connection], T], rows: int, *, alone: bool = False) -> None:
        self.work = work
        self.rows = rows
        self.alone = alone
        self.result: T | None = None
        self.error: BaseException | None = None
        self.done = threading.Event()


class Writer(Grouped[_Job[Any]]):
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
        super().__init__(behind)
        self._start(f"writer of {root.name}")

    def run(self, work: Callable[[sqlite3.Connection], T], rows: int = 1) -> T:
        """Do the work inside a transaction and return its result once that is on disk, or raise its error.

        Raises StorageFull when the disk is full; then, as after any failure of the disk, nothing was written.
        """
        return self._put(_Job(work, rows)).result  # type: ignore[return-value]

    def alone(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do the work between two transactions, with none open, and return its result or raise its error."""
        return self._put(_Job(work, 0, alone=True)).result  # type: ignore[return-value]

    def close(self) -> None:
        """Finish what waits, close the connection and end the thread."""
        self._finish()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _transact(self, jobs: list[_Job[Any]]) -> None:
        if jobs and jobs[0].alone:
            self._between(jobs[0])
            return
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

    def _between(self, job: _Job[Any]) -> None:
        try:
            if self._connection is None:
                self._connection = self._connect(self._root)
            job.result = job.work(self._connection)
        except Exception as error:
            self._take_back(error)
            job.error = meaning(error, self._root) if isinstance(error, sqlite3.Error) else error

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
