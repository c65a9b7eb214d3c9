"""The event log in SQLite."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from proffer.core.clock import Clock
from proffer.core.entities import EntityRef
from proffer.core.events import Counts, Event, Quarantined, Receipt, Reject
from proffer.stores.reading import LogReading
from proffer.stores.receipts import check_repairing
from proffer.stores.rows import EventReader, event_row, micros, reject_row
from proffer.stores.sqlite.append import append_rows
from proffer.stores.sqlite.fill import fill_log
from proffer.stores.sqlite.find import find_rows, scan_chunk
from proffer.stores.sqlite.readers import Readers
from proffer.stores.sqlite.rewrite import purge, rewrite_rows
from proffer.stores.sqlite.writer import Writer

LOOK_SECONDS = 0.05
"""Between two looks at what another process may have appended."""


class SqliteLog(LogReading):
    """An EventLog in the workspace's database.

    `writer` gives the writing thread or raises, in a process that only reads; `closing` ends what the log stands on.
    """

    def __init__(
        self, readers: Readers, writer: Callable[[], Writer], clock: Clock, closing: Callable[[], None]
    ) -> None:
        super().__init__(readers)
        self._readers = readers
        self._writer = writer
        self._clock = clock
        self._closing = closing

    @property
    def commits(self) -> int:
        """How many transactions this process has put on disk."""
        return self._writer().commits

    def append(self, rows: Sequence[Event | Reject], *, repairs: int | None = None) -> list[Receipt]:
        """Store rows in one transaction, shared with others that wait, and return a receipt for each."""
        check_repairing(rows, repairs)
        writer = self._writer()
        if not rows:
            return []
        now = micros(self._clock.now())
        columns = [event_row(row) if isinstance(row, Event) else reject_row(row, now) for row in rows]
        return writer.run(lambda connection: append_rows(connection, rows, columns, repairs), len(rows))

    def find(
        self, *, entity: EntityRef | None = None, query_id: str | None = None, type: str | None = None,
        since: datetime | None = None, until: datetime | None = None, after: int = 0, limit: int = 100,
    ) -> list[Event]:  # fmt: skip
        """Return up to `limit` events with sequence > after that match every filter given, in order, by index."""
        rows = find_rows(
            self._readers, entity=entity, query_id=query_id, type=type, since=since, until=until, after=after,
            limit=limit,
        )  # fmt: skip
        return self._reader.events(rows)

    def wait(self, after: int, seconds: float) -> bool:
        """Return whether the log goes beyond a sequence; the process that writes may be another one, so it looks."""
        until = time.monotonic() + seconds
        while self.last() <= after:
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(LOOK_SECONDS, left))
        return True

    def fill(self, events: Iterable[list[Event]], quarantined: Iterable[list[Quarantined]], counts: Counts) -> None:
        """Fill an empty log with what another one held, in one transaction. Raises Conflict when it is not empty."""
        self._writer().run(lambda connection: fill_log(connection, events, quarantined, counts))

    def rewrite(self, events: Sequence[Event], blank: Sequence[int], note: Event) -> int:
        """Put events in the places of those with their sequences, blank quarantined rows, append the note for good.

        The database is then written anew and its write-ahead log emptied. Raises Invalid, Conflict, Busy while another
        process reads, StorageFull; after the last two it is done, but for old copies in free pages: repeat it.
        """
        writer = self._writer()
        sequence = writer.run(lambda connection: rewrite_rows(connection, events, blank, note), len(events))
        self._reader = EventReader()
        writer.alone(purge)
        return sequence

    def close(self) -> None:
        """Write what waits, close every file of the workspace, end the writing thread and let go of the lock."""
        self._closing()

    def _chunk(self, since: int, until: int, types: Sequence[str] | None, chunk: int) -> list[tuple[Any, ...]]:
        return scan_chunk(self._readers, since, until, types, chunk)
