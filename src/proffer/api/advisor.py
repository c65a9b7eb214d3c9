"""Operations of applications whose items are members of a group: an assessment's recommendations, in order."""

import msgspec

from proffer.api import messages, slates
from proffer.api.answers import Members
from proffer.api.operations import BASE, READ, Call, Operation
from proffer.core.checks import check_id
from proffer.core.decisions import Decision, Reason, TradeOff
from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid, NotFound
from proffer.engine.engine import Engine
from proffer.engine.objectives import weights_of
from proffer.engine.serve import plain
from proffer.engine.slate import share_of


class RecommendationsQuery(messages.Body, frozen=True, kw_only=True):
    """Who asks, by default the assessment's owner; `objectives` weighs as in `cost:0.5,risk:0.2`."""

    user: messages.Id | None = None
    n: messages.N = 20
    diversity: messages.Lambda | None = None
    objectives: str | None = None
    language: messages.Language = "en"
    pipeline: str | None = None
    after: messages.Id | None = None


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """One place: the recommendation, why it stands there, and what is known of it."""

    recommendation_id: str
    rank: int
    score: float
    reasons: tuple[Reason, ...]
    attributes: Members
    propensity: float | None
    explored: bool


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """How the list came about.

    `ml_ranking_applied` says whether a trained model ordered it, and `reason` why not. `diversity_score` is 1 - the
    mean similarity of two items, `lambda` what weighed relevance against it, `objectives` the weights in force and
    `tradeoff` what they gained and cost. `candidates` is how many recommendations were ranked.
    """

    ml_ranking_applied: bool
    reason: str | None
    diversity_score: float | None
    share: float = msgspec.field(name="lambda")
    candidates: int
    objectives: dict[str, float]
    tradeoff: TradeOff | None


class Recommendations(msgspec.Struct, frozen=True, kw_only=True):
    """An assessment's recommendations, best first.

    `query_id` goes into the interactions they lead to, `decision_id` explains, replays and continues them (`after`);
    `model` is the version that ordered them, or the rung of the ladder.
    """

    assessment_id: str
    user: str
    items: list[Recommendation]
    summary: Summary
    model: str
    decision_id: str
    query_id: str
    as_of: int
    took_ms: float


def grouped(engine: Engine) -> str:
    """Return the kind of an application's groups. Raises NotFound where it has none."""
    kind = engine.app.group
    if kind is None:
        message = f"the application {engine.app.name} has no assessments or the like whose members are ranked"
        raise NotFound(message, field="workspace", remedy="Use POST recommend, rank and events.")
    return kind


def owner_of(engine: Engine, group: str) -> str | None:
    """Return the id of the subject whose a group is, None where that is not known."""
    kind = grouped(engine)
    role = engine.app.schema.entities[kind].role("author")
    found = (engine.state.attributes(EntityRef(kind, group)) or {}).get(role or "")
    first = next(iter(found), None) if isinstance(found, list) else found
    return first if isinstance(first, str) and first else None


def recommendations(call: Call) -> Recommendations:
    """Decide the order of an assessment's recommendations for a user; the decision is logged.

    Without `user` the assessment's owner is meant, and where it has none nobody in particular. An assessment without
    recommendations is answered with none, and `summary.reason` says so.
    """
    asked: RecommendationsQuery = call.query
    engine, group = call.engine, call.path["id"]
    kind = grouped(engine)
    if not engine.state.has_group(group):
        raise NotFound(f"no {kind} of that id", field="id", remedy=f"Set it, or {engine.app.item}s that name it.")
    ask = messages.Ask(
        subject=asked.user or _owner(engine, group) or engine.ids.new("anonymous"), group=group,
        diversity=asked.diversity, objectives=objectives_of(asked.objectives), language=asked.language,
        pipeline=asked.pipeline, after=asked.after,
    )  # fmt: skip
    decision = engine.recommend(slates.query_of(engine, ask, asked.n))
    return _answer(engine, group, decision)


def _owner(engine: Engine, group: str) -> str | None:
    found = owner_of(engine, group)
    try:
        return None if found is None else check_id(found, "owner")
    except Invalid:
        # An attribute may be any text; such an owner can do nothing.
        return None


def objectives_of(text: str | None) -> dict[str, float] | None:
    """Return the weights in a text like "cost:0.5,risk:0.2". Raises Invalid.

    >>> objectives_of("cost:0.5, risk:0.2")
    {'cost': 0.5, 'risk': 0.2}
    """
    if text is None:
        return None
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.strip().partition(":")
        try:
            value = float(weight)
        except ValueError:
            remedy = "Send name:weight with commas between, for example cost:0.5,risk:0.2."
            raise Invalid(f"{part.strip()[:40]!r} is no weight", field="objectives", remedy=remedy) from None
        if name in found:
            raise Invalid(f"{name[:40]!r} stands twice", field="objectives", remedy="Send each once.")
        found[name] = value
    return found


def _answer(engine: Engine, group: str, decision: Decision) -> Recommendations:
    query, app = decision.query, engine.app
    pipeline, settings = app.pipeline(query.pipeline), engine.settings
    by_model = decision.model == decision.version
    share = share_of(pipeline if by_model else plain(pipeline), settings, query)
    items = [
        Recommendation(
            recommendation_id=placed.id, rank=placed.rank, score=placed.score, reasons=placed.reasons,
            attributes=dict(engine.state.attributes(EntityRef(app.item, placed.id)) or {}),
            propensity=placed.propensity, explored=placed.explored,
        )
        for placed in decision.slate
    ]  # fmt: skip
    summary = Summary(
        ml_ranking_applied=decision.fallback is None and by_model, reason=decision.fallback,
        diversity_score=decision.diversity_score, share=share, candidates=len(decision.considered.ids),
        objectives=dict(weights_of(query, pipeline, settings)), tradeoff=decision.tradeoff,
    )  # fmt: skip
    return Recommendations(
        assessment_id=group, user=query.subject.id, items=items, summary=summary, model=decision.model,
        decision_id=decision.id, query_id=query.id, as_of=decision.as_of, took_ms=decision.took_ms,
    )  # fmt: skip


PATH = f"{BASE}/recommendations"
ITEM = {
    "recommendation_id": "r1", "rank": 1, "score": 1.27, "attributes": {"title": "Reserve instances", "saving": 900.0},
    "reasons": [{"code": "saving", "text": "Saves 900 a month", "values": {"value": 900.0}}], "propensity": None,
    "explored": False,
}  # fmt: skip

OPERATIONS = (
    Operation(
        name="recommendations",
        method="GET",
        path=f"{PATH}/{{id}}",
        scope=READ,
        tag="recommendations",
        summary="Decide the order of an assessment's recommendations, with reasons; the decision is logged.",
        query=RecommendationsQuery,
        returns=Recommendations,
        answer={
            "assessment_id": "a1", "user": "u1", "items": [ITEM], "model": "m_1", "decision_id": "d_1",
            "query_id": "q_1", "as_of": 120, "took_ms": 4.2,
            "summary": {
                "ml_ranking_applied": True, "reason": None, "diversity_score": 0.61, "lambda": 0.7, "candidates": 40,
                "objectives": {}, "tradeoff": None,
            },
        },
        from_memory=True,
        call=recommendations,
    ),
)  # fmt: skip
