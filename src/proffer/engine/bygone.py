"""What is gone by: one state of the past that walks forward, and the model versions of then."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from proffer.app import Pipeline
from proffer.core.errors import Busy, CannotReplay, CannotServe, ProfferError
from proffer.core.ports import EventLog
from proffer.engine import release
from proffer.engine.fitted import DECLARED, UNTRAINED, Fitted, restored, unfitted
from proffer.features.replay import current, replay
from proffer.features.state import State

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

WAIT = 5.0
MODELS = 3
NEAR = 100_000
"""So many events are rather folded than a snapshot read: what models keep of the state stays."""


class Past:
    """One state of the past that walks forward, and the last few model versions of then, restored afresh.

    Ask for ascending positions: going back starts from a snapshot. It holds one state and shares nothing that changes
    with the engine that serves. Not for two threads at once, but through `held`. With `keep`, what nobody used for so
    many seconds is let go.
    """

    def __init__(self, engine: "Engine", *, keep: float | None = None) -> None:
        self.engine = engine
        self._keep = keep
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._state: State | None = None
        self._fitted: OrderedDict[tuple[str, str], Fitted] = OrderedDict()

    def at(self, position: int) -> State:
        """Return the state at a position of the log, valid until the next call. Raises CannotReplay beyond its end."""
        log, app = self.engine.stores.log, self.engine.app
        end = log.last()
        if position > end:
            message = f"the decision was made at event {position:,} and the log ends at {end:,}"
            raise CannotReplay(message, field="id", remedy="Restore the log of then.")
        # Without it meanwhile: two at once would need twice the memory, and a fold may end half way.
        state, self._state = self._state, None
        if state is None or not self._from(state, position):
            state = None
            state = replay(
                log, app.view, app.schema, subject=app.subject, item=app.item, until=position,
                snapshots=self.engine.stores.snapshots,
            )  # fmt: skip
        else:
            for events in log.scan(state.position, position):
                state.fold(events)
            state.position = position
        self._state = state
        return state

    def fitted(self, pipeline: Pipeline, version: str, *, check: bool = False) -> Fitted:
        """Return a pipeline as a version left it, kept for the next call.

        `version` is a saved one, "declared", or "untrained"; with `check` a saved one must answer its golden rows, as
        before it serves. Raises CannotReplay where it is gone, damaged, or made for other features.
        """
        key = (pipeline.name, version)
        if key not in self._fitted:
            self._fitted[key] = self._load(pipeline, version, check=check)
            if len(self._fitted) > MODELS:
                self._fitted.popitem(last=False)
        self._fitted.move_to_end(key)
        return self._fitted[key]

    @contextmanager
    def held(self, seconds: float = WAIT) -> Iterator["Past"]:
        """Give it to one caller at a time. Raises Busy when it stays in use for so many seconds."""
        if not self._lock.acquire(timeout=seconds):
            raise Busy("another decision is being replayed", remedy="Try again in a moment.")
        try:
            self._stop()
            yield self
        finally:
            if self._keep is not None and (self._state is not None or self._fitted):
                self._timer = threading.Timer(self._keep, self._tidy)
                self._timer.daemon = True
                self._timer.start()
            self._lock.release()

    def forget(self) -> None:
        """Let go of the state and the models, after whoever uses them."""
        with self._lock:
            self._stop()
            self._drop()

    def _tidy(self) -> None:
        timer = self._timer
        with self._lock:
            # Somebody may have come by while this waited.
            if timer is self._timer:
                self._drop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop(self) -> None:
        self._state = None
        self._fitted.clear()

    def _from(self, state: State, position: int) -> bool:
        """Return whether a position is better reached from this state than from a snapshot."""
        if state.position > position or not current(state, self.engine.stores.log):
            # What was folded before somebody was erased is no longer so.
            return False
        if position - state.position <= NEAR:
            return True
        saved = self.engine.stores.snapshots.positions(state.version)
        nearest = max((one for one in saved if one <= position), default=0)
        return nearest - state.position <= NEAR

    def _load(self, pipeline: Pipeline, version: str, *, check: bool) -> Fitted:
        if version == DECLARED and pipeline.weights:
            return replace(unfitted(pipeline), weights=pipeline.weights, version=DECLARED)
        if version == UNTRAINED:
            return unfitted(pipeline, "no model was loaded")
        registry = self.engine.stores.registry
        try:
            if check:
                release.check(self.engine, version)
            found, arrays = registry.load(version)
            release.refuse(self.engine.app, found)
            if found.pipeline != pipeline.name:
                raise CannotServe(f"{version} is a model of {found.pipeline}, not of {pipeline.name}")
            return restored(pipeline, found, arrays)
        except ProfferError as error:
            raise _gone(version, error.message) from error
        except Exception as error:
            # Whatever is wrong with what a version holds, it is the version that cannot be replayed.
            raise _gone(version, f"{type(error).__name__}: {error}") from error


def _gone(version: str, why: str) -> CannotReplay:
    remedy = "Give another version, or untrained, as the model to see what that one would have shown."
    return CannotReplay(f"model {version[:40]} cannot be loaded: {why}", field="model", remedy=remedy)


def position_at(log: EventLog, at: datetime) -> int:
    """Return how far the log went at a time: up to the first event that happened later.

    What happened before and was told later is not in it, as it was not known then.
    """
    later = log.find(since=at + timedelta(microseconds=1), limit=1)
    return later[0].sequence - 1 if later else log.last()
