"""Every store in memory: for tests and toy worlds. Nothing outlives the process."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.clock import Clock, SystemClock
from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.core.errors import Conflict, NotFound
from proffer.core.events import NO_FIELDS, Counts, Event, Quarantined, Receipt, Reject
from proffer.core.jobs import Job
from proffer.core.ports import Stores, Token
from proffer.stores.active import check_fence, check_free, leased, no_job
from proffer.stores.filling import check_empty, dense_events, dense_rows, twice
from proffer.stores.memory_registry import MemoryRegistry
from proffer.stores.plain import check_plain
from proffer.stores.receipts import accepted, again, check_repairable, check_repairing, closes, refused
from proffer.stores.retention import stale
from proffer.stores.rewriting import blanked, check_places, check_rows, taken
from proffer.stores.seals import seal


class MemoryLog:
    """An EventLog in memory.

    >>> from datetime import UTC
    >>> log = MemoryLog()
    >>> like = Event(id="e1", type="like", at=datetime(2026, 1, 1, tzinfo=UTC), actor=EntityRef("user", "u1"))
    >>> [receipt.verdict.value for receipt in log.append([like, like])], log.last()
    (['accepted', 'duplicate'], 1)
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._grown = threading.Condition(self._lock)
        self._events: list[Event] = []
        self._known: dict[str, tuple[int, bytes]] = {}
        self._quarantine: list[Quarantined] = []
        self._counts = Counts()

    def append(self, rows: Sequence[Event | Reject], *, repairs: int | None = None) -> list[Receipt]:
        """Store rows, all or none, and return a receipt for each, in order."""
        check_repairing(rows, repairs)
        sealed = [(row, *seal(row)) if isinstance(row, Event) else row for row in rows]
        with self._lock:
            broken = None
            if repairs is not None:
                broken = self._repaired_by(repairs)
                check_repairable(repairs, broken, rows[0])
            receipts = [self._refuse(row) if isinstance(row, Reject) else self._one(*row) for row in sealed]
            self._counts += Counts.of(receipts)
            if repairs is not None and closes(receipts[0], broken):
                mended = self._quarantine[repairs - 1]
                self._quarantine[repairs - 1] = msgspec.structs.replace(mended, repaired_by=receipts[0].id)
                self._counts += Counts(quarantined=-1)
            self._grown.notify_all()
            return receipts

    def last(self) -> int:
        """Return the highest sequence, 0 for an empty log."""
        return len(self._events)

    def counts(self) -> Counts:
        """Return what became of every row ever received."""
        return self._counts

    def scan(
        self, since: int = 0, until: int | None = None, *, types: Sequence[str] | None = None, chunk: int = 10_000
    ) -> Iterator[list[Event]]:
        """Yield events with since < sequence <= until in order, in lists of at most `chunk`; one consistent view."""
        end = self.last() if until is None else min(until, self.last())
        return self._scan(self._events[since:end], types, chunk)

    def get(self, id: str) -> Event | None:
        """Return the event with this id."""
        known = self._known.get(id)
        return None if known is None else self._events[known[0] - 1]

    def find(
        self, *, entity: EntityRef | None = None, query_id: str | None = None, type: str | None = None,
        since: datetime | None = None, until: datetime | None = None, after: int = 0, limit: int = 100,
    ) -> list[Event]:  # fmt: skip
        """Return up to `limit` events with sequence > after that match every filter given, in order."""
        found: list[Event] = []
        for event in self._events[after:]:
            if len(found) == limit:
                break
            if (
                (entity is None or entity in (event.actor, event.target))
                and query_id in (None, event.query_id)
                and type in (None, event.type)
                and (since is None or event.at >= since)
                and (until is None or event.at < until)
            ):
                found.append(event)
        return found

    def quarantined(self, *, after: int = 0, limit: int = 100, open_only: bool = True) -> list[Quarantined]:
        """Return quarantined rows with number > after, in order."""
        rows = self._quarantine[after:]
        return [row for row in rows if not open_only or row.repaired_by is None][:limit]

    def wait(self, after: int, seconds: float) -> bool:
        """Return whether the log goes beyond a sequence, waiting for that at most so long."""
        with self._grown:
            return self._grown.wait_for(lambda: len(self._events) > after, seconds)

    def fill(self, events: Iterable[list[Event]], quarantined: Iterable[list[Quarantined]], counts: Counts) -> None:
        """Fill an empty log with what another one held, whole or not at all. Raises Conflict when it is not empty."""
        check_empty(self._events or self._quarantine or self._counts.received)
        found = [event for chunk in dense_events(events) for event in chunk]
        rows = [row for chunk in dense_rows(quarantined) for row in chunk]
        known = {event.id: (event.sequence, seal(event)[1]) for event in found}
        if len(known) < len(found):
            raise twice()
        with self._grown:
            check_empty(self._events or self._quarantine or self._counts.received)
            self._events, self._known, self._quarantine, self._counts = found, known, rows, counts
            self._grown.notify_all()

    def rewrite(self, events: Sequence[Event], blank: Sequence[int], note: Event) -> int:
        """Put events in the places of those with their sequences, blank quarantined rows, append the note."""
        sealed = [(event, *seal(event)) for event in (*events, note)]
        with self._grown:
            check_places(events, range(1, len(self._events) + 1))
            check_rows(blank, range(1, len(self._quarantine) + 1))
            places = {event.sequence for event in events}
            renamed = {event.id: self._events[event.sequence - 1].id for event in events}
            kept = {id for id, (place, _) in self._known.items() if place not in places}
            ids = [event.id for event, *_ in sealed]
            if len(set(ids)) < len(ids) or not kept.isdisjoint(ids):
                raise taken()
            for id in renamed.values():
                del self._known[id]
            for event, fields, digest in sealed[:-1]:
                self._known[event.id] = event.sequence, digest
                self._events[event.sequence - 1] = _stored(event, fields, event.sequence)
            names = {before: after for after, before in renamed.items()}
            for place, row in enumerate(self._quarantine):
                reject = blanked() if row.number in blank else row.reject
                by = None if row.repaired_by is None else names.get(row.repaired_by, row.repaired_by)
                self._quarantine[place] = msgspec.structs.replace(row, reject=reject, repaired_by=by)
            self._one(*sealed[-1])
            self._grown.notify_all()
            return len(self._events)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def _refuse(self, row: Reject) -> Receipt:
        number = len(self._quarantine) + 1
        self._quarantine.append(Quarantined(number=number, received_at=self._clock.now(), reject=row))
        return refused(row, number)

    def _one(self, event: Event, fields: str | None, digest: bytes) -> Receipt:
        if event.id in self._known:
            sequence, first = self._known[event.id]
            return again(event.id, sequence, same=first == digest)
        sequence = len(self._events) + 1
        self._known[event.id] = sequence, digest
        self._events.append(_stored(event, fields, sequence))
        return accepted(event.id, sequence)

    def _repaired_by(self, number: int) -> tuple[str | None] | None:
        if not 0 < number <= len(self._quarantine):
            return None
        return (self._quarantine[number - 1].repaired_by,)

    @staticmethod
    def _scan(events: list[Event], types: Sequence[str] | None, chunk: int) -> Iterator[list[Event]]:
        wanted = events if types is None else [event for event in events if event.type in types]
        for start in range(0, len(wanted), chunk):
            yield wanted[start : start + chunk]


def _stored(event: Event, fields: str | None, sequence: int) -> Event:
    """Return an event with its fields as JSON gives them back, and apart from the caller's own dictionary."""
    stored = NO_FIELDS if fields is None else msgspec.json.decode(fields)
    return msgspec.structs.replace(event, fields=stored, sequence=sequence)


class MemoryDecisions:
    """A DecisionLog in memory."""

    def __init__(self) -> None:
        self._decisions: dict[str, Decision] = {}

    def put(self, decision: Decision) -> bool:
        """Keep a decision."""
        self._decisions.setdefault(decision.id, decision)
        return True

    def get(self, id: str) -> Decision | None:
        """Return a decision."""
        return self._decisions.get(id)

    def find(self, *, subject: EntityRef | None = None, after: str = "", limit: int = 100) -> list[Decision]:
        """Return decisions with id > after in order of id."""
        found = [one for one in list(self._decisions.values()) if one.id > after]
        return sorted((one for one in found if subject in (None, one.query.subject)), key=lambda one: one.id)[:limit]

    def flush(self) -> None:
        """Do nothing: there is no disk."""

    def replace(self, decisions: Sequence[Decision], gone: Sequence[str]) -> None:
        """Put decisions in the places of those with their ids and remove others by id."""
        for one in decisions:
            if one.id in self._decisions:
                self._decisions[one.id] = one
        for id in gone:
            self._decisions.pop(id, None)

    def dropped(self) -> int:
        """Return 0: memory takes every decision."""
        return 0


class MemorySnapshots:
    """A StateStore in memory."""

    def __init__(self) -> None:
        self._saved: dict[tuple[str, int], dict[str, NDArray[Any]]] = {}

    def save(self, version: str, position: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep copies of the arrays, and drop those that need not stay."""
        check_plain(arrays)
        self._saved.pop((version, position), None)
        self._saved[version, position] = {name: np.array(array) for name, array in arrays.items()}
        saved = list(self._saved)
        for place in stale(saved):
            del self._saved[saved[place]]

    def load(self, version: str, at_most: int | None = None) -> tuple[int, dict[str, NDArray[Any]]] | None:
        """Return the newest snapshot of this version at or before a position."""
        fitting = [position for position in self.positions(version) if at_most is None or position <= at_most]
        if not fitting:
            return None
        return fitting[-1], {name: array.copy() for name, array in self._saved[version, fitting[-1]].items()}

    def positions(self, version: str) -> list[int]:
        """Return the positions that have a snapshot, ascending."""
        return sorted(position for saved, position in self._saved if saved == version)

    def drop(self) -> None:
        """Remove every snapshot of every version."""
        self._saved.clear()


class MemoryTokens:
    """A TokenStore in memory."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    def add(self, token: Token) -> None:
        """Keep a token. Raises Conflict when the name is taken."""
        if self._tokens.setdefault(token.name, token) is not token:
            raise Conflict(f"there is a token named {token.name!r}", field="name", remedy="Choose another name.")

    def by_digest(self, digest: str) -> Token | None:
        """Return the token whose secret has this hash."""
        return next((token for token in list(self._tokens.values()) if token.digest == digest), None)

    def all(self) -> list[Token]:
        """Return every token, by name."""
        return sorted(self._tokens.values(), key=lambda token: token.name)

    def remove(self, name: str) -> None:
        """Forget a token. Raises NotFound."""
        if self._tokens.pop(name, None) is None:
            raise NotFound(f"no token named {name!r}", field="name", remedy="See the list of tokens.")


class MemoryJobs:
    """A JobStore in memory; leases run out by `clock`."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._until: dict[str, float] = {}

    def add(self, job: Job) -> Job:
        """Keep a new job, or return the one that has its key. Raises Conflict naming the one that is active."""
        with self._lock:
            for other in self._jobs.values():
                if job.key is not None and other.key == job.key:
                    return other
            check_free(job, list(self._jobs.values()))
            self._jobs[job.id] = job
            return job

    def put(self, job: Job, *, fence: int | None = None) -> None:
        """Replace a job that was added. Raises NotFound, or Conflict when `fence` is no longer the job's."""
        with self._lock:
            if job.id not in self._jobs:
                raise no_job(job.id)
            check_fence(self._jobs[job.id], fence)
            self._jobs[job.id] = job
            if job.state != "running":
                self._until.pop(job.id, None)

    def claim(self, holder: str, *, seconds: float, pipelines: Sequence[str] | None = None) -> Job | None:
        """Lease the oldest job that is queued, or that runs under a lease that ran out; None where nothing waits."""
        with self._lock:
            now = self._clock.now().timestamp()
            for job in self._jobs.values():
                if (
                    job.active
                    and self._until.get(job.id, 0.0) <= now
                    and (pipelines is None or job.pipeline in pipelines)
                ):
                    self._jobs[job.id], self._until[job.id] = leased(job, holder), now + seconds
                    return self._jobs[job.id]
        return None

    def renew(self, id: str, fence: int, *, seconds: float) -> bool:
        """Lengthen a lease from now on; False when it is somebody else's by now, or the job is over."""
        with self._lock:
            job = self._jobs.get(id)
            if job is None or job.state != "running" or job.fence != fence:
                return False
            self._until[id] = self._clock.now().timestamp() + seconds
            return True

    def get(self, id: str) -> Job | None:
        """Return a job."""
        return self._jobs.get(id)

    def find(self, *, pipeline: str | None = None, before: str | None = None, limit: int = 100) -> list[Job]:
        """Return jobs, of one pipeline or of all, newest first; `before`: only those added before this one."""
        jobs = list(self._jobs.values())
        if before is not None:
            jobs = jobs[: next((place for place, job in enumerate(jobs) if job.id == before), 0)]
        return [job for job in reversed(jobs) if pipeline in (None, job.pipeline)][:limit]


def memory_stores(clock: Clock | None = None) -> Stores:
    """Return stores that live as long as this process."""
    return Stores(
        log=MemoryLog(clock),
        decisions=MemoryDecisions(),
        snapshots=MemorySnapshots(),
        registry=MemoryRegistry(),
        tokens=MemoryTokens(),
        jobs=MemoryJobs(clock),
    )
