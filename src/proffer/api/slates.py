"""Operations that decide: slates, predictions, explanations, and the features and decisions behind them."""

from collections.abc import Mapping
from typing import Any

from proffer.api import answers, messages
from proffer.api.operations import BASE, READ, Call, Operation
from proffer.core.checks import check_id, check_json, check_text
from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid, NotFound
from proffer.core.queries import Query
from proffer.engine.engine import Engine
from proffer.engine.explain import Explanation
from proffer.engine.predict import Prediction


def query_of(engine: Engine, ask: messages.Ask, n: int, candidates: list[str] | None = None) -> Query:
    """Return the query a body means. Raises Invalid naming the field."""
    return Query(
        id=engine.ids.new("q"),
        pipeline=engine.app.pipelines[0].name if ask.pipeline is None else check_text(ask.pipeline, "pipeline"),
        subject=EntityRef(engine.app.subject, check_id(ask.subject, "subject")),
        at=engine.clock.now(),
        n=n,
        context=check_json(ask.context, "context"),
        candidates=None if candidates is None else tuple(check_id(each, "candidates") for each in candidates),
        after=None if ask.after is None else check_id(ask.after, "after"),
        diversity=ask.diversity,
        objectives=ask.objectives,
        language=ask.language,
        group=None if ask.group is None else check_id(ask.group, "group"),
    )


def recommend(call: Call) -> answers.Slate:
    """Decide a slate from everything there is."""
    ask: messages.Recommend = call.body
    return answers.Slate.of(call.engine.recommend(query_of(call.engine, ask, ask.n)))


def rank(call: Call) -> answers.Slate:
    """Decide a slate from the candidates given."""
    ask: messages.Rank = call.body
    n = min(len(ask.candidates), messages.LARGEST_SLATE) if ask.n is None else ask.n
    return answers.Slate.of(call.engine.recommend(query_of(call.engine, ask, n, ask.candidates)))


def similar(call: Call) -> answers.Slate:
    """Decide a slate of items like the one in the path; without a subject, for nobody in particular."""
    asked: messages.SimilarQuery = call.query
    engine, item = call.engine, call.path["item"]
    if engine.state.ordinals([item])[0] < 0:
        raise NotFound(f"no {engine.app.item} of that id", field="item", remedy="Set it with PUT first.")
    ask = messages.Ask(
        subject=asked.subject or engine.ids.new("anonymous"),
        context={"item": item},
        diversity=asked.diversity,
        language=asked.language,
        pipeline="similar",
        after=asked.after,
    )
    return answers.Slate.of(engine.recommend(query_of(engine, ask, asked.n)))


def predict(call: Call) -> list[Prediction]:
    """Predict many pairs."""
    pairs = [(check_id(pair.subject, "pairs.subject"), check_id(pair.item, "pairs.item")) for pair in call.body.pairs]
    return call.engine.predict(pairs)


def explain(call: Call) -> Explanation:
    """Say where an item stands, or why it is not shown."""
    ask: messages.Explain = call.body
    return call.engine.explain(query_of(call.engine, ask, ask.n), check_id(ask.item, "item"))


def features_of_one(call: Call) -> answers.Features:
    """Return the feature columns of a subject or an item."""
    app, kind, named = call.engine.app, call.path["kind"], call.path["id"]
    if kind not in (app.subject, app.item):
        remedy = f"Use {app.subject}, {app.item} or interaction."
        raise NotFound(f"no features of the kind {kind[:40]!r}", field="kind", remedy=remedy)
    pair = (named if kind == app.subject else None, named if kind == app.item else None)
    return _features(call, call.engine.reader.features(*pair))


def features_of_pair(call: Call) -> answers.Features:
    """Return the feature columns of a subject with an item."""
    return _features(call, call.engine.reader.features(call.path["subject"], call.path["item"]))


def _features(call: Call, found: Mapping[str, float | None]) -> answers.Features:
    return answers.Features(as_of=call.engine.state.position, features=dict(found))


def decision(call: Call) -> answers.LoggedDecision:
    """Return a logged decision."""
    return answers.LoggedDecision.of(call.engine.reader.decision(call.path["id"]))


def decisions(call: Call) -> answers.Decisions:
    """Return a page of logged decisions."""
    asked: messages.DecisionsQuery = call.query
    if len(asked.after) > 256:
        raise Invalid("not a cursor of this list", field="after", remedy="Send the `next` of the page before.")
    subject = None if asked.subject is None else EntityRef(call.engine.app.subject, check_id(asked.subject, "subject"))
    after = asked.after and check_id(asked.after, "after")
    found = call.engine.stores.decisions.find(subject=subject, after=after, limit=asked.limit)
    last = found[-1].id if len(found) == asked.limit else None
    return answers.Decisions(decisions=[answers.LoggedDecision.of(each) for each in found], next=last)


ASKED: Mapping[str, Any] = {"subject": "u1", "n": 10, "language": "sv", "context": {"device": "phone"}}
PLACED = {
    "id": "p1", "rank": 1, "score": 2.31, "sources": {"newest": 1.0},
    "reasons": [{"code": "fresh", "text": "Published an hour ago", "values": {"hours": 1.0}}], "propensity": None,
}  # fmt: skip
SLATE = {
    "decision": "d_1", "query_id": "q_1", "pipeline": "home", "subject": "u1", "items": [PLACED], "model": "newest",
    "arm": "champion", "fallback": "no model has been trained yet", "as_of": 12, "took_ms": 1.9,
    "diversity_score": None, "tradeoff": None,
}  # fmt: skip
PREDICTION = {
    "subject": "u1", "item": "p1", "score": 0.4, "why": None,
    "estimate": {"value": 0.12, "low": 0.03, "high": 0.28, "level": 0.9, "model": "backed-off rate"},
}  # fmt: skip

DECIDING = (
    Operation(
        name="recommend",
        method="POST",
        path=f"{BASE}/recommend",
        scope=READ,
        summary="Decide what to show a subject now, with reasons; the decision is logged.",
        body=messages.Recommend,
        returns=answers.Slate,
        examples={"home": ASKED, "next page": {"subject": "u1", "after": "d_1"}},
        answer=SLATE,
        also={404: "No decision with the id in `after`, or no group with that in `group`."},
        from_memory=True,
        call=recommend,
    ),
    Operation(
        name="rank",
        method="POST",
        path=f"{BASE}/rank",
        scope=READ,
        summary="Put given candidates in order for a subject; the decision is logged.",
        body=messages.Rank,
        returns=answers.Slate,
        examples={"three": {"subject": "u1", "candidates": ["p1", "p2", "p3"]}},
        answer=SLATE,
        from_memory=True,
        call=rank,
    ),
    Operation(
        name="similar",
        method="GET",
        path=f"{BASE}/similar/{{item}}",
        scope=READ,
        summary="Decide what to show beside an item: more like this.",
        query=messages.SimilarQuery,
        returns=answers.Slate,
        answer={**SLATE, "pipeline": "similar"},
        from_memory=True,
        call=similar,
    ),
    Operation(
        name="predict",
        method="POST",
        path=f"{BASE}/predict",
        scope=READ,
        summary="Say for many pairs how likely the subject answers when shown the item, with an interval.",
        body=messages.Predict,
        returns=list[Prediction],
        examples={"two": {"pairs": [{"subject": "u1", "item": "p1"}, {"subject": "u1", "item": "p2"}]}},
        answer=[PREDICTION],
        from_memory=True,
        call=predict,
    ),
    Operation(
        name="explain",
        method="POST",
        path=f"{BASE}/explain",
        scope=READ,
        summary="Say where an item stands for a subject, or each reason why it is not shown.",
        body=messages.Explain,
        returns=Explanation,
        examples={"one": {"subject": "u1", "item": "p9", "n": 10}},
        answer={
            "item": "p9", "shown": False, "rank": None, "placed": None, "columns": {},
            "steps": [{"step": "seen", "passed": False, "text": "fails the condition: seen"}],
        },
        from_memory=True,
        call=explain,
    ),
)  # fmt: skip

LOOKING = (
    Operation(
        name="features",
        method="GET",
        path=f"{BASE}/features/{{kind}}/{{id}}",
        scope=READ,
        summary="Return the feature columns of a subject or an item, as they are now.",
        returns=answers.Features,
        answer={"as_of": 12, "features": {"item_age_hours": 3.5, "item_rate": None}},
        from_memory=True,
        call=features_of_one,
    ),
    Operation(
        name="interactionFeatures",
        method="GET",
        path=f"{BASE}/features/interaction/{{subject}}/{{item}}",
        scope=READ,
        summary="Return the feature columns of a subject with an item, as they are now.",
        returns=answers.Features,
        answer={"as_of": 12, "features": {"pair_views": 1.0}},
        from_memory=True,
        call=features_of_pair,
    ),
    Operation(
        name="getDecision",
        method="GET",
        path=f"{BASE}/decisions/{{id}}",
        scope=READ,
        summary="Return a decision with everything needed to make it again.",
        returns=answers.LoggedDecision,
        call=decision,
    ),
    Operation(
        name="listDecisions",
        method="GET",
        path=f"{BASE}/decisions",
        scope=READ,
        summary="List decisions, of one subject or of all, oldest first.",
        query=messages.DecisionsQuery,
        returns=answers.Decisions,
        answer={"decisions": [], "next": None},
        call=decisions,
    ),
)

OPERATIONS = (*DECIDING, *LOOKING)
