"""How likely an item is answered when shown, and the feature columns of subjects, items and pairs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid, NotFound
from proffer.core.estimates import Estimate
from proffer.features.base import Feature
from proffer.features.view import FeatureView

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

LEVEL = 0.9
PRIOR = 10.0
MOST_PAIRS = 1000


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected of a pair: the chance that the item is answered when shown, and the heuristic's score.

    `estimate` is None, and `why` says so, as long as no impression anywhere has been recorded.
    """

    subject: str
    item: str
    estimate: Estimate | None
    score: float | None
    why: str | None = None


def predict(engine: "Engine", pairs: Sequence[tuple[str, str]]) -> list[Prediction]:
    """Return a prediction per pair, in order. Raises Invalid for too many pairs or an unknown item."""
    if not 1 <= len(pairs) <= MOST_PAIRS:
        raise Invalid(f"send 1 to {MOST_PAIRS} pairs", field="pairs", remedy="Split the request.")
    with engine.lock:
        ordinals = engine.state.ordinals([item for _, item in pairs])
        if (ordinals < 0).any():
            item = pairs[int(np.argmax(ordinals < 0))][1]
            raise Invalid(f"no {engine.app.item} {item[:40]!r}", field="pairs", remedy="Set it first, or leave it out.")
        at = engine.clock.now().timestamp()
        columns = engine.app.view.columns
        name, heuristic = next(iter(engine.app.pipelines[0].heuristics.items()), ("", None))
        if heuristic is not None:
            heuristic = heuristic.weighted(engine.settings.heuristics.get(name, {}))
        found: dict[int, Prediction] = {}
        for subject in dict.fromkeys(subject for subject, _ in pairs):
            rows = [row for row, pair in enumerate(pairs) if pair[0] == subject]
            batch = engine.state.batch(EntityRef(engine.app.subject, subject), ordinals[rows], at, {})
            matrix = engine.app.view.matrix(batch)
            scores = heuristic.predict(matrix, columns) if heuristic else None
            for place, row in enumerate(rows):
                estimate, why = _estimate(engine, matrix[place], columns)
                score = None if scores is None else float(scores[place])
                found[row] = Prediction(subject=subject, item=pairs[row][1], estimate=estimate, score=score, why=why)
    return [found[row] for row in range(len(pairs))]


def _estimate(engine: "Engine", row: np.ndarray, columns: Sequence[str]) -> tuple[Estimate | None, str | None]:
    """Return the posterior of a rate: Beta with the backed-off mean and the strength of prior plus own trials."""
    if engine.app.response is None:
        return None, f"application {engine.app.name} declares no response rate"
    from scipy.special import betaincinv

    rate, trials = (float(row[list(columns).index(name)]) for name in engine.app.response)
    if np.isnan(rate):
        return None, "no impression has been recorded yet: send impression events"
    strength = PRIOR + (0.0 if np.isnan(trials) else float(np.expm1(trials)))
    mean = min(max(rate, 1e-6), 1 - 1e-6)
    a, b = mean * strength, (1 - mean) * strength
    low, high = (float(betaincinv(a, b, quantile)) for quantile in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Estimate(value=mean, low=low, high=high, level=LEVEL, model="backed-off rate"), None


def features(engine: "Engine", subject: str | None, item: str | None) -> dict[str, float | None]:
    """Return the columns that speak of what is given: a subject, an item, or both."""
    view = engine.app.view
    with engine.lock:
        ordinals = engine.state.ordinals([item]) if item is not None else np.array([-1])
        if item is not None and ordinals[0] < 0:
            raise NotFound(
                f"no {engine.app.item} of that id", field="item", remedy="Send an event about it, or PUT it."
            )
        ref = EntityRef(engine.app.subject, subject) if subject is not None else None
        if ref is not None and engine.state.subject_ordinal(ref) < 0 and engine.state.attributes(ref) is None:
            raise NotFound(
                f"no {engine.app.subject} of that id", field="subject", remedy="Send an event by it, or PUT it."
            )
        row = view.matrix(engine.state.batch(ref, ordinals, engine.clock.now().timestamp(), {}))[0]
    wanted = {"subject"} if item is None else {"item"} if subject is None else {"subject", "item", "pair"}
    told = [about(view, feature) in wanted for feature in view.features for _ in feature.columns]
    return {
        name: None if np.isnan(value) else float(value)
        for name, value, shown in zip(view.columns, row, told, strict=True)
        if shown
    }


def about(view: FeatureView, feature: Feature) -> Literal["subject", "item", "pair", "query"]:
    """Return what a feature speaks of: the subject, the item, both together, or the query and its list."""
    if any(column.stage != "state" for column in feature.columns):
        return "query"
    parts = {part for scope, state in feature.states for part in (*view.layout.scopes[scope].parts, *state.parts)}
    sides = {part.split(".")[0] for part in parts} - {"all"}
    if sides == {"actor"} and not feature.reads:
        return "subject"
    return "item" if sides <= {"target"} and (sides or feature.reads) else "pair"
