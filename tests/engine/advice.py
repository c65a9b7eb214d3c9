"""Small advisor workspaces: an assessment with recommendations that differ in what objectives weigh."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from proffer.app import App, Objective, Pipeline, Template
from proffer.apps.advisor.entities import ASSESSMENT, EVENTS, LABELS, RECOMMENDATION, USER
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.entities import EntityRef
from proffer.core.ports import Stores
from proffer.core.queries import Query
from proffer.engine.engine import Engine
from proffer.engine.fitted import Fitted, fit, unfitted
from proffer.engine.ranking import ranker_columns
from proffer.features import given, listwise
from proffer.features.base import Scope
from proffer.features.view import FeatureView
from proffer.models.rankers.boosted import LambdaRank, Pointwise
from proffer.models.rankers.linear import LinearHeuristic, LinearRanker
from proffer.models.retrievers.content import Content
from proffer.models.retrievers.newest import Newest
from proffer.stores.memory import memory_stores

from .worlds import NOW, accepted

CATEGORIES = ("cost_optimization", "security", "performance", "reliability")
COLUMNS = ("confidence", "saving", "cost", "risk")
TEMPLATES = (
    Template(code="sure", column="confidence", above=0.7, en="Sure", sv="Säkert"),
    Template(code="saves", column="saving", above=500.0, en="Saves {value}", sv="Sparar {value}"),
    Template(
        code="cheap_first", column="saving_pct", above=0.5, also=(("confidence", 0.1),), akin=("saving",),
        en="Saves more than most", sv="Sparar mer än de flesta",
    ),
    Template(code="new", column="source:newest", above=0.9, en="New", sv="Ny"),
)  # fmt: skip
PIPELINE = Pipeline(
    name="assessment",
    retrievers=(Content, Newest),
    heuristics={"confidence": LinearHeuristic({"confidence": (1.0, "identity")})},
    ladder=("confidence", "newest"),
    rankers=(LambdaRank, Pointwise, LinearRanker),
    rules=(),
    templates=TEMPLATES,
    diversity=0.7,
    objectives={
        "quality": Objective(en="likely to be done", sv="blir troligen gjort"),
        "cost": Objective(column="saving", en="saves money", sv="sparar pengar"),
        "risk": Objective(column="risk", better="less", en="little can go wrong", sv="lite kan gå fel"),
    },
    reasons="contributions",
)


def declared(**changes: Any) -> App:
    """Return a small advisor of four columns and some list-relative ones, its pipeline changed so."""
    view = FeatureView(
        "advice",
        (Scope("user", ("actor",)), Scope("recommendation", ("target",))),
        (*(given.Number(name, name) for name in COLUMNS), listwise.ListRank("saving_pct", "saving")),
    )
    return App(
        name="advice", doc="Advice.", entities=(USER, ASSESSMENT, RECOMMENDATION), events=EVENTS, subject="user",
        item="recommendation", view=view, pipelines=(replace(PIPELINE, **changes),), impression="impression",
        labels=LABELS,
    )  # fmt: skip


def advice(app: App | None = None, count: int = 12, *, stores: Stores | None = None) -> Engine:
    """Return an engine with one assessment `a1` whose recommendations are dear where confidence is low."""
    clock = FixedClock(NOW)
    engine = Engine(
        app or declared(),
        "advisor",
        stores or memory_stores(clock),
        clock=clock,
        ids=CountingIds(),
        deadline_ms=60_000.0,
    )
    accepted(engine, fact("assessment", "a1", budget=1000.0), *(recommendation(n, count) for n in range(count)))
    return engine


def recommendation(n: int, count: int = 12, **fields: Any) -> dict[str, Any]:
    given: Mapping[str, Any] = {
        "assessment": "a1", "title": f"Step {n}", "category": CATEGORIES[n % 4], "tags": [f"t{n % 3}"],
        "confidence": 1.0 - n / (2.0 * count), "saving": 100.0 * n, "risk": (n * 5 % count) / count, **fields,
    }  # fmt: skip
    return fact("recommendation", f"r{n:02}", **given)


def fact(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "entity.set", "at": NOW.isoformat(), "actor": {"kind": kind, "id": name}, "fields": fields}


def asks(n: int = 5, *, id: str = "q", **rest: Any) -> Query:
    rest.setdefault("group", "a1")
    return Query(id=id, pipeline="assessment", subject=EntityRef("user", "u1"), at=NOW, n=n, **rest)


def learned(engine: Engine, ranker: Any) -> str:
    """Let a ranker, fitted to want what is sure and saves, serve on top of confidence; return the version."""
    pipeline = engine.app.pipelines[0]
    fitted = fit(unfitted(pipeline), engine.state, engine.clock.now(), {})
    weights = {"confidence": 0.7, "newest": 0.3}
    columns = ranker_columns(engine.app.view.columns, Fitted(pipeline, fitted.retrievers, weights).counting)
    rng = np.random.default_rng(5)
    X = rng.uniform(0, 1, (600, len(columns))).astype(np.float32)
    saving, sure = columns.index("saving"), columns.index("confidence")
    X[:, saving] *= 1200.0
    y = ((X[:, saving] / 1200.0 + X[:, sure]) > 1.2).astype(np.float64)
    ranker.fit(X, y, np.full(60, 10), columns=columns, rng=rng)
    parameters, arrays = Fitted(pipeline, fitted.retrievers, weights, ranker=ranker).parameters()
    version = engine.stores.registry.save(
        pipeline.name, ranker.name, schema=engine.app.view.version, position=engine.state.position,
        parameters=parameters, metrics={}, arrays=arrays, at=engine.clock.now(),
    )  # fmt: skip
    engine.release(version.id, engine.stores.registry.champion(pipeline.name)[1])
    return version.id
