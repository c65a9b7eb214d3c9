"""Small feeds to decide in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from proffer.app import App
from proffer.apps.feed.app import HOME
from proffer.apps.feed.app import app as feed
from proffer.apps.feed.simulate import START, Toy
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.entities import EntityRef
from proffer.core.events import Event
from proffer.core.ports import Stores
from proffer.core.queries import Query
from proffer.engine.engine import Engine
from proffer.engine.fitted import Fitted, fit, unfitted
from proffer.stores.memory import memory_stores

NOW = START + timedelta(days=14)
DAY = timedelta(days=1)
PLAIN = replace(feed, pipelines=(replace(HOME, ladder=("newest",)), *feed.pipelines[1:]))
"""The feed whose home pipeline is newest first as long as it is not trained."""


@cache
def toy(seed: int = 0) -> Toy:
    return Toy(seed, "small")


def new_engine(
    events: Sequence[Event] = (), *, app: App = feed, stores: Stores | None = None, deadline_ms: float = 60_000.0
) -> Engine:
    """Return an engine at the end of the toy world's fortnight; patient, so that a slow machine decides nothing."""
    clock = FixedClock(NOW)
    stores = stores or memory_stores(clock)
    if events:
        stores.log.append(list(events))
    return Engine(app, "feed", stores, clock=clock, ids=CountingIds(), deadline_ms=deadline_ms)


def champion(engine: Engine, weights: Mapping[str, float], pipeline: str = "home") -> str:
    """Let a blend of these weights, fitted on all the engine has, serve; return its version."""
    declared = engine.app.pipeline(pipeline)
    fitted = fit(unfitted(declared), engine.state, engine.clock.now(), {})
    parameters, arrays = Fitted(declared, fitted.retrievers, weights).parameters()
    version = engine.stores.registry.save(
        pipeline, "blend", schema=engine.app.view.version, position=engine.state.position, parameters=parameters,
        metrics={}, arrays=arrays, at=engine.clock.now(),
    )  # fmt: skip
    engine.release(version.id, engine.stores.registry.champion(pipeline)[1])
    return version.id


def asks(user: str = "u1", n: int = 10, *, at: datetime = NOW, pipeline: str = "home", **rest: Any) -> Query:
    return Query(id="q", pipeline=pipeline, subject=EntityRef("user", user), at=at, n=n, **rest)


def shown(engine: Engine, user: str = "u1", n: int = 10, **rest: Any) -> list[str]:
    """Return the ids of a slate."""
    rest.setdefault("at", engine.clock.now())
    return [placed.id for placed in engine.recommend(asks(user, n, **rest)).slate]


def post(name: str, at: datetime = NOW - DAY, **fields: Any) -> dict[str, Any]:
    return {"type": "entity.set", "at": at.isoformat(), "actor": {"kind": "post", "id": name}, "fields": fields}


def did(user: str, type: str, target: Any, at: datetime = NOW - DAY / 2, **fields: Any) -> dict[str, Any]:
    return {"type": type, "at": at.isoformat(), "actor": user, "target": target, "fields": fields}


def follow(user: str, author: str, type: str = "follow") -> dict[str, Any]:
    return did(user, type, {"kind": "user", "id": author})


def few_posts(engine: Engine, names: str = "abcdef", **fields: Any) -> None:
    """Set posts of one letter each, the later ones newer."""
    rows = [post(name, NOW - DAY + place * DAY / 100, title=name, **fields) for place, name in enumerate(names)]
    accepted(engine, *rows)


def accepted(engine: Engine, *rows: dict[str, Any]) -> None:
    receipts = engine.record(list(rows))
    assert all(receipt.verdict == "accepted" for receipt in receipts), receipts
