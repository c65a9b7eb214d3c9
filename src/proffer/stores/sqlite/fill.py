"""Filling empty tables with what another store held, inside one transaction."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from proffer.core.events import Counts, Event, Quarantined
from proffer.core.ports import ModelVersion, Promotion, Review
from proffer.stores.filling import check_empty, check_listed, dense_events, dense_rows, serving, twice
from proffer.stores.reviews import encoded
from proffer.stores.rows import event_row, micros, reject_row

_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROW = "INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_COUNTS = "UPDATE counts SET accepted = ?, duplicates = ?, conflicts = ?, quarantined = ?"


def fill_log(
    connection: sqlite3.Connection, events: Iterable[list[Event]], quarantined: Iterable[list[Quarantined]],
    counts: Counts,
) -> None:  # fmt: skip
    """Fill the tables of an empty log. Raises Conflict when it is not empty, Corrupt for rows with gaps."""
    check_empty(_any(connection, "events", "quarantine") or any(connection.execute("SELECT * FROM counts").fetchone()))
    try:
        with _without_indexes(connection, "events"):
            for chunk in dense_events(events):
                connection.executemany(_EVENT, [(event.sequence, *event_row(event)) for event in chunk])
    except sqlite3.IntegrityError as error:
        raise twice() from error
    for rows in dense_rows(quarantined):
        cells = [(row.number, *reject_row(row.reject, micros(row.received_at)), row.repaired_by) for row in rows]
        connection.executemany(_ROW, cells)
    connection.execute(_COUNTS, (counts.accepted, counts.duplicates, counts.conflicts, counts.quarantined))


def fill_registry(
    connection: sqlite3.Connection, versions: Sequence[ModelVersion], promotions: Sequence[Promotion],
    reviews: Sequence[Review], none: str,
) -> None:  # fmt: skip
    """Fill the tables of an empty registry; `none` stands for no version. Raises Conflict when it is not empty."""
    check_empty(_any(connection, "versions", "promotions", "reviews"))
    check_listed(versions, promotions, reviews)
    listed = [(version.id, version.pipeline, msgspec.json.encode(version)) for version in versions]
    connection.executemany("INSERT INTO versions (id, pipeline, body) VALUES (?, ?, ?)", listed)
    changes = [(one.pipeline, one.revision, one.version or none, micros(one.at), one.how) for one in promotions]
    connection.executemany("INSERT INTO promotions VALUES (?, ?, ?, ?, ?)", changes)
    champions = [(one.pipeline, one.version or none, one.revision) for one in serving(promotions).values()]
    connection.executemany("INSERT INTO champions VALUES (?, ?, ?)", champions)
    kept = [(review.version, encoded(review)) for review in reviews]
    connection.executemany("INSERT INTO reviews (version, body) VALUES (?, ?)", kept)


@contextmanager
def _without_indexes(connection: sqlite3.Connection, table: str) -> Iterator[None]:
    """Take a table's indexes away and make them anew at the end: sorted once, they cost a third."""
    sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
    indexes = connection.execute(sql, (table,)).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    yield
    for _, statement in indexes:
        connection.execute(statement)


def _any(connection: sqlite3.Connection, *tables: str) -> bool:
    return any(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in tables)
