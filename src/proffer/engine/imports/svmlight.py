"""SVMlight and LETOR: `grade qid:7 1:0.5 3:1 # document`, sparse, one row a line."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from proffer.core.errors import Invalid, Malformed
from proffer.engine.imports.judged_rows import Fault, Row
from proffer.engine.imports.text import Text

# What `float` reads, and nothing that LightGBM's and others' readers take for something else.
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|NaN|NULL|inf|Inf|infinity)"
_LINE = re.compile(rf"\s*({_NUMBER})(?:\s+qid:([^\s#]+))?((?:\s+\d{{1,9}}:{_NUMBER})*)\s*(?:#(.*))?")
_BEGINNING = re.compile(rf"\s*{_NUMBER}\s+(?:qid:\S+|\d+:{_NUMBER})(?:\s+\d+:{_NUMBER})*\s*(?:#.*)?")
_DOCUMENT = re.compile(r"^\s*(?:#?\s*)?(?:docid|doc|document|url)\s*[=:]\s*(\S+)", re.IGNORECASE)
MOST_PLACE = 1_000_000
SIZES = (".query", ".group")


def is_svmlight(line: str) -> bool:
    """Return whether a line is a row of this format.

    >>> is_svmlight("2 qid:1 1:0.5 # doc"), is_svmlight("0 10:0.89 11:0.75"), is_svmlight("user,post,1:2")
    (True, True, False)
    """
    return _BEGINNING.fullmatch(line.strip()) is not None


class SvmlightFile:
    """A file in this format, its lists told by `qid` or by a file of list sizes beside it, as LightGBM has it.

    `documents` says to tell rows of a list apart by the `docid` of their comments. A row that cannot be read still
    takes its place in the list of a sizes file. Raises Malformed where nothing says which rows are one list.
    """

    format, sparse = "svmlight", True

    def __init__(self, path: Path, encoding: str | None = None, sizes: Path | None = None) -> None:
        self.path = path
        self.text = Text(path, encoding)
        self.size = self.text.size
        self.notes: dict[str, int] = {}
        self._sizes = sizes or next((one for one in map(path.with_name, _beside(path)) if one.is_file()), None)
        self._of_sizes = None if self._sizes is None else _read_sizes(self._sizes)
        self._documents = False

    @property
    def position(self) -> int:
        """Return how many bytes of the file have been read."""
        return self.text.position

    def name(self, place: int) -> str:
        """Return the name of a place."""
        return f"f{place}"

    def mapping(self) -> dict[str, Any]:
        """Return what tells lists and documents apart."""
        lists = "qid" if self._sizes is None else self._sizes.name
        return {"query": lists, "grade": "first number", **({"id": "docid of comments"} if self._documents else {})}

    def rows(self) -> Iterator[Row | Fault]:
        """Yield every row once. Raises Malformed where the sizes file and the rows do not match in number."""
        lists = None if self._of_sizes is None else iter(self._of_sizes)
        left, held, count = 0, 0, 0
        for number, line in enumerate(self.text.lines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                self._note("blank lines" if not line.strip() else "lines of comment")
                continue
            count += 1
            if lists is not None:
                while left == 0:
                    left = next(lists, -1)
                    held += 1
                if left < 0:
                    raise self._unequal(f"more than the {sum(self._of_sizes or ()):,} rows it speaks of")
                left -= 1
            yield self._read(number, line, None if lists is None else str(held))
        if lists is not None and self._of_sizes is not None and count != sum(self._of_sizes):
            raise self._unequal(f"{count:,} rows, it speaks of {sum(self._of_sizes):,}")

    def _read(self, number: int, line: str, query: str | None) -> Row | Fault:
        reason = self.text.fault(line)
        match = None if reason else _LINE.fullmatch(line.strip())
        if match is None:
            return Fault(number, line, reason or "not: grade qid:ID index:value ..., indices and values being numbers")
        grade, qid, pairs, comment = match.groups()
        if query is None and qid is None:
            return Fault(number, line, "no qid, and no file of list sizes tells its list")
        # LETOR writes NULL where a feature is unknown.
        parts = np.array(pairs.replace(":", " ").replace("NULL", "nan").split(), np.float64)
        places = parts[::2].astype(np.int64)
        if len(places) and places.max() > MOST_PLACE:
            return Fault(number, line, f"an index is above {MOST_PLACE:,}")
        if len(np.unique(places)) < len(places):
            return Fault(number, line, "an index stands twice")
        if grade == "NULL":
            return Fault(number, line, "the grade is unknown")
        found = _DOCUMENT.match(comment) if comment else None
        self._documents = self._documents or found is not None
        document = found.group(1) if found else None
        name = query if query is not None else qid
        return Row(number, name, float(grade), document, places.astype(np.int32), parts[1::2])

    def _unequal(self, what: str) -> Malformed:
        name = "" if self._sizes is None else self._sizes.name
        remedy = "Mend one of the two, or take the file of sizes away where the rows carry a qid."
        return Malformed(f"{self.path.name} has {what} ({name})", field="file", remedy=remedy)

    def _note(self, text: str) -> None:
        self.notes[text] = self.notes.get(text, 0) + 1


def _beside(path: Path) -> list[str]:
    names = [path.name, path.name.removesuffix(".gz")]
    return list(dict.fromkeys(name + ending for name in names for ending in SIZES))


def _read_sizes(path: Path) -> list[int]:
    lines = [line.strip() for line in Text(path, None).lines()]
    try:
        sizes = [int(line) for line in lines if line]
    except ValueError:
        sizes = [-1]
    if not sizes or min(sizes) < 0:
        remedy = "Write one whole number a line, the rows of each list in order."
        raise Invalid(f"{path.name} is no list of sizes", field="file", remedy=remedy)
    return sizes
