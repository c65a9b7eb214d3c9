"""What an evaluation tells: the table, the choice and its reasons, by how much the champion leads, and what it cost."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from proffer.engine.importance import Importance
from proffer.engine.metrics import Interval
from proffer.engine.plan import Plan, Skipped
from proffer.engine.set_found import SetJudged
from proffer.engine.splits import SplitReport

PREVIOUS = "previous"
BLEND = "blend"


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """A phase that was read: when it lies (None where the protocol does not go by time), what it held."""

    name: str
    since: datetime | None = None
    until: datetime | None = None
    lists: int = 0
    users: int = 0


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a retriever that were tried before the lists were read, and the NDCG@10 they gave on a sample."""

    name: str
    settings: dict[str, Any]
    ndcg: float
    taken: bool


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A challenger against what was in charge so far: its paired lead in NDCG@10 on lists neither learned from."""

    challenger: str
    incumbent: str
    lead: Interval
    lists: int
    taken: bool


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What was put in charge before the report was read, and why.

    `weights` and `ranker` make the champion, `settings` are the retrievers' where they differ from their declaration.
    """

    champion: str
    single: str
    weights: dict[str, float]
    ranker: str | None = None
    settings: dict[str, dict[str, Any]] = {}
    steps: list[Step] = []
    lists: int = 0
    why: str = ""

    @property
    def lead(self) -> Interval | None:
        """Return the lead that decided last, None when nothing was compared."""
        return self.steps[-1].lead if self.steps else None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One contender over the whole report phase: what it is made of, and its measures with intervals over users.

    Beside the rankings' measures: `coverage`, the share of the catalogue that stood in some top 10; `diversity`, one
    minus the mean similarity within a top 10 (content vectors; None without any); `novelty`, the mean surprise
    -log2(share of all wanted events so far) of a top 10 (Vargas & Castells 2011); `popularity_bias`, the mean
    percentile of a top 10's items among the catalogue by count so far, 0.5 = none. `memory` and `declared_seconds` are
    what its sources said beforehand that fitting them takes, bytes and seconds on one core. `train` holds NDCG@5 and
    @10 on the lists before the report: of a ranker on those it learned from, of all else on those it was compared on.
    """

    name: str
    family: str
    weights: dict[str, float]
    metrics: dict[str, Interval]
    ranker: str | None = None
    settings: dict[str, Any] = {}
    memory: int = 0
    declared_seconds: float = 0.0
    train: dict[str, Interval] = {}


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a row took on this machine: seconds of one fit of its sources and ranker, how many, ms to rank one list."""

    fit_seconds: float
    fits: int
    list_ms: float


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the lists, or of what was wanted: NDCG@10 by contender, and the champion's lead over the fallback."""

    name: str
    lists: int
    ndcg: dict[str, Interval]
    lead: Interval | None = None


class Regret(msgspec.Struct, frozen=True, kw_only=True):
    """How much NDCG@10 the best row in hindsight has more than the champion; 0 when they are the same."""

    best: str
    value: float
    interval: Interval | None = None


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the champion may serve, what serves when it may not, and why."""

    wins: bool
    serves: Literal["champion", "previous", "fallback"]
    why: str
    lead: Interval | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A judged phase: a row for each retriever, heuristic, blend and ranker, best NDCG@10 first.

    `unknown_share` is the part of the wanted items that did not exist when the list was made: no list can hold them,
    and they count as misses. `leads` holds the champion's paired lead in NDCG@10 over each other row. `costs` alone is
    measured in time and differs from run to run; all else is the same for the same log, seed and budget. `split`
    accounts for every row of fixed split files. `examination` is the chance that a place is looked at, from the first
    on (the last one holds for all beyond), by which lists that were shown are judged; None where places tell nothing.
    `importances` tell what the ranker `explained` goes by: the champion's, else the best one.
    `judged` tells of a ready-made set.
    """

    protocol: str
    pipeline: str
    phases: list[Phase]
    since: datetime | None
    until: datetime | None
    lists: int
    users: int
    wanted: int
    unknown_share: float
    champion: str
    fallback: str
    choice: Choice
    rows: list[Row]
    leads: dict[str, Interval]
    segments: list[Segment]
    regret: Regret
    gate: Gate
    plan: Plan
    skipped: list[Skipped]
    tried: list[Tried]
    notes: list[str]
    learned: dict[str, Any]
    costs: dict[str, Cost] = {}
    split: SplitReport | None = None
    examination: list[float] | None = None
    importances: list[Importance] = []
    explained: str | None = None
    judged: SetJudged | None = None
