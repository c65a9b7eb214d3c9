"""What an engine serves from memory: the state and the models, kept up with the log and the registry."""

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from proffer.app import App, Settings
from proffer.core.clock import Clock, Ids
from proffer.core.errors import ProfferError
from proffer.core.events import ENTITY_ERASE, Event
from proffer.core.ports import Stores
from proffer.core.pseudonyms import Pseudonyms
from proffer.engine import release
from proffer.engine.erase import sweep_recent
from proffer.engine.erasures import Known
from proffer.engine.fitted import Fitted
from proffer.engine.replay import Past
from proffer.engine.seen import Seen
from proffer.engine.settings import settings_in_force
from proffer.engine.tail import Tail
from proffer.features.replay import replay
from proffer.features.state import State
from proffer.models.base import Preparable, Weighable

SNAPSHOT_EVERY = 250_000
PREPARED = 500
FOLDED = 5_000
"""Events folded at once: so long does a decision wait at most while the log of another process's import is folded."""
logger = logging.getLogger("proffer.engine")


class Live:
    """The half of an engine that its verbs stand on.

    `state` and `fitted` are read and changed under `lock`. What is slow, reading the log or loading a model, happens
    outside of it, so that decisions never wait for a disk or a database.
    """

    past: Past
    seen: Seen

    def __init__(
        self, app: App, workspace: str, stores: Stores, *, clock: Clock, ids: Ids, home: Path | None,
        pseudonyms: Pseudonyms | None,
    ) -> None:  # fmt: skip
        self.app = app
        self.workspace = workspace
        self.stores = stores
        self.clock = clock
        self.ids = ids
        self.home = home
        self.lock = threading.RLock()
        self._folding, self._refreshing, self._saving = threading.Lock(), threading.RLock(), threading.Lock()
        self._rebuilding, self.erasing = threading.Lock(), threading.Lock()
        self._erased = threading.Event()
        self._half_folded = False
        self.pseudonyms = pseudonyms or Pseudonyms.fresh()
        self.known_erased = Known(stores.log, self.pseudonyms)
        self.tail = Tail(self._follow, self._meet)
        self.state = self._replayed()
        self.snapshot_at = max(stores.snapshots.positions(self.state.version), default=0)
        self._settings: tuple[Mapping[str, Any], Settings] | None = None
        self.fitted: dict[str, Fitted] = {}
        self._revisions: dict[str, int] = {}
        for pipeline in app.pipelines:
            self._refresh(pipeline.name)

    @property
    def settings(self) -> Settings:
        """Return the settings in force: those of the log that the application, as it is now, can take."""
        values, held = self.state.settings, self._settings
        if held is None or held[0] is not values:
            held = self._settings = values, settings_in_force(self.app, values)
        return held[1]

    def rebuild(self) -> None:
        """Replay the log into a new state, load every model anew, and serve both from then on.

        Called after somebody was erased: no snapshot, row or model in memory made before that is kept. Decisions and
        records do not wait for it. Where nobody was erased since the last time it does nothing. Raises Busy where the
        stores cannot be reached; then all is as before.
        """
        with self._rebuilding:
            if self._erased.is_set():
                self._rebuild()

    def _rebuild(self) -> None:
        self._erased.clear()
        try:
            self._drop_snapshots()
            state = self._replayed()
            with self._refreshing:
                fitted = {name: self._loaded(name, state) for name in self.fitted}
                with self._folding:
                    for events in self.stores.log.scan(since=state.position, chunk=FOLDED):
                        state.fold(events)
                        self._look_for_erasures(events)
                    # Before anybody is served from the new state, and not while decisions wait for the lock.
                    self.known_erased.follow()
                    with self.lock:
                        self.state, self.fitted, self._half_folded = state, fitted, False
                        self.seen.forget()
            # Again: what the state of before wrote meanwhile.
            self._drop_snapshots()
            self.past.forget()
            if state.outdated:
                self._erased.set()
            else:
                self._snapshot()
            if self.stores.shared and not self.erasing.locked():
                sweep_recent(self)
        except BaseException:
            self._erased.set()
            raise

    def _refresh(self, pipeline: str) -> None:
        """Load the pipeline's champion from the registry and serve it from now on.

        What it keeps per item is made before that and in pieces, so that decisions meanwhile do not wait for it.
        """
        # One after the other, so that the last one to end has seen the last promotion.
        with self._refreshing:
            revision = self.stores.registry.champion(pipeline)[1]
            self.fitted[pipeline] = self._loaded(pipeline, None)
            self._revisions[pipeline] = revision

    def _loaded(self, pipeline: str, state: State | None) -> Fitted:
        """Return the pipeline's champion, prepared for a state of its own, or piece by piece for the live one."""
        fitted = release.serving(self, self.app.pipeline(pipeline))
        for retriever in fitted.retrievers.values():
            # A process that only reads is asked little: what that needs is made when it is asked for.
            if isinstance(retriever, Preparable) and self.stores.writable:
                while self._prepare(retriever, state):
                    pass
        return fitted

    def _prepare(self, retriever: Preparable, state: State | None) -> bool:
        with nullcontext() if state is not None else self.lock:
            if isinstance(retriever, Weighable):
                retriever.weigh(self.settings.content)
            return retriever.prepare(self.state if state is None else state, PREPARED)

    def _follow(self, seconds: float) -> None:
        """Wait for the log to grow beyond the state, at most so long, and fold what it has."""
        grown = self.stores.log.wait(self.state.position, seconds)
        self.tail.touch()
        if grown:
            self.catch_up()
        self.seen.pay()

    def _meet(self) -> None:
        """Load what was put in charge or taken out by another process, all of it anew where somebody was erased."""
        # Not while the log is followed: a log that is read whole would look as if it were away.
        if self._erased.is_set():
            self.rebuild()
        for pipeline in self.app.pipelines:
            # Where weights are declared nothing is ever put in charge.
            if (
                not pipeline.weights
                and self.stores.registry.champion(pipeline.name)[1] != self._revisions[pipeline.name]
            ):
                self._refresh(pipeline.name)

    def catch_up(self) -> None:
        """Fold what the log holds beyond the state; a fold that fails half way is undone by a replay.

        Events are read before the lock is taken: decisions wait for a fold, never for the log.
        """
        with self._folding:
            if self._half_folded:
                self._fold_anew()
            for events in self.stores.log.scan(since=self.state.position, chunk=FOLDED):
                self.tail.touch()
                if not self._folded(events):
                    break
            position = self.state.position
        if position - self.snapshot_at >= SNAPSHOT_EVERY:
            self._snapshot()
        # Who erases, rebuilds; and a tail does it by itself.
        if self._erased.is_set() and not self.tail.running and not self.erasing.locked():
            self.rebuild()

    def _folded(self, events: list[Event]) -> bool:
        """Fold events; False where that failed, and the state was replayed to the end of the log."""
        with self.lock:
            try:
                self.state.fold(events)
            except Exception:
                logger.exception("a fold failed after event %s: replaying", self.state.position)
                # Until that has worked: the same events again would count twice what was folded of them.
                self._half_folded = True
                self._fold_anew()
                return False
        self._look_for_erasures(events)
        return True

    def _fold_anew(self) -> None:
        with self.lock:
            self.state = self._replayed()
            self._half_folded = False

    def _look_for_erasures(self, events: Sequence[Event]) -> None:
        if any(event.type == ENTITY_ERASE for event in events):
            self._erased.set()

    def _replayed(self) -> State:
        app, stores = self.app, self.stores
        return replay(stores.log, app.view, app.schema, subject=app.subject, item=app.item, snapshots=stores.snapshots)

    def _snapshot(self) -> None:
        """Write the folded state, so that the next start replays only what comes after.

        A disk that refuses is logged, no more: the log has everything.
        """
        with self._saving:
            with self.lock:
                if not self.stores.writable or self.state.position <= self.snapshot_at or self._erased.is_set():
                    return
                position = self.snapshot_at = self.state.position
                arrays = self.state.snapshot()
            try:
                self.stores.snapshots.save(self.state.version, position, arrays)
            except ProfferError as error:
                logger.warning("no snapshot at %s: %s", position, error)

    def _drop_snapshots(self) -> None:
        with self._saving:
            self.stores.snapshots.drop()
            self.snapshot_at = 0
