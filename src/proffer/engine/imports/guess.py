"""What a mapping leaves open is guessed from the names of the columns and a sample of their values."""

import re
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as Members
from datetime import datetime
from typing import Any

from proffer.app import App
from proffer.core.errors import Invalid
from proffer.core.schema import Attribute, Field
from proffer.engine.imports.convert import Missing, to_number, unit_of
from proffer.engine.imports.mapping import BELOW, Mapping, column_of, read_mapping
from proffer.engine.imports.rows import alike

# fmt: off
ACTORS = (
    "user", "userid", "person", "personid", "actor", "actorid", "visitor", "visitorid", "member", "memberid",
    "customer", "customerid", "account", "accountid", "uid",
)
TARGETS = (
    "item", "itemid", "target", "targetid", "content", "contentid", "movie", "movieid", "article", "articleid",
    "post", "postid", "product", "productid", "news", "newsid", "video", "videoid", "book", "bookid",
)
# fmt: on
TYPES = ("eventtype", "event", "type", "action", "interaction", "eventname", "interactiontype", "behavior")
TIMES = ("timestamp", "time", "ts", "at", "datetime", "date", "eventtime", "createdat", "occurredat", "eventtimestamp")
RATINGS = ("rating", "stars", "score", "grade")
IDS = ("eventid",)
QUERIES = ("queryid", "decisionid")
GRADES = {"4": "like", "2.5": "view", BELOW: "hide"}
CUTS = "|;,"
READABLE = 0.1

Sample = Sequence[Sequence[Any]]


def complete(given: Members[str, Any], columns: Sequence[str], sample: Sample, app: App, *, wire: bool) -> Mapping:
    """Return the whole mapping: what is given, and the rest guessed. Raises Invalid for what cannot be guessed.

    `sample` are the first rows, in column order; `wire` says that the rows are events already.
    """
    mapping = read_mapping(given)
    if wire:
        return read_mapping({**given, "wire": True})
    guess = _Guess(dict(given), mapping, columns, sample, app)
    if mapping.entities is not None:
        guess.entities(mapping.entities)
    else:
        guess.events()
    guess.times()
    guess.decimals()
    return read_mapping(guess.members)


class _Guess:
    """The members of a mapping as they are found, column by column."""

    def __init__(
        self, members: dict[str, Any], given: Mapping, columns: Sequence[str], sample: Sample, app: App
    ) -> None:
        self.members, self.given, self.app = members, given, app
        self.columns = columns
        self._plain = {_plain(name): name for name in reversed(columns)}
        self._places = {name: place for place, name in enumerate(columns)}
        self._sample, self._missing = sample, Missing(given.missing)

    def events(self) -> None:
        """Fill in who did what to what."""
        given = self.given
        self._take("actor", (*_names(self.app.subject), *ACTORS))
        self._take("target", (*_names(self.app.item), *TARGETS))
        if "actor" not in self.members:
            raise self._open("who acted", "--actor COLUMN (or --entities KIND, where each row is an entity)")
        if "target" in self.members:
            self.members.setdefault("target_kind", self.app.item)
        if not (given.type or given.fixed_type or given.rating):
            self._kind()
        if given.rating or "rating" in self.members:
            self._grades()
        self._take("id", IDS)
        self._take("query", QUERIES)
        self._fields()
        self._attributes("actor_attributes", self.app.subject)
        self._attributes("target_attributes", self.members.get("target_kind", self.app.item))
        if "type" in self.members:
            self._translations(self.members["type"])

    def entities(self, kind: str) -> None:
        """Fill in the id and the attributes of an entity."""
        subject, item = kind == self.app.subject, kind == self.app.item
        more = ACTORS if subject else TARGETS if item else ()
        self._take("id", (*_names(kind), *more, "id", "key"))
        if "id" not in self.members:
            raise self._open(f"the id of each {kind}", "--id COLUMN")
        known = self.app.schema.entities.get(kind)
        declared = known.attributes if known else ()
        found = {a.name: self._cut(a, column) for a in declared if (column := self._free(_plain(a.name)))}
        self.members["attributes"] = {**found, **self.given.attributes}

    def times(self) -> None:
        """Fill in where the time stands, and how it is written."""
        if self.given.at is None:
            names = ("updatedat",) if self.given.entities else TIMES
            self._take("time", names)
        if "time" not in self.members:
            if self.given.at is None and self.given.entities is None:
                raise self._open("when it happened", "--time COLUMN, or --at TIME for the whole file")
            return
        if self.given.time_unit or self.given.time_format:
            return
        values = [value for value in self._values(self.members["time"]) if not isinstance(value, datetime)]
        numbers = [number for value in values if (number := _number(value)) is not None]
        written = [at for value in values if (at := _iso(value)) is not None]
        if values and max(len(numbers), len(written)) < READABLE * len(values):
            remedy = "Say how, for example --time-format '%d/%m/%Y %H:%M', or --time-unit ms."
            raise Invalid(f"cannot guess how times are written: {str(values[0])[:40]!r}", field="--time", remedy=remedy)
        if len(numbers) > len(written):
            self.members["time_unit"] = unit_of(sorted(numbers)[len(numbers) // 2])
        elif any(at.tzinfo is None for at in written):
            self.members.setdefault("time_zone", "UTC")

    def decimals(self) -> None:
        """Fill in the decimal comma where numbers are written with one."""
        if "decimal" not in self.members and "rating" in self.members:
            texts = [str(value) for value in self._values(self.members["rating"])]
            if any(re.fullmatch(r"\d+,\d+", text.strip()) for text in texts):
                self.members["decimal"] = ","

    def _kind(self) -> None:
        self._take("type", TYPES)
        if "type" not in self.members:
            self._take("rating", RATINGS)
        if "type" not in self.members and "rating" not in self.members:
            wanted = "--type COLUMN, --fixed-type NAME, or --rating COLUMN"
            raise self._open("which event a row is", wanted)

    def _grades(self) -> None:
        if not self.given.grades and set(GRADES.values()) <= self.app.schema.events.keys():
            self.members["grades"] = GRADES

    def _translations(self, column: str) -> None:
        texts = {str(value) for value in self._values(column)}
        events = self.app.schema.events
        found = {text: name for text in sorted(texts) if (name := alike(text, events)) and name != text}
        self.members["types"] = {**found, **self.given.types}
        if texts and not any(text in events for text in texts) and not texts & self.members["types"].keys():
            shown, known = ", ".join(sorted(texts)[:10]), ", ".join(events)
            remedy = f'Give --types "VALUE=TYPE,..." with types of {known}, or another --type COLUMN.'
            raise Invalid(f"no value of {column} is an event type: {shown}", field="--types", remedy=remedy)

    def _fields(self) -> None:
        declared = {field.name: field for event in self.app.schema.events.values() for field in event.fields}
        found = {
            name: self._cut(field, column) for name, field in declared.items() if (column := self._free(_plain(name)))
        }
        self.members["fields"] = {**found, **self.given.fields}

    def _attributes(self, member: str, kind: str) -> None:
        known = self.app.schema.entities.get(kind)
        found = {}
        for attribute in known.attributes if known else ():
            column = self._free(_plain(kind + attribute.name))
            if column:
                found[attribute.name] = self._cut(attribute, column)
        self.members[member] = {**found, **getattr(self.given, member)}

    def _take(self, member: str, names: Iterable[str]) -> None:
        if getattr(self.given, member) is None:
            found = next(filter(None, map(self._free, names)), None)
            if found:
                self.members[member] = found

    def _free(self, plain: str) -> str | None:
        column = self._plain.get(plain)
        return None if column in self._used() else column

    def _used(self) -> set[str]:
        single = ("actor", "target", "type", "rating", "time", "id", "query")
        grouped = ("fields", "actor_attributes", "target_attributes", "attributes")
        texts = [text for name in grouped for text in self.members.get(name, {}).values()]
        return {self.members[name] for name in single if name in self.members} | {
            column_of(text, self._places)[0] for text in texts
        }

    def _values(self, column: str) -> list[Any]:
        place = self._places.get(column)
        if place is None:
            return []
        return [row[place] for row in self._sample if not self._missing(row[place])]

    def _cut(self, declared: Field | Attribute, column: str) -> str:
        if declared.type != "list":
            return column
        texts = [value for value in self._values(column) if isinstance(value, str)]
        cut = next((cut for cut in CUTS if any(cut in text for text in texts)), "")
        return f"{column}:{cut}" if cut else column

    def _open(self, what: str, how: str) -> Invalid:
        shown = ", ".join(self.columns[:40])
        return Invalid(f"cannot guess {what} from the columns {shown}", field="mapping", remedy=f"Give {how}.")


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _names(kind: str) -> tuple[str, str]:
    return f"{_plain(kind)}id", _plain(kind)


def _quietly(read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except (ValueError, TypeError, OverflowError, Invalid):
        return None


def _number(value: Any) -> float | None:
    found: float | None = _quietly(to_number, value)
    return found


def _iso(value: Any) -> datetime | None:
    found: datetime | None = _quietly(lambda text: datetime.fromisoformat(str(text).strip()), value)
    return found
