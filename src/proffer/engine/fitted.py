"""A pipeline with its fitted parts: what a model version is once loaded, and how one is saved."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.app import Pipeline
from proffer.core.ports import ModelRegistry, ModelVersion
from proffer.models.base import Retriever

UNTRAINED = "untrained"
DECLARED = "declared"
logger = logging.getLogger("proffer.engine")


@dataclass(frozen=True)
class Fitted:
    """A pipeline's retrievers, fitted or not, and the weights of the sources that its model blends.

    `sources` are the retrievers' names followed by the heuristics'. Without `weights` there is no model to serve
    and `why` says so; the ladder answers.
    """

    pipeline: Pipeline
    retrievers: Mapping[str, Retriever]
    weights: Mapping[str, float]
    version: str = UNTRAINED
    why: str | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the names of everything that can score a candidate."""
        return (*self.retrievers, *self.pipeline.heuristics)

    def vector(self) -> NDArray[np.float64]:
        """Return the weights in order of `sources` (s,)."""
        return np.array([self.weights.get(name, 0.0) for name in self.sources])

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
        return {"weights": dict(self.weights), "retrievers": parameters}, arrays


def unfitted(pipeline: Pipeline, why: str | None = None) -> Fitted:
    """Return a pipeline with nothing learned."""
    made = [make() for make in pipeline.retrievers]
    return Fitted(pipeline, {retriever.name: retriever for retriever in made}, {}, why=why)


def load_fitted(pipeline: Pipeline, registry: ModelRegistry, schema: str) -> Fitted:
    """Return the pipeline with its champion, or unfitted with the reason why no model serves."""
    if pipeline.weights:
        return replace(unfitted(pipeline), weights=pipeline.weights, version=DECLARED)
    version, _ = registry.champion(pipeline.name)
    if version is None:
        return unfitted(pipeline, "no model has been trained yet")
    if version.schema != schema:
        return unfitted(pipeline, f"model {version.id} was fitted with another feature view: train again")
    try:
        fitted = restored(pipeline, *registry.load(version.id))
    except Exception as error:
        # Whatever is wrong with a model, the ladder can answer without it.
        logger.warning("model %s cannot be loaded: %s", version.id, error)
        return unfitted(pipeline, f"model {version.id} cannot be loaded: {error}")
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
    return Fitted(pipeline, retrievers, version.parameters["weights"], version.id)


def _of(arrays: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    return {key.removeprefix(f"{name}/"): array for key, array in arrays.items() if key.startswith(f"{name}/")}
