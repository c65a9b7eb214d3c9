"""What is chosen inside the lists that a fold learns from: the way of each contender, the blend, the champion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.engine.metrics import paired
from proffer.engine.report import BLEND
from proffer.engine.set_folds import TARGET, Floats, Folds, measured
from proffer.engine.set_found import FoldChoice, SetStep
from proffer.engine.set_models import FEATURE, Contender, OneFeature, Part, Variant
from proffer.engine.tables import CHOICE_LEVEL, above_zero
from proffer.engine.tuning import leads
from proffer.models.rankers.blend import Blend
from proffer.models.rankers.standing import standard


@dataclass
class Inside:
    """What was chosen without a look at one fold, and what each contender then gives that fold.

    `tried` is the NDCG@10 inside by contender and way; `scores` by contender those of the rows reported on.
    """

    choice: FoldChoice
    tried: dict[str, list[float]]
    scores: dict[str, Floats]
    ways: dict[str, Variant]


def choose(folds: Folds, outer: int, contenders: Sequence[Contender]) -> Inside:
    """Choose inside what one fold learns from, then score that fold."""
    inner = folds.part.of(folds.fold != outer)
    rows = ~folds.rows(outer)
    ways: dict[str, Variant] = {}
    tried: dict[str, list[float]] = {}
    crossed: dict[str, Floats] = {}
    ndcg: dict[str, Floats] = {}
    for one in contenders:
        offered = [folds.crossed(way, outer)[rows] for way in one.variants] if not one.peer else []
        values = [measured(scores, inner)[:, TARGET] for scores in offered]
        taken = best_way(values)
        ways[one.name] = one.variants[taken]
        if values:
            tried[one.name] = [float(np.nanmean(value)) for value in values]
            crossed[one.name], ndcg[one.name] = offered[taken], values[taken]
    scores = {name: folds.final(way, outer)[1] for name, way in ways.items()}
    rankers = [one.name for one in contenders if one.family == "ranker"]
    weights, equal, ndcg[BLEND] = blended(folds, outer, [crossed[name] for name in rankers], inner)
    last = np.column_stack([scores[name] for name in rankers]).astype(np.float32)
    scores[BLEND] = standard(last, folds.part.sizes[folds.fold == outer]) @ weights
    champion, steps = climbed(ndcg, folds.seed)
    feature = folds.final(ways[FEATURE], outer)[0]
    choice = FoldChoice(
        fold=outer + 1, lists=int((folds.fold == outer).sum()), champion=champion, equal=equal,
        feature=feature.named if isinstance(feature, OneFeature) else "", settings=taken_settings(ways),
        weights={name: float(weight) for name, weight in zip(rankers, weights, strict=True) if weight > 0}, steps=steps,
    )  # fmt: skip
    return Inside(choice, tried, scores, ways)


def best_way(values: Sequence[Floats]) -> int:
    """Return which of the measures (lists,) to take: a later one must lead by a standard error."""
    taken = 0
    for place in range(1, len(values)):
        difference = values[place] - values[taken]
        if leads(difference[~np.isnan(difference)]):
            taken = place
    return taken


def blended(
    folds: Folds, outer: int, crossed: Sequence[Floats], inner: Part
) -> tuple[Floats, bool, Floats]:  # fmt: skip
    """Return the weights of the rankers, whether all weigh the same, and the NDCG@10 that they give (lists,).

    Equal weights, unless weights that are found on some folds order the others better by more than a standard error:
    both are so compared on lists that they did not learn from.
    """
    X = np.column_stack(crossed).astype(np.float32)
    z, fold = standard(X, inner.sizes), folds.fold[folds.fold != outer]
    of_row, even = np.repeat(fold, inner.sizes), np.full(X.shape[1], 1.0 / X.shape[1])
    scores = np.zeros(len(X))
    for one in folds.inside(outer):
        scores[of_row == one] = z[of_row == one] @ _weights(X, inner, fold != one, folds.seed)
    values = [measured(z @ even, inner)[:, TARGET], measured(scores, inner)[:, TARGET]]
    if best_way(values) == 0:
        return even, True, values[0]
    return _weights(X, inner, np.ones(len(fold), np.bool_), folds.seed), False, values[1]


def climbed(ndcg: Mapping[str, Floats], seed: int) -> tuple[str, list[SetStep]]:
    """Go from the simplest to the least simple contender, and replace only what is led beyond doubt."""
    names = list(ndcg)
    champion, steps = names[0], []
    for challenger in names[1:]:
        known = ~np.isnan(ndcg[challenger])
        a, b = ndcg[challenger][known], ndcg[champion][known]
        lead = paired(a, b, np.arange(len(a)), seed, CHOICE_LEVEL)
        taken = above_zero(lead)
        steps.append(SetStep(challenger=challenger, incumbent=champion, lead=lead, taken=taken))
        champion = challenger if taken else champion
    return champion, steps


def taken_settings(ways: Mapping[str, Variant]) -> dict[str, dict[str, Any]]:
    """Return the settings taken by contender, where it has any."""
    return {name: dict(way.settings) for name, way in ways.items() if way.settings}


def _weights(X: NDArray[np.float32], part: Part, lists: NDArray[np.bool_], seed: int) -> Floats:
    names = tuple(str(place) for place in range(X.shape[1]))
    rows = np.repeat(lists, part.sizes)
    model = Blend().fit(
        X[rows], part.gained[rows], part.sizes[lists], columns=names, rng=np.random.default_rng(seed)
    )  # fmt: skip
    return np.array([model.weights[name] for name in names])
