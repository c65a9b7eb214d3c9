"""Replay: the state at a position of the log, and the matrix of a decision as it was."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from proffer.core.decisions import Decision
from proffer.core.ports import EventLog, StateStore
from proffer.core.schema import Schema
from proffer.features.state import State
from proffer.features.view import FeatureView


def replay(
    log: EventLog, view: FeatureView, schema: Schema, *, subject: str, item: str, until: int | None = None,
    snapshots: StateStore | None = None, chunk: int = 32_768,
) -> State:  # fmt: skip
    """Return the state at position `until` (None: the end of the log), from the nearest snapshot before it and on.

    Snapshots are kept under `State.version`. The state stands at `until` itself even when the last event before it
    is older.
    """
    state = State(view, schema, subject=subject, item=item)
    found = snapshots.load(state.version, until) if snapshots is not None else None
    if found is not None:
        position, arrays = found
        state = State.restore(view, schema, subject=subject, item=item, position=position, arrays=arrays)
    for events in log.scan(state.position, until, chunk=chunk):
        state.fold(events)
    if until is not None:
        state.position = max(state.position, min(until, log.last()))
    return state


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
