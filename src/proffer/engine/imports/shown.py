"""Past impressions: JSON lines, each a list that was shown, with the interactions that answered it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from proffer.app import App
from proffer.core.checks import check_id, check_time
from proffer.core.errors import Invalid
from proffer.core.events import ENTITY_SET
from proffer.engine.imports.json_table import JsonLines, read_object
from proffer.engine.imports.table import CHUNK, Chunk, Fault
from proffer.engine.imports.text import Text, first_bytes

SAMPLE_LINES = 20
MOST_ITEMS = 1_000
MOMENT = timedelta(milliseconds=1)
ANSWER = ("item", "type", "value", "at", "fields")

Belongs = Callable[[str], str | None]
"""The group that an item is known to be a member of, None where that is not known."""


class Member(NamedTuple):
    """That an item is a member of a group: told by which line, when it was first shown."""

    group: str
    at: datetime
    line: int


def is_shown(path: Path) -> bool:
    """Return whether a file is JSON lines of lists that were shown: its first objects have `items`."""
    if not path.is_file() or first_bytes(path).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
        return False
    rows = [read_object(line) for line in islice(Text(path, None).lines(), SAMPLE_LINES) if line.strip()]
    found = [isinstance(row, dict) and "items" in row and "actor" not in row for row in rows]
    return sum(found) * 2 > len(found)


class ShownTable(JsonLines):
    """A file of lists that were shown; each line becomes an impression for each place, and its interactions.

    A line that cannot be read whole is refused whole, so that no list comes in with holes; what of its events breaks
    the application's declaration is refused by itself, like any event. `belongs` tells the groups of items that are
    known. Raises Invalid for an application without impressions.
    """

    format, unit, wire = "impressions", "line", True
    columns: tuple[str, ...] = ("event",)
    repeated: frozenset[str] = frozenset()

    def __init__(self, path: Path, app: App, belongs: Belongs | None = None, encoding: str | None = None) -> None:
        if app.impression is None:
            raise Invalid(f"{app.name} has no impressions", field="file", remedy="Import events one by one.")
        super().__init__(path, encoding)
        self._lines = Lines(app, belongs or (lambda _: None))

    def chunks(self) -> Iterator[Chunk]:
        """Yield the events of every line, in the order they are told in."""
        chunk = Chunk()
        for number, line, found in self.numbered():
            row = found
            try:
                made = self._lines.read(row, number) if isinstance(row, dict) else None
            except Invalid as error:
                where = f"{error.field}: " if error.field else ""
                row, made = f"{where}{error.message}. {error.remedy or ''}".strip(), None
            if made is None:
                self.note("lists that cannot be read, each one row below")
                chunk.faults.append(Fault(number, line, str(row)))
            else:
                self.note("lists that were shown, each a row for each place and for each answer")
                _place(chunk, number, made)
            if len(chunk) >= CHUNK:
                yield chunk
                chunk = Chunk()
        yield chunk
        if self._lines.news:
            self.notes["rows that say of which group an item is, which was not known"] = len(self._lines.news)
            chunk = Chunk()
            for item, member in self._lines.news.items():
                _place(chunk, member.line, [self._lines.fact(item, member)])
            yield chunk


class Lines:
    """Turns lines into events."""

    def __init__(self, app: App, belongs: Belongs) -> None:
        """`news` are the items whose group was not known before."""
        self._app, self._belongs = app, belongs
        self._group = app.schema.entities[app.item].role("group")
        self._subjects = tuple(dict.fromkeys(("user", "subject", app.subject)))
        self._groups = () if app.group is None else tuple(dict.fromkeys(("group", app.group)))
        self._members = ("query_id", *self._subjects, "at", *self._groups, "items", "interactions")
        self.news: dict[str, Member] = {}

    def read(self, row: Mapping[str, Any], line: int) -> list[dict[str, Any]]:
        """Return the events of a line. Raises Invalid naming the member at fault."""
        _only(row, self._members, "")
        subject = check_id(_one(row, self._subjects), self._subjects[0])
        at = check_time(row.get("at"), "at")
        items = _items(row.get("items"))
        answers = [] if row.get("interactions") is None else row["interactions"]
        if not isinstance(answers, list):
            raise Invalid("not a list", field="interactions", remedy="Send [{item, type, value?, at?}, ...].")
        query = row.get("query_id")
        name = check_id(query, "query_id") if query is not None else _name(row)
        group = self._grouped(row, items)
        shared = {"at": at.isoformat(), "actor": subject, "query_id": name}
        type = str(self._app.impression)
        made: list[dict[str, Any]] = [
            {"type": type, "target": item, **shared, "fields": {"position": place}}
            for place, item in enumerate(items, 1)
        ]
        for place, answer in enumerate(answers):
            event = self._answer(answer, f"interactions.{place}", frozenset(items))
            when = check_time(answer["at"], f"interactions.{place}.at") if answer.get("at") is not None else at
            if when < at:
                remedy = "Send a time that is not before the list's."
                raise Invalid("answered before it was shown", field=f"interactions.{place}.at", remedy=remedy)
            made.append({**shared, **event, "at": when.isoformat()})
        # Believed only once the whole line is known to be sound.
        if group is not None:
            for item in items:
                if self._belongs(item) is None and (item not in self.news or at < self.news[item].at):
                    self.news[item] = Member(group, at, line)
        return made

    def fact(self, item: str, member: Member) -> dict[str, Any]:
        """Return the event that says of which group an item is: a moment before it was first shown."""
        at = (member.at - MOMENT).isoformat()
        return {
            "type": ENTITY_SET, "at": at, "actor": {"kind": self._app.item, "id": item},
            "fields": {str(self._group): member.group},
        }  # fmt: skip

    def _answer(self, answer: Any, field: str, items: frozenset[str]) -> dict[str, Any]:
        if not isinstance(answer, Mapping):
            raise Invalid("not an object", field=field, remedy="Send {item, type, value?, at?}.")
        _only(answer, ANSWER, field)
        item = check_id(answer.get("item"), f"{field}.item")
        if item not in items:
            remedy = "Name one of the list's items, or import the event by itself."
            raise Invalid(f"{item[:40]!r} was not shown", field=f"{field}.item", remedy=remedy)
        fields = {} if answer.get("fields") is None else answer["fields"]
        if not isinstance(fields, Mapping):
            raise Invalid("not an object", field=f"{field}.fields", remedy="Send {name: value}.")
        fields = dict(fields)
        if answer.get("value") is not None:
            filled = self._app.values.get(str(answer.get("type")))
            if filled is None:
                remedy = "Send the value in `fields`, under the name of a field."
                raise Invalid("events of this type have no value", field=f"{field}.value", remedy=remedy)
            fields[filled] = answer["value"]
        return {"type": answer.get("type"), "target": item, **({"fields": fields} if fields else {})}

    def _grouped(self, row: Mapping[str, Any], items: list[str]) -> str | None:
        """Return the group that the line says its items are of. Raises Invalid where one is known to be of another."""
        group = _one(row, self._groups)
        if group is None or self._group is None:
            return None
        for item in items:
            held = self.news[item].group if item in self.news else self._belongs(item)
            if held is not None and held != group:
                remedy = "A list holds members of one group: mend the line."
                raise Invalid(f"{item[:40]!r} belongs to {held[:40]!r}", field=self._groups[-1], remedy=remedy)
        return check_id(group, self._groups[-1])


def _place(chunk: Chunk, number: int, events: list[dict[str, Any]]) -> None:
    for event in events:
        chunk.rows.append([event])
        chunk.numbers.append(number)
        chunk.texts.append(msgspec.json.encode(event).decode())


def _items(value: Any) -> list[str]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_ITEMS:
        raise Invalid(
            f"not a list of 1 to {MOST_ITEMS:,} ids", field="items", remedy="Send the ids in the order shown."
        )
    items = [check_id(item, f"items.{place}") for place, item in enumerate(value)]
    if len(set(items)) < len(items):
        raise Invalid("an item stands twice", field="items", remedy="Send each once, at the place it was shown at.")
    return items


def _one(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """Return the one member of several names that is there, None without any. Raises Invalid for two."""
    there = [name for name in names if row.get(name) is not None]
    if len(there) > 1:
        raise Invalid(f"both {there[0]} and {there[1]}", field=there[1], remedy="Send one of them.")
    return row[there[0]] if there else None


def _only(row: Mapping[str, Any], names: tuple[str, ...], field: str) -> None:
    unknown = next((name for name in row if name not in names), None)
    if unknown is not None:
        where = f"{field}.{unknown}" if field else str(unknown)
        raise Invalid("unknown member", field=where[:80], remedy=f"Use only {', '.join(names)}.")


def _name(row: Mapping[str, Any]) -> str:
    """Return a name for a list that has none, from its content: the same line always gets the same."""
    packed = msgspec.json.encode(dict(row), order="sorted")
    return f"list_{blake2b(packed, digest_size=12).hexdigest()}"
