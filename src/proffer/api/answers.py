"""What a client gets: each answer a type that is documented, and made of what the engine gives."""

from datetime import datetime
from typing import Any

import msgspec

from proffer.core.decisions import Considered, Decision, Placed, TradeOff
from proffer.core.entities import EntityRef
from proffer.core.events import Event, Receipt
from proffer.core.jobs import Job
from proffer.core.ports import Review
from proffer.engine import replay
from proffer.engine.otherwise import Move
from proffer.engine.status import Origin, PipelineStatus, Trained
from proffer.engine.verdict import Difference, Ground, Verdict

Members = dict[str, Any]


class Ref(msgspec.Struct, frozen=True):
    """The kind and id of an entity."""

    kind: str
    id: str

    @classmethod
    def of(cls, ref: EntityRef) -> "Ref":
        """Return the wire form of an entity's kind and id."""
        return cls(ref.kind, ref.id)


class LoggedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as the log holds it."""

    id: str
    type: str
    at: datetime
    actor: Ref
    target: Ref | None
    query_id: str | None
    fields: Members
    sequence: int

    @classmethod
    def of(cls, event: Event) -> "LoggedEvent":
        """Return the wire form of an event."""
        return cls(
            id=event.id,
            type=event.type,
            at=event.at,
            actor=Ref.of(event.actor),
            target=event.target and Ref.of(event.target),
            query_id=event.query_id,
            fields=dict(event.fields),
            sequence=event.sequence,
        )


class Receipts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch: the four counts add up to `received`, and each row has its receipt, in order."""

    received: int
    accepted: int
    duplicates: int
    conflicts: int
    quarantined: int
    receipts: list[Receipt]


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the log; without `next` it is the last."""

    events: list[LoggedEvent]
    next: int | None


class QuarantinedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that could be read but not accepted, as it came; `repaired_by` is the event that mended it."""

    number: int
    received_at: datetime
    raw: str
    reason: str
    field: str | None
    event_id: str | None
    source: str
    repaired_by: str | None


class Quarantine(msgspec.Struct, frozen=True, kw_only=True):
    """A page of quarantined rows; without `next` it is the last."""

    rows: list[QuarantinedRow]
    next: int | None


class Slate(msgspec.Struct, frozen=True, kw_only=True):
    """What to show, best first.

    `decision` continues the slate (`after`) and finds it again; `query_id` goes into the events it leads to. `fallback`
    says why a lower rung of the ladder answered, null when the model did. `diversity_score` is 1 - the mean similarity
    of two of the items, null where nothing tells; `tradeoff` is there where objectives were weighed.
    """

    decision: str
    query_id: str
    pipeline: str
    subject: str
    items: tuple[Placed, ...]
    model: str
    arm: str
    fallback: str | None
    as_of: int
    took_ms: float
    diversity_score: float | None
    tradeoff: TradeOff | None

    @classmethod
    def of(cls, decision: Decision) -> "Slate":
        """Return what a client needs of a decision."""
        query = decision.query
        return cls(
            decision=decision.id,
            query_id=query.id,
            pipeline=query.pipeline,
            subject=query.subject.id,
            items=decision.slate,
            model=decision.model,
            arm=decision.arm,
            fallback=decision.fallback,
            as_of=decision.as_of,
            took_ms=decision.took_ms,
            diversity_score=decision.diversity_score,
            tradeoff=decision.tradeoff,
        )


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """Feature columns by name, null for unknown, as of a position of the log."""

    as_of: int
    features: dict[str, float | None]


class LoggedDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A slate as it was made, with everything needed to make it again."""

    id: str
    query_id: str
    pipeline: str
    subject: Ref
    at: datetime
    n: int
    context: Members
    candidates: tuple[str, ...] | None
    after: str | None
    diversity: float | None
    objectives: dict[str, float] | None
    language: str
    group: str | None
    as_of: int
    considered: Considered
    slate: tuple[Placed, ...]
    model: str
    schema: str
    arm: str
    fallback: str | None
    took_ms: float
    version: str
    asked: tuple[str, ...]
    made: str
    diversity_score: float | None
    tradeoff: TradeOff | None

    @classmethod
    def of(cls, decision: Decision) -> "LoggedDecision":
        """Return the wire form of a decision."""
        query = decision.query
        return cls(
            id=decision.id,
            query_id=query.id,
            pipeline=query.pipeline,
            subject=Ref.of(query.subject),
            at=query.at,
            n=query.n,
            context=dict(query.context),
            candidates=query.candidates,
            after=query.after,
            diversity=query.diversity,
            objectives=None if query.objectives is None else dict(query.objectives),
            language=query.language,
            group=query.group,
            as_of=decision.as_of,
            considered=decision.considered,
            slate=decision.slate,
            model=decision.model,
            schema=decision.schema,
            arm=decision.arm,
            fallback=decision.fallback,
            took_ms=decision.took_ms,
            version=decision.version,
            asked=decision.asked,
            made=decision.made,
            diversity_score=decision.diversity_score,
            tradeoff=decision.tradeoff,
        )


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it was logged and as it comes out now.

    `verdict` is exact (bit for bit), close (within 1e-6), differs, or gone where the model of then is gone and another
    one was asked for; `text` says it in words, with the ground: whether code, packages and processor are those of then.
    `since` tells what else happened since. `otherwise` is there where something was to be other than it was.
    """

    decision: str
    verdict: Verdict
    text: str
    differences: tuple[Difference, ...]
    ground: Ground
    since: tuple[str, ...]
    logged: Slate
    again: Slate | None
    otherwise: "Instead | None" = None

    @classmethod
    def of(cls, replayed: replay.Replayed) -> "Replayed":
        """Return the wire form of a replay."""
        again = replayed.again
        return cls(
            decision=replayed.logged.id, verdict=replayed.verdict, text=replayed.text,
            differences=replayed.differences, ground=replayed.ground, since=replayed.since,
            logged=Slate.of(replayed.logged), again=None if again is None else Slate.of(again),
            otherwise=None if replayed.otherwise is None else Instead.of(replayed.otherwise),
        )  # fmt: skip


class Instead(msgspec.Struct, frozen=True, kw_only=True):
    """What would have been shown instead, and every item that moved, entered or left, with the reason."""

    change: replay.Change
    slate: Slate
    moves: tuple[Move, ...]

    @classmethod
    def of(cls, otherwise: replay.Otherwise) -> "Instead":
        """Return the wire form of a counterfactual slate."""
        return cls(change=otherwise.change, slate=Slate.of(otherwise.decision), moves=otherwise.moves)


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """A page of decisions; without `next` it is the last."""

    decisions: list[LoggedDecision]
    next: str | None


class Promoted(msgspec.Struct, frozen=True, kw_only=True):
    """What serves now (null: none, the ladder answers), and the revision to promote against next."""

    pipeline: str
    champion: str | None
    revision: int


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A model version: what it is and was fitted on, whether it serves now, how it compared, what it learned.

    `reviews` are what was found out about it since, newest first: replays of past decisions under it.
    """

    pipeline: str
    model: Origin
    serves: bool
    report: Members
    parameters: Members
    files: dict[str, str]
    reviews: list[Review]


class PipelineModels(msgspec.Struct, frozen=True, kw_only=True):
    """The versions of a pipeline, newest first, and which one serves (null: none, the ladder answers)."""

    pipeline: str
    champion: str | None
    revision: int
    versions: list[Trained]


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What answers for each pipeline."""

    pipelines: list[PipelineStatus]


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """The report that a version was saved with."""

    pipeline: str
    version: str
    report: Members


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """Every pipeline's models."""

    pipelines: list[PipelineModels]


class Jobs(msgspec.Struct, frozen=True, kw_only=True):
    """Trainings, newest first; their logs are shown one by one."""

    jobs: list[Job]
    next: str | None


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """How much the log has received, how far it is folded, and how much is known."""

    received: int
    accepted: int
    duplicates: int
    conflicts: int
    quarantined: int
    last_sequence: int
    folded: int
    items: int
    decisions_dropped: int


class WorkspaceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace and its application: what its events, entities and pipelines are called.

    `group` is the kind whose members items are, null where they are nobody's.
    """

    name: str
    application: str
    doc: str
    subject: str
    item: str
    group: str | None
    pipelines: list[str]
    events: dict[str, str]
    entities: dict[str, list[str]]


class Workspaces(msgspec.Struct, frozen=True, kw_only=True):
    """The workspaces the token may see."""

    version: str
    workspaces: list[WorkspaceSummary]


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the process answers, or is ready for work."""

    status: str
