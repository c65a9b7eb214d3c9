"""Warming up: kernels are loaded and caches filled before the first request has to wait for them."""

import time
from typing import TYPE_CHECKING

from proffer.core.entities import EntityRef
from proffer.core.events import Event
from proffer.core.queries import Query
from proffer.engine import serve
from proffer.features.state import State

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

NOBODY = "\x00nobody"


def warm(engine: "Engine") -> None:
    """Fold one event of each type into a state of its own, and decide once for nobody, unlogged, in each pipeline."""
    scratch = State(engine.app.view, engine.app.schema, subject=engine.app.subject, item=engine.app.item)
    scratch.fold(_one_of_each(engine))
    with engine.lock:
        state = engine.state if len(engine.state.ids) else scratch
        for name, fitted in engine.fitted.items():
            query = Query(
                id="warm", pipeline=name, subject=EntityRef(engine.app.subject, NOBODY), at=engine.clock.now(), n=1
            )
            asked = serve.Asked.of(query, fitted, engine.settings, state)
            serve.decide(asked, time.perf_counter(), float("inf"))


def _one_of_each(engine: "Engine") -> list[Event]:
    at = engine.clock.now()
    events = []
    for place, declared in enumerate(engine.app.events, 1):
        target = EntityRef(declared.targets[0], NOBODY) if declared.targets else None
        actor = EntityRef(declared.actor, NOBODY)
        events.append(Event(id=str(place), type=declared.name, at=at, actor=actor, target=target, sequence=place))
    return events
