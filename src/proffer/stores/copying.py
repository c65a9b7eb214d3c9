"""Copies of whole workspaces, from any stores into any others, and the figures that show that a copy is one."""

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from proffer.core.decisions import Decision
from proffer.core.errors import Busy, Conflict, Corrupt, NotFound
from proffer.core.events import ENTITY_ERASE, Counts, Event, Quarantined
from proffer.core.jobs import Job
from proffer.core.ports import EventLog, ModelVersion, Promotion, Review, Stores

PAGE = 1_000
ATTEMPTS = 1_000

Progress = Callable[[str, int, int], None]
"""Told what is being copied, how many are done, how many there are (0: unknown)."""

logger = logging.getLogger("proffer.copying")
_lines = msgspec.json.Encoder(order="deterministic", enc_hook=dict).encode_lines


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """What a workspace holds, in figures that are equal for it and its copy, whatever the stores.

    `position` is the last event, `rows` the last number in quarantine, `log` the `log_hash` up to both. `slates` is the
    same of the decisions. `versions` counts the listed models, `absent` names those whose files are missing or damaged.
    """

    position: int
    rows: int
    counts: Counts
    log: str
    decisions: int
    slates: str
    versions: int
    promotions: int
    reviews: int
    jobs: int
    tokens: int
    absent: tuple[str, ...] = ()


class LogDigest:
    """A hash over events and quarantined rows as they pass by: SHA-256 of them as lines of JSON, in order."""

    def __init__(self) -> None:
        self._hash = sha256()

    def events(self, chunks: Iterable[list[Event]]) -> Iterator[list[Event]]:
        """Yield lists of events as they come."""
        for chunk in chunks:
            self._hash.update(_lines(chunk))
            yield chunk

    def rows(self, chunks: Iterable[list[Quarantined]]) -> Iterator[list[Quarantined]]:
        """Yield lists of quarantined rows as they come; whether one was repaired since does not count."""
        for chunk in chunks:
            self._hash.update(_lines([_row(row) for row in chunk]))
            yield chunk

    def hexdigest(self) -> str:
        """Return the hash of what has passed."""
        return self._hash.hexdigest()


def log_hash(log: EventLog, until: int | None = None, rows: int | None = None) -> str:
    """Return a SHA-256 over all that a log took in, up to a sequence and a number in quarantine (None: to the end).

    It is the same in every store and never changes as the log grows; only an erasure changes it.

    >>> from proffer.stores.memory import MemoryLog
    >>> from proffer.testing import sample_event
    >>> log, other = MemoryLog(), MemoryLog()
    >>> _ = log.append([sample_event("e1")]), other.append([sample_event("e1"), sample_event("e2")])
    >>> log_hash(log) == log_hash(other), log_hash(log) == log_hash(other, until=1)
    (False, True)
    """
    digest = LogDigest()
    for _ in digest.events(log.scan(until=until)):
        pass
    for _ in digest.rows(_quarantine(log, rows)):
        pass
    return digest.hexdigest()


def copy(source: Stores, target: Stores, pipelines: Sequence[str], progress: Progress | None = None) -> Inventory:
    """Copy everything into empty stores, compare it with what was read, and return what there is now.

    The source may be written meanwhile: what is copied is the log up to its position at the start, and decisions made
    up to it. Raises Conflict when the target is not empty, or when somebody was erased from the source meanwhile;
    Corrupt when what the target holds is not what was read.
    """
    tell = progress or _silent
    registry = _Listed.of(source, pipelines)
    counts, position, rows = _settled(source.log)
    digest = LogDigest()
    target.log.fill(
        digest.events(_told(source.log.scan(until=position), position, tell)), digest.rows([rows]), counts
    )  # fmt: skip
    decisions, slates = _copy_decisions(source, target, position, tell)
    carried = _carry(source, target, registry.versions)
    target.registry.fill(registry.versions, registry.promotions, registry.reviews)
    jobs = _copy_jobs(source, target)
    tokens = source.tokens.all()
    for token in tokens:
        target.tokens.add(token)
    check_unerased(source.log, position)
    read = Inventory(
        position=position, rows=len(rows), counts=counts, log=digest.hexdigest(), decisions=decisions, slates=slates,
        versions=len(registry.versions), promotions=len(registry.promotions), reviews=len(registry.reviews), jobs=jobs,
        tokens=len(tokens), absent=tuple(one.id for one in registry.versions if one.id not in carried),
    )  # fmt: skip
    tell("verifying", 0, 0)
    check_equal(read, inventory(target, pipelines))
    return read


def inventory(stores: Stores, pipelines: Sequence[str]) -> Inventory:
    """Return what stores hold that nobody writes meanwhile, having read all of it."""
    registry = _Listed.of(stores, pipelines)
    rows = sum(len(page) for page in _quarantine(stores.log, None))
    digest, decisions = sha256(), 0
    for page in _decisions(stores):
        digest.update(b"".join(map(msgspec.msgpack.encode, page)))
        decisions += len(page)
    return Inventory(
        position=stores.log.last(), rows=rows, counts=stores.log.counts(), log=log_hash(stores.log),
        decisions=decisions, slates=digest.hexdigest(), versions=len(registry.versions),
        promotions=len(registry.promotions), reviews=len(registry.reviews), jobs=sum(1 for _ in _jobs(stores)),
        tokens=len(stores.tokens.all()), absent=tuple(one.id for one in registry.versions if not _sound(stores, one)),
    )  # fmt: skip


def check_equal(read: Inventory, found: Inventory) -> None:
    """Raise Corrupt naming the first figure in which a copy differs from what was read."""
    for name in Inventory.__struct_fields__:
        was, now = getattr(read, name), getattr(found, name)
        if was != now:
            message = f"the copy is not what was copied: {name} is {now}, not {was}"
            raise Corrupt(message, field=name, remedy="Copy it again; see the disk.")


def check_unerased(log: EventLog, after: int) -> None:
    """Raise Conflict when somebody was erased beyond a position: what was copied up to it may hold them still."""
    if log.find(type=ENTITY_ERASE, after=after, limit=1):
        message = "somebody was erased from the workspace while it was copied; the copy was thrown away"
        raise Conflict(message, field="source", remedy="Repeat it.")


def cancel_jobs(stores: Stores) -> None:
    """Cancel every training that was not over when these stores were copied."""
    for job in _jobs(stores):
        if job.active:
            stores.jobs.put(_over(job))


class _Listed(msgspec.Struct, frozen=True):
    """What a registry lists, in order of saving."""

    versions: list[ModelVersion]
    promotions: list[Promotion]
    reviews: list[Review]

    @classmethod
    def of(cls, stores: Stores, pipelines: Sequence[str]) -> "_Listed":
        # Promotions first: what they name is then listed.
        # A pipeline that the application has no more may have been trained once.
        names = list(dict.fromkeys([*pipelines, *(job.pipeline for job in _jobs(stores))]))
        promotions = [one for name in names for one in stores.registry.promotions(name)[::-1]]
        versions = [version for name in names for version in stores.registry.history(name)[::-1]]
        return cls(versions, promotions, [one for v in versions for one in stores.registry.reviews(v.id)[::-1]])


def _settled(log: EventLog) -> tuple[Counts, int, list[Quarantined]]:
    """Return counts, last sequence and quarantined rows of one moment, while the log may be written.

    A row that is repaired after that moment is open in what is returned; where a duplicate closed it, nobody can tell
    when, and it is counted as closed.
    """
    last = max((page[-1].number for page in _quarantine(log, None)), default=0)
    for _ in range(ATTEMPTS):
        counts = log.counts()
        last = max((page[-1].number for page in _quarantine(log, None, after=last)), default=last)
        position = log.last()
        if log.counts() == counts and log.last() == position:
            break
    else:
        raise Busy("the workspace is written without a pause", remedy="Try again when less is sent.")
    rows = [_as_of(row, log, position) for page in _quarantine(log, last) for row in page]
    closed = counts.quarantined - sum(row.repaired_by is None for row in rows)
    return counts + Counts(duplicates=closed, quarantined=-closed), position, rows


def _as_of(row: Quarantined, log: EventLog, position: int) -> Quarantined:
    by = log.get(row.repaired_by) if row.repaired_by is not None else None
    return row if by is None or by.sequence <= position else msgspec.structs.replace(row, repaired_by=None)


def _quarantine(log: EventLog, until: int | None, after: int = 0) -> Iterator[list[Quarantined]]:
    while page := log.quarantined(after=after, limit=PAGE, open_only=False):
        after = page[-1].number
        kept = page if until is None else [row for row in page if row.number <= until]
        if kept:
            yield kept
        if len(kept) < len(page):
            return


def _row(row: Quarantined) -> list[Any]:
    reject = row.reject
    texts = (reject.raw, reject.reason, reject.field, reject.event_id, reject.source)
    # A row as it came may hold halves of characters, which JSON does not: so its bytes, which JSON holds as base64.
    return [row.number, row.received_at, *(text and text.encode("utf-8", "surrogatepass") for text in texts)]


def _told(chunks: Iterable[list[Event]], total: int, tell: Progress) -> Iterator[list[Event]]:
    for chunk in chunks:
        yield chunk
        tell("events", chunk[-1].sequence, total)


def _decisions(stores: Stores) -> Iterator[list[Decision]]:
    after = ""
    while page := stores.decisions.find(after=after, limit=PAGE):
        yield page
        after = page[-1].id


def _copy_decisions(source: Stores, target: Stores, position: int, tell: Progress) -> tuple[int, str]:
    digest, copied = sha256(), 0
    for page in _decisions(source):
        for decision in page:
            if decision.as_of <= position:
                target.decisions.put(decision)
                digest.update(msgspec.msgpack.encode(decision))
                copied += 1
        # A page at a time waits to be written: the queue never overflows.
        target.decisions.flush()
        tell("decisions", copied, 0)
    return copied, digest.hexdigest()


def _carry(source: Stores, target: Stores, versions: Sequence[ModelVersion]) -> set[str]:
    """Copy the files of every version that is sound into the target's folder; return their ids."""
    sound = {version.id for version in versions if _sound(source, version)}
    if source.root is not None and target.root is not None and source.root != target.root:
        for id in sound:
            shutil.copytree(source.root / "models" / id, target.root / "models" / id, dirs_exist_ok=True)
    for id in sorted({version.id for version in versions} - sound):
        logger.warning("the files of version %s are not there or damaged: it is listed in the copy without them", id)
    return sound


def _sound(stores: Stores, version: ModelVersion) -> bool:
    try:
        return stores.registry.load(version.id)[0] == version
    except (NotFound, Corrupt):
        return False


def _jobs(stores: Stores) -> Iterator[Job]:
    before = None
    while page := stores.jobs.find(before=before, limit=PAGE):
        yield from page
        before = page[-1].id


def _copy_jobs(source: Stores, target: Stores) -> int:
    """Copy trainings, oldest first; one that is not over never ends in the copy."""
    jobs = list(_jobs(source))[::-1]
    for job in jobs:
        target.jobs.add(_over(job) if job.active else job)
    return len(jobs)


def _over(job: Job) -> Job:
    return msgspec.structs.replace(job, state="cancelled", why="the workspace was copied before it ended")


def _silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""
