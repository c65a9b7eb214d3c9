"""The event log in PostgreSQL."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from proffer.core.clock import Clock
from proffer.core.entities import EntityRef
from proffer.core.events import Counts, Event, Quarantined, Receipt, Reject
from proffer.stores.postgres.append import Asked
from proffer.stores.postgres.appending import Appender
from proffer.stores.postgres.bell import Bell
from proffer.stores.postgres.database import Database
from proffer.stores.postgres.fill import fill_log
from proffer.stores.postgres.find import find_rows, scan_chunk
from proffer.stores.postgres.rewrite import rewrite_rows
from proffer.stores.postgres.texts import check_cells
from proffer.stores.read_only import read_only
from proffer.stores.reading import LogReading
from proffer.stores.receipts import check_repairing
from proffer.stores.rows import event_row, micros, reject_row


class PostgresLog(LogReading):
    """An EventLog in the workspace's schema; any number of processes may append to it at once.

    Appends of all of them are done one after the other, under the lock of the workspace's row of counts, which is kept
    until the commit is seen by all: so sequences are dense, and who reads on from the last one never skips any.
    `closing` ends what the log stands on.
    """

    def __init__(self, database: Database, clock: Clock, closing: Callable[[], None], *, writable: bool = True) -> None:
        super().__init__(database)
        self._database = database
        self._clock = clock
        self._closing = closing
        self._bell = Bell(database)
        self._appender = Appender(database, self._bell) if writable else None

    @property
    def commits(self) -> int:
        """How many transactions this process has put on disk."""
        return self._writing().commits

    def append(self, rows: Sequence[Event | Reject], *, repairs: int | None = None) -> list[Receipt]:
        """Store rows in one transaction, shared with others that wait, and return a receipt for each."""
        check_repairing(rows, repairs)
        appender = self._writing()
        if not rows:
            return []
        now = micros(self._clock.now())
        columns = [check_cells(event_row(row)) if isinstance(row, Event) else reject_row(row, now) for row in rows]
        return appender.append(Asked(rows, columns, repairs))

    def find(
        self, *, entity: EntityRef | None = None, query_id: str | None = None, type: str | None = None,
        since: datetime | None = None, until: datetime | None = None, after: int = 0, limit: int = 100,
    ) -> list[Event]:  # fmt: skip
        """Return up to `limit` events with sequence > after that match every filter given, in order, by index."""
        rows = find_rows(
            self._database, entity=entity, query_id=query_id, type=type, since=since, until=until, after=after,
            limit=limit,
        )  # fmt: skip
        return self._reader.events(rows)

    def wait(self, after: int, seconds: float) -> bool:
        """Return whether the log goes beyond a sequence, waiting for that at most so long; any process may append.

        Raises Busy when the database is away.
        """
        return self._bell.wait(lambda: self.last() > after, seconds)

    def rewrite(self, events: Sequence[Event], blank: Sequence[int], note: Event) -> int:
        """Replace events in their places, blank quarantined rows and append the note; then write both tables anew.

        The old rows leave the tables' files; the server's write-ahead log keeps them until it is recycled.
        """
        self._writing()
        cells = [(event.sequence, *check_cells(event_row(event))) for event in events]
        sequence = rewrite_rows(self._database, events, cells, blank, (note.id, check_cells(event_row(note))))
        for table in ("events", "quarantine"):
            self._database.rewrite(table)
        self._bell.ring()
        return sequence

    def fill(self, events: Iterable[list[Event]], quarantined: Iterable[list[Quarantined]], counts: Counts) -> None:
        """Fill an empty log with what another one held, in one transaction. Raises Conflict when it is not empty."""
        self._writing()
        fill_log(self._database, events, quarantined, counts)
        self._bell.ring()

    def close(self) -> None:
        """Write what waits, close every connection of the workspace and end the threads."""
        if self._appender is not None:
            self._appender.close()
        self._bell.close()
        self._closing()

    def _writing(self) -> Appender:
        if self._appender is None:
            raise read_only()
        return self._appender

    def _chunk(self, since: int, until: int, types: Sequence[str] | None, chunk: int) -> list[tuple[Any, ...]]:
        return scan_chunk(self._database, since, until, types, chunk)
