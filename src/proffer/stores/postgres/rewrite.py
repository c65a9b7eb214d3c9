"""Replacing events in their places, inside one transaction."""

from collections.abc import Sequence

import psycopg

from proffer.core.events import Event
from proffer.stores.postgres.append import EVENTS, Columns, copy_rows, lock_log
from proffer.stores.postgres.database import Connection, Database
from proffer.stores.rewriting import ERASED_REASON, check_places, check_rows, taken

_EVENT = """
UPDATE events SET id = %s, type = %s, at = %s, actor_kind = %s, actor_id = %s, target_kind = %s, target_id = %s,
  query_id = %s, fields = %s, digest = %s WHERE sequence = %s
"""
_BLANK = """
UPDATE quarantine SET raw = '', reason = %s, field = NULL, event_id = NULL, source = ''
WHERE number = ANY(%s::bigint[])
"""


def rewrite_rows(
    database: Database, events: Sequence[Event], cells: Sequence[Columns], blank: Sequence[int],
    note: tuple[str, Columns],
) -> int:  # fmt: skip
    """Replace events by their cells and blank quarantined rows, append the note; return its sequence.

    Raises Invalid for a place or number that there is not, Conflict for an id that is taken.
    """
    attempts = 0

    def change(connection: Connection) -> int:
        nonlocal attempts
        attempts += 1
        lock_log(connection)
        if attempts > 1:
            # The connection was lost, perhaps after the commit: then the note is there.
            sql = "SELECT sequence FROM events WHERE id = %s AND digest = %s"
            done = connection.execute(sql, (note[0], note[1][-1])).fetchone()
            if done is not None:
                return int(done[0])
        sql = "SELECT sequence, id FROM events WHERE sequence = ANY(%s::bigint[])"
        before: dict[int, str] = dict(connection.execute(sql, ([event.sequence for event in events],)).fetchall())
        check_places(events, before)
        sql = "SELECT number FROM quarantine WHERE number = ANY(%s::bigint[])"
        check_rows(blank, {number for (number,) in connection.execute(sql, ([*blank],)).fetchall()})
        try:
            return _write(connection, events, cells, blank, note[1], before)
        except psycopg.errors.UniqueViolation as error:
            raise taken() from error

    return database.run(change)


def _write(
    connection: Connection, events: Sequence[Event], cells: Sequence[Columns], blank: Sequence[int], note: Columns,
    before: dict[int, str],
) -> int:  # fmt: skip
    cursor = connection.cursor()
    cursor.executemany(_EVENT, [(*rest, place) for place, *rest in cells])
    connection.execute(_BLANK, (ERASED_REASON.encode(), [*blank]))
    renamed = [(event.id, before[event.sequence]) for event in events if event.id != before[event.sequence]]
    cursor.executemany("UPDATE quarantine SET repaired_by = %s WHERE repaired_by = %s", renamed)
    row = connection.execute("SELECT coalesce(max(sequence), 0) + 1 FROM events").fetchone()
    sequence = int(row[0]) if row else 1
    copy_rows(connection, EVENTS, [(sequence, *note)])
    return sequence
