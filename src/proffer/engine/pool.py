"""The pool of a decision: which items may be shown, which sources propose them, and each source's score."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proffer.app import Settings
from proffer.core.queries import Query
from proffer.engine.fitted import Fitted
from proffer.engine.rules import RuleSet
from proffer.features.state import State
from proffer.models.topk import top_rows

logger = logging.getLogger("proffer.serve")


@dataclass(frozen=True)
class Pool:
    """Candidates with the scores of every source asked.

    `ordinals` (m,); `scores` float32 (m, s) with NaN where a source does not propose; `proposed` (m, s) tells whose
    proposals brought the item in; `matrix` float32 (m, d) the feature columns.
    """

    ordinals: NDArray[np.int64]
    scores: NDArray[np.float32]
    proposed: NDArray[np.bool_]
    matrix: NDArray[np.float32]


def rules_of(fitted: Fitted, settings: Settings, query: Query, state: State) -> RuleSet:
    """Return the rules in force for this query."""
    return RuleSet(settings.rules.get(fitted.pipeline.name, fitted.pipeline.rules), query, state)


def masks(fitted: Fitted, rules: RuleSet, excluded: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Return every condition an item must meet (n,) by name, in the order explanations tell them."""
    state = rules.state
    found = visible(fitted, rules) | rules.masks()
    if excluded:
        shown = np.ones(len(state.ids), np.bool_)
        ordinals = state.ordinals(excluded)
        shown[ordinals[ordinals >= 0]] = False
        found["not on an earlier page"] = shown
    return found


def visible(fitted: Fitted, rules: RuleSet) -> dict[str, NDArray[np.bool_]]:
    """Return the conditions that nothing, not even a pin, may override (n,) by name."""
    found = {"exists": rules.state.available()}
    for eligible in fitted.pipeline.eligible:
        found[eligible.name] = eligible(rules.query, rules.state)
    return found


def pinned(fitted: Fitted, rules: RuleSet) -> NDArray[np.int64]:
    """Return the ordinals of pinned items that the subject may see; pins stand on the first page only."""
    if rules.query.after is not None or rules.query.candidates is not None or not rules.of("pin"):
        return np.empty(0, np.int64)
    ordinals = rules.state.ordinals([str(rule.item) for rule in rules.of("pin")])
    may = np.logical_and.reduce([*visible(fitted, rules).values()])
    kept: NDArray[np.int64] = ordinals[(ordinals >= 0) & may[ordinals]]
    return kept


def gather(
    fitted: Fitted,
    settings: Settings,
    query: Query,
    state: State,
    allowed: NDArray[np.bool_],
    dense: Mapping[str, NDArray[np.float64]],
    heuristics: Sequence[str] = (),
    added: Sequence[int] = (),
) -> Pool:
    """Return the pool that retrievers' scores of the catalogue (n,) make, the named heuristics scoring what is in it.

    The `added` ordinals are in it whoever proposes them.
    """
    ordinals, member = _members(fitted.pipeline.pool, query, state, allowed, dense, added)
    matrix = feature_columns(query, state, ordinals, needed=bool(heuristics))
    columns = fitted.sources
    scores = np.full((len(ordinals), len(columns)), np.nan, np.float32)
    proposed = np.zeros(scores.shape, np.bool_)
    for place, name in enumerate(columns):
        if name in dense:
            scores[:, place] = dense[name][ordinals]
            proposed[:, place] = member[name]
        elif name in heuristics:
            heuristic = fitted.pipeline.heuristics[name].weighted(settings.heuristics.get(name, {}))
            scores[:, place] = heuristic.predict(matrix, state.view.columns)
            proposed[:, place] = True
    return Pool(ordinals, scores, proposed, matrix)


def feature_columns(query: Query, state: State, ordinals: NDArray[np.int64], *, needed: bool) -> NDArray[np.float32]:
    """Return the feature columns (m, d); NaN where a feature fails and no score needs it, only reasons do."""
    try:
        return state.view.matrix(state.batch(query.subject, ordinals, query.at.timestamp(), query.context))
    except Exception as error:
        if needed:
            raise
        logger.warning("the feature view failed: %s", error)
        return np.full((len(ordinals), len(state.view.columns)), np.nan, np.float32)


def _members(
    k: int,
    query: Query,
    state: State,
    allowed: NDArray[np.bool_],
    dense: Mapping[str, NDArray[np.float64]],
    added: Sequence[int],
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.bool_]]]:
    if query.candidates is not None:
        # Two names of a merged item are one candidate.
        ordinals = np.array(list(dict.fromkeys(state.ordinals(query.candidates).tolist())), np.int64)
        ordinals = ordinals[allowed[ordinals]]
        return ordinals, {name: np.ones(len(ordinals), np.bool_) for name in dense}
    tops = {name: top_rows(scores, max(k, query.n), state.ids, allowed) for name, scores in dense.items()}
    ordinals = np.unique(np.concatenate([*tops.values(), np.asarray(added, np.int64)]))
    return ordinals, {name: np.isin(ordinals, top) for name, top in tops.items()}
