"""Trainings that were asked for, in SQLite."""

import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec

from proffer.core.jobs import Job
from proffer.stores.active import check_free, no_job
from proffer.stores.sqlite.readers import Readers
from proffer.stores.sqlite.writer import Writer

_decode = msgspec.json.Decoder(Job).decode
_ANY = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'jobs'"


class SqliteJobs:
    """A JobStore in the workspace's database; one that was made before there were jobs has none."""

    def __init__(self, readers: Readers, writer: Callable[[], Writer]) -> None:
        self._readers = readers
        self._writer = writer

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

    def put(self, job: Job) -> None:
        """Replace a job that was added. Raises NotFound."""

        def update(connection: sqlite3.Connection) -> None:
            row = (job.active, msgspec.json.encode(job), job.id)
            if not connection.execute("UPDATE jobs SET active = ?, body = ? WHERE id = ?", row).rowcount:
                raise no_job(job.id)

        self._writer().run(update)

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
        if self._readers.first(_ANY) is None:
            return []
        return [_decode(body) for (body,) in self._readers.all(sql, values)]
