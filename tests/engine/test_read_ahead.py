"""Trainings on lists fold the log once: what comes of it is what separate passes give, bit for bit."""

from dataclasses import replace

import msgspec
import numpy as np

from proffer.app import Settings
from proffer.apps.advisor.app import app
from proffer.apps.advisor.simulate import Toy
from proffer.bootstrap import in_memory
from proffer.engine.engine import Engine
from proffer.engine.past import Past
from proffer.engine.plan import Budget
from proffer.engine.protocols import PHASES
from proffer.engine.served import ListsWalk
from proffer.engine.simulation import LEARNT, Arm
from proffer.features.replay import last_erasure, replay
from proffer.models.rankers.linear import LinearRanker

PIPELINE = replace(app.pipelines[0], rankers=(LinearRanker,))
# Nobody tells what was looked at, so that places have to.
APP = replace(app, pipelines=(PIPELINE,), labels=msgspec.structs.replace(app.labels, looks=()))
KINDS = {"subject": app.subject, "item": app.item}
BEFORE = PHASES[:-1]


def tracked() -> Engine:
    """Return an engine with what a tiny world tracked of two rounds."""
    world = Toy(0, "tiny")
    arm = Arm.of(LEARNT, APP, PIPELINE, world, lambda told, clock: in_memory(told, clock), 0)
    for round in range(2):
        arm.run(round, train=False)
    return arm.engine


ENGINE = tracked()


def past() -> Past:
    return Past.read(APP, PIPELINE, Settings(), ENGINE.stores.log, decisions=ENGINE.stores.decisions)


def told(walk: ListsWalk, most: int = 1000) -> list[tuple[object, ...]]:
    """Return what the lists of all phases hold, the report's too."""
    found = []
    for phase in PHASES:
        for one in walk.phase(phase, most):
            arrays = (one.pool.ordinals, one.pool.scores, one.pool.matrix, one.due(), one.grades, one.surprise)
            told = [None if array is None else array.tobytes() for array in arrays]
            found.append((one.query.id, *told, one.segments))
    return found


def test_lists_made_ahead_are_those_made_one_by_one():
    for most in (1000, 7):
        plain, ahead = ListsWalk(past()), ListsWalk(past())
        expected = told(plain, most)
        assert plain.examination is not None
        ahead.read_ahead(most)
        assert ahead.looked.over
        assert set(ahead.ahead) == set(BEFORE)
        assert told(ahead, most) == expected
        assert ahead.examination.chances.tobytes() == plain.examination.chances.tobytes()


def test_too_many_lists_to_hold_are_not_made_ahead(monkeypatch):
    monkeypatch.setattr("proffer.engine.served.HELD_BYTES", 1000)
    walk = ListsWalk(past())
    walk.read_ahead(1000)
    assert not walk.ahead
    assert told(walk) == told(ListsWalk(past()))


def test_equals_do_not_stand_as_they_were_served():
    one, other = ListsWalk(past()), past()
    again = msgspec.structs.replace
    turned = [
        again(made, considered=again(made.considered, ids=made.considered.ids[::-1])) for made in other.decisions()
    ]
    turned_walk = ListsWalk(replace(other, decisions=lambda: turned))
    assert told(turned_walk) == told(one)


def test_a_state_that_was_begun_is_folded_to_the_end():
    log = ENGINE.stores.log
    whole = replay(log, APP.view, APP.schema, **KINDS)
    begun = replay(log, APP.view, APP.schema, **KINDS, until=log.last() // 2)
    begun.cleared = last_erasure(log)
    found = replay(log, APP.view, APP.schema, **KINDS, begun=begun)
    assert found is begun
    assert found.position == whole.position
    mine, theirs = found.snapshot(), whole.snapshot()
    assert mine.keys() == theirs.keys()
    assert all(np.array_equal(mine[name], theirs[name], mine[name].dtype.kind == "f") for name in mine)
    later = replay(log, APP.view, APP.schema, **KINDS, until=5, begun=begun)
    assert (later.position, begun.position) == (5, whole.position)


def test_a_training_saves_what_a_fresh_fold_would_fit(monkeypatch):
    def trained(*, fresh: bool) -> bytes:
        with monkeypatch.context() as patched:
            if fresh:
                patched.setattr("proffer.engine.train.replay", lambda *args, begun, **kwargs: replay(*args, **kwargs))
                patched.setattr("proffer.engine.served.ListsWalk.read_ahead", lambda walk, most: None)
            version = ENGINE.train(PIPELINE.name, budget=Budget.of(60.0), seed=1)
        report = {name: value for name, value in version.metrics.items() if name != "costs"}
        _, arrays = ENGINE.stores.registry.load(version.id)
        return msgspec.json.encode([report, [(name, array.tobytes()) for name, array in sorted(arrays.items())]])

    assert trained(fresh=False) == trained(fresh=True)
