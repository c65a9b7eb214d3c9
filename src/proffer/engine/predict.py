"""How likely an item is answered when shown, and the feature columns of subjects, items and pairs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid
from proffer.core.estimates import Estimate

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
