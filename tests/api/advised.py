"""A site that serves the advisor and the feed over memory, with tokens of each scope."""

from typing import Any

import httpx
import numpy as np

from proffer.api.app import create_app
from proffer.api.auth import digest
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.ports import Token
from proffer.engine.engine import Engine
from proffer.engine.fitted import Fitted, fit, unfitted
from proffer.engine.ranking import ranker_columns
from proffer.models.rankers.linear import LinearRanker
from proffer.stores.memory import memory_stores

from .served import NOW, Schemas, Site

SECRETS = {
    "all": ("read", "write", "admin"), "track": ("track",), "write": ("write",), "reader": ("read",),
    "feed": ("read", "write", "admin"),
}  # fmt: skip
RECOMMENDATIONS = ("r1", "r2", "r3", "r4")
CATEGORIES = ("security", "cost_optimization", "security", None)


def fact(kind: str, id: str, **fields: Any) -> dict[str, Any]:
    """Return the row that sets an entity's attributes."""
    return {"type": "entity.set", "actor": {"kind": kind, "id": id}, "fields": fields}


FACTS = [
    fact("user", "u1", name="Eva", role="engineer", company="Acme"),
    fact("assessment", "a1", title="Web shop", owner="u1", priority="security", industry="retail"),
    fact("assessment", "empty", title="Nothing found", owner="u1"),
    fact("assessment", "nobody", title="Of nobody"),
    fact("recommendation", "r9", assessment="nobody", title="Alone"),
    *(
        fact("recommendation", id, assessment="a1", title=f"Step {id}", category=category, confidence=0.9 - 0.1 * n,
             saving=100.0 * n, tags=["cloud"], text=f"What to do about {id}")
        for n, (id, category) in enumerate(zip(RECOMMENDATIONS, CATEGORIES, strict=True))
    ),
]  # fmt: skip


class Advised(Site):
    """One workspace `advisor` with an assessment of four recommendations, and a workspace `feed`."""

    def __init__(self, stores=memory_stores, clock=None, *, filled: bool = True) -> None:
        import asyncio
        import json

        from proffer.apps.advisor.app import app as advisor
        from proffer.apps.feed.app import app as feed

        clock = clock or FixedClock(NOW)
        self.engines = {
            app.name: Engine(app, app.name, stores(clock), clock=clock, ids=CountingIds()) for app in (advisor, feed)
        }
        for name, scopes in SECRETS.items():
            tokens = self.engines["feed" if name == "feed" else "advisor"].stores.tokens
            tokens.add(Token(name=name, digest=digest(f"pf_{name}"), scopes=scopes, created_at=NOW))
        self.app = create_app(self.engines)
        self.document = json.loads(self.app.state.site.document)
        self.schemas = Schemas(self.document)
        self.loop = asyncio.new_event_loop()
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://localhost")
        if filled:
            assert self.engine.record(FACTS)[-1].verdict == "accepted"

    @property
    def engine(self):
        """Return the advisor's engine."""
        return self.engines["advisor"]

    def send(self, method: str, path: str, body: Any = None, *, token: str | None = "all", **rest: Any) -> Any:
        """Send one request with a token by name; the answer is checked against the description."""
        return super().send(method, path, body, token=f"pf_{token}" if token in SECRETS else token, **rest)

    def get(self, path: str, **rest: Any) -> httpx.Response:
        """Send GET to a path within the workspace advisor."""
        return self.send("GET", f"/api/v1/advisor{path}", **rest)

    def post(self, path: str, body: Any = None, **rest: Any) -> httpx.Response:
        """Send POST to a path within the workspace advisor."""
        return self.send("POST", f"/api/v1/advisor{path}", body, **rest)

    def put(self, path: str, body: Any = None, **rest: Any) -> httpx.Response:
        """Send PUT to a path within the workspace advisor."""
        return self.send("PUT", f"/api/v1/advisor{path}", body, **rest)

    def batch(self, *messages: Any, token: str | None = "write", **rest: Any) -> Any:
        """Send messages of Segment's clients and return the answer's body."""
        answer = self.send("POST", "/v1/batch", {"batch": messages, **rest}, token=token)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def events(self, query: str = "") -> list[dict[str, Any]]:
        """Return what the log holds of interactions, oldest first."""
        found = self.get(f"/events?limit=1000{query}").json()["events"]
        return [event for event in found if event["type"] not in ("entity.set", "settings.set")]


def learned(engine: Engine) -> str:
    """Let a linear ranker that likes what saves serve, and return its version."""
    pipeline, now = engine.app.pipelines[0], engine.clock.now()
    fitted = fit(unfitted(pipeline), engine.state, now, {})
    weights = {"confidence": 1.0}
    columns = ranker_columns(engine.app.view.columns, Fitted(pipeline, fitted.retrievers, weights).counting)
    rng = np.random.default_rng(5)
    X = rng.uniform(0, 1, (400, len(columns))).astype(np.float32)
    X[:, columns.index("r_saving")] *= 400
    y = (X[:, columns.index("r_saving")] > 200).astype(np.float64)
    ranker = LinearRanker()
    ranker.fit(X, y, np.full(40, 10), columns=columns, rng=rng)
    parameters, arrays = Fitted(pipeline, fitted.retrievers, weights, ranker=ranker).parameters()
    version = engine.stores.registry.save(
        pipeline.name, ranker.name, schema=engine.app.view.version, position=engine.state.position,
        parameters=parameters, metrics={}, arrays=arrays, at=now,
    )  # fmt: skip
    engine.release(version.id, engine.stores.registry.champion(pipeline.name)[1])
    return version.id
