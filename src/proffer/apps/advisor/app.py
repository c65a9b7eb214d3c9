"""The advisor, declared."""

from datetime import timedelta
from functools import partial
from typing import Any

from proffer.app import App, Exploration, Objective, Pipeline, Rule
from proffer.apps.advisor.eligible import Unexpired
from proffer.apps.advisor.entities import ASSESSMENT, EVENTS, LABELS, RECOMMENDATION, USER, VALUES
from proffer.apps.advisor.features import view
from proffer.apps.advisor.simulate import Toy
from proffer.apps.advisor.templates import TEMPLATES
from proffer.models.rankers.boosted import LambdaRank, Pointwise
from proffer.models.rankers.linear import LinearHeuristic, LinearRanker
from proffer.models.retrievers.content import Content
from proffer.models.retrievers.newest import Newest
from proffer.models.retrievers.popularity import DecayedPopularity

SHARES = {"category": 0.5, "tags": 0.2, "title": 0.1, "text": 0.2}
"""How much each attribute says of how alike two recommendations are."""
GROWTH: dict[str, Any] = {"rate": 0.1, "rounds": 150, "leaves": 15, "patience": 20}
"""Trees for a few thousand rows: as good there as the larger default, in a third of the time."""
SAVING = LinearHeuristic({"r_saving": (1.0, "log1p"), "r_cost": (-0.5, "log1p"), "r_effort": (-0.2, "log1p")})
PRIORITY = LinearHeuristic(
    {"r_priority": (1.0, "identity"), "ar_priority_match": (1.0, "identity"), "r_risk": (-1.0, "identity")}
)
INTEREST = LinearHeuristic(
    {
        "cf_alike": (10.0, "identity"),
        "cf_alike_done": (10.0, "identity"),
        "cf_role": (5.0, "identity"),
        "aff_cat_rate": (5.0, "identity"),
        "aff_action_rate": (5.0, "identity"),
        "ar_priority_match": (0.5, "identity"),
        "ar_saving_of_spend": (1.0, "identity"),
        "ac_dismissed": (-1.0, "identity"),
    }
)
ASSESSED = Pipeline(
    name="assessment",
    retrieving=False,
    retrievers=(partial(Content, shares=SHARES), DecayedPopularity, Newest),
    heuristics={
        "confidence": LinearHeuristic({"r_confidence": (1.0, "identity")}),
        "saving": SAVING,
        "priority": PRIORITY,
        "interest": INTEREST,
    },
    ladder=("confidence", "newest"),
    rankers=(partial(LambdaRank, **GROWTH), partial(Pointwise, **GROWTH), LinearRanker),
    without_ranker="ladder",
    eligible=(Unexpired(),),
    rules=(Rule(do="seen_out", types=["implement", "dismiss"], name="neither done nor dismissed"),),
    templates=TEMPLATES,
    diversity=0.7,
    exploration=Exploration(policy="plackett_luce"),
    objectives={
        "quality": Objective(en="likely to be implemented", sv="blir troligen genomförd"),
        "cost": Objective(column="r_saving", en="saves money", sv="sparar pengar"),
        "risk": Objective(column="r_risk", better="less", en="little can go wrong", sv="lite kan gå fel"),
        "effort": Objective(column="r_effort", better="less", en="takes little work", sv="kräver lite arbete"),
    },
    reasons="contributions",
    protocol="lists",
    schedule="0 3 * * 0",
    quiet=timedelta(days=28),
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
    response=("i_implement_rate", "i_seen_log"),
    impression="impression",
    labels=LABELS,
    values=VALUES,
    simulate=Toy,
)
