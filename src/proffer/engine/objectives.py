"""Objectives: what a slate is to be good for beside relevance, weighed per request, and what that gains and costs."""

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proffer.app import Objective, Pipeline, Settings
from proffer.core.decisions import Aim, TradeOff
from proffer.core.queries import Query
from proffer.engine.ranking import Ranked, read_columns
from proffer.features.state import State
from proffer.models.rankers.standing import middle_percentiles

TIEBREAK = 1e-4
"""The share of relevance where nobody gave it a weight: so much that no id decides between equals."""
logger = logging.getLogger("proffer.serve")


class Aimed(NamedTuple):
    """What weighing objectives makes of a ranked pool.

    `scores` float32 (m,) are the weighted means of the percentiles, those of the model where relevance alone counts;
    `values` (m,) by objective are what its column says, or relevance as a percentile, and `percentiles` (m,) where they
    stand in the list, 1 the best. `why` says so where the columns could not be read.
    """

    weights: Mapping[str, float]
    scores: NDArray[np.float32]
    values: Mapping[str, NDArray[np.float64]]
    percentiles: Mapping[str, NDArray[np.float64]]
    why: str | None = None


def weights_of(query: Query, pipeline: Pipeline, settings: Settings) -> Mapping[str, float]:
    """Return the weights in force: the query's, else those of the settings, else the pipeline's; empty for none."""
    if query.objectives is not None:
        return query.objectives
    return settings.objectives.get(pipeline.name, pipeline.aims)


def aim(ranked: Ranked, pipeline: Pipeline, settings: Settings, state: State, query: Query) -> Aimed | None:
    """Return a pool's scores by the objectives in force, None where none is weighed."""
    weights = weights_of(query, pipeline, settings)
    if not weights:
        return None
    relevance = middle_percentiles(ranked.scores)
    try:
        values = _values(ranked, pipeline.objectives, relevance, state, query)
    except Exception as error:
        # A slate by relevance is an answer; the trade-off says what is missing.
        logger.warning("the objectives cannot be read: %s", error)
        why = f"objectives: {type(error).__name__}: {error}; relevance alone"
        return Aimed(weights, ranked.scores, {}, {}, why)
    percentiles = {name: _percentiles(values[name], objective) for name, objective in pipeline.objectives.items()}
    if not any(weight and pipeline.objectives[name].column is not None for name, weight in weights.items()):
        return Aimed(weights, ranked.scores, values, percentiles)
    return Aimed(weights, _weighed(weights, percentiles, relevance), values, percentiles)


def trade_off(
    aimed: Aimed, pipeline: Pipeline, relevance: NDArray[np.float32], shown: Sequence[int], alone: Sequence[int],
    language: str,
) -> TradeOff:  # fmt: skip
    """Return what the rows `shown` gain and cost beside the rows that relevance `alone` would show, best first."""
    standing = middle_percentiles(relevance)
    kept, whole = _mean(standing, shown), _mean(standing, alone)
    aims = {}
    for name, objective in pipeline.objectives.items():
        values = aimed.values.get(name, np.full(len(relevance), np.nan))
        aims[name] = Aim(
            weight=aimed.weights.get(name, 0.0), text=objective.sv if language == "sv" else objective.en,
            better=objective.better, column=objective.column, mean=_mean(values, shown), alone=_mean(values, alone),
        )  # fmt: skip
    share = kept / whole if kept is not None and whole else 1.0
    return TradeOff(relevance=share, entered=len(set(shown) - set(alone)), aims=aims, why=aimed.why)


def _values(
    ranked: Ranked, objectives: Mapping[str, Objective], relevance: NDArray[np.float64], state: State, query: Query
) -> dict[str, NDArray[np.float64]]:
    """Return what each objective goes by (m,)."""
    names = sorted({objective.column for objective in objectives.values() if objective.column is not None})
    found = read_columns(ranked, range(len(ranked.scores)), names, state, query).astype(np.float64)
    columns = {name: np.where(np.isfinite(found[:, place]), found[:, place], np.nan)
               for place, name in enumerate(names)}  # fmt: skip
    return {name: relevance if one.column is None else columns[one.column] for name, one in objectives.items()}


def _percentiles(values: NDArray[np.float64], objective: Objective) -> NDArray[np.float64]:
    if objective.column is None:
        return values
    return middle_percentiles(values if objective.better == "more" else -values)


def _weighed(
    weights: Mapping[str, float], percentiles: Mapping[str, NDArray[np.float64]], relevance: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the weighted mean of the percentiles (m,), in the order the objectives are declared in."""
    whole = sum(weights.values())
    total = TIEBREAK * whole * relevance
    for name, standing in percentiles.items():
        total = total + weights.get(name, 0.0) * standing
    return (total / (whole * (1.0 + TIEBREAK))).astype(np.float32)


def _mean(values: NDArray[np.float64], rows: Sequence[int]) -> float | None:
    """Return the mean over places, each counted by the discount of NDCG; None where nothing is known."""
    here = values[list(rows)]
    weights = np.where(np.isnan(here), 0.0, 1.0 / np.log2(np.arange(2, len(here) + 2)))
    total = float(weights.sum())
    return float((np.nan_to_num(here) * weights).sum()) / total if total else None
