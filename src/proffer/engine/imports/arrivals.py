"""Rows read from a file, held compactly until they go into the log in order of time."""

from array import array
from collections import Counter
from collections.abc import Iterator

import msgspec
import numpy as np

from proffer.core.errors import Invalid
from proffer.engine.imports.convert import moment
from proffer.engine.imports.held import Held
from proffer.engine.imports.report import by_month
from proffer.engine.imports.rows import Reading
from proffer.engine.imports.table import Chunk, Fault
from proffer.engine.imports.text import printable

RAW = 64_000


class Refused(msgspec.Struct, array_like=True, gc=False):
    """A row that cannot become an event: its number, its text (cut at 64,000 characters), the member, the reason."""

    number: int
    raw: str
    field: str | None
    reason: str


class Arrivals:
    """All rows of a file: about 200 bytes each."""

    def __init__(self) -> None:
        self.refused: list[Refused] = []
        self.types: Counter[str] = Counter()
        self.actors: Counter[str] = Counter()
        self.targets: Counter[str] = Counter()
        self._packed: list[bytes] = []
        self._times = array("d")
        self._numbers = array("q")
        self._pack = msgspec.msgpack.Encoder().encode
        self._unpack = msgspec.msgpack.Decoder(Held).decode

    def __len__(self) -> int:
        return len(self._packed) + len(self.refused)

    def add(self, chunk: Chunk, reading: Reading) -> None:
        """Take the rows of a chunk."""
        self.refused.extend(_of_fault(fault) for fault in chunk.faults)
        for place, values in enumerate(chunk.rows):
            number = chunk.numbers[place]
            try:
                held = reading.read(values)
                at = held.at
                if at is not None:
                    moment(at)
                packed = self._pack(held)
            except (Invalid, UnicodeEncodeError, OverflowError, TypeError, RecursionError) as error:
                self.refused.append(_of_error(number, chunk.raw(place), error))
                continue
            self._packed.append(packed)
            self._times.append(float("nan") if at is None else at)
            self._numbers.append(number)
            self._count(held)

    def in_order(self) -> Iterator[tuple[int, bytes, Held]]:
        """Yield (number in the file, packed row, row) by time, rows of one time as in the file, those without last."""
        for place in np.argsort(np.frombuffer(self._times), kind="stable").tolist():
            packed = self._packed[place]
            yield self._numbers[place], packed, self._unpack(packed)

    @property
    def sorted(self) -> bool:
        """Return whether the file has its rows in order of time."""
        times = self._known_times()
        return bool((times[1:] >= times[:-1]).all())

    @property
    def period(self) -> tuple[str, str] | None:
        """Return the first and the last time."""
        times = self._known_times()
        return (moment(times.min()).isoformat(), moment(times.max()).isoformat()) if len(times) else None

    def months(self) -> dict[str, int]:
        """Return how many rows each month has."""
        days, counts = np.unique(self._known_times() // 86_400, return_counts=True)
        months: Counter[str] = Counter()
        for day, count in zip(days.tolist(), counts.tolist(), strict=True):
            months[moment(day * 86_400).strftime("%Y-%m").rjust(7, "0")] += count
        return by_month(months.elements())

    def _known_times(self) -> np.ndarray:
        times = np.frombuffer(self._times) if self._times else np.empty(0)
        return times[~np.isnan(times)]

    def _count(self, held: Held) -> None:
        self.types[held.type] += 1
        self.actors[_id_of(held.actor)] += 1
        if held.target is not None:
            self.targets[_id_of(held.target)] += 1


def _id_of(ref: object) -> str:
    return str(ref.get("id")) if isinstance(ref, dict) else str(ref)


def _of_fault(fault: Fault) -> Refused:
    return Refused(fault.number, _short(fault.raw), None, fault.reason)


def _of_error(number: int, raw: str, error: Exception) -> Refused:
    if isinstance(error, Invalid):
        return Refused(number, _short(raw), error.field, f"{error.message}. {error.remedy or ''}".strip())
    return Refused(number, _short(raw), None, "the row holds a lone surrogate or a number beyond 64 bits")


def _short(raw: str) -> str:
    text = printable(raw.rstrip("\r\n"))
    return text if len(text) <= RAW else f"{text[:RAW]}… ({len(text):,} characters)"
