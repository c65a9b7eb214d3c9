"""Replacing what stands in the database for good: in the tables, in free pages and in the write-ahead log."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from proffer.core.errors import Busy
from proffer.core.events import Event
from proffer.stores.rewriting import ERASED_REASON, check_places, check_rows, taken
from proffer.stores.rows import event_row

TRIES = 3
PARAMETERS = 500
_EVENT = """
UPDATE events SET id = ?, type = ?, at = ?, actor_kind = ?, actor_id = ?, target_kind = ?, target_id = ?, query_id = ?,
  fields = ?, digest = ? WHERE sequence = ?
"""
_BLANK = "UPDATE quarantine SET raw = x'', reason = ?, field = NULL, event_id = NULL, source = x'' WHERE number = ?"


def rewrite_rows(connection: sqlite3.Connection, events: Sequence[Event], blank: Sequence[int], note: Event) -> int:
    """Replace events and blank quarantined rows inside the open transaction, append the note; return its sequence.

    Raises Invalid for a place or number that there is not, Conflict for an id that is taken.
    """
    # What is deleted or replaced from now on is overwritten with zeros, wherever it stood.
    connection.execute("PRAGMA secure_delete = ON")
    before = _ids(connection, [event.sequence for event in events])
    check_places(events, before)
    check_rows(blank, _numbers(connection, blank))
    try:
        connection.executemany(_EVENT, [(*event_row(event), event.sequence) for event in events])
        connection.executemany(_BLANK, [(ERASED_REASON.encode(), number) for number in blank])
        renamed = [(event.id, before[event.sequence]) for event in events if event.id != before[event.sequence]]
        connection.executemany("UPDATE quarantine SET repaired_by = ? WHERE repaired_by = ?", renamed)
        sequence = int(connection.execute("SELECT coalesce(max(sequence), 0) + 1 FROM events").fetchone()[0])
        connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (sequence, *event_row(note)))
    except sqlite3.IntegrityError as error:
        raise taken() from error
    return sequence


def purge(connection: sqlite3.Connection) -> None:
    """Write the database anew without what was deleted or moved, and empty the write-ahead log.

    Pages that were split keep copies of rows in their free parts, so that overwriting rows alone would not do. Raises
    Busy while another process reads.
    """
    connection.execute("VACUUM")
    for _ in range(TRIES):
        # It waits for readers of its own, as long as the connection waits for a lock.
        if not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            return
    message = "what was erased is still in the write-ahead log, since another process reads it"
    raise Busy(message, field="workspace", remedy="Repeat it when the other process has ended.")


def _ids(connection: sqlite3.Connection, sequences: Sequence[int]) -> dict[int, str]:
    return dict(_chosen(connection, "sequence, id", "events", "sequence", sequences))


def _numbers(connection: sqlite3.Connection, numbers: Sequence[int]) -> set[int]:
    return {number for (number,) in _chosen(connection, "number", "quarantine", "number", numbers)}


def _chosen(
    connection: sqlite3.Connection, columns: str, table: str, key: str, values: Sequence[int]
) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(values), PARAMETERS):
        part = values[start : start + PARAMETERS]
        marks = ", ".join("?" * len(part))
        found += connection.execute(f"SELECT {columns} FROM {table} WHERE {key} IN ({marks})", part).fetchall()
    return found
