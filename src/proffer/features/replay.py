"""Replay: the state at a position of the log, and the matrix of a decision as it was."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from proffer.core.decisions import Decision
from proffer.core.errors import Busy, Invalid
from proffer.core.events import ENTITY_ERASE
from proffer.core.ports import EventLog, StateStore
from proffer.core.schema import Schema
from proffer.features.state import State
from proffer.features.view import FeatureView

TRIES = 5
"""So often a replay begins anew because somebody was erased while it went on."""


def replay(
    log: EventLog, view: FeatureView, schema: Schema, *, subject: str, item: str, until: int | None = None,
    snapshots: StateStore | None = None, chunk: int = 32_768, begun: State | None = None,
) -> State:  # fmt: skip
    """Return the state at position `until` (None: the end of the log), from the nearest snapshot before it and on.

    A state that was `begun` on this log and has not come to `until` is folded on instead, and is what is returned.
    Snapshots are kept under `State.version`; one that is older than an erasure is not used. The state stands at `until`
    itself even when the last event before it is older. Raises Busy where somebody is erased again and again meanwhile.
    """
    if begun is not None and begun.position <= (log.last() if until is None else until) and current(begun, log):
        for events in log.scan(begun.position, until, chunk=chunk):
            begun.fold(events)
        if current(begun, log):
            return begun
    for _ in range(TRIES):
        state = State(view, schema, subject=subject, item=item)
        found = snapshots.load(state.version, until) if snapshots is not None else None
        if found is not None:
            position, arrays = found
            state = State.restore(view, schema, subject=subject, item=item, position=position, arrays=arrays)
        if found is None or not current(state, log):
            state = State(view, schema, subject=subject, item=item)
            state.cleared = last_erasure(log)
            if snapshots is not None and until is None and state.cleared:
                _let_go(snapshots)
        for events in log.scan(state.position, until, chunk=chunk):
            state.fold(events)
        # Somebody who was erased meanwhile may have been folded before that.
        if current(state, log):
            if until is not None:
                state.position = max(state.position, min(until, log.last()))
            return state
    raise Busy("the log was rewritten while it was replayed", field="log", remedy="Try again.")


def current(state: State, log: EventLog) -> bool:
    """Return whether nobody was erased from the log since the state's folding began."""
    return not log.find(type=ENTITY_ERASE, after=state.cleared, limit=1)


def _let_go(snapshots: StateStore) -> None:
    """Remove snapshots made before somebody was erased, while this process did not run; one that reads leaves them."""
    try:
        snapshots.drop()
    except Invalid:
        return


def last_erasure(log: EventLog) -> int:
    """Return the sequence of the last note of an erasure, 0 for none."""
    last = 0
    while notes := log.find(type=ENTITY_ERASE, after=last, limit=1000):
        last = notes[-1].sequence
    return last


def decision_matrix(
    state: State, decision: Decision, sources: Mapping[str, NDArray[np.floating]] | None = None
) -> NDArray[np.float32]:
    """Return the matrix of what a decision considered, float32 (n, d), read from a state at the decision's `as_of`.

    `sources` are the retrievers' scores of the candidates in the order of `considered.ids`; without them the
    columns of stage "model" are NaN.
    """
    query = decision.query
    items = state.ordinals(decision.considered.ids)
    return state.view.matrix(state.batch(query.subject, items, query.at.timestamp(), query.context, sources))


def matrix_at(
    decision: Decision, log: EventLog, view: FeatureView, schema: Schema, *, subject: str, item: str,
    snapshots: StateStore | None = None, sources: Mapping[str, NDArray[np.floating]] | None = None,
) -> NDArray[np.float32]:  # fmt: skip
    """Return the matrix of a decision, float32 (n, d), recomputed from the log at its `as_of`."""
    state = replay(log, view, schema, subject=subject, item=item, until=decision.as_of, snapshots=snapshots)
    return decision_matrix(state, decision, sources)
