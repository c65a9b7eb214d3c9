"""JSON lines: one object a line, members of members by dotted names."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from proffer.engine.imports.table import CHUNK, Chunk, Fault
from proffer.engine.imports.text import Text

SAMPLE_LINES = 1_000


class JsonTable:
    """A file of JSON objects, one a line; its columns are the members of the first 1,000.

    A file of events as Proffer itself writes them (`wire`) has the single column `event`.
    """

    format, unit = "jsonl", "line"
    repeated: frozenset[str] = frozenset()

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        self.path = path
        self.text = Text(path, encoding)
        self.size = self.text.size
        self.notes: dict[str, int] = {}
        found: dict[str, None] = {}
        self.wire = True
        for line in islice(self.text.lines(), SAMPLE_LINES):
            row = _object(line)
            if isinstance(row, dict):
                self.wire = self.wire and "type" in row and "actor" in row
                found.update(dict.fromkeys(flat(row)))
        self.wire = self.wire and bool(found)
        self.columns = ("event",) if self.wire else tuple(found)
        self._known = frozenset(self.columns)

    @property
    def position(self) -> int:
        """Return how many bytes of the file have been read."""
        return self.text.position

    def chunks(self) -> Iterator[Chunk]:
        """Yield every row once."""
        chunk = Chunk()
        for number, line in enumerate(self.text.lines(), 1):
            if line.isspace():
                self._note("blank lines")
                continue
            self._place(chunk, number, line)
            if len(chunk) >= CHUNK:
                yield chunk
                chunk = Chunk()
        yield chunk

    def _place(self, chunk: Chunk, number: int, line: str) -> None:
        row = self.text.fault(line) or _object(line)
        if isinstance(row, str):
            chunk.faults.append(Fault(number, line, row))
            return
        if self.wire:
            values: list[Any] = [row]
        else:
            members = flat(row)
            if not members.keys() <= self._known:
                self._note(f"rows with members that the first {SAMPLE_LINES:,} rows lack (not used)")
            values = [members.get(name) for name in self.columns]
        chunk.rows.append(values)
        chunk.numbers.append(number)
        chunk.texts.append(line)

    def _note(self, text: str) -> None:
        self.notes[text] = self.notes.get(text, 0) + 1


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the members of its objects under dotted names.

    >>> flat({"user": {"id": "u1"}, "n": 2})
    {'user.id': 'u1', 'n': 2}
    """
    if not any(isinstance(value, dict) for value in row.values()):
        return dict(row)
    found = {}
    for name, value in row.items():
        if isinstance(value, dict):
            found.update({f"{name}.{inner}": member for inner, member in flat(value).items()})
        else:
            found[name] = value
    return found


def _object(line: str) -> dict[str, Any] | str:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        return f"not JSON: {str(error)[:120]}"
    return row if isinstance(row, dict) else "not a JSON object"
