"""The engine of one workspace: every verb an application, the API or the command line uses."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from proffer.app import App, Settings
from proffer.core.clock import Clock, Ids
from proffer.core.decisions import Decision
from proffer.core.errors import Invalid, ProfferError
from proffer.core.events import Counts, Receipt
from proffer.core.ports import ModelVersion, Stores
from proffer.core.queries import Query
from proffer.core.schema import settings_event
from proffer.engine import explain, health, ingest, predict, release, serve, train
from proffer.engine.evaluate import evaluate
from proffer.engine.fitted import Fitted
from proffer.engine.jobs import Jobs
from proffer.engine.plan import Budget
from proffer.engine.reader import Reader
from proffer.engine.release import Released
from proffer.engine.report import Report
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
        self, app: App, workspace: str, stores: Stores, *, clock: Clock, ids: Ids, deadline_ms: float = 500.0,
        home: Path | None = None,
    ) -> None:  # fmt: skip
        self.app = app
        self.workspace = workspace
        self.stores = stores
        self.clock = clock
        self.ids = ids
        self.deadline_ms = deadline_ms
        self.home = home
        self.lock = threading.RLock()
        self._refreshing = threading.Lock()
        self.started = time.monotonic()
        self.counters = health.Counters()
        self.state = self._replayed()
        self.reader = Reader(self)
        self.snapshot_at = max(stores.snapshots.positions(self.state.version), default=0)
        self._settings: tuple[Mapping[str, Any], Settings] | None = None
        self.fitted: dict[str, Fitted] = {}
        for pipeline in app.pipelines:
            self._refresh(pipeline.name)
        self.jobs = Jobs(self)

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

    def train(
        self, pipeline: str | None = None, *, budget: Budget | None = None, seed: int = 0, search: bool = True,
        progress: Progress | None = None,
    ) -> ModelVersion:  # fmt: skip
        """Back-test every source, blend and ranker within a budget, fit the champion, save it; release it if it won.

        Without `search` the serving recipe is fitted anew. In a process that only reads, the version is saved but not
        released: the writing process adopts it. Raises CannotTrain naming what is missing and what serves instead.
        """
        chosen = self.app.pipeline(pipeline) if pipeline else self.app.pipelines[0]
        version = train.train(
            self, chosen, budget=budget or Budget.of(), seed=seed, search=search, progress=progress
        )  # fmt: skip
        if self.stores.writable:
            self.settle(version.id, self.stores.registry.champion(chosen.name)[1])
        return version

    def settle(self, version: str, expected_revision: int) -> tuple[bool, str]:
        """Do what a trained version's report says: let it serve or not; return whether it does, and why.

        Raises NotFound, CannotServe or Conflict; then what served goes on.
        """
        settled = release.settle(self, version, expected_revision)
        self._refresh(self.stores.registry.adopt(version).pipeline)
        return settled

    def release(self, version: str, expected_revision: int) -> int:
        """Check a saved version and let it serve its pipeline; return the new revision.

        Raises NotFound, CannotServe for one that is damaged or made for other features, Conflict when one was faster.
        """
        released = release.release(self, version, expected_revision)
        self._refresh(released.pipeline)
        return released.revision

    def rollback(self, version: str) -> Released:
        """Take the serving version out of service; what served before it returns, else the ladder answers.

        Raises NotFound, or Conflict when the version does not serve.
        """
        released = release.rollback(self, version)
        self._refresh(released.pipeline)
        return released

    def evaluate(
        self, since: datetime | None = None, until: datetime | None = None, *, pipeline: str | None = None,
        protocol: str = "daily", lists: int = 20_000, seed: int = 0, budget: Budget | None = None,
        progress: Progress | None = None,
    ) -> Report:  # fmt: skip
        """Judge every source, heuristic, blend and ranker by a protocol; everything is fitted on earlier phases.

        The report covers `since` to `until`, by default the newest tenth. Raises Invalid for a period without lists,
        CannotTrain when nobody wanted anything new in it.
        """
        chosen = self.app.pipeline(pipeline) if pipeline else self.app.pipelines[0]
        return evaluate(
            self, chosen, since, until, protocol=protocol, lists=lists, seed=seed, budget=budget or Budget.of(),
            progress=progress,
        )  # fmt: skip

    def _refresh(self, pipeline: str) -> None:
        """Load the pipeline's champion from the registry and serve it from now on.

        What it keeps per item is made before that and in pieces, so that decisions meanwhile do not wait for it.
        """
        # One after the other, so that the last one to end has seen the last promotion.
        with self._refreshing:
            fitted = release.serving(self, self.app.pipeline(pipeline))
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
        """End the trainings, snapshot, flush the decisions and let go of the stores."""
        self.jobs.close()
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
