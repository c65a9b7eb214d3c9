"""Rows of a judged set as they are read: checked one by one, counted, and laid list by list at the end."""

from array import array
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import TooLarge
from proffer.core.events import Verdict
from proffer.engine.imports.report import Tally
from proffer.engine.imports.text import printable
from proffer.engine.judged_set import KEPT_FAULTS, Damaged

MOST_CELLS = 500_000_000
"""Of the matrix of a set: 2 GB."""
RAW = 2_000
MOST_GRADE = 31.0
LARGEST = float(np.finfo(np.float32).max)


class Row(NamedTuple):
    """A row that can be read: its list, its grade, its document, where values stand, the values (unknown: NaN)."""

    number: int
    query: str
    grade: float
    document: str | None
    places: NDArray[np.int32]
    values: NDArray[np.float64]


class Fault(NamedTuple):
    """A row that cannot be read."""

    number: int
    raw: str
    reason: str


class JudgedFile(Protocol):
    """A file of judged rows.

    `sparse` says that a row leaves out what is 0; `notes` says what was done on the way; `size` and `position` are
    bytes of the file, all and read.
    """

    format: str
    sparse: bool
    notes: dict[str, int]
    size: int

    @property
    def position(self) -> int:
        """Return how far reading has come, of `size`."""
        ...

    def rows(self) -> Iterator[Row | Fault]:
        """Yield every row once. Raises Corrupt or Malformed where the file as a whole is unusable."""
        ...

    def name(self, place: int) -> str:
        """Return the name of a place."""
        ...

    def mapping(self) -> dict[str, Any]:
        """Return what columns were taken for."""
        ...


class JudgedRows:
    """All rows of a file, compactly: values end to end, with where each row begins."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.faults: list[Damaged] = []
        self.queries: dict[str, int] = {}
        self._of_row = array("q")
        self._grades = array("d")
        self._ends = array("q", [0])
        self._places: list[NDArray[np.int32]] = []
        self._values: list[NDArray[np.float32]] = []
        self._documents: dict[tuple[str, str], tuple[int, bytes]] = {}

    def __len__(self) -> int:
        return len(self._grades)

    @property
    def damaged(self) -> int:
        """Return how many rows could not be used."""
        counts = self.tally.counts
        return counts.quarantined + counts.conflicts

    def add(self, row: Row | Fault) -> None:
        """Take a row, or keep it with the reason why it cannot be used."""
        if isinstance(row, Fault):
            self._refuse(Verdict.QUARANTINED, row.number, row.raw, row.reason)
            return
        reason = _unfit(row)
        if reason is not None:
            self._refuse(Verdict.QUARANTINED, row.number, _shown(row), reason)
            return
        if row.document is not None and not self._new(row, row.document):
            return
        self.tally.add(Verdict.ACCEPTED, None, row.number)
        self._of_row.append(self.queries.setdefault(row.query, len(self.queries)))
        self._grades.append(row.grade)
        self._places.append(row.places)
        self._values.append(row.values.astype(np.float32))
        self._ends.append(self._ends[-1] + len(row.values))

    def matrix(self) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
        """Return the places that occur (d,), and the lists end to end in order of first mention: X (n, d), y, sizes.

        What a row does not name is 0. Raises TooLarge for a matrix beyond 2 GB.
        """
        # Rows of a table share one array of places.
        shared = list({id(places): places for places in self._places}.values())
        occurring = np.unique(np.concatenate([np.empty(0, np.int32), *shared])).astype(np.int64)
        n, d = len(self), len(occurring)
        if n * d > MOST_CELLS:
            remedy = "Import a part of it, or leave out features with --drop."
            raise TooLarge(
                f"{n:,} rows of {d:,} features are more than memory is used for", field="file", remedy=remedy
            )
        of_row = np.frombuffer(self._of_row, np.int64) if n else np.empty(0, np.int64)
        order = np.argsort(of_row, kind="stable")
        X: NDArray[np.float32] = np.zeros((n, d), np.float32)
        for slot, row in enumerate(order.tolist()):
            X[slot, np.searchsorted(occurring, self._places[row])] = self._values[row]
        y = (np.frombuffer(self._grades) if n else np.empty(0))[order].copy()
        return occurring, X, y, np.bincount(of_row, minlength=len(self.queries)).astype(np.int64)

    def _new(self, row: Row, document: str) -> bool:
        """Return whether a document is new in its list; count it as a duplicate or a conflict where it is not."""
        content = blake2b(row.places.tobytes(), digest_size=16)
        content.update(row.values.tobytes())
        content.update(repr(row.grade).encode())
        held = self._documents.setdefault((row.query, document), (row.number, content.digest()))
        if held[0] == row.number:
            return True
        if held[1] == content.digest():
            self.tally.add(Verdict.DUPLICATE, None, row.number)
        else:
            reason = "its list has the document already, with another grade or other features; that row stays"
            self._refuse(Verdict.CONFLICT, row.number, _shown(row), reason)
        return False

    def _refuse(self, verdict: Verdict, number: int, raw: str, reason: str) -> None:
        self.tally.add(verdict, reason, number)
        if len(self.faults) < KEPT_FAULTS:
            self.faults.append(Damaged(number, printable(raw.rstrip("\r\n"))[:RAW], reason))


def _unfit(row: Row) -> str | None:
    """Return why a row that could be read is of no use."""
    if not np.isfinite(row.grade):
        return f"the grade {row.grade} is not finite"
    if row.grade < 0:
        return f"the grade {row.grade:g} is below 0"
    if row.grade > MOST_GRADE:
        return f"the grade {row.grade:g} is above {MOST_GRADE:g}: 2^grade would count for all"
    if not (np.abs(row.values[~np.isnan(row.values)]) <= LARGEST).all():
        return "a feature is infinite, or larger than 3.4e38"
    return None


def _shown(row: Row) -> str:
    pairs = " ".join(f"{place}:{value:g}" for place, value in zip(row.places[:50], row.values[:50], strict=True))
    return f"{row.grade:g} qid:{row.query} {pairs}"
