"""A file of judged rows becomes a judged set, every row accounted for."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Invalid, Malformed
from proffer.core.events import Counts
from proffer.engine.imports.judged_rows import JudgedFile, JudgedRows
from proffer.engine.imports.judged_table import JudgedTable, Taken
from proffer.engine.imports.report import Cause
from proffer.engine.imports.svmlight import SvmlightFile, is_svmlight
from proffer.engine.imports.text import MISTAKEN, Text, first_bytes
from proffer.engine.judged_set import JudgedSet, Origin, Sets

FEWEST_LISTS = 20
"""With fewer lists of several rows, that none has a number twice says nothing."""
MOST_GRADES = 12
TELL = 5_000


class SetReport(msgspec.Struct, frozen=True, kw_only=True):
    """The import of a judged set: what became of each row of the file, and what the set holds.

    `rows` = accepted + duplicates + conflicts + quarantined (of `counts`). `grades` counts rows by grade where there
    are at most twelve; `without` are lists without a grade above 0; `left_out` says why columns are no features.
    """

    set: str
    digest: str
    file: str
    format: str
    rows: int
    counts: Counts
    causes: list[Cause]
    notes: dict[str, int]
    lists: int
    longest: int
    without: int
    features: int
    grades: dict[str, int]
    whole: bool
    left_out: dict[str, str]
    mapping: dict[str, Any]
    dry_run: bool
    seconds: float


def recognised(path: Path, taken: Taken, *, asked: bool, encoding: str | None = None) -> JudgedFile | None:
    """Return a file of judged rows, None for one that is something else; `asked` says that it is to be read as one.

    SVMlight is told by its first row. A delimited file is taken for one without being asked to where its header names
    query and grade, or where it has no header and its first columns look like them.
    """
    if not path.is_file():
        return None
    head = first_bytes(path)
    if not head.strip() or head.lstrip()[:1] in b"[{" or any(head.startswith(magic) for magic in (*MISTAKEN, b"PAR1")):
        return None
    first = next((line for line in Text(path, encoding).lines() if line.strip() and not line.startswith("#")), "")
    if is_svmlight(first):
        return SvmlightFile(path, encoding)
    if asked:
        return JudgedTable(path, taken, encoding)
    try:
        found = JudgedTable(path, taken, encoding)
    except Invalid:
        return None
    return found if found.plausible() else None


def set_name(path: Path) -> str:
    """Return the name of a file without what says how it is packed and delimited.

    >>> set_name(Path("train.txt.gz")), set_name(Path("rank.train"))
    ('train', 'rank.train')
    """
    name = path.name.removesuffix(".gz")
    for ending in (".txt", ".csv", ".tsv", ".svm", ".svmlight", ".libsvm", ".dat"):
        name = name.removesuffix(ending)
    return name


def bring(
    file: JudgedFile, path: Path, name: str, sets: Sets, *, cuts: Sequence[float] = (), keep: Sequence[str] = (),
    dry_run: bool = False, progress: Callable[[str, int, int], None] | None = None,
) -> SetReport:  # fmt: skip
    """Read a file whole, keep it as a set, and report. Raises Malformed where not one row can be used.

    With `cuts`, ascending, a relevance becomes the number of cuts that it lies above. Nothing is written before every
    row has been read; a repeat finds the same set and writes nothing.
    """
    started = time.perf_counter()
    if any(one >= other for one, other in pairwise(cuts)) or not np.isfinite(cuts).all():
        raise Invalid("cuts ascend", field="--cuts", remedy="For example --cuts 0,0.07,0.14,0.41.")
    rows, received = JudgedRows(), 0
    for row in file.rows():
        rows.add(row)
        received += 1
        if progress is not None and not received % TELL:
            progress("reading", file.position, file.size)
    if not len(rows):
        first = rows.faults[0] if rows.faults else None
        remedy = "Give rows." if first is None else f"The first is line {first.number}: {first.reason}."
        raise Malformed(f"none of the {received:,} rows can be used", field="file", remedy=remedy)
    found, left_out = _made(file, path, name, rows, cuts, frozenset(keep))
    digest = found.digest()
    new = _is_new(sets, name, digest) if dry_run else sets.put(name, digest, found.pack())
    counts = rows.tally.counts
    if not new:
        counts = Counts(duplicates=counts.accepted + counts.duplicates + counts.conflicts + counts.quarantined)
    wanted = np.add.reduceat(found.y > 0, np.concatenate([[0], np.cumsum(found.sizes)[:-1]]))
    return SetReport(
        set=name, digest=digest, file=path.name, format=file.format, rows=received, counts=counts,
        causes=rows.tally.causes, notes=file.notes, lists=len(found.sizes), longest=int(found.sizes.max()),
        without=int((wanted == 0).sum()), features=len(found.columns), grades=_grades(found.y), whole=found.whole,
        left_out=left_out, mapping=found.origin.mapping, dry_run=dry_run,
        seconds=round(time.perf_counter() - started, 3),
    )  # fmt: skip


def _made(
    file: JudgedFile, path: Path, name: str, rows: JudgedRows, cuts: Sequence[float], keep: frozenset[str]
) -> tuple[JudgedSet, dict[str, str]]:
    places, X, y, sizes = rows.matrix()
    names = [file.name(place) for place in places.tolist()]
    left_out = {one: "text" for one in file.mapping().get("text", ()) if one not in keep}
    if not file.sparse:
        for column in np.flatnonzero([one not in keep for one in names]).tolist():
            if like_an_id(X[:, column], sizes):
                left_out[names[column]] = "whole numbers that no list has twice: an id, or the order it was shown in"
    kept = [column for column, one in enumerate(names) if one not in left_out]
    if not kept:
        raise Malformed("no column is a feature", field="file", remedy="Name columns with --query and --grade.")
    if cuts:
        y = np.searchsorted(np.asarray(cuts, np.float64), y, side="left").astype(np.float64)
    origin = Origin(
        file=path.name, format=file.format, mapping=file.mapping(), cuts=list(map(float, cuts)), damaged=rows.damaged,
        faults=rows.faults,
    )  # fmt: skip
    found = JudgedSet(
        name=name, columns=tuple(names[column] for column in kept), X=np.ascontiguousarray(X[:, kept]), y=y,
        sizes=sizes, queries=tuple(rows.queries), sparse=file.sparse, origin=origin,
    )  # fmt: skip
    return found, left_out


def like_an_id(column: NDArray[np.float32], sizes: NDArray[np.int64]) -> bool:
    """Return whether a column (n,) holds whole numbers of which no list of several rows has one twice.

    >>> like_an_id(np.tile(np.arange(3, dtype=np.float32), 20), np.full(20, 3)), like_an_id(np.ones(60), np.full(20, 3))
    (True, False)
    """
    if np.isnan(column).any() or (column != np.rint(column)).any() or (sizes > 1).sum() < FEWEST_LISTS:
        return False
    of_row = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((column, of_row))
    same = (np.diff(column[order]) == 0) & (np.diff(of_row[order]) == 0)
    return not same.any()


def _is_new(sets: Sets, name: str, digest: str) -> bool:
    return name not in sets.names() or sets.get(name)[0] != digest


def _grades(y: NDArray[np.float64]) -> dict[str, int]:
    values, counts = np.unique(y, return_counts=True)
    if len(values) > MOST_GRADES:
        return {}
    return {f"{value:g}": int(count) for value, count in zip(values.tolist(), counts.tolist(), strict=True)}
