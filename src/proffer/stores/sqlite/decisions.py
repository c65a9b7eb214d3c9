"""The decision log in SQLite: queued in memory, written behind the answer."""

import sqlite3
import threading
import zlib
from collections.abc import Callable
from itertools import islice

import msgspec

from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.stores.sqlite.readers import Readers
from proffer.stores.sqlite.writer import Writer

CAPACITY = 10_000
TOGETHER = 500

_decode = msgspec.msgpack.Decoder(Decision).decode


class DecisionQueue:
    """Decisions that wait for the writing thread, at most `capacity`; beyond that they are dropped and counted."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.dropped = 0
        self._capacity = capacity
        self._queued: dict[str, Decision] = {}
        self._lock = threading.Lock()

    def put(self, decision: Decision) -> bool:
        """Queue a decision; False when the queue is full. The first of two with one id is the one that counts."""
        with self._lock:
            if len(self._queued) >= self._capacity:
                self.dropped += 1
                return False
            self._queued.setdefault(decision.id, decision)
            return True

    def get(self, id: str) -> Decision | None:
        """Return a decision that is still queued."""
        return self._queued.get(id)

    def all(self) -> list[Decision]:
        """Return every decision that is still queued."""
        with self._lock:
            return list(self._queued.values())

    def waiting(self) -> bool:
        """Return whether decisions wait."""
        return bool(self._queued)

    def write(self, connection: sqlite3.Connection) -> int:
        """Write the first decisions inside the open transaction; return how many."""
        with self._lock:
            first = list(islice(self._queued.values(), TOGETHER))
        rows = [row for row in map(_row, first) if row is not None]
        # One that cannot be encoded must not hold up the rest for ever.
        self.dropped += len(first) - len(rows)
        connection.executemany("INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?)", rows)
        return len(first)

    def written(self, rows: int) -> None:
        """Forget the first decisions: they are on disk."""
        with self._lock:
            for first in list(islice(self._queued, rows)):
                del self._queued[first]


def _row(decision: Decision) -> tuple[str, str, str, bytes] | None:
    try:
        body = zlib.compress(msgspec.msgpack.encode(decision), 1)
    except (TypeError, ValueError, OverflowError):
        return None
    return (decision.id, *decision.query.subject, body)


class SqliteDecisions:
    """A DecisionLog in the workspace's database."""

    def __init__(self, readers: Readers, writer: Callable[[], Writer], queue: DecisionQueue) -> None:
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
        return None if row is None else _decode(zlib.decompress(row[0]))

    def find(self, *, subject: EntityRef | None = None, after: str = "", limit: int = 100) -> list[Decision]:
        """Return decisions with id > after in order of id, the queued ones among them."""
        # Queue first: one that is written in between is then seen twice, not missed.
        found = {one.id: one for one in self._queue.all() if one.id > after and subject in (None, one.query.subject)}
        narrow, values = ("", ()) if subject is None else ("subject_id = ? AND subject_kind = ? AND", subject[::-1])
        sql = f"SELECT body FROM decisions WHERE {narrow} id > ? ORDER BY id LIMIT ?"
        for (body,) in self._readers.all(sql, (*values, after, limit)):
            decision = _decode(zlib.decompress(body))
            found[decision.id] = decision
        return [found[key] for key in sorted(found)[:limit]]

    def flush(self) -> None:
        """Wait until everything queued so far is on disk. Raises StorageFull when the disk refuses."""
        waiting = {decision.id for decision in self._queue.all()}
        while any(map(self._queue.get, waiting)):
            self._writer().run(lambda _: None)

    def dropped(self) -> int:
        """Return how many decisions were not logged because the queue was full."""
        return self._queue.dropped
