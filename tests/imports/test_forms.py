"""JSON lines and Parquet."""

import json
from pathlib import Path

import duckdb
import pytest

from proffer.core.errors import Corrupt

from .conftest import Desk, four

LIKE = {"type": "like", "at": "2026-01-01T00:00:00Z", "actor": "u1", "target": "p1"}


def lines(*rows: object) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def test_json_lines_with_members_of_members(desk: Desk) -> None:
    text = lines(
        {"ts": 1, "user": {"id": "u1"}, "item": "p1", "event": "view"},
        {"ts": 2, "user": {"id": "u2"}, "item": 7, "event": "like"},
    )
    assert four(desk.bring(text, name="rows.jsonl", actor="user.id")) == (2, 0, 0, 0)
    assert desk.events()[1].target == ("post", "7")


def test_damaged_json_lines_are_quarantined(desk: Desk) -> None:
    good = {"ts": 1, "user": "u1", "item": "p1", "event": "view"}
    deep = "[" * 5_000 + "]" * 5_000
    bad = [
        '{"ts": 1',
        "[1]",
        "17",
        deep,
        '{"user": NaN}',
        '{"ts": 3, "user": "\\ud800", "item": "p1", "event": "view"}',
    ]
    report = desk.bring(lines(good, *bad), name="rows.jsonl.gz")
    assert four(report) == (1, 0, 0, len(bad))


def test_events_as_proffer_writes_them_need_no_mapping(desk: Desk) -> None:
    text = lines(
        LIKE, {**LIKE, "id": "e1"}, {**LIKE, "at": "2026-01-01"}, {**LIKE, "colour": 1}, {**LIKE, "type": "fly"}
    )
    report = desk.bring(text, name="rows.jsonl")
    assert four(report) == (2, 0, 0, 3)
    assert report.mapping == {"wire": True}
    assert four(desk.bring(text, name="rows.jsonl")) == (0, 5, 0, 0)


def parquet(path: Path, select: str) -> Path:
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


def test_parquet(desk: Desk) -> None:
    select = (
        "SELECT TIMESTAMP '2016-03-14 13:54:36.5' + i * INTERVAL 1 SECOND AS ts, i AS user, 'p' || i AS item, "
        "'VIEW' AS event, CAST(i AS DECIMAL(9, 2)) AS seconds FROM range(1, 4) t(i)"
    )
    path = parquet(desk.folder / "rows.parquet", select)
    assert four(desk.bring(path)) == (3, 0, 0, 0)
    first = desk.events()[0]
    assert (first.at.isoformat(), first.actor.id, dict(first.fields)) == (
        "2016-03-14T13:54:37.500000+00:00",
        "1",
        {"seconds": 1.0},
    )


def test_parquet_times_with_zone_and_lists(desk: Desk) -> None:
    select = "SELECT 'p1' AS id, 'A' AS title, ['x', 'y'] AS tags, TIMESTAMPTZ '2016-03-14 13:54:36+00' AS published_at"
    assert four(desk.bring(parquet(desk.folder / "posts.parquet", select), entities="post")) == (1, 0, 0, 0)
    assert desk.engine.reader.entity("post", "p1") == {
        "title": "A", "tags": ["x", "y"], "published_at": "2016-03-14T13:54:36+00:00",
    }  # fmt: skip


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_truncated_parquet_is_refused(desk: Desk, keep: float) -> None:
    path = parquet(desk.folder / "rows.parquet", "SELECT i AS ts, 'u' AS user FROM range(100) t(i)")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(Corrupt, match="not a whole Parquet file"):
        desk.bring(path)
    assert desk.engine.stores.log.counts().received == 0
