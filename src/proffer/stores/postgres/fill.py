"""Filling an empty log with what another store held, inside one transaction."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg

from proffer.core.events import Counts, Event, Quarantined
from proffer.stores.filling import check_empty, dense_events, dense_rows, twice
from proffer.stores.postgres.append import EVENTS, REJECTS, copy_rows, lock_log
from proffer.stores.postgres.database import Connection, Database
from proffer.stores.postgres.texts import check_cells
from proffer.stores.rows import event_row, micros, reject_row

_HELD = "SELECT EXISTS (SELECT FROM events) OR EXISTS (SELECT FROM quarantine) OR EXISTS (SELECT FROM counts WHERE {})"
_COUNTS = "UPDATE counts SET accepted = %s, duplicates = %s, conflicts = %s, quarantined = %s"
_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE schemaname = current_schema() AND tablename = %s AND indexname <> %s
"""


def fill_log(
    database: Database, events: Iterable[list[Event]], quarantined: Iterable[list[Quarantined]], counts: Counts
) -> None:
    """Fill the tables of an empty log. Raises Conflict when it is not empty, Corrupt for rows with gaps."""

    def fill(connection: Connection) -> None:
        lock_log(connection)
        # What feeds it may be slow.
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        held = connection.execute(_HELD.format("accepted + duplicates + conflicts + quarantined > 0")).fetchone()
        check_empty(held is not None and held[0])
        with _without_indexes(connection, "events"):
            for chunk in dense_events(events):
                copy_rows(connection, EVENTS, [(event.sequence, *check_cells(event_row(event))) for event in chunk])
        for rows in dense_rows(quarantined):
            cells = [(row.number, *reject_row(row.reject, micros(row.received_at)), row.repaired_by) for row in rows]
            copy_rows(connection, REJECTS, cells)
        connection.execute(_COUNTS, (counts.accepted, counts.duplicates, counts.conflicts, counts.quarantined))
        connection.execute("ANALYZE events")

    # What feeds it can be read once: a loss in the middle is told, and the whole is to be repeated.
    database.run(fill, once=True)


@contextmanager
def _without_indexes(connection: Connection, table: str) -> Iterator[None]:
    """Take a table's indexes away and make them anew at the end: sorted once, they cost less."""
    indexes = connection.execute(_INDEXES, (table, f"{table}_pkey")).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    yield
    try:
        for _, statement in indexes:
            connection.execute(statement)
    except psycopg.errors.UniqueViolation as error:
        raise twice() from error
