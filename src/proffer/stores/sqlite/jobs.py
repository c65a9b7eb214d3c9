"""Trainings that were asked for, in SQLite."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from proffer.core.clock import Clock
from proffer.core.jobs import Job
from proffer.stores.active import check_fence, check_free, leased, no_job
from proffer.stores.sqlite.readers import Readers
from proffer.stores.sqlite.writer import Writer

_decode = msgspec.json.Decoder(Job).decode
_FREE = """
SELECT body FROM jobs LEFT JOIN leases ON leases.job = jobs.id
WHERE active AND coalesce(until, 0) <= ? ORDER BY number
"""


class SqliteJobs:
    """A JobStore in the workspace's database; one that was made before there were jobs has none.

    Leases run out by `clock`, the machine's: one process writes, so nobody else's clock counts.
    """

    def __init__(self, readers: Readers, writer: Callable[[], Writer], clock: Clock) -> None:
        self._readers = readers
        self._writer = writer
        self._clock = clock

    def add(self, job: Job) -> Job:
        """Keep a new job, or return the one that has its key. Raises Conflict naming the one that is active."""

        def insert(connection: sqlite3.Connection) -> Job:
            if job.key is not None:
                known = connection.execute("SELECT body FROM jobs WHERE key = ?", (job.key,)).fetchone()
                if known is not None:
                    return _decode(known[0])
            sql = "SELECT body FROM jobs WHERE pipeline = ? AND active"
            check_free(job, [_decode(body) for (body,) in connection.execute(sql, (job.pipeline,))])
            row = (job.id, job.pipeline, job.key, job.active, msgspec.json.encode(job))
            connection.execute("INSERT INTO jobs (id, pipeline, key, active, body) VALUES (?, ?, ?, ?, ?)", row)
            return job

        return self._writer().run(insert)

    def put(self, job: Job, *, fence: int | None = None) -> None:
        """Replace a job that was added. Raises NotFound, or Conflict when `fence` is no longer the job's."""

        def update(connection: sqlite3.Connection) -> None:
            known = connection.execute("SELECT body FROM jobs WHERE id = ?", (job.id,)).fetchone()
            if known is None:
                raise no_job(job.id)
            check_fence(_decode(known[0]), fence)
            _write(connection, job)
            if job.state != "running":
                connection.execute("DELETE FROM leases WHERE job = ?", (job.id,))

        self._writer().run(update)

    def claim(self, holder: str, *, seconds: float, pipelines: Sequence[str] | None = None) -> Job | None:
        """Lease the oldest job that is queued, or that runs under a lease that ran out; None where nothing waits."""
        now = self._clock.now().timestamp()

        def lease(connection: sqlite3.Connection) -> Job | None:
            for (body,) in connection.execute(_FREE, (now,)).fetchall():
                job = _decode(body)
                if pipelines is None or job.pipeline in pipelines:
                    mine = leased(job, holder)
                    _write(connection, mine)
                    connection.execute(
                        "INSERT OR REPLACE INTO leases (job, until) VALUES (?, ?)", (job.id, now + seconds)
                    )
                    return mine
            return None

        return self._writer().run(lease)

    def renew(self, id: str, fence: int, *, seconds: float) -> bool:
        """Lengthen a lease from now on; False when it is somebody else's by now, or the job is over."""
        until = self._clock.now().timestamp() + seconds

        def lengthen(connection: sqlite3.Connection) -> bool:
            known = connection.execute("SELECT body FROM jobs WHERE id = ?", (id,)).fetchone()
            job = None if known is None else _decode(known[0])
            if job is None or job.state != "running" or job.fence != fence:
                return False
            connection.execute("INSERT OR REPLACE INTO leases (job, until) VALUES (?, ?)", (id, until))
            return True

        return self._writer().run(lengthen)

    def get(self, id: str) -> Job | None:
        """Return a job."""
        rows = self._rows("SELECT body FROM jobs WHERE id = ?", (id,))
        return rows[0] if rows else None

    def find(self, *, pipeline: str | None = None, before: str | None = None, limit: int = 100) -> list[Job]:
        """Return jobs, of one pipeline or of all, newest first; `before`: only those added before this one."""
        wanted, values = ["1"], []
        if pipeline is not None:
            wanted.append("pipeline = ?")
            values.append(pipeline)
        if before is not None:
            wanted.append("number < (SELECT number FROM jobs WHERE id = ?)")
            values.append(before)
        sql = f"SELECT body FROM jobs WHERE {' AND '.join(wanted)} ORDER BY number DESC LIMIT ?"
        return self._rows(sql, (*values, limit))

    def _rows(self, sql: str, values: tuple[Any, ...]) -> list[Job]:
        return [_decode(body) for (body,) in self._readers.all(sql, values)]


def _write(connection: sqlite3.Connection, job: Job) -> None:
    row = (job.active, msgspec.json.encode(job), job.id)
    connection.execute("UPDATE jobs SET active = ?, body = ? WHERE id = ?", row)
