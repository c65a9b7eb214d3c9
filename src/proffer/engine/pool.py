"""The pool of a decision: which items may be shown, which sources propose them, and each source's score."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proffer.app import Settings
from proffer.core.queries import Query
from proffer.engine.fitted import Fitted
from proffer.engine.rules import RuleSet
from proffer.features.state import State
from proffer.models.base import Weighable
from proffer.models.topk import top_rows


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
    names: Sequence[str],
    check: Callable[[], None] = lambda: None,
    added: Sequence[int] = (),
) -> Pool:
    """Return the pool that the named retrievers make, and the `added` ordinals whoever proposes them.

    `check` may raise between two retrievers when time is up.
    """
    dense = {}
    for name in names:
        retriever = fitted.retrievers[name]
        if isinstance(retriever, Weighable):
            retriever.weigh(settings.content)
        dense[name] = retriever.scores(query, state)
        check()
    ordinals, member = _members(fitted.pipeline.pool, query, state, allowed, dense, added)
    at = query.at.timestamp()
    batch = state.batch(query.subject, ordinals, at, query.context)
    matrix = state.view.matrix(batch)
    columns = fitted.sources
    scores = np.full((len(ordinals), len(columns)), np.nan, np.float32)
    proposed = np.zeros(scores.shape, np.bool_)
    for place, name in enumerate(columns):
        if name in dense:
            scores[:, place] = dense[name][ordinals]
            proposed[:, place] = member[name]
        elif name in fitted.pipeline.heuristics:
            heuristic = fitted.pipeline.heuristics[name].weighted(settings.heuristics.get(name, {}))
            scores[:, place] = heuristic.predict(matrix, state.view.columns)
            proposed[:, place] = True
    check()
    return Pool(ordinals, scores, proposed, matrix)


def _members(
    k: int,
    query: Query,
    state: State,
    allowed: NDArray[np.bool_],
    dense: dict[str, NDArray[np.float64]],
    added: Sequence[int],
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.bool_]]]:
    if query.candidates is not None:
        ordinals = state.ordinals(query.candidates)
        ordinals = ordinals[allowed[ordinals]]
        return ordinals, {name: np.ones(len(ordinals), np.bool_) for name in dense}
    tops = {name: top_rows(scores, max(k, query.n), state.ids, allowed) for name, scores in dense.items()}
    ordinals = np.unique(np.concatenate([*tops.values(), np.asarray(added, np.int64)]))
    return ordinals, {name: np.isin(ordinals, top) for name, top in tops.items()}
