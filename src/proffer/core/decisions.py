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
