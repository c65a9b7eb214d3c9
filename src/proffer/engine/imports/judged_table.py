"""Delimited judged rows: a query id, a grade, and columns of numbers; with a header or without one."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Invalid, Malformed
from proffer.engine.imports.convert import Missing, to_number
from proffer.engine.imports.csv_table import Record, Records, sniff
from proffer.engine.imports.guess import ACTORS, TIMES
from proffer.engine.imports.judged_rows import Fault, Row
from proffer.engine.imports.table import unique_names
from proffer.engine.imports.text import Text

SAMPLE_LINES = 2_000
QUERIES = ("qid", "query", "queryid", "srchid", "searchid", "listid", "groupid")
GRADES = ("grade", "relevance", "rel", "label", "relevancelabel", "judgment", "judgement")
DOCUMENTS = ("docid", "documentid", "doc")
MOST_TEXT = 0.1
"""A column of which more than this share is no number is text."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of the columns; what is left open is guessed.

    `query`, `grade` and `id` (the document) name columns, `drop` such that are no features, `keep` such that are
    although they look like an id. `header` says whether the first row has names. Without one they are `column 1` ...
    """

    query: str | None = None
    grade: str | None = None
    id: str | None = None
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    header: bool | None = None
    delimiter: str | None = None
    decimal: str = "."
    missing: tuple[str, ...] = ()


class JudgedTable:
    """A delimited file of judged rows. Raises Invalid for columns that are not there or cannot be guessed."""

    format, sparse = "delimited", False

    def __init__(self, path: Path, taken: Taken, encoding: str | None = None) -> None:
        self.path, self.taken = path, taken
        self.text = Text(path, encoding)
        self.size = self.text.size
        self.notes: dict[str, int] = {}
        if taken.delimiter is not None and len(taken.delimiter) != 1:
            raise Invalid("one character wanted", field="--delimiter", remedy="Give , ; | or a tab.")
        lines = list(islice(self.text.lines(), SAMPLE_LINES))
        self.delimiter = taken.delimiter or sniff(lines)
        sample = [record.values for record in Records(iter(lines), self.delimiter) if record.values]
        if not sample:
            raise Malformed(f"{path.name} has no readable row", field="file", remedy="Give rows of numbers.")
        self._missing = Missing(taken.missing)
        self.header = taken.header if taken.header is not None else not any(map(self._is_number, sample[0]))
        names = sample[0] if self.header else [""] * len(sample[0])
        self.columns, _ = unique_names(names)
        self._sample = [row for row in sample[self.header :] if len(row) == len(self.columns)]
        self._places = {name: place for place, name in enumerate(self.columns)}
        self.query, self.grade, self.id = self._keys()
        self.texts = self._text_columns()
        kept = [place for place, name in enumerate(self.columns) if name not in self._not_features()]
        self._features: NDArray[np.int32] = np.array(kept, np.int32)

    @property
    def position(self) -> int:
        """Return how many bytes of the file have been read."""
        return self.text.position

    def name(self, place: int) -> str:
        """Return the name of a place."""
        return self.columns[place]

    def mapping(self) -> dict[str, Any]:
        """Return what the columns were taken for."""
        found: dict[str, Any] = {"query": self.query, "grade": self.grade}
        if self.id is not None:
            found["id"] = self.id
        return found | {"text": list(self.texts), "drop": list(self.taken.drop), "header": self.header}

    def rows(self) -> Iterator[Row | Fault]:
        """Yield every row once."""
        width, header = len(self.columns), self.header
        for record in Records(self.text.lines(), self.delimiter, width):
            if not record.values and record.reason is None:
                self.notes["blank lines"] = self.notes.get("blank lines", 0) + 1
            elif header and record.reason is None:
                header = False
            else:
                yield self._read(record, width)

    def _read(self, record: Record, width: int) -> Row | Fault:
        values, raw = record.values, "".join(record.lines)
        reason = record.reason or next(filter(None, map(self.text.fault, record.lines)), None)
        if reason is None and len(values) != width:
            reason = f"{len(values)} fields where there are {width} columns"
        if reason is not None:
            return Fault(record.number, raw, reason)
        query, grade = values[self._places[self.query]].strip(), values[self._places[self.grade]]
        if self._missing(query) or self._missing(grade):
            return Fault(record.number, raw, f"{self.query if self._missing(query) else self.grade} is missing")
        try:
            numbers = np.array([self._number(values[place], place) for place in self._features.tolist()])
            found = self._number(grade, self._places[self.grade])
        except Invalid as error:
            return Fault(record.number, raw, error.message)
        document = None if self.id is None else values[self._places[self.id]].strip() or None
        return Row(record.number, query, found, document, self._features, numbers)

    def _number(self, text: str, place: int) -> float:
        if self._missing(text):
            return float("nan")
        try:
            return to_number(text, self.taken.decimal)
        except Invalid:
            raise Invalid(f"{self.columns[place]} is no finite number: {text[:40]!r}") from None

    def _is_number(self, text: str) -> bool:
        try:
            to_number(text, self.taken.decimal)
        except Invalid:
            return False
        return True

    def _keys(self) -> tuple[str, str, str | None]:
        """Return the columns of the query, of the grade and of the document."""
        taken = self.taken
        for name in (taken.query, taken.grade, taken.id, *taken.drop, *taken.keep):
            if name is not None and name not in self._places:
                remedy = f"The file has {', '.join(self.columns[:40])}."
                raise Invalid(f"no column {name[:40]!r}", field="--query, --grade, --id, --drop, --keep", remedy=remedy)
        query = taken.query or self._named(QUERIES) or (None if self.header else self.columns[0])
        grade = taken.grade or self._named(GRADES)
        if grade is None and not self.header and len(self.columns) > 1:
            grade = self.columns[1]
        if query is None or grade is None or query == grade:
            what, flag = ("the query", "--query") if query is None else ("the grade", "--grade")
            shown = ", ".join(self.columns[:40])
            raise Invalid(f"cannot guess {what} from the columns {shown}", field=flag, remedy="Name the column.")
        return query, grade, taken.id or self._named(DOCUMENTS)

    def _named(self, names: Sequence[str]) -> str | None:
        known = {plain(column): column for column in reversed(self.columns)}
        return next((known[name] for name in names if name in known), None) if self.header else None

    def _text_columns(self) -> tuple[str, ...]:
        """Return the columns of which more than a tenth of a sample is no number, beside the keys."""
        found = []
        for place, name in enumerate(self.columns):
            if name in (self.query, self.grade, self.id):
                continue
            known = [row[place] for row in self._sample if not self._missing(row[place])]
            if sum(not self._is_number(text) for text in known) > MOST_TEXT * len(known):
                found.append(name)
        return tuple(found)

    def _not_features(self) -> set[str]:
        keys = {name for name in (self.query, self.grade, self.id) if name is not None}
        return (keys | set(self.texts) | set(self.taken.drop)) - (set(self.taken.keep) - keys)

    def plausible(self) -> bool:
        """Return whether what was guessed fits the file: nobody acts at a time, lists of several rows, few grades."""
        if self.header:
            return not any(plain(column) in (*ACTORS, *TIMES) for column in self.columns)
        queries = [row[self._places[self.query]] for row in self._sample]
        grades = [row[self._places[self.grade]] for row in self._sample]
        numbers = [to_number(text, self.taken.decimal) for text in grades if self._is_number(text)]
        few = len(numbers) == len(grades) > 0 and min(numbers) >= 0 and max(numbers) <= 10
        return few and len(self._features) >= 3 and len(set(queries)) * 2 <= len(queries) > 3


def plain(name: str) -> str:
    """Return the letters and digits of a column's name.

    >>> plain("Query_ID")
    'queryid'
    """
    return "".join(character for character in name.lower() if character.isalnum())
