"""What judging a ready-made set tells beside the table."""

from typing import Any

import msgspec

from proffer.engine.metrics import Interval


class SetStep(msgspec.Struct, frozen=True, kw_only=True):
    """A challenger against what was in charge so far, inside the lists that a fold learned from."""

    challenger: str
    incumbent: str
    lead: Interval
    taken: bool


class FoldChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What was chosen inside the lists that one fold learned from, before its own lists were looked at.

    `settings` are those taken by contender, `weights` the blend's (`equal` unless others led beyond a standard error);
    `feature` is the best one, with its direction.
    """

    fold: int
    lists: int
    champion: str
    feature: str
    settings: dict[str, dict[str, Any]]
    weights: dict[str, float]
    equal: bool
    steps: list[SetStep]


class SetJudged(msgspec.Struct, frozen=True, kw_only=True):
    """Which sets were judged how.

    `gain` is what a grade adds to NDCG; `without` counts lists of the report that hold no grade above 0: they are in no
    mean. `pooled` are lists that were learned from and never reported on, 0 with folds. `over_peer` is each contender's
    paired lead in NDCG@10 over LightGBM's lambdarank as it is without settings.
    """

    train: str
    test: str | None
    folds: list[FoldChoice]
    gain: str
    lists: int
    without: int
    rows: int
    features: int
    pooled: int = 0
    over_peer: dict[str, Interval] = {}
