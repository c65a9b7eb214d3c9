"""The pool of a decision: which items may be shown, which sources propose them, and each source's score."""

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


@dataclass(frozen=True)
class Pool:
    """Candidates with the scores of every source asked.

    `sources` (s,) are their names; `ordinals` (m,); `scores` float32 (m, s) with NaN where a source does not propose;
    `proposed` (m, s) tells whose proposals brought the item in. `matrix` float32 (m, d) has the view's columns, where
    they were read as a whole.
    """

    sources: tuple[str, ...]
    ordinals: NDArray[np.int64]
    scores: NDArray[np.float32]
    proposed: NDArray[np.bool_]
    matrix: NDArray[np.float32] | None = None


def rules_of(fitted: Fitted, settings: Settings, query: Query, state: State) -> RuleSet:
    """Return the rules in force for this query."""
    return RuleSet(settings.rules.get(fitted.pipeline.name, fitted.pipeline.rules), query, state)


def masks(
    fitted: Fitted, rules: RuleSet, excluded: Sequence[str], among: NDArray[np.int64] | None = None
) -> dict[str, NDArray[np.bool_]]:
    """Return every condition an item must meet by name, in the order explanations tell them.

    That is one value for each item of the catalogue (n,), or for each of these ordinals (m,).
    """
    state = rules.state
    found = visible(fitted, rules, among) | rules.masks(among)
    if excluded:
        shown = np.ones(len(state.ids), np.bool_)
        ordinals = state.ordinals(excluded)
        shown[ordinals[ordinals >= 0]] = False
        found["not on an earlier page"] = shown if among is None else shown[among]
    return found


def visible(fitted: Fitted, rules: RuleSet, among: NDArray[np.int64] | None = None) -> dict[str, NDArray[np.bool_]]:
    """Return the conditions that nothing, not even a pin, may override, by name: of all items or of these (m,)."""
    available = rules.state.available()
    found = {"exists": available if among is None else available[among]}
    for eligible in fitted.pipeline.eligible:
        some = None if among is None else getattr(eligible, "some", None)
        if some is not None:
            found[eligible.name] = some(rules.query, rules.state, among)
        else:
            whole = eligible(rules.query, rules.state)
            found[eligible.name] = whole if among is None else whole[among]
    return found


def permitted(
    fitted: Fitted, rules: RuleSet, excluded: Sequence[str], candidates: NDArray[np.int64] | None
) -> NDArray[np.bool_]:
    """Return which items may be shown (n,); where the query gives candidates (m,), none but them, none else is read."""
    if candidates is None:
        return np.asarray(np.logical_and.reduce([*masks(fitted, rules, excluded).values()]))
    allowed = np.zeros(len(rules.state.ids), np.bool_)
    allowed[candidates] = np.logical_and.reduce([*masks(fitted, rules, excluded, candidates).values()])
    return allowed


def pinned(fitted: Fitted, rules: RuleSet) -> NDArray[np.int64]:
    """Return the ordinals of pinned items that the subject may see; pins stand on the first page only."""
    if rules.query.after is not None or rules.query.given or not rules.of("pin"):
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
    given: NDArray[np.int64] | None = None,
    *,
    whole: bool = False,
) -> Pool:
    """Return the pool that retrievers' scores of the catalogue (n,) make, the named heuristics scoring what is in it.

    The `added` ordinals are in it whoever proposes them. `given` (m,) are the pool where the query gives candidates:
    the scores are those of theirs (m,). Where a ranker is going to read every column of a group's members anyway,
    heuristics that read any find them in the `whole`.
    """
    if given is None:
        ordinals, member = _members(fitted.pipeline.pool, query, state, allowed, dense, added)
    else:
        ordinals, member = given, {name: np.ones(len(given), np.bool_) for name in dense}
    heard = [name for name in fitted.pipeline.heuristics if name in heuristics]
    terms = {term for name in heard for term in fitted.pipeline.heuristics[name].terms}
    read = [name for name in state.view.columns if name in terms]
    matrix, full = np.empty((len(ordinals), 0), np.float32), None
    if read:
        batch = state.batch(query.subject, ordinals, query.at.timestamp(), query.context)
        if whole and query.group is not None:
            full = state.view.matrix(batch)
            matrix = full[:, [state.view.columns.index(name) for name in read]]
        else:
            matrix = state.view.some(batch, read)
    columns = fitted.sources
    scores = np.full((len(ordinals), len(columns)), np.nan, np.float32)
    proposed = np.zeros(scores.shape, np.bool_)
    for place, name in enumerate(columns):
        if name in dense:
            scores[:, place] = dense[name] if given is not None else dense[name][ordinals]
            proposed[:, place] = member[name]
        elif name in heuristics:
            heuristic = fitted.pipeline.heuristics[name].weighted(settings.heuristics.get(name, {}))
            scores[:, place] = heuristic.predict(matrix, read)
            proposed[:, place] = True
    return Pool(columns, ordinals, scores, proposed, full)


def given(query: Query, state: State) -> NDArray[np.int64] | None:
    """Return the ordinals of the candidates of a query (m,), None where it gives none; what is unknown is left out.

    Those of a group are its members as of the state, in order of first mention.
    """
    if query.candidates is None:
        return None if query.group is None else state.members(query.group)
    # Two names of a merged item are one candidate.
    ordinals = np.array(list(dict.fromkeys(state.ordinals(query.candidates).tolist())), np.int64)
    return np.asarray(ordinals[ordinals >= 0])


def _members(
    k: int,
    query: Query,
    state: State,
    allowed: NDArray[np.bool_],
    dense: Mapping[str, NDArray[np.float64]],
    added: Sequence[int],
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.bool_]]]:
    tops = {name: top_rows(scores, max(k, query.n), state.ids, allowed) for name, scores in dense.items()}
    ordinals = np.unique(np.concatenate([*tops.values(), np.asarray(added, np.int64)]))
    return ordinals, {name: _among(top, ordinals) for name, top in tops.items()}


def _among(rows: NDArray[np.int64], ordinals: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of these ascending ordinals (m,) are among the rows, all of which are."""
    member = np.zeros(len(ordinals), np.bool_)
    member[np.searchsorted(ordinals, rows)] = True
    return member
