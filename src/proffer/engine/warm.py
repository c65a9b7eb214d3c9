"""Warming up: kernels are loaded and caches filled before the first request has to wait for them."""

import time
from typing import TYPE_CHECKING

from proffer.core.entities import EntityRef
from proffer.core.events import ENTITY_SET, Event
from proffer.core.queries import Query
from proffer.engine import serve
from proffer.features.state import State

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

NOBODY = "\x00nobody"
GIVEN = 3


def warm(engine: "Engine") -> None:
    """Fold one event of each type into a state of its own, and decide for nobody, unlogged, in each pipeline.

    Once among everything there is, and once among given candidates, which are read in another way.
    """
    scratch = State(engine.app.view, engine.app.schema, subject=engine.app.subject, item=engine.app.item)
    scratch.fold(_one_of_each(engine))
    with engine.lock:
        state = engine.state if len(engine.state.ids) else scratch
        for name, fitted in engine.fitted.items():
            for candidates in (None, tuple(state.ids[:GIVEN])):
                query = Query(
                    id="warm", pipeline=name, subject=EntityRef(engine.app.subject, NOBODY), at=engine.clock.now(), n=2,
                    candidates=candidates,
                )  # fmt: skip
                asked = serve.Asked.of(query, fitted, engine.settings, state)
                serve.decide(asked, time.perf_counter(), float("inf"))


def _one_of_each(engine: "Engine") -> list[Event]:
    """Return two items that say something, to be told apart, and an event of each type."""
    at, app = engine.clock.now(), engine.app
    told = {a.name: "something" for a in app.schema.entities[app.item].attributes if a.role in ("title", "category")}
    events = [
        Event(id=f"{place}", type=ENTITY_SET, at=at, actor=EntityRef(app.item, id), fields=told, sequence=place)
        for place, id in enumerate((NOBODY, NOBODY * 2), 1)
    ]
    for place, declared in enumerate(app.events, len(events) + 1):
        target = EntityRef(declared.targets[0], NOBODY) if declared.targets else None
        actor = EntityRef(declared.actor, NOBODY)
        events.append(Event(id=str(place), type=declared.name, at=at, actor=actor, target=target, sequence=place))
    return events
