"""CSV, as it comes: any delimiter, quotes over several lines, rows that are too short, too long or wrapped."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from proffer.core.errors import Invalid, Malformed
from proffer.engine.imports.table import CHUNK, Chunk, Fault, unique_names
from proffer.engine.imports.text import Text

DELIMITERS = ",;\t|"
SPAN = 1_000
SAMPLE_LINES = 200


class CsvTable:
    """A CSV file after RFC 4180, with the repairs and refusals of `Records`.

    A row that is one quoted field holding a whole row of the right width is read as that inner row and counted as
    repaired.
    """

    format, unit, wire = "csv", "line", False

    def __init__(self, path: Path, encoding: str | None = None, delimiter: str | None = None) -> None:
        self.path = path
        self.text = Text(path, encoding)
        if delimiter is not None and len(delimiter) != 1:
            raise Invalid("one character wanted", field="--delimiter", remedy="Give , ; | or a tab.")
        sample = list(islice(self.text.lines(), SAMPLE_LINES))
        self.delimiter = delimiter or sniff(sample)
        header = next((row.values for row in Records(iter(sample), self.delimiter) if row.values), None)
        if header is None:
            raise Malformed(f"{path.name} has no readable header", field="file", remedy="Put column names first.")
        self.columns, self.repeated = unique_names(header)
        self.notes: dict[str, int] = {}
        self.size = self.text.size

    @property
    def position(self) -> int:
        """Return how many bytes of the file have been read."""
        return self.text.position

    def chunks(self) -> Iterator[Chunk]:
        """Yield every row once."""
        chunk, width, header = Chunk(), len(self.columns), False
        for record in Records(self.text.lines(), self.delimiter, width):
            if not record.values and record.reason is None:
                self._note("blank lines")
            elif not header and record.reason is None:
                header = True
            else:
                self._place(chunk, record, width)
            if len(chunk) >= CHUNK:
                yield chunk
                chunk = Chunk()
        yield chunk

    def _place(self, chunk: Chunk, record: "Record", width: int) -> None:
        reason = record.reason or next(filter(None, map(self.text.fault, record.lines)), None)
        values = record.values
        if reason is None and len(values) != width:
            inner = self._inner(values)
            if len(inner) == width:
                values = inner
                self._note("repaired rows")
            else:
                reason = f"{len(values)} fields where the header has {width}"
        if reason is not None:
            chunk.faults.append(Fault(record.number, "".join(record.lines), reason))
            return
        if len(record.lines) > 1:
            self._note("rows over several lines")
        chunk.rows.append(values)
        chunk.numbers.append(record.number)
        chunk.texts.append(record.lines[0] if len(record.lines) == 1 else "".join(record.lines))

    def _inner(self, values: Sequence[str]) -> Sequence[str]:
        if len(values) != 1:
            return values
        try:
            return next(csv.reader([values[0]], delimiter=self.delimiter, strict=True), values)
        except csv.Error:
            return values

    def _note(self, text: str) -> None:
        self.notes[text] = self.notes.get(text, 0) + 1


class Record:
    """A record: the number of its first line, its lines, its values, or why it has none."""

    __slots__ = ("lines", "number", "reason", "values")

    def __init__(self, number: int, lines: list[str], values: Sequence[str], reason: str | None = None) -> None:
        self.number, self.lines, self.values, self.reason = number, lines, values, reason


class Records:
    """Cuts lines into records without ever losing one to an unclosed quote.

    A record over several lines that breaks the quoting rules, has another width, or does not end within 1,000
    lines is refused as its first line alone, and reading goes on with the second.

    >>> [(r.values, r.reason) for r in Records(iter(['a,"b', "c,d"]), ",")]
    [([], 'a quote is opened and not closed, or closed too early'), (['c', 'd'], None)]
    """

    def __init__(self, lines: Iterator[str], delimiter: str, width: int | None = None) -> None:
        self._source = lines
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._delimiter = delimiter
        self._width = width

    def __iter__(self) -> Iterator[Record]:
        number = 1
        while True:
            try:
                for values in csv.reader(self._feed(), delimiter=self._delimiter, strict=True):
                    taken = self._taken
                    if len(taken) > 1 and self._width not in (None, len(values)):
                        raise csv.Error("another width")
                    self._taken = []
                    yield Record(number, taken, values)
                    number += len(taken)
                return
            except csv.Error as error:
                yield Record(number, self._taken[:1], [], _why(error))
                self._again.extendleft(reversed(self._taken[1:]))
                self._taken = []
                number += 1

    def _feed(self) -> Iterator[str]:
        while True:
            line = self._again.popleft() if self._again else next(self._source, None)
            if line is None:
                return
            self._taken.append(line)
            if len(self._taken) > SPAN:
                raise csv.Error("no end")
            yield line


def _why(error: csv.Error) -> str:
    if "field larger" in str(error):
        return f"a field is larger than {csv.field_size_limit():,} characters"
    return "a quote is opened and not closed, or closed too early"


def sniff(lines: Sequence[str]) -> str:
    """Return the delimiter under which most rows are as wide as the header, the wider one where two are even.

    >>> sniff(["a;b;c", "1,5;2;3", "2,5;3;4"])
    ';'
    """
    return max(DELIMITERS, key=lambda delimiter: _fit(lines, delimiter))


def _fit(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    widths = [len(record.values) for record in Records(iter(lines), delimiter) if record.values]
    if not widths or widths[0] < 2:
        return 0.0, 0
    return sum(width == widths[0] for width in widths) / len(widths), widths[0]
