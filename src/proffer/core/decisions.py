"""Decisions: slates as they were shown, with all that is needed to make them again."""

import msgspec

from proffer.core.queries import Query


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why an item stands where it stands: a stable code, words in the query's language, and the figures in them."""

    code: str
    text: str
    values: dict[str, str | float] = {}


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a slate: where, with what score, from which sources, and why.

    `propensity` is the chance with which exploration put it there, given the places before it; None where nothing was
    drawn. `explored` says that another item would stand there without exploration.
    """

    id: str
    rank: int
    score: float
    sources: dict[str, float] = {}
    reasons: tuple[Reason, ...] = ()
    propensity: float | None = None
    explored: bool = False


class Aim(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a slate was to be good for: its weight, in words what it is, and what came of it.

    `mean` is that of its feature `column` over the slate, in the column's own units, `alone` that over the slate by
    relevance alone; a place counts by 1 / log2(rank + 1), an unknown value not at all, and None is the mean of nothing
    known. Without a column it is relevance itself, as a percentile (0..1) of the list.
    """

    weight: float
    text: str
    better: str = "more"
    column: str | None = None
    mean: float | None = None
    alone: float | None = None


class TradeOff(msgspec.Struct, frozen=True, kw_only=True):
    """What weighing objectives gained and cost, beside the slate that relevance alone would have given.

    Both slates keep the same rules, lambda and draw. `relevance` is the share of the relevance kept (1: nothing lost),
    `entered` counts the items that relevance alone would not show. `why` says so where the objectives could not be
    read, and relevance alone decided.
    """

    relevance: float
    entered: int
    aims: dict[str, Aim]
    why: str | None = None


class Considered(msgspec.Struct, frozen=True, kw_only=True):
    """Every candidate of a decision, best first, as columns of one length.

    `proposed` holds a bit per candidate and source: bit i is set when `sources[i]` brought the candidate in.
    `scores` are those before re-ranking and rules.
    """

    sources: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    proposed: tuple[int, ...] = ()


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A logged slate: query, position of the log it was read at, what was considered and what was placed.

    `as_of` is the sequence of the last event folded when it was made; `model`, `arm` and `schema` name the model
    version, experiment arm and feature view version; `fallback` says why a lower rung of the ladder answered
    (None when the model did). `version` is the model version that was loaded, also where the ladder answered; `asked`
    names the sources that had scored when the answer was made; `made` names the code, packages and processor behind it.
    `diversity_score` is 1 - the mean similarity of two items of the slate, None where the pipeline never diversifies or
    fewer than two items say what they are; `tradeoff` is there where objectives were weighed.
    """

    id: str
    query: Query
    as_of: int
    considered: Considered
    slate: tuple[Placed, ...]
    model: str
    schema: str
    arm: str = "champion"
    fallback: str | None = None
    took_ms: float = 0.0
    version: str = ""
    asked: tuple[str, ...] = ()
    made: str = ""
    diversity_score: float | None = None
    tradeoff: TradeOff | None = None
