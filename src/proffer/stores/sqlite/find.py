"""Queries of the log: each walks an index, in order of sequence."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from proffer.core.entities import EntityRef
from proffer.stores.rows import COLUMNS, micros
from proffer.stores.sqlite.readers import Readers

FEW = 10_000

Rows = list[tuple[Any, ...]]


def scan_chunk(readers: Readers, since: int, until: int, types: Sequence[str] | None, chunk: int) -> Rows:
    """Return the first `chunk` rows with since < sequence <= until, of these types."""
    part = f"SELECT {COLUMNS} FROM events WHERE sequence > ? AND sequence <= ?"
    if types is None:
        return readers.all(f"{part} ORDER BY sequence LIMIT ?", (since, until, chunk))
    if not types:
        return []
    # One walk per type, merged: each has its own index in order of sequence.
    sql = " UNION ALL ".join([f"{part} AND type = ?"] * len(types))
    values = [value for name in types for value in (since, until, name)]
    return readers.all(f"{sql} ORDER BY 1 LIMIT ?", (*values, chunk))


def find_rows(
    readers: Readers, *, entity: EntityRef | None, query_id: str | None, type: str | None, since: datetime | None,
    until: datetime | None, after: int, limit: int,
) -> Rows:  # fmt: skip
    """Return up to `limit` rows with sequence > after that match every filter given, in order."""
    filters: list[tuple[str, Any]] = [("sequence > ?", after)]
    if type is not None:
        filters.append(("type = ?" if entity is None and query_id is None else "+type = ?", type))
    if query_id is not None:
        filters.append(("query_id = ?", query_id))
    times = [(text, micros(at)) for text, at in (("at >= ?", since), ("at < ?", until)) if at is not None]
    if times and entity is None and query_id is None and _few(readers, times):
        where, values = _where([*((text.replace("type", "+type"), value) for text, value in filters), *times])
        sql = f"SELECT {COLUMNS} FROM events INDEXED BY events_at WHERE {where} ORDER BY sequence LIMIT ?"
        return readers.all(sql, (*values, limit))
    filters += [(f"+{text}", value) for text, value in times]
    if entity is None:
        where, values = _where(filters)
        return readers.all(f"SELECT {COLUMNS} FROM events WHERE {where} ORDER BY sequence LIMIT ?", (*values, limit))
    return _of_entity(readers, entity, filters, limit)


def _of_entity(readers: Readers, entity: EntityRef, filters: list[tuple[str, Any]], limit: int) -> Rows:
    # query_id narrows, but an entity's index alone keeps both walks in order.
    where, values = _where([(text.replace("query_id", "+query_id"), value) for text, value in filters])
    walks = " UNION ".join(
        f"SELECT * FROM (SELECT sequence FROM events INDEXED BY events_{side} "
        f"WHERE {side}_id = ? AND {side}_kind = ? AND {where} ORDER BY sequence LIMIT ?)"
        for side in ("actor", "target")
    )
    sql = f"SELECT {COLUMNS} FROM events WHERE sequence IN ({walks}) ORDER BY sequence LIMIT ?"
    walk = (entity.id, entity.kind, *values, limit)
    return readers.all(sql, (*walk, *walk, limit))


def _few(readers: Readers, times: list[tuple[str, Any]]) -> bool:
    # A short period is read by time and sorted; in a long one the walk by sequence soon meets enough.
    where, values = _where(times)
    row = readers.first(f"SELECT count(*) FROM (SELECT 1 FROM events WHERE {where} LIMIT ?)", (*values, FEW + 1))
    return row is not None and row[0] <= FEW


def _where(filters: Sequence[tuple[str, Any]]) -> tuple[str, list[Any]]:
    return " AND ".join(text for text, _ in filters), [value for _, value in filters]
