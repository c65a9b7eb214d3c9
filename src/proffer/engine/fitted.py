"""A pipeline with its fitted parts: what a model version is once loaded, and how one is saved."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.app import Pipeline
from proffer.core.errors import Busy, Invalid, ProfferError
from proffer.core.ports import LiveState, ModelRegistry, ModelVersion
from proffer.models.base import Ranker, Retriever, Tunable

UNTRAINED = "untrained"
DECLARED = "declared"
RANKER = "ranker"
"""Where a version's arrays keep what its ranker learned: no retriever may be called so."""
logger = logging.getLogger("proffer.engine")


@dataclass(frozen=True)
class Fitted:
    """A pipeline's retrievers, fitted or not, the weights of the sources that its model blends, its ranker.

    `sources` are the retrievers' names followed by the heuristics'. Without `weights` there is no model to serve
    and `why` says so; the ladder answers. A `ranker` re-orders the best of the blend; without one the blend's order
    is the answer.
    """

    pipeline: Pipeline
    retrievers: Mapping[str, Retriever]
    weights: Mapping[str, float]
    version: str = UNTRAINED
    why: str | None = None
    ranker: Ranker | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the names of everything that can score a candidate."""
        return (*self.retrievers, *self.pipeline.heuristics)

    def vector(self) -> NDArray[np.float64]:
        """Return the weights in order of `sources` (s,)."""
        return np.array([self.weights.get(name, 0.0) for name in self.sources])

    @property
    def counting(self) -> tuple[str, ...]:
        """Return the sources with a weight: the ones a ranker reads."""
        return tuple(name for name in self.sources if self.weights.get(name))

    def proposing(self) -> tuple[str, ...]:
        """Return the retrievers whose proposals make the model's pool: the weighted ones; all, for a heuristic."""
        if any(self.weights.get(name) for name in self.pipeline.heuristics) or not self.weights:
            return tuple(self.retrievers)
        return tuple(name for name in self.retrievers if self.weights.get(name))

    def parameters(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the JSON and the arrays that `restore` makes the same pipeline of."""
        parameters: dict[str, Any] = {}
        arrays: dict[str, NDArray[Any]] = {}
        for name, retriever in self.retrievers.items():
            parameters[name], found = retriever.parameters()
            arrays |= {f"{name}/{key}": array for key, array in found.items()}
        values: dict[str, Any] = {"weights": dict(self.weights), "retrievers": parameters}
        if self.ranker is not None:
            learned, found = self.ranker.parameters()
            values["ranker"] = {"name": self.ranker.name, "values": learned}
            arrays |= {f"{RANKER}/{key}": array for key, array in found.items()}
        return values, arrays


def unfitted(
    pipeline: Pipeline, why: str | None = None, settings: Mapping[str, Mapping[str, Any]] | None = None,
    without: Collection[str] = (),
) -> Fitted:  # fmt: skip
    """Return a pipeline with nothing learned.

    `settings` are those of retrievers by name that differ from what the pipeline declares; `without` names retrievers
    to leave out. Raises Invalid for settings of a retriever that takes none.
    """
    made = {retriever.name: retriever for retriever in (make() for make in pipeline.retrievers)}
    kept = {name: retriever for name, retriever in made.items() if name not in without}
    for name, values in (settings or {}).items():
        if name in kept and values:
            kept[name] = _varied(kept[name], values)
    return Fitted(pipeline, kept, {}, why=why)


def _varied(retriever: Retriever, settings: Mapping[str, Any]) -> Retriever:
    if not isinstance(retriever, Tunable):
        raise Invalid("takes no settings", field=retriever.name, remedy="Leave its settings out.")
    varied: Retriever = retriever.varied(settings)
    return varied


def fit(fitted: Fitted, state: LiveState, at: datetime, labels: Mapping[str, float]) -> Fitted:
    """Fit every retriever on the state as of a moment and return the pipeline."""
    for retriever in fitted.retrievers.values():
        retriever.fit(state, at=at.timestamp(), weights=labels)
    return fitted


def load_fitted(pipeline: Pipeline, registry: ModelRegistry, schema: str) -> Fitted:
    """Return the pipeline with its champion, or unfitted with the reason why no model serves.

    Raises Busy where the registry cannot be reached at the moment.
    """
    if pipeline.weights:
        return replace(unfitted(pipeline), weights=pipeline.weights, version=DECLARED)
    version, _ = registry.champion(pipeline.name)
    if version is None:
        return unfitted(pipeline, "no model has been trained yet")
    if version.schema != schema:
        return unfitted(pipeline, f"model {version.id} was fitted with another feature view: train again")
    try:
        fitted = restored(pipeline, *registry.load(version.id))
    except Busy:
        # The model is as good as before: whoever asks tries again once the store can be reached.
        raise
    except Exception as error:
        # Whatever is wrong with a model, the ladder can answer without it.
        logger.warning("model %s cannot be loaded: %s", version.id, error)
        why = error.message if isinstance(error, ProfferError) else error
        return unfitted(pipeline, f"model {version.id} cannot be loaded: {why}")
    gone = set(fitted.weights) - set(fitted.sources)
    if gone:
        return unfitted(pipeline, f"model {version.id} blends {', '.join(sorted(gone))}, now gone: train again")
    return fitted


def restored(pipeline: Pipeline, version: ModelVersion, arrays: Mapping[str, NDArray[Any]]) -> Fitted:
    """Return a pipeline with what a version learned; a retriever it does not know stays unfitted."""
    known = version.parameters["retrievers"]
    retrievers = {
        name: retriever.restore(known[name], _of(arrays, name)) if name in known else retriever
        for name, retriever in unfitted(pipeline).retrievers.items()
    }
    ranker = _ranker(pipeline, version.parameters.get("ranker"), _of(arrays, RANKER))
    return Fitted(pipeline, retrievers, version.parameters["weights"], version.id, ranker=ranker)


def _ranker(pipeline: Pipeline, saved: Mapping[str, Any] | None, arrays: Mapping[str, NDArray[Any]]) -> Ranker | None:
    if saved is None:
        return None
    made = {ranker.name: ranker for ranker in (make() for make in pipeline.rankers)}
    if saved["name"] not in made:
        raise Invalid(f"no ranker {saved['name']!r}", field="ranker", remedy="Train again.")
    return made[saved["name"]].restore(saved["values"], arrays)


def _of(arrays: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    return {key.removeprefix(f"{name}/"): array for key, array in arrays.items() if key.startswith(f"{name}/")}
