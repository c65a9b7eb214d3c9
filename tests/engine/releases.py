"""Models that are quick to make, for tests of what becomes of them."""

import numpy as np

from proffer.apps.feed.app import app as feed
from proffer.core.clock import CountingIds, FixedClock
from proffer.engine.engine import Engine
from proffer.engine.fitted import Fitted, unfitted
from proffer.engine.golden import golden, golden_queries
from proffer.engine.provenance import provenance
from proffer.engine.ranking import ranker_columns
from proffer.models.rankers.linear import LinearRanker
from proffer.stores.sqlite import sqlite_stores
from tests.engine.worlds import NOW, toy

EVENTS = toy().events[:1200]
FIRST, SECOND = {"newest": 1.0}, {"newest": 0.5, "popularity": 0.5}


def opened(root, app=feed, **rest):
    clock = FixedClock(NOW)
    return Engine(app, "feed", sqlite_stores(root, **rest), clock=clock, ids=CountingIds(), deadline_ms=60_000)


def fitted_on(engine: Engine, weights, ranker=None, pipeline="home") -> Fitted:
    """Return the named retrievers, fitted on all the engine has, blended by these weights."""
    declared = engine.app.pipeline(pipeline)
    names = [make().name for make in declared.retrievers]
    plain = unfitted(declared, without=[name for name in names if name not in weights])
    for retriever in plain.retrievers.values():
        retriever.fit(engine.state, at=engine.clock.now().timestamp(), weights={})
    return Fitted(declared, plain.retrievers, weights, ranker=ranker)


def saved(engine: Engine, weights, ranker=None, *, altered=lambda parameters, arrays: None, **changes):
    """Save a model with its golden rows; `altered` may change what is saved, `changes` what is said of it."""
    fitted = fitted_on(engine, weights, ranker)
    parameters, arrays = fitted.parameters()
    queries = golden_queries(engine.state, "home", engine.app.subject)
    asked, answered = golden(fitted, engine.settings, engine.state, queries)
    parameters, arrays = parameters | asked, arrays | answered
    altered(parameters, arrays)
    told = {"schema": engine.app.view.version, "metrics": {}, **changes}
    return engine.stores.registry.save(
        told.pop("pipeline", "home"), "blend", position=engine.state.position, parameters=parameters, arrays=arrays,
        at=engine.clock.now(), **{**provenance(engine.state), **told},
    )  # fmt: skip


def ranker_of(engine: Engine, weights, kind=LinearRanker, seed: int = 0):
    """Return a ranker fitted on noise over the columns it will be asked with."""
    columns = ranker_columns(engine.app.view.columns, fitted_on(engine, weights).counting)
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(2000, len(columns))).astype(np.float32)
    y = (X[:, -1] + rng.normal(size=2000) > 1).astype(float)
    return kind().fit(X, y, np.full(100, 20), columns=columns, rng=rng)
