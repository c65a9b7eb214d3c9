"""Which kind of table a file is."""

from pathlib import Path

from proffer.core.errors import Malformed, NotFound
from proffer.engine.imports.csv_table import CsvTable
from proffer.engine.imports.json_table import JsonTable
from proffer.engine.imports.parquet_table import ParquetTable
from proffer.engine.imports.table import Table
from proffer.engine.imports.text import MISTAKEN, first_bytes


def open_table(path: Path, *, encoding: str | None = None, delimiter: str | None = None) -> Table:
    """Return a file as a table; its beginning says whether it is CSV, JSON lines or Parquet, not its name.

    Raises NotFound, Malformed for an empty file or one of another kind.
    """
    if not path.is_file():
        raise NotFound(f"no file {path}", field="file", remedy="Check the path.")
    head = first_bytes(path)
    if not head.strip():
        raise Malformed(f"{path.name} is empty", field="file", remedy="Give a file with a header and rows.")
    for magic, kind in MISTAKEN.items():
        if head.startswith(magic):
            remedy = "Give CSV, JSON lines or Parquet, plain or gzipped."
            raise Malformed(f"{path.name} is {kind}, not a table of rows", field="file", remedy=remedy)
    if head.startswith(b"PAR1"):
        return ParquetTable(path)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"[":
        remedy = "Write one object a line, for example with: jq -c '.[]'"
        raise Malformed(f"{path.name} is one JSON array, not JSON lines", field="file", remedy=remedy)
    if start == b"{":
        return JsonTable(path, encoding)
    return CsvTable(path, encoding, delimiter)
