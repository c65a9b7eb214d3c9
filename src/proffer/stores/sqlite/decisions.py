"""The decision log in SQLite: queued in memory, written behind the answer."""

import sqlite3
from collections.abc import Callable, Sequence

from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.stores.decision_queue import DecisionQueue, decision_of, row_of
from proffer.stores.reading import find_decisions
from proffer.stores.sqlite.readers import Readers
from proffer.stores.sqlite.rewrite import purge
from proffer.stores.sqlite.writer import Writer


class SqliteDecisionQueue(DecisionQueue):
    """The queue as the writing thread empties it."""

    def write(self, connection: sqlite3.Connection) -> int:
        """Write the first decisions inside the open transaction; return how many."""
        number, rows = self.first()
        # One that cannot be encoded must not hold up the rest for ever.
        self.dropped += number - len(rows)
        connection.executemany("INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?)", rows)
        return number


class SqliteDecisions:
    """A DecisionLog in the workspace's database."""

    def __init__(self, readers: Readers, writer: Callable[[], Writer], queue: SqliteDecisionQueue) -> None:
        self._readers = readers
        self._writer = writer
        self._queue = queue

    def put(self, decision: Decision) -> bool:
        """Queue a decision and return at once; False when the queue is full."""
        writer = self._writer()
        queued = self._queue.put(decision)
        writer.wake()
        return queued

    def get(self, id: str) -> Decision | None:
        """Return a decision, queued or on disk."""
        queued = self._queue.get(id)
        if queued is not None:
            return queued
        row = self._readers.first("SELECT body FROM decisions WHERE id = ?", (id,))
        return None if row is None else decision_of(row[0])

    def find(self, *, subject: EntityRef | None = None, after: str = "", limit: int = 100) -> list[Decision]:
        """Return decisions with id > after in order of id, the queued ones among them."""
        return find_decisions(self._queue, self._readers, subject, after, limit)

    def flush(self) -> None:
        """Wait until everything queued so far is on disk. Raises StorageFull when the disk refuses."""
        waiting = {decision.id for decision in self._queue.all()}
        while any(map(self._queue.get, waiting)):
            self._writer().run(lambda _: None)

    def replace(self, decisions: Sequence[Decision], gone: Sequence[str]) -> None:
        """Put decisions in the places of those with their ids and remove others by id, queued ones too, for good.

        The database is then written anew and its write-ahead log emptied. Raises Busy while another process reads.
        """
        self.flush()
        writer = self._writer()
        rows = [row for row in map(row_of, decisions) if row is not None]

        def change(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA secure_delete = ON")
            sql = "UPDATE decisions SET subject_kind = ?, subject_id = ?, body = ? WHERE id = ?"
            connection.executemany(sql, [(*cells, id) for id, *cells in rows])
            connection.executemany("DELETE FROM decisions WHERE id = ?", [(id,) for id in gone])

        writer.run(change)
        writer.alone(purge)

    def dropped(self) -> int:
        """Return how many decisions were not logged because the queue was full."""
        return self._queue.dropped
