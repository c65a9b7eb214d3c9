"""Decisions that wait to be written behind the answer, and the bytes they are kept as; the same for every database."""

import threading
import zlib
from itertools import islice

import msgspec

from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef

CAPACITY = 10_000
TOGETHER = 500

Row = tuple[str, str, str, bytes]
"""A decision as it is kept: its id, its subject's kind and id, its body."""

_decode = msgspec.msgpack.Decoder(Decision).decode


class DecisionQueue:
    """Decisions that wait for a writing thread, at most `capacity`; beyond that they are dropped and counted."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.dropped = 0
        self._capacity = capacity
        self._queued: dict[str, Decision] = {}
        self._lock = threading.Lock()

    def put(self, decision: Decision) -> bool:
        """Queue a decision; False when the queue is full. The first of two with one id is the one that counts."""
        with self._lock:
            if len(self._queued) >= self._capacity:
                self.dropped += 1
                return False
            self._queued.setdefault(decision.id, decision)
            return True

    def get(self, id: str) -> Decision | None:
        """Return a decision that is still queued."""
        return self._queued.get(id)

    def all(self) -> list[Decision]:
        """Return every decision that is still queued."""
        with self._lock:
            return list(self._queued.values())

    def waiting(self) -> bool:
        """Return whether decisions wait."""
        return bool(self._queued)

    def first(self, most: int = TOGETHER) -> tuple[int, list[Row]]:
        """Return how many decisions are first in line, and the rows of those that can be encoded."""
        with self._lock:
            chosen = list(islice(self._queued.values(), most))
        rows = [row for row in map(row_of, chosen) if row is not None]
        return len(chosen), rows

    def written(self, decisions: int, dropped: int = 0) -> None:
        """Forget the first decisions: they are on disk, but for those that could not be encoded."""
        with self._lock:
            self.dropped += dropped
            for first in list(islice(self._queued, decisions)):
                del self._queued[first]

    def matching(self, subject: EntityRef | None, after: str) -> dict[str, Decision]:
        """Return the queued decisions, of one subject or of all, with id > after."""
        return {one.id: one for one in self.all() if one.id > after and subject in (None, one.query.subject)}


def row_of(decision: Decision) -> Row | None:
    """Return a decision as it is kept, None for one that cannot be encoded."""
    try:
        body = zlib.compress(msgspec.msgpack.encode(decision), 1)
    except (TypeError, ValueError, OverflowError):
        return None
    return (decision.id, *decision.query.subject, body)


def decision_of(body: bytes) -> Decision:
    """Return the decision of a kept body."""
    return _decode(zlib.decompress(body))
