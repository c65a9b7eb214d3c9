"""An application whose items are members of groups: assessments and their recommendations, ranked by confidence."""

from typing import Any

from proffer.app import App, Pipeline
from proffer.apps.advisor.entities import ASSESSMENT, EVENTS, LABELS, RECOMMENDATION, USER
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.ports import Stores
from proffer.engine.engine import Engine
from proffer.features import accumulators as acc
from proffer.features import counts, given, listwise
from proffer.features.base import Scope, each
from proffer.features.view import FeatureView
from proffer.models.rankers.linear import LinearHeuristic
from proffer.models.retrievers.newest import Newest
from proffer.stores.memory import memory_stores

from .worlds import DAY, NOW, accepted

DONE = acc.Total(each("implement"))
VIEW = FeatureView(
    "groups",
    (Scope("assessment", ("group",)), Scope("alike", ("group.segment", "target.category"))),
    (
        given.Number("confidence", "confidence"),
        given.Number("employees", "employees", "group"),
        counts.Count("done_here", "assessment", DONE),
        counts.Count("done_alike", "alike", DONE),
        listwise.ListLength(),
    ),
)
PLAIN = Pipeline(
    name="assessment",
    retrievers=(Newest,),
    heuristics={"confidence": LinearHeuristic({"confidence": (1.0, "identity")})},
    ladder=("confidence", "newest"),
    rules=(),
    retrieving=False,
)
ADVISOR = App(
    name="advisor", doc="", entities=(USER, ASSESSMENT, RECOMMENDATION), events=EVENTS, subject="user",
    item="recommendation", view=VIEW, pipelines=(PLAIN,), impression="impression", labels=LABELS,
)  # fmt: skip


def made(
    app: App = ADVISOR, stores: Stores | None = None, name: str = "advisor", *, filled: bool = True
) -> Engine:  # fmt: skip
    """Return an engine; where it is `filled`, a1 has four recommendations, a2 (never described) one, and a3 none."""
    clock = FixedClock(NOW)
    engine = Engine(app, name, stores or memory_stores(clock), clock=clock, ids=CountingIds(), deadline_ms=60_000.0)
    if not filled:
        return engine
    accepted(engine, described("assessment", "a1", industry="bank"), described("assessment", "a3"))
    for place, (item, group) in enumerate([("r3", "a1"), ("r1", "a1"), ("x", "a2"), ("r2", "a1"), ("r0", "a1")]):
        accepted(engine, described("recommendation", item, assessment=group, confidence=0.1 * place))
    return engine


def described(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    at = (NOW - DAY).isoformat()
    return {"type": "entity.set", "at": at, "actor": {"kind": kind, "id": name}, "fields": fields}
