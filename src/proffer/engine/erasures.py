"""Who was erased: the notes in the log, the list beside the workspace, and how both are known again."""

import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from proffer.core.checks import ID_CHARACTERS
from proffer.core.entities import EntityRef
from proffer.core.errors import Corrupt
from proffer.core.events import ENTITY_ERASE, Event, Reject
from proffer.core.ports import EventLog
from proffer.core.pseudonyms import TOMBSTONE, Pseudonyms
from proffer.engine.erasing import spelled_out, texts_in

FILE = "erasures.jsonl"
PAGE = 1_000
WORD = re.compile(r"[\w.@:+-]+")
NAMES_ERASED = "it names somebody who was erased"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One erasure as the list keeps it: who, by pseudonyms under the key of that mark, when, and where its note is."""

    at: datetime
    kind: str
    pseudonyms: tuple[str, ...]
    key: str
    sequence: int


def note(
    id: str, at: datetime, workspace: str, refs: Sequence[EntityRef], names: Pseudonyms, **found: Any
) -> Event:  # fmt: skip
    """Return the event that notes an erasure of entities of one kind."""
    told = {"kind": refs[0].kind, "pseudonyms": [names.of(ref) for ref in refs], "key": names.marks[0], **found}
    return Event(id=id, type=ENTITY_ERASE, at=at, actor=EntityRef("workspace", workspace), fields=told)


def notes(log: EventLog, after: int = 0) -> Iterator[Event]:
    """Yield the notes of erasures beyond a sequence, in order of the log."""
    while page := log.find(type=ENTITY_ERASE, after=after, limit=PAGE):
        yield from page
        after = page[-1].sequence


class Known:
    """The erased of a log, recognised by what they are called; reads the log's new notes when asked to `follow`."""

    def __init__(self, log: EventLog, names: Pseudonyms) -> None:
        self._log, self._names = log, names
        self._position = 0
        self._last: dict[str, int] = {}
        self.follow()

    def __len__(self) -> int:
        return len(self._last)

    def follow(self, position: int | None = None) -> None:
        """Read the notes that came since, unless those up to a sequence were read already."""
        if position is not None and position <= self._position:
            return
        for one in notes(self._log, self._position):
            self._position = one.sequence
            self._last |= dict.fromkeys(one.fields["pseudonyms"], one.sequence)

    def erased(self, ref: EntityRef, as_of: int = 0) -> bool:
        """Return whether an entity was erased after a position of the log."""
        return bool(self._last) and any(self._last.get(name, 0) > as_of for name in self._names.all_of(ref))

    def tombstone(self, event: Event, kinds: Sequence[str]) -> Event | None:
        """Return what the log has in the place of this event, where it was sent and erased before.

        `kinds` are those an attribute may name an entity of.
        """
        if not self._last or not any(self.erased(ref) for ref in named_by(event, kinds)):
            return None
        found = (self._log.get(id) for id in self._names.tombstones(event.id))
        return next((one for one in found if one is not None and one.id.startswith(TOMBSTONE)), None)

    def row(self, reject: Reject, kinds: Sequence[str]) -> Reject:
        """Return a row that could not be read, without its content where it names somebody erased."""
        if self._last and any(self.erased(EntityRef(kind, text)) for text in named_in(reject) for kind in kinds):
            return Reject(raw="", reason=NAMES_ERASED, source="")
        return reject


def named_in(reject: Reject) -> set[str]:
    """Return every text and word of a quarantined row that may be somebody's id."""
    texts = [*spelled_out(reject.raw), reject.event_id or "", reject.source]
    return {each for text in texts for each in (text, *WORD.findall(text)) if 0 < len(each) <= ID_CHARACTERS}


def named_by(event: Event, kinds: Sequence[str]) -> Iterator[EntityRef]:
    """Yield everything that an event may name; `kinds` are those a text in its fields may be the id of."""
    yield event.actor
    if event.target is not None:
        yield event.target
    for text in texts_in(event.fields):
        if 0 < len(text) <= ID_CHARACTERS:
            yield from (EntityRef(kind, text) for kind in kinds)


def write(root: Path, found: Iterable[Event]) -> None:
    """Add the notes that the list of a workspace's folder lacks, and have it on disk."""
    path, known = root / FILE, [_line(note) for note in found]
    if not _lacking(path, known):
        return
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(file, "r+b") as opened:
        # Several processes of one machine share the folder.
        fcntl.flock(opened, fcntl.LOCK_EX)
        lines = _lacking(path, known)
        # What a write that was cut off left of a line goes.
        opened.truncate(opened.read().rfind(b"\n") + 1)
        opened.seek(0, os.SEEK_END)
        opened.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        opened.flush()
        os.fsync(opened.fileno())


def _lacking(path: Path, known: Sequence[Line]) -> list[Line]:
    listed = {(line.at, line.pseudonyms) for line in read(path)}
    return [line for line in known if (line.at, line.pseudonyms) not in listed]


def _line(note: Event) -> Line:
    told = note.fields
    return Line(
        at=note.at, kind=told["kind"], pseudonyms=tuple(told["pseudonyms"]), key=told["key"], sequence=note.sequence
    )  # fmt: skip


def read(path: Path) -> list[Line]:
    """Return the erasures that a list holds, none where there is no file; a last line that was cut off is left out.

    Raises Corrupt for any other line that cannot be read.
    """
    if not path.is_file():
        return []
    *whole, _ = path.read_bytes().split(b"\n")
    try:
        return [msgspec.json.decode(line, type=Line) for line in whole if line]
    except msgspec.DecodeError as error:
        raise Corrupt(f"{path} cannot be read: {error}", remedy="Take it from a backup, or mend the line.") from error
