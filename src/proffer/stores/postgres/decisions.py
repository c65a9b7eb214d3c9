"""The decision log in PostgreSQL: queued in memory, written behind the answer by a thread of its own."""

import logging
import threading
from collections.abc import Sequence

from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.core.errors import ProfferError
from proffer.stores.decision_queue import DecisionQueue, Row, decision_of, row_of
from proffer.stores.postgres.database import Connection, Database
from proffer.stores.postgres.texts import can_hold
from proffer.stores.read_only import read_only
from proffer.stores.reading import find_decisions

LINGER = 0.02
RETRY = 1.0

_INSERT = """
INSERT INTO decisions (id, subject_kind, subject_id, body)
SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::bytea[]) ON CONFLICT (id) DO NOTHING
"""
_REPLACE = """
UPDATE decisions SET subject_kind = new.kind, subject_id = new.subject, body = new.body
FROM unnest(%b::text[], %b::text[], %b::text[], %b::bytea[]) AS new (id, kind, subject, body)
WHERE decisions.id = new.id
"""

logger = logging.getLogger("proffer.stores")


class PostgresDecisions:
    """A DecisionLog in the workspace's schema.

    While the database is away, decisions wait in the queue and are found there; they are written when it is back.
    """

    def __init__(self, database: Database, *, writable: bool = True, queue: DecisionQueue | None = None) -> None:
        self._database = database
        self._writable = writable
        self._queue = queue or DecisionQueue()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="writer of decisions", daemon=True)
        if writable:
            self._thread.start()

    def put(self, decision: Decision) -> bool:
        """Queue a decision and return at once; False when the queue is full."""
        if not self._writable:
            raise read_only()
        queued = self._queue.put(decision)
        self._wake.set()
        return queued

    def get(self, id: str) -> Decision | None:
        """Return a decision, queued or on disk."""
        queued = self._queue.get(id)
        if queued is not None or not can_hold(id):
            return queued
        row = self._database.first("SELECT body FROM decisions WHERE id = %s", (id,))
        return None if row is None else decision_of(row[0])

    def find(self, *, subject: EntityRef | None = None, after: str = "", limit: int = 100) -> list[Decision]:
        """Return decisions with id > after in order of id, the queued ones among them."""
        if not all(map(can_hold, (after, *(subject or ())))):
            return []
        return find_decisions(self._queue, self._database, subject, after, limit)

    def flush(self) -> None:
        """Wait until everything queued so far is on disk. Raises what keeps the database from taking it."""
        waiting = {decision.id for decision in self._queue.all()}
        while any(map(self._queue.get, waiting)):
            self._write()

    def dropped(self) -> int:
        """Return how many decisions were not logged because the queue was full."""
        return self._queue.dropped

    def replace(self, decisions: Sequence[Decision], gone: Sequence[str]) -> None:
        """Put decisions in the places of those with their ids and remove others by id, queued ones too.

        One transaction; the table and that of the jobs are then written anew, so that what stood there before leaves
        their files.
        """
        if not self._writable:
            raise read_only()
        self.flush()
        rows = [row for row in map(row_of, decisions) if row is not None]

        def change(connection: Connection) -> None:
            if rows:
                connection.execute(_REPLACE, _columns(rows))
            connection.execute("DELETE FROM decisions WHERE id = ANY(%s::text[])", ([*filter(can_hold, gone)],))

        self._database.run(change)
        # What trainings said last is changed before this, when somebody is erased.
        for table in ("decisions", "jobs"):
            self._database.rewrite(table)

    def close(self) -> None:
        """Write what waits, as far as the database takes it, and end the thread."""
        if not self._writable:
            return
        self._closing.set()
        self._wake.set()
        self._thread.join()
        try:
            self.flush()
        except ProfferError as error:
            logger.warning("%s decisions were not logged: %s", len(self._queue.all()), error.message)

    def _loop(self) -> None:
        failed = False
        while not self._closing.is_set():
            self._wake.wait()
            self._wake.clear()
            # What comes within a moment shares a statement and a flush to disk.
            self._closing.wait(LINGER)
            try:
                while self._queue.waiting():
                    self._write()
                failed = False
            except Exception as error:
                if not failed:
                    logger.warning("decisions wait in memory: %s", error)
                failed = True
                self._wake.set()
                self._closing.wait(RETRY)

    def _write(self) -> None:
        with self._writing:
            number, rows = self._queue.first()
            # One that no table can hold must not hold up the rest for ever.
            kept = [row for row in rows if all(map(can_hold, row[:3]))]
            if kept:
                self._database.run(lambda connection: connection.execute(_INSERT, _columns(kept)))
            self._queue.written(number, dropped=number - len(kept))


def _columns(rows: Sequence[Row]) -> tuple[list[str], list[str], list[str], list[bytes]]:
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], [row[3] for row in rows]
