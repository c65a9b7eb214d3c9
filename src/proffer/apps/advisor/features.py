"""The advisor's features: what is known of a user, an assessment, a recommendation, and of them together."""

from proffer.features import given, listwise
from proffer.features.base import Scope
from proffer.features.view import FeatureView

USER = Scope("user", ("actor",))
RECOMMENDATION = Scope("recommendation", ("target",))

view = FeatureView(
    "advisor",
    (USER, RECOMMENDATION),
    (
        given.Number("r_confidence", "confidence"),
        given.Number("r_saving", "saving"),
        given.Number("r_risk", "risk"),
        listwise.ListLength(),
    ),
)
