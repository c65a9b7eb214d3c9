"""A log's events in order of time, renumbered: streamed where the log nearly has that order, packed where not."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.events import Event

Chunks = Callable[[], Iterable[Sequence[Event]]]
"""Gives the events anew, in order of the log, in pieces."""

HELD = 100_000
"""So many events may wait until those before them in time have been read; where more would, all are packed instead."""
CHUNK = 8_192


class Timeline(Protocol):
    """Events in order of time, the sequence of each its place from 1."""

    def since(self, place: int) -> Iterator[list[Event]]:
        """Yield the events from a place (from 0) on, in pieces."""
        ...


def timeline(chunks: Chunks, times: NDArray[np.float64], until: float, held: int = HELD) -> Timeline:
    """Return the events that happened before `until`, given when each of the log's (n,) happened.

    Events of one moment keep the order of the log.
    """
    kept = np.flatnonzero(times < until)
    order = kept[np.argsort(times[kept], kind="stable")]
    ranks = np.full(len(times), -1, np.int64)
    ranks[order] = np.arange(len(order))
    if waiting(order, kept) > held:
        return Packed(chunks, ranks, len(order))
    return Streamed(chunks, ranks)


def waiting(order: NDArray[np.int64], kept: NDArray[np.int64]) -> int:
    """Return the most events that wait at once when those of places `kept` are put out in this order.

    >>> waiting(np.array([2, 0, 1]), np.array([0, 1, 2])), waiting(np.arange(3), np.arange(3))
    (2, 0)
    """
    if not len(order):
        return 0
    read = np.searchsorted(kept, np.maximum.accumulate(order), side="right")
    return int((read - np.arange(1, len(order) + 1)).max())


class Streamed:
    """Events read anew from the log; what came too early waits in a buffer."""

    def __init__(self, chunks: Chunks, ranks: NDArray[np.int64]) -> None:
        self._chunks, self._ranks = chunks, ranks

    def since(self, place: int) -> Iterator[list[Event]]:
        """Yield the events from a place on."""
        early: dict[int, Event] = {}
        read = 0
        for chunk in self._chunks():
            out: list[Event] = []
            ranks = self._ranks[read : read + len(chunk)].tolist()
            read += len(ranks)
            for event, rank in zip(chunk, ranks, strict=False):
                if rank > place:
                    early[rank] = event
                elif rank == place:
                    out.append(_at(event, place))
                    place += 1
                    while early and place in early:
                        out.append(_at(early.pop(place), place))
                        place += 1
            if out:
                yield out
            if read == len(self._ranks):
                return  # what the log has gained since then is not part of it


class Packed:
    """Every event in about the bytes of its own text, in order of time; unpacked when it is read."""

    def __init__(self, chunks: Chunks, ranks: NDArray[np.int64], count: int) -> None:
        encoder = msgspec.msgpack.Encoder()
        self._bytes = bytearray()
        starts, ends = np.zeros(count, np.int64), np.zeros(count, np.int64)
        read = 0
        for chunk in chunks():
            for event, rank in zip(chunk, ranks[read : read + len(chunk)].tolist(), strict=False):
                if rank >= 0:
                    starts[rank] = len(self._bytes)
                    self._bytes += encoder.encode(_at(event, rank))
                    ends[rank] = len(self._bytes)
            read += len(chunk)
            if read >= len(ranks):
                break
        self._starts, self._ends = starts, ends

    def since(self, place: int) -> Iterator[list[Event]]:
        """Yield the events from a place on."""
        decode = msgspec.msgpack.Decoder(Event).decode
        view = memoryview(self._bytes)
        for first in range(place, len(self._starts), CHUNK):
            starts, ends = (column[first : first + CHUNK].tolist() for column in (self._starts, self._ends))
            yield [decode(view[start:end]) for start, end in zip(starts, ends, strict=True)]


class Tape:
    """A timeline being read: what lies before a place, each event once."""

    def __init__(self, timeline: Timeline, place: int = 0) -> None:
        self.place = place
        self._chunks = timeline.since(place)
        self._rest: Sequence[Event] = ()

    def before(self, place: int) -> Iterator[Sequence[Event]]:
        """Yield what has not been read of the events before a place, in pieces."""
        while self.place < place:
            if not self._rest:
                self._rest = next(self._chunks, ())
                if not self._rest:
                    return
            wanted = place - self.place
            taken, self._rest = self._rest[:wanted], self._rest[wanted:]
            self.place += len(taken)
            yield taken


def _at(event: Event, place: int) -> Event:
    return event if event.sequence == place + 1 else msgspec.structs.replace(event, sequence=place + 1)
