"""JSON lines: one object a line, members of members by dotted names."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from proffer.engine.imports.table import CHUNK, Chunk, Fault
from proffer.engine.imports.text import Text

SAMPLE_LINES = 1_000


class JsonLines:
    """A file of one JSON object a line: its text, how far it was read, and what is to be said of it."""

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        self.path = path
        self.text = Text(path, encoding)
        self.size = self.text.size
        self.notes: dict[str, int] = {}

    @property
    def position(self) -> int:
        """Return how many bytes of the file have been read."""
        return self.text.position

    def numbered(self) -> Iterator[tuple[int, str, dict[str, Any] | str]]:
        """Yield number, text and object, or fault, of each line that is not blank."""
        for number, line in enumerate(self.text.lines(), 1):
            if line.isspace():
                self.note("blank lines")
            else:
                yield number, line, self.text.fault(line) or read_object(line)

    def note(self, text: str) -> None:
        """Count something to be said of the file."""
        self.notes[text] = self.notes.get(text, 0) + 1


class JsonTable(JsonLines):
    """A file of JSON objects, one a line; its columns are the members of the first 1,000.

    A file of events as Proffer itself writes them (`wire`) has the single column `event`.
    """

    format, unit = "jsonl", "line"
    repeated: frozenset[str] = frozenset()

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        super().__init__(path, encoding)
        found: dict[str, None] = {}
        self.wire = True
        for line in islice(self.text.lines(), SAMPLE_LINES):
            row = read_object(line)
            if isinstance(row, dict):
                self.wire = self.wire and "type" in row and "actor" in row
                found.update(dict.fromkeys(flat(row)))
        self.wire = self.wire and bool(found)
        self.columns = ("event",) if self.wire else tuple(found)
        self._known = frozenset(self.columns)

    def chunks(self) -> Iterator[Chunk]:
        """Yield every row once."""
        chunk = Chunk()
        for number, line, row in self.numbered():
            self._place(chunk, number, line, row)
            if len(chunk) >= CHUNK:
                yield chunk
                chunk = Chunk()
        yield chunk

    def _place(self, chunk: Chunk, number: int, line: str, row: dict[str, Any] | str) -> None:
        if isinstance(row, str):
            chunk.faults.append(Fault(number, line, row))
            return
        if self.wire:
            values: list[Any] = [row]
        else:
            members = flat(row)
            if not members.keys() <= self._known:
                self.note(f"rows with members that the first {SAMPLE_LINES:,} rows lack (not used)")
            values = [members.get(name) for name in self.columns]
        chunk.rows.append(values)
        chunk.numbers.append(number)
        chunk.texts.append(line)


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


def read_object(line: str) -> dict[str, Any] | str:
    """Return the object of a line, or what is wrong with it."""
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        return f"not JSON: {str(error)[:120]}"
    return row if isinstance(row, dict) else "not a JSON object"
