"""Parquet, read by DuckDB."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from proffer.core.errors import Corrupt, Malformed
from proffer.engine.imports.table import CHUNK, Chunk


class ParquetTable:
    """A Parquet file; times without zone in it are UTC.

    Raises Corrupt for a file that DuckDB cannot open.
    """

    format, unit, wire = "parquet", "row", False
    repeated: frozenset[str] = frozenset()

    def __init__(self, path: Path) -> None:
        import duckdb

        self.path = path
        self.notes: dict[str, int] = {}
        self.position = 0
        self._errors = duckdb.Error
        self._connection = duckdb.connect(":memory:")
        try:
            described = self._connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
            counted = self._connection.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchone()
        except duckdb.Error as error:
            raise self._damaged(error) from None
        self.size = int(counted[0]) if counted else 0
        self.columns = tuple(name for name, *_ in described)
        if not self.columns:
            raise Malformed(f"{path.name} has no columns", field="file", remedy="Give a file with rows.")
        self._select = ", ".join(_readable(name, kind) for name, kind, *_ in described)

    def chunks(self) -> Iterator[Chunk]:
        """Yield every row once."""
        try:
            found = self._connection.execute(f"SELECT {self._select} FROM read_parquet(?)", [str(self.path)])
            while rows := found.fetchmany(CHUNK):
                chunk = Chunk()
                chunk.rows.extend([_plain(value) for value in row] for row in rows)
                chunk.numbers.extend(range(self.position + 1, self.position + len(rows) + 1))
                self.position += len(rows)
                yield chunk
        except self._errors as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> Corrupt:
        reason = str(error).splitlines()[0][:200]
        remedy = f"Nothing was imported. Write the file again. ({reason})"
        return Corrupt(f"{self.path.name} is not a whole Parquet file", field="file", remedy=remedy)


def _readable(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    return f"make_timestamp(epoch_us({quoted}))" if kind.startswith("TIMESTAMP") else quoted


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value
