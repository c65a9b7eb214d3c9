"""Every port: what the engine needs of the outside, and a store must be able to do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.core.events import Counts, Event, Quarantined, Receipt, Reject
from proffer.core.jobs import Job


class EventLog(Protocol):
    """The truth: an append-only log of events, and beside it the rows that could not become events."""

    def append(self, rows: Sequence[Event | Reject], *, repairs: int | None = None) -> list[Receipt]:
        """Store rows in one transaction and return a receipt for each, in order; on disk when it returns.

        Same id and same body again is a duplicate, same id and other body a conflict (also within one call).
        A Reject is quarantined. `repairs` is the quarantine number the first row mends: an accepted or duplicate
        first row closes it, and the quarantined count falls by one, so that counts still add up.
        Raises StorageFull when the disk refuses, with nothing written.
        """
        ...

    def last(self) -> int:
        """Return the highest sequence, 0 for an empty log."""
        ...

    def counts(self) -> Counts:
        """Return what became of every row ever received."""
        ...

    def scan(
        self, since: int = 0, until: int | None = None, *, types: Sequence[str] | None = None, chunk: int = 10_000
    ) -> Iterator[list[Event]]:
        """Yield events with since < sequence <= until in order, in lists of at most `chunk`; one consistent view."""
        ...

    def get(self, id: str) -> Event | None:
        """Return the event with this id."""
        ...

    def find(
        self,
        *,
        entity: EntityRef | None = None,
        query_id: str | None = None,
        type: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> list[Event]:
        """Return up to `limit` events with sequence > after that match every filter given, in order, by index.

        `entity` matches the actor or the target; since <= at < until.
        """
        ...

    def quarantined(self, *, after: int = 0, limit: int = 100, open_only: bool = True) -> list[Quarantined]:
        """Return quarantined rows with number > after, in order."""
        ...

    def wait(self, after: int, seconds: float) -> bool:
        """Return whether the log goes beyond a sequence, waiting for that at most so long; any process may append."""
        ...

    def rewrite(self, events: Sequence[Event], blank: Sequence[int], note: Event) -> int:
        """Put events in the places of those with their sequences, blank quarantined rows by number, append `note`.

        One transaction; returns the note's sequence. A blanked row keeps number and time, its text and source are
        "" and its reason "erased"; a row that a replaced event had repaired names the id that is there now. What
        stood there before leaves the disk. Counts stay. Raises Invalid for a sequence that the log does not have.
        """
        ...

    def fill(self, events: Iterable[list[Event]], quarantined: Iterable[list[Quarantined]], counts: Counts) -> None:
        """Fill an empty log with what another one held, sequences and numbers included, whole or not at all.

        Raises Conflict when this log is not empty.
        """
        ...

    def close(self) -> None:
        """Let go of files and threads."""
        ...


class DecisionLog(Protocol):
    """Decisions as they were made, written behind the answer."""

    def put(self, decision: Decision) -> bool:
        """Queue a decision for writing and return at once; False (and counted as dropped) when the queue is full."""
        ...

    def get(self, id: str) -> Decision | None:
        """Return a decision, also one that is still queued."""
        ...

    def find(self, *, subject: EntityRef | None = None, after: str = "", limit: int = 100) -> list[Decision]:
        """Return decisions with id > after in order of id."""
        ...

    def flush(self) -> None:
        """Wait until everything queued is on disk."""
        ...

    def dropped(self) -> int:
        """Return how many decisions were not logged because the queue was full."""
        ...

    def replace(self, decisions: Sequence[Decision], gone: Sequence[str]) -> None:
        """Put decisions in the places of those with their ids and remove others by id, queued ones too.

        One transaction; what stood there before leaves the disk.
        """
        ...


class StateStore(Protocol):
    """Snapshots of folded state: named arrays at a position of the log, for one view version. Droppable."""

    def save(self, version: str, position: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a snapshot whole or not at all, and drop all but the newest few of any version."""
        ...

    def load(self, version: str, at_most: int | None = None) -> tuple[int, dict[str, NDArray[Any]]] | None:
        """Return the newest sound snapshot of this version at or before a position; a corrupt one is passed over."""
        ...

    def positions(self, version: str) -> list[int]:
        """Return the positions that have a snapshot, ascending."""
        ...

    def drop(self) -> None:
        """Remove every snapshot of every version."""
        ...


class Interactions(msgspec.Struct, frozen=True, kw_only=True):
    """Every non-impression event of a subject with an item, in order of the log, as columns of length m.

    `subject` and `item` are ordinals, `type` indexes `types`, `weight` is the declared weight of the type (> 0 wanted).
    `by_subject` and `by_item` hold, for each row, the row before it of the same subject / item (-1: none);
    `subject_head` and `item_head` the newest row of each ordinal. A subject merged into another has its rows there.
    """

    subject: NDArray[np.int64]
    item: NDArray[np.int64]
    at: NDArray[np.float64]
    type: NDArray[np.int64]
    weight: NDArray[np.float64]
    by_subject: NDArray[np.int64]
    by_item: NDArray[np.int64]
    subject_head: NDArray[np.int64]
    item_head: NDArray[np.int64]
    types: tuple[str, ...]


class LiveState(Protocol):
    """What a retriever may read: the catalogue, who did what, live popularity; all as of one position of the log.

    Item arrays have one row per catalogue ordinal, n = len(ids), in order of first mention; read only.
    """

    @property
    def position(self) -> int:
        """The sequence of the last event folded."""
        ...

    @property
    def latest(self) -> float:
        """When the newest event happened, epoch seconds; 0 before the first."""
        ...

    @property
    def kind(self) -> str:
        """The kind of the catalogue's items."""
        ...

    @property
    def ids(self) -> Sequence[str]:
        """The catalogue's ids by ordinal."""
        ...

    @property
    def half_lives(self) -> tuple[float, ...]:
        """The half-lives, in seconds, that `decayed` can be asked for."""
        ...

    @property
    def merged(self) -> int:
        """How many entities were merged into others: while it stays, rows of the past keep their subject and item."""
        ...

    def ordinals(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the ordinals of item ids, -1 where unknown."""
        ...

    def subject_ordinal(self, subject: EntityRef) -> int:
        """Return the ordinal of a subject, -1 where unknown; a merged visitor has that of the known user."""
        ...

    def published(self, ordinals: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Return when each item, or each of these (m,), appeared, epoch seconds: its attribute, else first mention."""
        ...

    def column(self, role: str) -> NDArray[np.int64]:
        """Return an item attribute by role (category, author, language, segment, group), or a code by its name, as
        stable keys (n,), 0 where unknown."""
        ...

    def available(self) -> NDArray[np.bool_]:
        """Return which items exist (n,): not deleted."""
        ...

    def members(self, group: str) -> NDArray[np.int64]:
        """Return the ordinals of the items that are members of a group now, ascending; none where it is unknown."""
        ...

    def interactions(self) -> Interactions:
        """Return every interaction so far, as views of the live arrays."""
        ...

    def decayed(self, half_life: float, at: float, ordinals: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Return each item's decayed count of wanted events at epoch seconds `at` (n,), for one of `half_lives`.

        With `ordinals` (m,) those items' alone (m,), the same values.
        A time after the newest event counts as that event's: the order is the same, and nothing fades to 0 where a
        log ended long ago.
        """
        ...

    def segment_decayed(self, subject: EntityRef, at: float) -> NDArray[np.float64]:
        """Return each item's decayed count within the subject's segment (n,); zeros without a segment."""
        ...

    def attributes(self, ref: EntityRef) -> Mapping[str, Any] | None:
        """Return an entity's attributes, None when nothing is known of it."""
        ...

    def revised(self) -> NDArray[np.int64]:
        """Return the position of the log at which each item's attributes last changed (n,), 0 for never."""
        ...


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted model in the registry: what it is, what it was fitted on, how it compared, and its files' hashes.

    `schema` is the feature view's version and `position` the last event of the log it was fitted on. `code` names the
    code that fitted it; `events` counts the interactions it was fitted on, which happened from `since` until `until`.
    """

    id: str
    pipeline: str
    name: str
    created_at: datetime
    schema: str
    position: int
    parameters: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    files: dict[str, str] = {}
    code: str = ""
    since: datetime | None = None
    until: datetime | None = None
    events: int = 0


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """One change of what serves a pipeline: from `revision` on `version` does, or none at all, and the ladder answers.

    `how` tells whether a version was put in charge, came back because a later one was taken out, or all were retired.
    """

    pipeline: str
    revision: int
    version: str | None
    at: datetime
    how: Literal["promote", "rollback", "retire"]


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about a saved version later: a replay of past decisions under it, for one."""

    version: str
    kind: str
    at: datetime
    body: dict[str, Any]


class ModelRegistry(Protocol):
    """Model versions and which of them serves each pipeline."""

    def save(
        self, pipeline: str, name: str, *, schema: str, position: int, parameters: Mapping[str, Any],
        metrics: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], at: datetime, code: str = "",
        since: datetime | None = None, until: datetime | None = None, events: int = 0,
    ) -> ModelVersion:  # fmt: skip
        """Write a content-addressed folder with a manifest and return the version; the same content, the same id.

        In a process that only reads, the folder is written but not listed: the writing process adopts it by its id.
        """
        ...

    def adopt(self, version: str) -> ModelVersion:
        """List a version that another process saved, after checking every hash. Raises NotFound or Corrupt."""
        ...

    def load(self, version: str) -> tuple[ModelVersion, dict[str, np.ndarray]]:
        """Return a version and its arrays after checking every hash. Raises NotFound or Corrupt."""
        ...

    def champion(self, pipeline: str) -> tuple[ModelVersion | None, int]:
        """Return what serves, and the revision to promote against (0 before the first)."""
        ...

    def promote(self, version: str, *, expected_revision: int, at: datetime, back: bool = False) -> int:
        """Let a version serve from now on; return the new revision. Raises Conflict when somebody was faster.

        `back` says that it returns because a later one is taken out of service.
        """
        ...

    def retire(self, pipeline: str, *, expected_revision: int, at: datetime, back: bool = False) -> int:
        """Let no version serve from now on; return the new revision. Raises Conflict when somebody was faster.

        `back` says that nothing served before the version that is taken out either.
        """
        ...

    def promotions(self, pipeline: str) -> list[Promotion]:
        """Return every change of what serves, newest first."""
        ...

    def vouch(self, version: str, code: str, *, at: datetime) -> None:
        """Note that this code has loaded the version and found its golden rows right."""
        ...

    def vouched(self, version: str, code: str) -> bool:
        """Return whether that was noted before."""
        ...

    def history(self, pipeline: str) -> list[ModelVersion]:
        """Return all versions, newest first."""
        ...

    def review(self, review: Review) -> None:
        """Keep a review of a listed version. Raises NotFound."""
        ...

    def reviews(self, version: str) -> list[Review]:
        """Return the reviews of a version, newest first."""
        ...

    def fill(
        self, versions: Sequence[ModelVersion], promotions: Sequence[Promotion], reviews: Sequence[Review]
    ) -> None:
        """Fill an empty registry with what another one listed, in order of saving; the folders are there already.

        A version whose folder the other one lacked is listed without. Raises Conflict when this one lists something.
        """
        ...


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A bearer token as it is kept: a SHA-256 of the secret, never the secret."""

    name: str
    digest: str
    scopes: tuple[str, ...]
    created_at: datetime


class TokenStore(Protocol):
    """Who may do what."""

    def add(self, token: Token) -> None:
        """Keep a token. Raises Conflict when the name is taken."""
        ...

    def by_digest(self, digest: str) -> Token | None:
        """Return the token whose secret has this hash."""
        ...

    def all(self) -> list[Token]:
        """Return every token."""
        ...

    def remove(self, name: str) -> None:
        """Forget a token. Raises NotFound."""
        ...


class JobStore(Protocol):
    """Trainings that were asked for, in order."""

    def add(self, job: Job) -> Job:
        """Keep a new job and return it; where its key is known already, return the job that has it, unchanged.

        Raises Conflict naming the job of the same pipeline that is queued or running.
        """
        ...

    def put(self, job: Job, *, fence: int | None = None) -> None:
        """Replace a job that was added. Raises NotFound, or Conflict when `fence` is no longer the job's."""
        ...

    def claim(self, holder: str, *, seconds: float, pipelines: Sequence[str] | None = None) -> Job | None:
        """Lease the oldest job that is queued, or that runs under a lease that ran out; None where nothing waits.

        The job comes back running, with `holder` and a `fence` one higher than before. Time is the store's own.
        """
        ...

    def renew(self, id: str, fence: int, *, seconds: float) -> bool:
        """Lengthen a lease from now on; False when it is somebody else's by now, or the job is over."""
        ...

    def get(self, id: str) -> Job | None:
        """Return a job."""
        ...

    def find(self, *, pipeline: str | None = None, before: str | None = None, limit: int = 100) -> list[Job]:
        """Return jobs, of one pipeline or of all, newest first; `before`: only those added before this one."""
        ...


class Stores(msgspec.Struct, frozen=True, kw_only=True):
    """The stores of one workspace, as bootstrap chose them."""

    log: EventLog
    decisions: DecisionLog
    snapshots: StateStore
    registry: ModelRegistry
    tokens: TokenStore
    jobs: JobStore
    root: Path | None = None
    writable: bool = True
    shared: bool = False
    """Whether other processes may write the same stores at the same time."""
