"""The event log in SQLite."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from proffer.core.clock import Clock
from proffer.core.entities import EntityRef
from proffer.core.events import Counts, Event, Quarantined, Receipt, Reject
from proffer.stores.receipts import check_repairing
from proffer.stores.rows import COLUMNS, REJECT_COLUMNS, EventReader, event_row, micros, quarantined, reject_row
from proffer.stores.sqlite.append import append_rows
from proffer.stores.sqlite.fill import fill_log
from proffer.stores.sqlite.find import find_rows, scan_chunk
from proffer.stores.sqlite.readers import Readers
from proffer.stores.sqlite.rewrite import purge, rewrite_rows
from proffer.stores.sqlite.writer import Writer

LOOK_SECONDS = 0.05
"""Between two looks at what another process may have appended."""


class SqliteLog:
    """An EventLog in the workspace's database.

    `writer` gives the writing thread or raises, in a process that only reads; `closing` ends what the log stands on.
    """

    def __init__(
        self, readers: Readers, writer: Callable[[], Writer], clock: Clock, closing: Callable[[], None]
    ) -> None:
        self._readers = readers
        self._writer = writer
        self._clock = clock
        self._closing = closing
        self._reader = EventReader()

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

    def last(self) -> int:
        """Return the highest sequence, 0 for an empty log."""
        row = self._readers.first("SELECT max(sequence) FROM events")
        return row[0] or 0 if row else 0

    def counts(self) -> Counts:
        """Return what became of every row ever received."""
        rows = self._readers.all("SELECT accepted, duplicates, conflicts, quarantined FROM counts")
        accepted, duplicates, conflicts, quarantined = rows[0]
        return Counts(accepted=accepted, duplicates=duplicates, conflicts=conflicts, quarantined=quarantined)

    def scan(
        self, since: int = 0, until: int | None = None, *, types: Sequence[str] | None = None, chunk: int = 10_000
    ) -> Iterator[list[Event]]:
        """Yield the events up to `until`, or to the last one at the time of the call, in order.

        An appended event never changes, so this upper end is all a consistent view needs; no transaction stays open
        while the caller works, and the write-ahead log can be emptied.
        """
        end = self.last() if until is None else min(until, self.last())
        return self._scan(since, end, None if types is None else sorted(set(types)), chunk)

    def get(self, id: str) -> Event | None:
        """Return the event with this id."""
        found = self._reader.events(self._readers.all(f"SELECT {COLUMNS} FROM events WHERE id = ?", (id,)))
        return found[0] if found else None

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

    def quarantined(self, *, after: int = 0, limit: int = 100, open_only: bool = True) -> list[Quarantined]:
        """Return quarantined rows with number > after, in order."""
        only = "AND repaired_by IS NULL" if open_only else ""
        sql = f"SELECT {REJECT_COLUMNS} FROM quarantine WHERE number > ? {only} ORDER BY number LIMIT ?"
        return [quarantined(row) for row in self._readers.all(sql, (after, limit))]

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

    def _scan(self, since: int, until: int, types: Sequence[str] | None, chunk: int) -> Iterator[list[Event]]:
        while since < until:
            rows = scan_chunk(self._readers, since, until, types, chunk)
            if not rows:
                return
            since = rows[-1][0]
            yield self._reader.events(rows)
