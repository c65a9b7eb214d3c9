"""Trainings that were asked for, and the leases of those who run them, in PostgreSQL."""

from collections.abc import Sequence
from typing import Any

import msgspec

from proffer.core.errors import Busy
from proffer.core.jobs import Job
from proffer.stores.active import check_fence, check_free, leased, no_job
from proffer.stores.postgres.database import Connection, Database
from proffer.stores.postgres.texts import can_hold

ATTEMPTS = 20
LONGEST_LEASE = 1e9
_decode = msgspec.json.Decoder(Job).decode

_FREE = """
SELECT body FROM jobs LEFT JOIN leases ON leases.job = jobs.id
WHERE active AND (until IS NULL OR until <= clock_timestamp()) AND (%s::text[] IS NULL OR pipeline = ANY(%s::text[]))
ORDER BY number LIMIT 1
"""
_LEASE = """
INSERT INTO leases (job, until) VALUES (%s, clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (job) DO UPDATE SET until = excluded.until
"""


class PostgresJobs:
    """A JobStore in the workspace's schema; leases run out by the database's clock.

    A job is replaced only as it was read: of two processes that read the same, one replaces it, and the other one reads
    again. So no lock is held while a process thinks, or stands still.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, job: Job) -> Job:
        """Keep a new job, or return the one that has its key. Raises Conflict naming the one that is active."""
        row = (job.id, job.pipeline, job.key, job.active, msgspec.json.encode(job))
        sql = """
        INSERT INTO jobs (id, pipeline, key, active, body) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
        """

        def insert(connection: Connection) -> Job | None:
            if connection.execute(sql, row).rowcount:
                return job
            known = connection.execute("SELECT body FROM jobs WHERE key = %s OR id = %s", (job.key, job.id)).fetchone()
            if known is not None:
                return _decode(known[0])
            others = connection.execute("SELECT body FROM jobs WHERE pipeline = %s AND active", (job.pipeline,))
            check_free(job, [_decode(body) for (body,) in others])
            return None

        for _ in range(ATTEMPTS):
            if (kept := self._database.run(insert)) is not None:
                return kept
        raise _contended()

    def put(self, job: Job, *, fence: int | None = None) -> None:
        """Replace a job that was added. Raises NotFound, or Conflict when `fence` is no longer the job's."""
        for _ in range(ATTEMPTS):
            known = self._body(job.id)
            if known is None:
                raise no_job(job.id)
            if known == msgspec.json.encode(job):
                return
            check_fence(_decode(known), fence)
            if self._replaced(known, job):
                return
        raise _contended()

    def claim(self, holder: str, *, seconds: float, pipelines: Sequence[str] | None = None) -> Job | None:
        """Lease the oldest job that is queued, or that runs under a lease that ran out; None where nothing waits."""
        wanted = None if pipelines is None else list(pipelines)
        for _ in range(ATTEMPTS):
            row = self._database.first(_FREE, (wanted, wanted))
            if row is None:
                return None
            mine = leased(_decode(row[0]), holder)
            if self._replaced(row[0], mine, seconds=seconds):
                return mine
        return None

    def renew(self, id: str, fence: int, *, seconds: float) -> bool:
        """Lengthen a lease from now on; False when it is somebody else's by now, or the job is over."""
        if not can_hold(id):
            return False

        def lengthen(connection: Connection) -> bool:
            # Locked, so that nobody claims it between the look and the lease.
            known = connection.execute("SELECT body FROM jobs WHERE id = %s FOR UPDATE", (id,)).fetchone()
            job = None if known is None else _decode(known[0])
            if job is None or job.state != "running" or job.fence != fence:
                return False
            connection.execute(_LEASE, (id, min(seconds, LONGEST_LEASE)))
            return True

        return self._database.run(lengthen)

    def get(self, id: str) -> Job | None:
        """Return a job."""
        body = self._body(id)
        return None if body is None else _decode(body)

    def find(self, *, pipeline: str | None = None, before: str | None = None, limit: int = 100) -> list[Job]:
        """Return jobs, of one pipeline or of all, newest first; `before`: only those added before this one."""
        if not all(can_hold(text) for text in (pipeline, before) if text is not None):
            return []
        wanted: list[str] = ["true"]
        values: list[Any] = []
        if pipeline is not None:
            wanted.append("pipeline = %s")
            values.append(pipeline)
        if before is not None:
            wanted.append("number < (SELECT number FROM jobs WHERE id = %s)")
            values.append(before)
        sql = f"SELECT body FROM jobs WHERE {' AND '.join(wanted)} ORDER BY number DESC LIMIT %s"
        return [_decode(body) for (body,) in self._database.all(sql, (*values, limit))]

    def _body(self, id: str) -> bytes | None:
        row = self._database.first("SELECT body FROM jobs WHERE id = %s", (id,)) if can_hold(id) else None
        return None if row is None else bytes(row[0])

    def _replaced(self, before: bytes, job: Job, *, seconds: float | None = None) -> bool:
        """Put a job in the place of what was read of it, under a lease of so long; False when it is no longer that.

        Without `seconds` a running one keeps its lease, and one that waits or is over has none.
        """
        after, attempts = msgspec.json.encode(job), 0

        def write(connection: Connection) -> bool:
            nonlocal attempts
            attempts += 1
            sql = "UPDATE jobs SET active = %s, body = %s WHERE id = %s AND body = %s"
            if not connection.execute(sql, (job.active, after, job.id, before)).rowcount:
                known = connection.execute("SELECT body FROM jobs WHERE id = %s", (job.id,)).fetchone()
                # A connection may have been lost after it had done it.
                return attempts > 1 and known is not None and known[0] == after
            if seconds is not None:
                connection.execute(_LEASE, (job.id, min(seconds, LONGEST_LEASE)))
            elif job.state != "running":
                connection.execute("DELETE FROM leases WHERE job = %s", (job.id,))
            return True

        return self._database.run(write)


def _contended() -> Busy:
    return Busy("the job is changed by others all the time", field="id", remedy="Try again.")
