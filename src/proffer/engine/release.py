"""Release: a version is checked before it serves, of two at the same time one wins, and what served before can return.

Hashes first, then a child process with a time limit loads the version and answers its golden rows, then the promotion
is compared and set, then the engine swaps. Whatever fails on the way, what served goes on.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from proffer.app import App, Pipeline
from proffer.core.errors import Busy, CannotServe, Conflict, Corrupt, Invalid, NotFound, ProfferError
from proffer.core.ports import ModelRegistry, ModelVersion, Promotion
from proffer.engine import golden
from proffer.engine.fitted import Fitted, load_fitted, restored, unfitted
from proffer.engine.provenance import code_version

if TYPE_CHECKING:
    from proffer.engine.engine import Engine
    from proffer.engine.live import Live

CHECK_SECONDS = 120.0
TOLD = 500
logger = logging.getLogger("proffer.engine")


class Released(NamedTuple):
    """What serves a pipeline after a change: a version or None, and the revision to promote against next."""

    pipeline: str
    champion: str | None
    revision: int


def release(engine: "Engine", id: str, expected_revision: int) -> Released:
    """Let a saved version serve. Raises NotFound, CannotServe naming what is wrong, Conflict when one was faster."""
    version = sound(engine, id)
    registry = engine.stores.registry
    registry.adopt(id)
    revision = registry.promote(id, expected_revision=expected_revision, at=engine.clock.now())
    return Released(version.pipeline, id, revision)


def rollback(engine: "Engine", id: str) -> Released:
    """Take the serving version out of service; the last one before it that is sound returns, else the ladder answers.

    Raises NotFound for an unknown version, Conflict for one that does not serve.
    """
    registry = engine.stores.registry
    pipeline, revision = _serving(engine, id)
    for before in earlier(registry.promotions(pipeline)):
        try:
            sound(engine, before)
        except ProfferError as error:
            logger.warning("model %s cannot return: %s", before, error)
            continue
        changed = registry.promote(before, expected_revision=revision, at=engine.clock.now(), back=True)
        return Released(pipeline, before, changed)
    changed = registry.retire(pipeline, expected_revision=revision, at=engine.clock.now(), back=True)
    return Released(pipeline, None, changed)


def settle(engine: "Engine", id: str, expected_revision: int) -> tuple[bool, str]:
    """Do what a trained version's report says and return whether it serves, and why.

    A winner is released; where the report says that nothing fitted beats the fallback, what serves is retired too.
    Raises NotFound, CannotServe or Conflict; then what served goes on.
    """
    version = engine.stores.registry.adopt(id)
    gate = version.metrics.get("gate") or {"wins": True, "serves": "champion", "why": "its report has no gate"}
    if gate["wins"]:
        release(engine, id, expected_revision)
    elif gate["serves"] == "fallback" and engine.stores.registry.champion(version.pipeline)[0] is not None:
        retire(engine, version.pipeline, expected_revision)
    return bool(gate["wins"]), str(gate["why"])


def retire(engine: "Engine", pipeline: str, expected_revision: int) -> Released:
    """Let no version serve a pipeline: its ladder answers. Raises Conflict when somebody was faster."""
    at = engine.clock.now()
    revision = engine.stores.registry.retire(pipeline, expected_revision=expected_revision, at=at)
    return Released(pipeline, None, revision)


def earlier(promotions: Sequence[Promotion]) -> list[str]:
    """Return what served before the present version, the latest first, from its changes, newest first.

    A version that was taken out does not return, nor what served before all were retired.
    """
    served: list[str | None] = []
    for change in reversed(promotions):
        if change.how == "rollback":
            while served and served[-1] != change.version:
                served.pop()
        if not served or served[-1] != change.version:
            served.append(change.version)
    found: list[str] = []
    for version in reversed(served[:-1]):
        if version is None:
            break
        found.append(version)
    return found


def _serving(engine: "Engine", id: str) -> tuple[str, int]:
    registry, known = engine.stores.registry, False
    for pipeline in engine.app.pipelines:
        champion, revision = registry.champion(pipeline.name)
        if champion is not None and champion.id == id:
            return pipeline.name, revision
        known = known or any(version.id == id for version in registry.history(pipeline.name))
    if not known:
        raise NotFound(f"no model version {id[:40]!r}", field="version", remedy="See the list of versions.")
    raise Conflict(f"{id} does not serve", field="version", remedy="Roll back the version that does: GET /models.")


def serving(engine: "Live", pipeline: Pipeline) -> Fitted:
    """Return the pipeline with its champion, or unfitted with the reason why no model serves. Raises Busy."""
    registry = engine.stores.registry
    fitted = load_fitted(pipeline, registry, engine.app.view.version)
    champion, _ = registry.champion(pipeline.name)
    if champion is None and fitted.why is not None:
        return replace(fitted, why=none_serves(registry, pipeline.name) or fitted.why)
    if champion is None or fitted.version != champion.id:
        return fitted
    try:
        check(engine, champion.id)
    except Busy:
        raise
    except Exception as error:
        # At a start too, whatever is wrong with a model, the ladder can answer without it.
        logger.warning("model %s does not serve: %s", champion.id, error)
        return unfitted(pipeline, f"model {champion.id} does not serve: {error}")
    return fitted


def none_serves(registry: ModelRegistry, pipeline: str) -> str | None:
    """Return why none of a pipeline's versions serves, None where there is none."""
    newest = next(iter(registry.history(pipeline)), None)
    if newest is None:
        return None
    gate = newest.metrics.get("gate")
    if isinstance(gate, dict) and not gate.get("wins"):
        return f"model {newest.id} was trained and does not serve: {gate.get('why')}"
    if registry.promotions(pipeline):
        return "every model was taken out of service"
    return f"model {newest.id} was trained and waits to be promoted"


def sound(engine: "Engine", id: str) -> ModelVersion:
    """Return a version that may serve. Raises NotFound, or CannotServe naming what is wrong with it."""
    try:
        version, _ = engine.stores.registry.load(id)
        refuse(engine.app, version)
        if (lost := _lost(version.metrics.get("gate"))) is not None:
            message = f"{id} did not beat the fallback when it was trained: {lost}"
            raise CannotServe(message, field="version", remedy="Train again, or promote another version.")
        check(engine, id)
    except Corrupt as error:
        raise CannotServe(error.message, field="version", remedy=error.remedy) from error
    return version


def refuse(app: App, version: ModelVersion) -> None:
    """Raise CannotServe for a version that this application cannot serve, by what its manifest says."""
    try:
        pipeline = app.pipeline(version.pipeline)
    except Invalid as error:
        raise CannotServe(error.message, field="version", remedy="Train a pipeline that there is.") from error
    wrong = None
    if pipeline.weights:
        wrong = f"{pipeline.name} declares its weights"
    elif version.schema != app.view.version:
        wrong = f"{version.id} was fitted with feature view {version.schema}, this server has {app.view.version}"
    elif gone := _gone(pipeline, version.parameters):
        wrong = f"{version.id} needs {', '.join(gone)}, now gone"
    if wrong is not None:
        raise CannotServe(wrong, field="version", remedy="Train again, or promote another version.")


def _lost(gate: Any) -> str | None:
    """Return why a version may not serve, by the report it was saved with; None where it may, or nobody compared."""
    if not isinstance(gate, dict) or gate.get("wins") or gate.get("serves") != "fallback":
        return None
    return str(gate.get("why") or "its lead is not beyond doubt")


def _gone(pipeline: Pipeline, parameters: Mapping[str, Any]) -> list[str]:
    sources = unfitted(pipeline).sources
    found = sorted(set(parameters.get("weights", ())) - set(sources))
    ranker = parameters.get("ranker")
    if ranker is not None and ranker["name"] not in {make().name for make in pipeline.rankers}:
        found.append(ranker["name"])
    return found


def check(engine: "Live", id: str) -> None:
    """Load a version and answer its golden rows, once for each version of the code. Raises CannotServe."""
    registry, code = engine.stores.registry, code_version()
    if registry.vouched(id, code):
        return
    if engine.home is not None and engine.stores.writable:
        check_in_child(engine.home, engine.workspace, id)
    else:
        check_here(engine.app, registry, id)
    if engine.stores.writable:
        registry.vouch(id, code, at=engine.clock.now())


def check_here(app: App, registry: ModelRegistry, id: str) -> int:
    """Load a version in this process and return how many golden rows it answered. Raises CannotServe or NotFound."""
    try:
        version, arrays = registry.load(id)
        refuse(app, version)
        fitted = restored(app.pipeline(version.pipeline), version, arrays)
        return golden.check(fitted, version, arrays)
    except (CannotServe, NotFound):
        raise
    except Exception as error:
        raise CannotServe(f"{id} cannot be loaded: {error}", field="version", remedy="Train again.") from error


def check_in_child(home: Path, workspace: str, id: str, *, seconds: float = CHECK_SECONDS) -> None:
    """Let a child process load a version and answer its golden rows: one that ends it or hangs harms nobody else.

    Raises CannotServe with what it said, or how it ended.
    """
    command = [sys.executable, "-m", "proffer", "--home", str(home.resolve()), "check-model", workspace, id]
    try:
        ended = subprocess.run(  # noqa: S603 - our own command
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        message = f"{id} was not loaded and answered within {seconds:.0f} s"
        raise CannotServe(message, field="version", remedy="Train again.") from None
    if ended.returncode == 0:
        return
    said = _said(ended.stdout) or ended.stderr.decode(errors="replace").strip()[-TOLD:] or "it said nothing"
    how = f"ended by signal {-ended.returncode}: " if ended.returncode < 0 else ""
    raise CannotServe(f"{id} was refused: {how}{said}", field="version", remedy="Train again.")


def _said(output: bytes) -> str | None:
    try:
        return str(msgspec.json.decode(output)["error"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return None
