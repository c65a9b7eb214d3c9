"""What one append does inside its transaction: numbers, receipts, quarantine, repairs and counts."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from proffer.core.events import Counts, Event, Receipt, Reject
from proffer.stores.receipts import accepted, again, check_repairable, closes, refused

PARAMETERS = 500

Columns = tuple[Any, ...]


def append_rows(
    connection: sqlite3.Connection, rows: Sequence[Event | Reject], columns: Sequence[Columns], repairs: int | None
) -> list[Receipt]:
    """Store rows, with their columns, and return their receipts; the caller commits.

    Raises NotFound or Conflict when the row to be repaired does not exist or another event has repaired it.
    """
    broken = None
    if repairs is not None:
        broken = connection.execute("SELECT repaired_by FROM quarantine WHERE number = ?", (repairs,)).fetchone()
        check_repairable(repairs, broken, rows[0])
    receipts = _store(connection, rows, columns)
    counts = Counts.of(receipts)
    closed = broken is not None and closes(receipts[0], broken)
    if closed:
        connection.execute("UPDATE quarantine SET repaired_by = ? WHERE number = ?", (receipts[0].id, repairs))
    connection.execute(
        "UPDATE counts SET accepted = accepted + ?, duplicates = duplicates + ?, conflicts = conflicts + ?, "
        "quarantined = quarantined + ?",
        (counts.accepted, counts.duplicates, counts.conflicts, counts.quarantined - closed),
    )
    return receipts


def _store(connection: sqlite3.Connection, rows: Sequence[Event | Reject], columns: Sequence[Columns]) -> list[Receipt]:
    known = _known(connection, [cells[0] for row, cells in zip(rows, columns, strict=True) if isinstance(row, Event)])
    sequence = _highest(connection, "sequence", "events")
    number = _highest(connection, "number", "quarantine")
    receipts: list[Receipt] = []
    events: list[Columns] = []
    rejects: list[Columns] = []
    for row, cells in zip(rows, columns, strict=True):
        if isinstance(row, Reject):
            number += 1
            rejects.append((number, *cells))
            receipts.append(refused(row, number))
        elif row.id in known:
            first, digest = known[row.id]
            receipts.append(again(row.id, first, same=digest == cells[-1]))
        else:
            sequence += 1
            events.append((sequence, *cells))
            known[row.id] = sequence, cells[-1]
            receipts.append(accepted(row.id, sequence))
    connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", events)
    connection.executemany("INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", rejects)
    return receipts


def _known(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
    found: dict[str, tuple[int, bytes]] = {}
    for start in range(0, len(ids), PARAMETERS):
        part = ids[start : start + PARAMETERS]
        marks = ", ".join("?" * len(part))
        rows = connection.execute(f"SELECT id, sequence, digest FROM events WHERE id IN ({marks})", part)
        found.update((event_id, (sequence, digest)) for event_id, sequence, digest in rows)
    return found


def _highest(connection: sqlite3.Connection, column: str, table: str) -> int:
    return int(connection.execute(f"SELECT coalesce(max({column}), 0) FROM {table}").fetchone()[0])
