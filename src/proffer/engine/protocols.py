"""What a protocol of evaluation gives: four phases of lists in order, each made from what earlier phases tell."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.queries import Query
from proffer.engine.fitted import Fitted
from proffer.engine.metrics import Gain, due_gains, gains
from proffer.engine.pool import Pool
from proffer.engine.serve import Asked
from proffer.features.state import State

PHASES = ("blend", "learn", "choose", "report")
"""Weights of the blend are fitted on the first, rankers on the second; the third chooses, the last is read once."""
SERVED = "lists"
PROTOCOLS = ("daily", "temporal", "leave-last-out", SERVED)
COLD, WARM = "cold user", "warm user"
LIGHT, HEAVY = "light user", "heavy user"


class Want(NamedTuple):
    """A query with the ids of what its subject then first wanted, in order."""

    query: Query
    wanted: tuple[str, ...]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """What one phase covers: `boundaries` are the moments at which retrievers are fitted anew, `lists` the most it has.

    `since` and `until` bound it in time; None where the protocol does not go by time (leave-last-out).
    """

    boundaries: int
    lists: int
    since: datetime | None = None
    until: datetime | None = None


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How large an evaluation is, known before anything is fitted.

    `users`, `items` and `wanted` (different pairs of a user and an item he wanted) count the whole past; `phases` has
    a span for each of PHASES.
    """

    users: int
    items: int
    wanted: int
    events: int
    phases: dict[str, Span]


@dataclass
class Cost:
    """What a retriever took so far on this machine, in seconds; for the report's table only, it decides nothing."""

    fit_seconds: float = 0.0
    fits: int = 0
    ask_seconds: float = 0.0
    lists: int = 0


@dataclass(frozen=True)
class Judged:
    """One list before it is ranked: the pool, and the grade of each of its rows by what the user did next.

    `grades` (m,) are above 0 for what he wanted, 0 for what he passed over and below 0 for what he did not want.
    `missed` counts wanted items outside the pool, `unknown` those of them that did not exist yet. `surprise` and
    `percentile` (m,) tell how rare each row's item was by then: -log2 of its share of all wanted events, and its
    place by count within the catalogue, 0..1. `segments` holds one of COLD and WARM (had he wanted anything yet?) and
    one of LIGHT and HEAVY (below, or at least at, the median of wanted items among the users who wanted any).
    `positions` (m,) is given for a list that was shown: the place from 1 at which the row was, 0 for not shown;
    `examined` (m,) the chance that somebody looked there. Where only some rows were shown or answered, `told` (m,) says
    which: of the others nobody knows whether they are wanted. Where it is known what was looked at, `seen` (m,) is
    False for what was shown and was not: it is left out, as nobody knows of it either and others stand in for it.
    `gain` is what a grade adds to NDCG, `lost` the grades of the missed. A list to `learn` from only judges nobody.
    `new` (m,) tells which rows nobody had wanted by then, `missed_new` how many of the missed were so (all unknown
    are).

    It looks into the live state: use it before the next list is taken.
    """

    user: str
    asked: Asked
    pool: Pool
    grades: NDArray[np.float64]
    missed: int
    unknown: int
    surprise: NDArray[np.float64]
    percentile: NDArray[np.float64]
    segments: frozenset[str] = field(default_factory=frozenset)
    positions: NDArray[np.int64] | None = None
    new: NDArray[np.bool_] | None = None
    missed_new: int = 0
    told: NDArray[np.bool_] | None = None
    seen: NDArray[np.bool_] | None = None
    examined: NDArray[np.float64] | None = None
    gain: Gain = "binary"
    lost: tuple[float, ...] = ()
    learn: bool = False

    def due(self, *, grades: bool = False) -> NDArray[np.float64]:
        """Return what each row adds to the list's gain (m,), or its grade from 0 on, as far as that can be known."""
        linear = grades and self.gain != "exponential"
        found = np.maximum(self.grades, 0.0) if linear else gains(self.grades, self.gain)
        return due_gains(found, self.examined, self.told)

    @property
    def relevant(self) -> NDArray[np.bool_]:
        """Return which rows of the pool the user then wanted (m,)."""
        return self.grades > 0

    @property
    def query(self) -> Query:
        """Return what was asked."""
        return self.asked.query

    @property
    def state(self) -> State:
        """Return the state the list was made from."""
        return self.asked.state

    @property
    def fitted(self) -> Fitted:
        """Return the pipeline the list was made by."""
        return self.asked.fitted


class Walk(Protocol):
    """A protocol on its way through one past, from phase to phase in the order of PHASES.

    `fitted` is what is (re)fitted from the next boundary on; assign another one between phases to go on with other
    settings. `refits` fits a retriever at every n-th boundary of a phase only (1 where it is not named; always at the
    first). `skipped` names retrievers that are never fitted or asked: they are absent from `fitted.retrievers`.
    """

    name: str
    fitted: Fitted
    refits: Mapping[str, int]
    skipped: frozenset[str]
    costs: dict[str, Cost]

    @property
    def state(self) -> State:
        """Return the state as of now: between phases that of the last boundary."""
        ...

    def size(self) -> Size:
        """Return how large the evaluation is."""
        ...

    def upcoming(self, phase: str, most: int) -> list[Want]:
        """Move the state to the start of a phase and return what a seeded sample of users first want in it.

        Readable once the phase before has been consumed. Raises Invalid for a phase that is over.
        """
        ...

    def phase(self, phase: str, lists: int) -> Iterator[Judged]:
        """Yield at most so many lists of a phase, a seeded sample where there are more, in order of time.

        Consume each list before taking the next. Raises Invalid for a phase that is over.
        """
        ...
