"""Reading a split file: a user, an item and perhaps a time in each line, with tabs between."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from proffer.core.checks import check_id
from proffer.core.errors import Invalid
from proffer.engine.imports.convert import UNITS, moment, time_reader, to_number, unit_of
from proffer.engine.imports.mapping import Mapping as Columns
from proffer.engine.imports.text import Text, printable

USER, ITEM = ("user", "user_id", "userid", "uid"), ("item", "item_id", "itemid", "iid")
TIME = ("time", "timestamp", "at", "ts", "date", "datetime")
SHOWN = 1_000
"""So many damaged lines are told one by one; all are counted."""
EXCERPT = 80


class SplitRow(NamedTuple):
    """A row that can be used; `at` is in epoch seconds, 0 where the file has no times."""

    line: int
    user: str
    item: str
    at: float


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """A line that cannot be used, and why; its beginning as it came."""

    line: int
    reason: str
    text: str


class SplitFile(msgspec.Struct, kw_only=True):
    """What became of each line of a file: `lines` = 1 for a `header` + `blank` + `damaged` + `taken`."""

    name: str
    lines: int = 0
    header: bool = False
    blank: int = 0
    damaged: int = 0
    taken: int = 0
    times: bool = False
    damages: list[Damage] = []
    rows: list[SplitRow] = []

    def told(self) -> "SplitFile":
        """Return the same without its rows."""
        return msgspec.structs.replace(self, rows=[])

    def refuse(self, number: int, line: str, reason: str) -> None:
        """Count a damaged line."""
        self.damaged += 1
        if len(self.damages) < SHOWN:
            self.damages.append(Damage(line=number, reason=reason, text=printable(line.rstrip("\r\n"))[:EXCERPT]))


class _Form(NamedTuple):
    """Which columns hold what, of how many."""

    user: int
    item: int
    time: int | None
    width: int


def read_split(path: Path, kinds: Mapping[str, str]) -> SplitFile:
    """Return a split file's rows, and what became of every line.

    `kinds` gives the application's own words for user and item, which a header may use too. Without a header, a line
    is a user, an item and perhaps a time: epoch seconds (or milli- or microseconds), or ISO 8601, UTC where it says
    no zone. Raises Malformed or Corrupt for what is no text or cannot be unpacked.
    """
    text, file, form = Text(path, None), SplitFile(name=path.name), None
    for number, line in enumerate(text.lines(), 1):
        file.lines += 1
        fault = text.fault(line)
        fields = [field.strip() for field in line.strip("\r\n").split("\t")]
        if fault is None and not any(fields):
            file.blank += 1
        elif fault is not None:
            file.refuse(number, line, fault)
        elif form is None and (named := _named(fields, kinds)) is not None:
            form, file.header, file.times = named, True, named.time is not None
        else:
            if form is None and len(fields) in (2, 3):
                form = _Form(0, 1, 2 if len(fields) == 3 else None, len(fields))
                file.times = form.time is not None
            _take(file, form, number, line, fields)
    return file


def _take(file: SplitFile, form: _Form | None, number: int, line: str, fields: list[str]) -> None:
    if form is None or len(fields) != form.width:
        wanted = "user, item and perhaps time" if form is None else f"{form.width}"
        file.refuse(number, line, f"{len(fields)} fields where {wanted} were expected")
        return
    try:
        user, item = check_id(fields[form.user], "user"), check_id(fields[form.item], "item")
        at = 0.0 if form.time is None else _time(fields[form.time])
    except Invalid as error:
        where = f"{error.field}: " if error.field else ""
        file.refuse(number, line, f"{where}{error.message}")
        return
    file.taken += 1
    file.rows.append(SplitRow(number, user, item, at))


_iso = time_reader(Columns())


def _time(text: str) -> float:
    try:
        at = to_number(text)
    except Invalid:
        at = _iso(text)
    else:
        at /= UNITS[unit_of(at)]
    if at < 0:
        raise Invalid("a time before 1970", field="at")
    moment(at)
    return at


def _named(fields: list[str], kinds: Mapping[str, str]) -> _Form | None:
    """Return the columns that a header names, None where the line is no header."""
    names = [field.lower().replace(" ", "_") for field in fields]
    found = {}
    for what, known in (("user", USER), ("item", ITEM), ("time", TIME)):
        kind = kinds.get(what)
        also = (kind, f"{kind}_id", f"{kind}id") if kind else ()
        found[what] = next((place for place, name in enumerate(names) if name in (*known, *also)), None)
    user, item = found["user"], found["item"]
    return None if user is None or item is None else _Form(user, item, found["time"], len(fields))
