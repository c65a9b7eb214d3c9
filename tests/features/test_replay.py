"""What a decision read can be read again from the log."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.core.decisions import Considered, Decision
from proffer.core.queries import Query
from proffer.features.replay import matrix_at, replay

from .world import SCHEMA, START, USERS, VIEW, assert_same, folded, logs, new_state

KINDS = {"subject": "user", "item": "post"}
SCORES = {"newest": np.array([3.0, 1.0, 2.0])}


class ListLog:
    """As much of a log as a replay needs."""

    def __init__(self, events):
        self.events, self.scanned = events, 0

    def last(self):
        return len(self.events)

    def find(self, *, type, after, limit):
        return [event for event in self.events if event.type == type and event.sequence > after][:limit]

    def scan(self, since=0, until=None, *, types=None, chunk=10_000):
        found = self.events[since:until]
        self.scanned += len(found)
        for start in range(0, len(found), chunk):
            yield found[start : start + chunk]


class Shelf:
    """As much of a snapshot store as a replay needs."""

    def __init__(self, *states):
        self.kept = [(state.version, state.position, state.snapshot()) for state in states]

    def load(self, version, at_most=None):
        found = [(at, kept) for name, at, kept in self.kept if name == version and (at_most is None or at <= at_most)]
        return max(found, key=lambda each: each[0], default=None)


@given(logs, st.integers(0, 60), st.integers(0, 60), st.sampled_from(USERS), st.floats(0, 50 * 86_400))
@settings(deadline=None, max_examples=40)
def test_a_decisions_matrix_is_the_same_when_it_is_made_again(log, as_of, kept_at, subject, at):
    as_of, kept_at = min(as_of, len(log)), min(kept_at, len(log))
    live = folded(log[:as_of])
    moment = START.fromtimestamp(START.timestamp() + at, START.tzinfo)
    query = Query(id="q", pipeline="home", subject=subject, at=moment, n=3, context={"language": "sv"})
    considered = Considered(ids=("p2", "p0", "nope"), scores=(0.3, 0.2, 0.1))
    decision = Decision(
        id="d", query=query, as_of=as_of, considered=considered, slate=(), model="m", schema=VIEW.version
    )
    batch = live.batch(subject, live.ordinals(considered.ids), moment.timestamp(), query.context, SCORES)
    then = VIEW.matrix(batch)
    for shelf in (None, Shelf(folded(log[:kept_at]), new_state())):
        again = matrix_at(decision, ListLog(log), VIEW, SCHEMA, **KINDS, snapshots=shelf, sources=SCORES)
        assert again.tobytes() == then.tobytes()


@given(logs, st.integers(0, 60))
@settings(deadline=None, max_examples=20)
def test_a_replay_starts_from_the_nearest_snapshot_and_ends_the_same(log, cut):
    cut = min(cut, len(log))
    source = ListLog(log)
    state = replay(source, VIEW, SCHEMA, **KINDS, snapshots=Shelf(new_state(), folded(log[:cut])))
    assert source.scanned == len(log) - cut
    assert state.position == len(log)
    assert_same(state, folded(log))
