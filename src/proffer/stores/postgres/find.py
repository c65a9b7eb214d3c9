"""Queries of the log: each walks an index, in order of sequence."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from proffer.core.entities import EntityRef
from proffer.stores.postgres.database import Database
from proffer.stores.rows import COLUMNS, micros

FEW = 10_000

Rows = list[tuple[Any, ...]]
Filters = list[tuple[str, Any]]


def scan_chunk(database: Database, since: int, until: int, types: Sequence[str] | None, chunk: int) -> Rows:
    """Return the first `chunk` rows with since < sequence <= until, of these types."""
    part = f"SELECT {COLUMNS} FROM events WHERE sequence > %s AND sequence <= %s"
    if types is None:
        return database.all(f"{part} ORDER BY sequence LIMIT %s", (since, until, chunk))
    if not types:
        return []
    # One walk per type, merged: each has its own index in order of sequence.
    walk = f"({part} AND type = %s ORDER BY sequence LIMIT %s)"
    values = [value for name in types for value in (since, until, name, chunk)]
    walks = " UNION ALL ".join([walk] * len(types))
    return database.all(f"SELECT * FROM ({walks}) walks ORDER BY sequence LIMIT %s", (*values, chunk))


def find_rows(
    database: Database, *, entity: EntityRef | None, query_id: str | None, type: str | None, since: datetime | None,
    until: datetime | None, after: int, limit: int,
) -> Rows:  # fmt: skip
    """Return up to `limit` rows with sequence > after that match every filter given, in order."""
    filters: Filters = [("sequence > %s", after)]
    if type is not None:
        filters.append(("type = %s", type))
    if query_id is not None:
        filters.append(("query_id = %s", query_id))
    times: Filters = [(text, micros(at)) for text, at in (("at >= %s", since), ("at < %s", until)) if at is not None]
    if entity is not None:
        return _of_entity(database, entity, [*filters, *times], limit)
    if times and query_id is None and _few(database, times):
        return _of_period(database, times, filters, limit)
    where, values = _where([*filters, *times])
    return database.all(f"SELECT {COLUMNS} FROM events WHERE {where} ORDER BY sequence LIMIT %s", (*values, limit))


def _of_entity(database: Database, entity: EntityRef, filters: Filters, limit: int) -> Rows:
    where, values = _where(filters)
    walks = " UNION ".join(
        f"(SELECT {COLUMNS} FROM events WHERE {side}_id = %s AND {side}_kind = %s AND {where} "
        "ORDER BY sequence LIMIT %s)"
        for side in ("actor", "target")
    )
    walk = (entity.id, entity.kind, *values, limit)
    return database.all(f"SELECT * FROM ({walks}) walks ORDER BY sequence LIMIT %s", (*walk, *walk, limit))


def _of_period(database: Database, times: Filters, filters: Filters, limit: int) -> Rows:
    period, between = _where(times)
    where, values = _where(filters)
    # Read by time first, whatever the planner thinks of it.
    sql = f"""
    WITH period AS MATERIALIZED (SELECT {COLUMNS} FROM events WHERE {period})
    SELECT {COLUMNS} FROM period WHERE {where} ORDER BY sequence LIMIT %s
    """
    return database.all(sql, (*between, *values, limit))


def _few(database: Database, times: Filters) -> bool:
    # A short period is read by time and sorted; in a long one the walk by sequence soon meets enough.
    where, values = _where(times)
    row = database.first(f"SELECT count(*) FROM (SELECT 1 FROM events WHERE {where} LIMIT %s) few", (*values, FEW + 1))
    return row is not None and row[0] <= FEW


def _where(filters: Filters) -> tuple[str, list[Any]]:
    return " AND ".join(text for text, _ in filters), [value for _, value in filters]
