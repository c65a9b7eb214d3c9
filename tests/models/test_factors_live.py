"""Factor models on the real state: past answers come out again bit for bit."""

import json
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from proffer.apps.feed.app import app
from proffer.apps.feed.simulate import Toy
from proffer.core.entities import EntityRef
from proffer.core.events import Event
from proffer.features.state import State
from proffer.models.retrievers.als import ALS
from proffer.models.retrievers.bpr import BPR
from proffer.models.retrievers.nmf import NMF
from proffer.testing.world import ask

USERS = ("u1", "u2", "u3", "u17", "u40", "stranger")


def _log():
    """The toy's events, with two visitors who turn out to be known users after most has happened."""
    events = list(Toy(3).events)
    merges = [
        Event(
            id=f"m{n}",
            type="entity.merge",
            at=events[-1].at,
            actor=EntityRef("user", known),
            target=EntityRef("user", visitor),
        )
        for n, (known, visitor) in enumerate((("u1", "u2"), ("u30", "u17")))
    ]
    whole = [*events[:-400], merges[0], *events[-400:-100], merges[1], *events[-100:]]
    return [msgspec.structs.replace(event, sequence=place + 1) for place, event in enumerate(whole)]


def _state(log):
    state = State(app.view, app.schema, subject="user", item="post")
    state.fold(log)
    return state


def _answers(model, state):
    at = datetime.fromtimestamp(state.latest, UTC).timestamp()
    return np.array([model.scores(ask(user, at=at), state) for user in USERS])


@pytest.mark.parametrize("make", [ALS, BPR, NMF])
def test_past_answers_replay_bit_for_bit(make):
    log = _log()
    fitted_at = len(log) // 2
    state = _state(log[:fitted_at])
    model = make(8, iterations=5).fit(state, at=state.latest, weights={"like": 3.0})
    items = len(state.ids)
    values, arrays = model.parameters()
    moments = [*range(fitted_at, len(log), 997), len(log) - 250, len(log) - 50, len(log)]
    asked = []
    for moment in moments:
        state.fold(log[state.position : moment])
        asked.append(_answers(model, state))
    assert state.merged == 2
    if make is not BPR:
        assert np.isfinite(asked[-1][:, items:]).sum() > 20
    for moment, answers in zip(moments[::-3], asked[::-3], strict=True):
        again = make().restore(json.loads(json.dumps(values)), arrays)
        np.testing.assert_array_equal(_answers(again, _state(log[:moment])), answers)
