"""Golden rows: what a fitted pipeline answered when it was made, kept with it, and answered again before it serves."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.app import Settings
from proffer.core.entities import EntityRef
from proffer.core.errors import CannotServe
from proffer.core.ports import ModelVersion
from proffer.core.queries import Query
from proffer.engine import serve
from proffer.engine.fitted import Fitted
from proffer.engine.ranking import blend
from proffer.features.state import State
from proffer.models.rankers.blend import Blend

GOLDEN = "golden"
"""Where a version's parameters and arrays keep them: no retriever may be called so."""
QUERIES = 8
NOBODY = "\x00nobody"
TOLERANCE = 1e-9


def golden_queries(state: State, pipeline: str, subject: str) -> list[Query]:
    """Return queries of a few subjects of the state, spread evenly over all there are, and one of a stranger.

    They are asked as of the newest event, so that the same log gives the same rows.
    """
    at = datetime.fromtimestamp(state.latest, UTC)
    known = state.listing(subject)
    places = sorted({int(place) for place in np.linspace(0, len(known) - 1, QUERIES - 1)}) if known else []
    return [
        Query(id=f"{GOLDEN}_{number}", pipeline=pipeline, subject=EntityRef(subject, id), at=at, n=20)
        for number, id in enumerate([*(known[place] for place in places), NOBODY])
    ]


def golden(
    fitted: Fitted, settings: Settings, state: State, queries: Sequence[Query]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the parameters and arrays to save with a fitted pipeline, so that `check` can ask it the same again.

    Per query: what each source said of the pool (m, s), the blend's scores (m,), and where there is a ranker, what it
    read of the head (h, D) and its scores (h,). All that follows from the version itself, and nothing of the live
    state, is answered again.
    """
    if not fitted.weights:
        return {}, {}
    scores, blended, matrices, final = [], [], [], []
    columns: tuple[str, ...] = ()
    for query in queries:
        ranked = serve.by_model(serve.Asked.of(query, fitted, settings, state))
        scores.append(ranked.pool.scores)
        blended.append(blend(ranked.pool, fitted.sources, fitted.vector()))
        if ranked.head is not None:
            matrices.append(ranked.head.matrix)
            final.append(ranked.scores[ranked.head.rows])
            columns = ranked.head.columns
    arrays: dict[str, NDArray[Any]]
    arrays = {"sizes": _sizes(scores), "scores": np.concatenate(scores), "blended": np.concatenate(blended)}
    if matrices:
        arrays |= {"heads": _sizes(matrices), "matrix": np.concatenate(matrices), "ranked": np.concatenate(final)}
    told = {"sources": list(fitted.sources), "columns": list(columns)}
    return {GOLDEN: told}, {f"{GOLDEN}/{name}": array for name, array in arrays.items()}


def check(fitted: Fitted, version: ModelVersion, arrays: Mapping[str, NDArray[Any]]) -> int:
    """Ask a restored pipeline its golden rows again and return how many there are, 0 for a version without any.

    Every model must also hold exactly what the version says it learned. Raises CannotServe naming what differs.
    """
    _check_learned(fitted, version, arrays)
    told = version.parameters.get(GOLDEN)
    if told is None:
        return 0
    kept = {name.removeprefix(f"{GOLDEN}/"): array for name, array in arrays.items() if name.startswith(f"{GOLDEN}/")}
    model = Blend({name: fitted.weights.get(name, 0.0) for name in told["sources"]})
    answers = [model.predict(rows, told["sources"]) for rows in _lists(kept["scores"], kept["sizes"])]
    _compare("the blend", version, answers, kept["blended"])
    if "matrix" in kept:
        if fitted.ranker is None:
            raise CannotServe(f"{version.id} has golden rows of a ranker, and no ranker", remedy="Train again.")
        heads = _lists(kept["matrix"], kept["heads"])
        answers = [fitted.ranker.predict(rows, told["columns"]) for rows in heads]
        _compare(f"the ranker {fitted.ranker.name}", version, answers, kept["ranked"])
    return len(kept["blended"])


def _check_learned(fitted: Fitted, version: ModelVersion, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise CannotServe where a restored model does not tell what the version says it learned."""
    for name, values in version.parameters["retrievers"].items():
        if name not in fitted.retrievers:
            continue
        told, found = fitted.retrievers[name].parameters()
        kept = {key.removeprefix(f"{name}/"): array for key, array in arrays.items() if key.startswith(f"{name}/")}
        same = _json(told) == _json(values) and found.keys() == kept.keys()
        if not same or not all(np.array_equal(found[key], kept[key], _floats(kept[key])) for key in kept):
            raise CannotServe(f"{name} of {version.id} is not what it was when it was saved", remedy="Train again.")


def _compare(
    what: str, version: ModelVersion, answers: Sequence[NDArray[np.float32]], expected: NDArray[np.float32]
) -> None:
    found = np.concatenate(answers) if answers else np.empty(0, np.float32)
    if found.shape != expected.shape or not np.all(np.isfinite(found)):
        raise CannotServe(f"{what} of {version.id} gives no sound score for each golden row", remedy="Train again.")
    away = np.abs(found.astype(np.float64) - expected) > TOLERANCE * np.maximum(1.0, np.abs(expected))
    if away.any():
        message = f"{what} of {version.id} answers {int(away.sum())} of {len(found)} golden rows in another way"
        raise CannotServe(message, remedy="Train again with this code, or go back to another version.")


def _sizes(lists: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    return np.array([len(rows) for rows in lists], np.int64)


def _lists(rows: NDArray[np.float32], sizes: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    return np.split(rows, np.cumsum(sizes)[:-1]) if len(sizes) else []


def _floats(array: NDArray[Any]) -> bool:
    return bool(np.issubdtype(array.dtype, np.inexact))


def _json(values: Any) -> bytes:
    return msgspec.json.encode(values, enc_hook=lambda value: value.item(), order="deterministic")
