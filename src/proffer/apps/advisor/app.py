"""The advisor, declared."""

from proffer.app import App, Exploration, Objective, Pipeline
from proffer.apps.advisor.entities import ASSESSMENT, EVENTS, LABELS, RECOMMENDATION, USER, VALUES
from proffer.apps.advisor.features import view
from proffer.models.rankers.boosted import LambdaRank, Pointwise
from proffer.models.rankers.linear import LinearHeuristic, LinearRanker
from proffer.models.retrievers.content import Content
from proffer.models.retrievers.newest import Newest

ASSESSED = Pipeline(
    name="assessment",
    retrievers=(Content, Newest),
    heuristics={"confidence": LinearHeuristic({"r_confidence": (1.0, "identity")})},
    ladder=("confidence", "newest"),
    rankers=(LambdaRank, Pointwise, LinearRanker),
    rules=(),
    diversity=0.7,
    exploration=Exploration(policy="plackett_luce"),
    objectives={
        "quality": Objective(en="likely to be implemented", sv="blir troligen genomförd"),
        "cost": Objective(column="r_saving", en="saves money", sv="sparar pengar"),
        "risk": Objective(column="r_risk", better="less", en="little can go wrong", sv="lite kan gå fel"),
    },
    reasons="contributions",
    protocol="lists",
    schedule="0 3 * * 0",
)

app = App(
    name="advisor",
    doc="Ranks the recommendations of an assessment for who reads it.",
    entities=(USER, ASSESSMENT, RECOMMENDATION),
    events=EVENTS,
    subject="user",
    item="recommendation",
    view=view,
    pipelines=(ASSESSED,),
    impression="impression",
    labels=LABELS,
    values=VALUES,
)
