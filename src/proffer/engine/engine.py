"""The engine of one workspace: every verb an application, the API or the command line uses."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from proffer.app import App, Settings
from proffer.core.clock import Clock, Ids
from proffer.core.decisions import Decision
from proffer.core.errors import Invalid, ProfferError
from proffer.core.events import Counts, Receipt
from proffer.core.ports import ModelVersion, Stores
from proffer.core.queries import Query
from proffer.core.schema import settings_event
from proffer.engine import explain, health, ingest, predict, serve, train
from proffer.engine.evaluate import Report, evaluate
from proffer.engine.fitted import Fitted, load_fitted
from proffer.engine.reader import Reader
from proffer.features.replay import replay
from proffer.features.state import State
from proffer.models.base import Preparable, Weighable

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many are done, how many there are (0: unknown)."""

SNAPSHOT_EVERY = 250_000
PREPARED = 500
logger = logging.getLogger("proffer.engine")


class Engine:
    """One workspace of one application, over its stores."""

    def __init__(
        self, app: App, workspace: str, stores: Stores, *, clock: Clock, ids: Ids, deadline_ms: float = 500.0
    ) -> None:
        self.app = app
        self.workspace = workspace
        self.stores = stores
        self.clock = clock
        self.ids = ids
        self.deadline_ms = deadline_ms
        self.lock = threading.RLock()
        self.started = time.monotonic()
        self.counters = health.Counters()
        self.state = self._replayed()
        self.reader = Reader(self)
        self.snapshot_at = max(stores.snapshots.positions(self.state.version), default=0)
        self._settings: tuple[Mapping[str, Any], Settings] | None = None
        self.fitted: dict[str, Fitted] = {}
        for pipeline in app.pipelines:
            self._refresh(pipeline.name)

    def record(self, rows: Sequence[Any], *, source: str = "api", repairs: int | None = None) -> list[Receipt]:
        """Validate rows of JSON, append them durably and fold them; a receipt for each, in order.

        A row that cannot become an event is quarantined with its reason. `repairs` is the quarantine number the
        single row mends. What this returns as accepted can be served at once.
        """
        now = self.clock.now()
        read = [ingest.read_row(self.app.schema, row, now, self.ids, source) for row in rows]
        receipts = self.stores.log.append(read, repairs=repairs)
        self.counters.recorded(Counts.of(receipts))
        self._catch_up()
        return receipts

    def configure(self, values: Mapping[str, Any]) -> Settings:
        """Replace the given members of the settings from this place in the log on. Raises Invalid."""
        self.app.settings({**self.state.settings, **values})
        event = settings_event(self.ids.new("e"), self.clock.now(), self.workspace, values)
        self.stores.log.append([event])
        self._catch_up()
        return self.settings

    @property
    def settings(self) -> Settings:
        """Return the settings in force: those of the log that the application, as it is now, can take."""
        values, held = self.state.settings, self._settings
        if held is None or held[0] is not values:
            held = self._settings = values, settings_in_force(self.app, values)
        return held[1]

    def recommend(self, query: Query) -> Decision:
        """Decide a slate, log it without waiting, and return it. Raises Invalid for an impossible query."""
        started = time.perf_counter()
        decision = serve.recommend(self, query, started)
        self.stores.decisions.put(decision)
        self.counters.decided(decision)
        self._assume_seen(decision)
        return decision

    def predict(self, pairs: Sequence[tuple[str, str]]) -> list[predict.Prediction]:
        """Return for each (subject id, item id) how likely the item is answered when shown, with an interval."""
        return predict.predict(self, pairs)

    def explain(self, query: Query, item: str) -> explain.Explanation:
        """Say where the item stands for this query, or each reason why it was not shown."""
        return explain.explain(self, query, item)

    def train(self, pipeline: str | None = None, *, progress: Progress | None = None) -> ModelVersion:
        """Back-test every source and the blend, fit, save, and release the winner.

        In a process that only reads, the version is saved but not released: the writing process adopts it.
        Raises CannotTrain naming what is missing.
        """
        chosen = self.app.pipeline(pipeline) if pipeline else self.app.pipelines[0]
        version = train.train(self, chosen, progress)
        if self.stores.writable:
            _, revision = self.stores.registry.champion(chosen.name)
            self.release(version.id, revision)
        return version

    def release(self, version: str, expected_revision: int) -> int:
        """Let a saved version serve its pipeline; return the new revision. Raises NotFound, Corrupt or Conflict."""
        adopted = self.stores.registry.adopt(version)
        revision = self.stores.registry.promote(version, expected_revision=expected_revision)
        self._refresh(adopted.pipeline)
        return revision

    def evaluate(
        self, since: datetime, until: datetime, *, pipeline: str | None = None, lists: int = 20_000,
        seed: int = 0, progress: Progress | None = None,
    ) -> Report:  # fmt: skip
        """Judge every source, heuristic and the blend, day by day, on lists made just before each user's day began."""
        chosen = self.app.pipeline(pipeline) if pipeline else self.app.pipelines[0]
        return evaluate(self, chosen, since, until, lists=lists, seed=seed, progress=progress)

    def _refresh(self, pipeline: str) -> None:
        """Load the pipeline's champion from the registry and serve it from now on.

        What it keeps per item is made before that and in pieces, so that decisions meanwhile do not wait for it.
        """
        fitted = load_fitted(self.app.pipeline(pipeline), self.stores.registry, self.app.view.version)
        for retriever in fitted.retrievers.values():
            if isinstance(retriever, Preparable):
                while self._prepare(retriever):
                    pass
        self.fitted[pipeline] = fitted

    def _prepare(self, retriever: Preparable) -> bool:
        with self.lock:
            if isinstance(retriever, Weighable):
                retriever.weigh(self.settings.content)
            return retriever.prepare(self.state, PREPARED)

    def _assume_seen(self, decision: Decision) -> None:
        """Record impressions of the first places, where the settings declare that what is served is seen."""
        places = self.settings.assume_seen.get(decision.query.pipeline, 0)
        seen = [
            {
                "id": f"{decision.id}.{placed.rank}", "type": self.app.impression, "actor": decision.query.subject.id,
                "target": {"kind": self.app.item, "id": placed.id}, "query_id": decision.query.id,
                "at": decision.query.at,
            }
            for placed in decision.slate[:places]
        ]  # fmt: skip
        if seen:
            self.record(seen, source="assumed")

    def _catch_up(self) -> None:
        """Fold what the log holds beyond the state; a fold that fails half way is undone by a replay."""
        with self.lock:
            if self.stores.log.last() > self.state.position:
                try:
                    for events in self.stores.log.scan(since=self.state.position):
                        self.state.fold(events)
                except Exception:
                    logger.exception("a fold failed after event %s: replaying", self.state.position)
                    self.state = self._replayed()
            position = self.state.position
        if position - self.snapshot_at >= SNAPSHOT_EVERY:
            self._snapshot()

    def _replayed(self) -> State:
        app, stores = self.app, self.stores
        return replay(stores.log, app.view, app.schema, subject=app.subject, item=app.item, snapshots=stores.snapshots)

    def _snapshot(self) -> None:
        """Write the folded state, so that the next start replays only what comes after.

        A disk that refuses is logged, no more: the log has everything.
        """
        with self.lock:
            if not self.stores.writable or self.state.position <= self.snapshot_at:
                return
            position = self.snapshot_at = self.state.position
            arrays = self.state.snapshot()
        try:
            self.stores.snapshots.save(self.state.version, position, arrays)
        except ProfferError as error:
            logger.warning("no snapshot at %s: %s", position, error)

    def close(self) -> None:
        """Snapshot, flush the decisions and let go of the stores."""
        self._snapshot()
        self.stores.decisions.flush()
        self.stores.log.close()


def settings_in_force(app: App, values: Mapping[str, Any]) -> Settings:
    """Return the settings whose members the application can take; one that names what is gone is left out."""
    try:
        return app.settings(values)
    except Invalid as error:
        logger.warning("the settings of the log do not all fit the application: %s", error)
    kept: dict[str, Any] = {}
    for name, value in values.items():
        try:
            app.settings({name: value})
            kept[name] = value
        except Invalid:
            logger.warning("settings.%s is left out", name)
    return app.settings(kept)
