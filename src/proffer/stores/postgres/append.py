"""What appends do inside their transaction: the lock, numbers, receipts, quarantine, repairs and counts."""

from collections.abc import Sequence
from typing import Any

import msgspec

from proffer.core.errors import ProfferError
from proffer.core.events import Counts, Event, Receipt, Reject
from proffer.stores.postgres.database import Connection
from proffer.stores.receipts import accepted, again, check_repairable, closes, refused

Columns = tuple[Any, ...]

EVENTS = "events (sequence, id, type, at, actor_kind, actor_id, target_kind, target_id, query_id, fields, digest)"
REJECTS = "quarantine (number, received_at, raw, reason, field, event_id, source, repaired_by)"
FEW = 16
"""So many rows of a table go as statements along with the rest: a COPY needs two more turns on the line."""

_LOCK = "SELECT 1 FROM counts FOR UPDATE"
_HIGHEST = """
SELECT coalesce((SELECT max(sequence) FROM events), 0), coalesce((SELECT max(number) FROM quarantine), 0)
"""
# One walk down the index for each id, whatever the planner thinks of the table's size.
_KNOWN = """
SELECT asked.id, one.sequence, one.digest FROM unnest(%s::text[]) asked (id),
  LATERAL (SELECT sequence, digest FROM events WHERE events.id = asked.id LIMIT 1) one
"""
_COUNTS = """
UPDATE counts SET accepted = accepted + %s, duplicates = duplicates + %s, conflicts = conflicts + %s,
  quarantined = quarantined + %s
"""
_DONE = """
INSERT INTO writers (id, done) VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET done = excluded.done, at = now()
"""


class Asked(msgspec.Struct, frozen=True):
    """One append: its rows, their columns, and the quarantined row that the first one mends."""

    rows: Sequence[Event | Reject]
    columns: Sequence[Columns]
    repairs: int | None


Outcome = list[Receipt] | ProfferError
"""What one append gets: receipts, or the error that took its rows alone back."""


class _Found(msgspec.Struct):
    """What the log holds while nobody else appends; it is kept up with what this group adds."""

    known: dict[str, tuple[int, bytes]]
    broken: dict[int, tuple[str | None]]
    sequence: int
    number: int


class Group:
    """Appends that share a transaction, as number `number` of the groups of the writer `writer`.

    `store` may be called again after a loss: what has been done is told by the writer's row, which changes in the same
    transaction, so that nothing is stored twice.
    """

    def __init__(self, asked: Sequence[Asked], writer: str, number: int) -> None:
        self._asked = asked
        self._writer = writer
        self._number = number
        self._outcomes: list[Outcome] | None = None

    def store(self, connection: Connection) -> list[Outcome]:
        """Store the rows of every append in one transaction of its own, on disk; return what each gets."""
        done, found = self._look(connection)
        if self._outcomes is not None and done >= self._number:
            connection.execute("ROLLBACK")
            return self._outcomes
        events: list[Columns] = []
        rejects: list[Columns] = []
        closed: list[tuple[str, int]] = []
        counts = Counts()
        outcomes: list[Outcome] = []
        for one in self._asked:
            try:
                receipts, mended = _decide(one, found, events, rejects)
            except ProfferError as error:
                outcomes.append(error)
                continue
            outcomes.append(receipts)
            counts += Counts.of(receipts) + Counts(quarantined=-len(mended))
            closed += mended
        # Kept before the commit: it may happen although its answer is lost.
        self._outcomes = outcomes
        self._write(connection, events, rejects, closed, counts)
        return outcomes

    def _look(self, connection: Connection) -> tuple[int, _Found]:
        ids = [row.id for one in self._asked for row in one.rows if isinstance(row, Event)]
        repairs = [one.repairs for one in self._asked if one.repairs is not None]
        # The lock comes first and each query sees what was committed when it begins: all that came before.
        with connection.pipeline():
            connection.execute("BEGIN")
            connection.execute(_LOCK)
            done = connection.execute("SELECT done FROM writers WHERE id = %s", (self._writer,))
            highest = connection.execute(_HIGHEST)
            known = connection.execute(_KNOWN, (ids,), binary=True)
            sql = "SELECT number, repaired_by FROM quarantine WHERE number = ANY(%s::bigint[])"
            broken = connection.execute(sql, (repairs,)) if repairs else None
        row = done.fetchone()
        sequence, number = highest.fetchall()[0]
        return row[0] if row else 0, _Found(
            known={id: (place, digest) for id, place, digest in known.fetchall()},
            broken={} if broken is None else {place: (by,) for place, by in broken.fetchall()},
            sequence=sequence,
            number=number,
        )

    def _write(
        self, connection: Connection, events: Sequence[Columns], rejects: Sequence[Columns],
        closed: Sequence[tuple[str, int]], counts: Counts,
    ) -> None:  # fmt: skip
        tables = ((EVENTS, events), (REJECTS, rejects))
        for table, rows in tables:
            if len(rows) > FEW:
                copy_rows(connection, table, rows)
        with connection.pipeline():
            for table, rows in tables:
                if len(rows) <= FEW:
                    _insert(connection, table, rows)
            for mended in closed:
                connection.execute("UPDATE quarantine SET repaired_by = %s WHERE number = %s", mended)
            change = (counts.accepted, counts.duplicates, counts.conflicts, counts.quarantined)
            connection.execute(_COUNTS, change)
            connection.execute(_DONE, (self._writer, self._number))
            if self._number == 1:
                connection.execute("DELETE FROM writers WHERE at < now() - interval '7 days'")
            connection.execute("COMMIT")


def lock_log(connection: Connection) -> None:
    """Wait until nobody else appends, and keep it so until the transaction ends."""
    connection.execute(_LOCK)


def copy_rows(connection: Connection, table: str, rows: Sequence[Columns]) -> None:
    """Send rows to a table, named with its columns, by COPY: the fastest way for more than a few."""
    if rows:
        with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def _insert(connection: Connection, table: str, rows: Sequence[Columns]) -> None:
    for row in rows:
        connection.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", row)


def _decide(
    one: Asked, found: _Found, events: list[Columns], rejects: list[Columns]
) -> tuple[list[Receipt], list[tuple[str, int]]]:
    """Give each row of an append its number and receipt; return them and the quarantined row that is closed.

    Raises NotFound or Conflict when the row to be repaired does not exist or another event has repaired it.
    """
    broken = None
    if one.repairs is not None:
        broken = found.broken.get(one.repairs)
        check_repairable(one.repairs, broken, one.rows[0])
    receipts: list[Receipt] = []
    for row, cells in zip(one.rows, one.columns, strict=True):
        if isinstance(row, Reject):
            found.number += 1
            rejects.append((found.number, *cells, None))
            receipts.append(refused(row, found.number))
        elif row.id in found.known:
            first, digest = found.known[row.id]
            receipts.append(again(row.id, first, same=digest == cells[-1]))
        else:
            found.sequence += 1
            events.append((found.sequence, *cells))
            found.known[row.id] = found.sequence, cells[-1]
            receipts.append(accepted(row.id, found.sequence))
    if one.repairs is None or not closes(receipts[0], broken):
        return receipts, []
    by = str(receipts[0].id)
    found.broken[one.repairs] = (by,)
    return receipts, [(by, one.repairs)]
