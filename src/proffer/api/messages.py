"""What a client sends: bodies and query strings, each a type that is checked and documented."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from proffer.app import Rule

LARGEST_BATCH = 1000
LARGEST_SLATE = 500
LARGEST_LIST = 1000
MOST_RULES = 50

Id = Annotated[
    str, Meta(min_length=1, max_length=256, description="An id: 1 to 256 characters, no control characters.")
]
Limit = Annotated[int, Meta(ge=1, le=1000, description="At most this many.")]
Lambda = Annotated[float, Meta(ge=0, le=1, description="Lambda of MMR: 1 is relevance only, lower is more diverse.")]
Objectives = Annotated[dict[str, float], Meta(max_length=50, description="Weights by what the pipeline declares.")]
Language = Literal["en", "sv"]
N = Annotated[int, Meta(ge=1, le=LARGEST_SLATE, description="How many items.")]
Members = dict[str, Any]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends; an unknown member is refused."""


class SentRef(Body, frozen=True, kw_only=True):
    """The kind and id of an entity."""

    kind: str
    id: Id


class SentEvent(Body, frozen=True, kw_only=True):
    """An event as it is sent: `at` defaults to now, `id` to a new one; a bare id names the kind the type expects."""

    type: str
    actor: Id | SentRef
    target: Id | SentRef | None = None
    id: Id | None = None
    at: datetime | None = None
    query_id: Id | None = None
    fields: Members | None = None


SentBatch = Annotated[list[SentEvent], Meta(min_length=1, max_length=LARGEST_BATCH)]


class EraseQuery(Body, frozen=True, kw_only=True):
    """`texts`: blank the id also where it stands among other words in texts of others."""

    texts: bool = False


class EventsQuery(Body, frozen=True, kw_only=True):
    """Filters of the log; `kind` and `id` go together; `after` is the `next` of the page before."""

    kind: str | None = None
    id: Id | None = None
    type: str | None = None
    query_id: Id | None = None
    since: str | None = None
    until: str | None = None
    after: Annotated[int, Meta(ge=0, le=2**53)] = 0
    limit: Limit = 100


class QuarantineQuery(Body, frozen=True, kw_only=True):
    """`after` is the `next` of the page before; `all` shows repaired rows too."""

    after: Annotated[int, Meta(ge=0, le=2**53)] = 0
    limit: Limit = 100
    all: bool = False


class Ask(Body, frozen=True, kw_only=True):
    """What every question for a slate holds; `after` is the `decision` of the page before.

    `group` is the id of an entity whose members are the candidates, where the application has groups.
    """

    subject: Id
    context: Members = {}
    diversity: Lambda | None = None
    objectives: Objectives | None = None
    language: Language = "en"
    pipeline: str | None = None
    after: Id | None = None
    group: Id | None = None


class Recommend(Ask, frozen=True, kw_only=True):
    """A slate from everything there is."""

    n: N = 20


class Rank(Ask, frozen=True, kw_only=True):
    """A slate from the candidates given, each once; `n` is all of them, at most 500, where it is left out."""

    candidates: Annotated[list[Id], Meta(min_length=1, max_length=LARGEST_LIST)]
    n: N | None = None


class Explain(Ask, frozen=True, kw_only=True):
    """Why the item stands where it stands for this question, or is not shown."""

    item: Id
    n: N = 20


class SimilarQuery(Body, frozen=True, kw_only=True):
    """More like this, for a subject where one is known."""

    n: N = 20
    subject: Id | None = None
    diversity: Lambda | None = None
    language: Language = "en"
    after: Id | None = None


class Pair(Body, frozen=True, kw_only=True):
    """A subject and an item."""

    subject: Id
    item: Id


class Predict(Body, frozen=True, kw_only=True):
    """Pairs to predict, in one request."""

    pairs: Annotated[list[Pair], Meta(min_length=1, max_length=LARGEST_LIST)]


Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339, with its zone.")]


class Replay(Body, frozen=True, kw_only=True):
    """What is to be other than it was when a decision was made; a member left out stays as it was.

    `model` is a saved version of the pipeline, `at` a time to ask at, with the log as of then; `rules` replace those of
    the pipeline.
    """

    model: Id | None = None
    at: Moment | None = None
    diversity: Lambda | None = None
    objectives: Objectives | None = None
    rules: Annotated[list[Rule], Meta(max_length=MOST_RULES)] | None = None


class ReplayPeriod(Body, frozen=True, kw_only=True):
    """A model version, and the decisions to replay under it: a sample of those from `from` to before `until`."""

    model: Id
    since: Moment | None = msgspec.field(default=None, name="from")
    until: Moment | None = None
    sample: Annotated[int, Meta(ge=1, le=10_000, description="How many decisions, drawn by chance.")] = 1000
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Of the draw.")] = 0


class DecisionsQuery(Body, frozen=True, kw_only=True):
    """Filters of the decision log; `after` is the `next` of the page before."""

    subject: Id | None = None
    after: str = ""
    limit: Limit = 20


class Promote(Body, frozen=True, kw_only=True):
    """The revision the promotion counts on, so that of two at the same time one wins."""

    expected_revision: Annotated[int, Meta(ge=0, le=2**53)]


class EvaluatedQuery(Body, frozen=True, kw_only=True):
    """The version whose report is asked for; without one, that which serves the pipeline (by default the first)."""

    version: Id | None = None
    pipeline: str | None = None


class Train(Body, frozen=True, kw_only=True):
    """A training of a pipeline, by default the application's first; limits left out are those of the settings."""

    pipeline: str | None = None
    seconds: Annotated[float, Meta(ge=1, le=604_800, description="Wall clock it may take.")] | None = None
    budget: Annotated[float, Meta(gt=0, le=604_800, description="Seconds what is tried may cost.")] | None = None
    memory_mb: Annotated[int, Meta(ge=64, le=1_048_576, description="Resident memory it may use, in MB.")] | None = None
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Of what is drawn by chance.")] = 0
    min_interactions: Annotated[int, Meta(ge=1, le=10**9, description="So many must be in the log.")] | None = None
    lookback_days: Annotated[float, Meta(ge=0.01, le=36_500, description="Nothing older is judged by.")] | None = None
    validation_split: Annotated[float, Meta(ge=0.01, le=0.9, description="The newest, to report on.")] | None = None
    num_boost_round: Annotated[int, Meta(ge=1, le=10_000, description="Most rounds that trees grow.")] | None = None
    evaluate_only: Annotated[bool, Meta(description="Judge and report; fit nothing for good, save nothing.")] = False


class JobsQuery(Body, frozen=True, kw_only=True):
    """Trainings of one pipeline or of all; `after` is the `next` of the page before."""

    pipeline: str | None = None
    after: Id | None = None
    limit: Limit = 20
