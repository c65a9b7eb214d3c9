"""What every kind of file gives: columns, and its rows in chunks with the damaged ones apart."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

CHUNK = 10_000


class Fault(NamedTuple):
    """A row that cannot be read: where it stands, the row as it came, and why."""

    number: int
    raw: str
    reason: str


@dataclass(slots=True)
class Chunk:
    """Rows of a file: values in column order, the number and the text of each, and the faults between them.

    `texts` is empty where the file is no text.
    """

    rows: list[Sequence[Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def raw(self, place: int) -> str:
        """Return a row as it came."""
        return self.texts[place] if self.texts else json.dumps(self.rows[place], default=str)

    def __len__(self) -> int:
        return len(self.rows) + len(self.faults)


class Table(Protocol):
    """A file of rows.

    `wire` says that its rows are events as Proffer writes them. `repeated` are column names that occur more than
    once; `notes` grows while reading and says what was done on the way; `unit` is what its rows are counted in.
    """

    path: Path
    format: str
    unit: str
    wire: bool
    columns: tuple[str, ...]
    repeated: frozenset[str]
    notes: dict[str, int]
    size: int

    @property
    def position(self) -> int:
        """Return how far reading has come, of `size`."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """Yield every row of the file once. Raises Corrupt or Malformed where the file as a whole is unusable."""
        ...


def unique_names(header: Sequence[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return column names made unique, and those that were not.

    >>> unique_names(["a", "", "a"])[0]
    ('a', 'column 2', 'a (2)')
    """
    seen: dict[str, int] = {}
    names = []
    for place, text in enumerate(header, 1):
        name = text.strip() or f"column {place}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(names), frozenset(name for name, times in seen.items() if times > 1)
