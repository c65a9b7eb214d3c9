"""What is read alike from every database with the same tables: its statements differ in the mark of a value alone."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec

from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.core.events import Counts, Event, Quarantined
from proffer.core.ports import ModelVersion, Promotion, Review
from proffer.stores.decision_queue import DecisionQueue, decision_of
from proffer.stores.reviews import decoded
from proffer.stores.rows import COLUMNS, REJECT_COLUMNS, EventReader, moment, quarantined

_decode = msgspec.json.Decoder(ModelVersion).decode


class Source(Protocol):
    """Connections that read. `mark` stands for a value in a statement."""

    mark: str

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return every row of a query."""
        ...

    def first(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query, None when there is none."""
        ...


class LogReading:
    """The part of an EventLog that only reads."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._reader = EventReader()

    def last(self) -> int:
        """Return the highest sequence, 0 for an empty log."""
        row = self._source.first("SELECT max(sequence) FROM events")
        return row[0] or 0 if row else 0

    def counts(self) -> Counts:
        """Return what became of every row ever received."""
        rows = self._source.all("SELECT accepted, duplicates, conflicts, quarantined FROM counts")
        accepted, duplicates, conflicts, quarantined = rows[0]
        return Counts(accepted=accepted, duplicates=duplicates, conflicts=conflicts, quarantined=quarantined)

    def scan(
        self, since: int = 0, until: int | None = None, *, types: Sequence[str] | None = None, chunk: int = 10_000
    ) -> Iterator[list[Event]]:
        """Yield the events up to `until`, or to the last one at the time of the call, in order.

        An appended event never changes, so this upper end is all a consistent view needs; no transaction stays open
        while the caller works, and a write-ahead log can be emptied.
        """
        end = self.last() if until is None else min(until, self.last())
        return self._scan(since, end, None if types is None else sorted(set(types)), chunk)

    def get(self, id: str) -> Event | None:
        """Return the event with this id."""
        sql = f"SELECT {COLUMNS} FROM events WHERE id = {self._source.mark}"
        found = self._reader.events(self._source.all(sql, (id,)))
        return found[0] if found else None

    def quarantined(self, *, after: int = 0, limit: int = 100, open_only: bool = True) -> list[Quarantined]:
        """Return quarantined rows with number > after, in order."""
        only, mark = "AND repaired_by IS NULL" if open_only else "", self._source.mark
        sql = f"SELECT {REJECT_COLUMNS} FROM quarantine WHERE number > {mark} {only} ORDER BY number LIMIT {mark}"
        return [quarantined(row) for row in self._source.all(sql, (after, limit))]

    def _scan(self, since: int, until: int, types: Sequence[str] | None, chunk: int) -> Iterator[list[Event]]:
        while since < until:
            rows = self._chunk(since, until, types, chunk)
            if not rows:
                return
            since = rows[-1][0]
            yield self._reader.events(rows)

    def _chunk(self, since: int, until: int, types: Sequence[str] | None, chunk: int) -> list[tuple[Any, ...]]:
        """Return the first `chunk` rows with since < sequence <= until, of these types."""
        raise NotImplementedError


class RegistryReading:
    """The part of a ModelRegistry that only reads what is listed."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def champion(self, pipeline: str) -> tuple[ModelVersion | None, int]:
        """Return what serves, and the revision to promote against (0 before the first)."""
        sql = (
            "SELECT v.body, c.revision FROM champions c LEFT JOIN versions v ON v.id = c.version "
            f"WHERE c.pipeline = {self._source.mark}"
        )
        body, revision = self._source.first(sql, (pipeline,)) or (None, 0)
        return (None if body is None else _decode(body)), revision

    def promotions(self, pipeline: str) -> list[Promotion]:
        """Return every change of what serves, newest first."""
        sql = (
            f"SELECT pipeline, revision, version, at, how FROM promotions WHERE pipeline = {self._source.mark} "
            "ORDER BY revision DESC"
        )
        return [
            Promotion(pipeline=name, revision=revision, version=version or None, at=moment(at), how=how)
            for name, revision, version, at, how in self._source.all(sql, (pipeline,))
        ]

    def vouched(self, version: str, code: str) -> bool:
        """Return whether it was noted before that this code found the version's golden rows right."""
        mark = self._source.mark
        sql = f"SELECT 1 FROM vouched WHERE version = {mark} AND code = {mark}"
        return self._source.first(sql, (version, code)) is not None

    def history(self, pipeline: str) -> list[ModelVersion]:
        """Return all versions, newest first."""
        sql = f"SELECT body FROM versions WHERE pipeline = {self._source.mark} ORDER BY number DESC"
        return [_decode(body) for (body,) in self._source.all(sql, (pipeline,))]

    def reviews(self, version: str) -> list[Review]:
        """Return the reviews of a version, newest first."""
        sql = f"SELECT body FROM reviews WHERE version = {self._source.mark} ORDER BY number DESC"
        return [decoded(body) for (body,) in self._source.all(sql, (version,))]


def find_decisions(
    queue: DecisionQueue, source: Source, subject: EntityRef | None, after: str, limit: int
) -> list[Decision]:
    """Return decisions with id > after in order of id, the queued ones among them."""
    # Queue first: one that is written in between is then seen twice, not missed.
    found = queue.matching(subject, after)
    mark = source.mark
    of_one = f"subject_id = {mark} AND subject_kind = {mark} AND"
    narrow, values = ("", ()) if subject is None else (of_one, subject[::-1])
    sql = f"SELECT body FROM decisions WHERE {narrow} id > {mark} ORDER BY id LIMIT {mark}"
    for (body,) in source.all(sql, (*values, after, limit)):
        decision = decision_of(body)
        found[decision.id] = decision
    return [found[key] for key in sorted(found)[:limit]]
