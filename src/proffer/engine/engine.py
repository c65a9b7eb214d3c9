"""The engine of one workspace: every verb an application, the API or the command line uses."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from proffer.app import App, Settings
from proffer.core.clock import Clock, Ids
from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.core.errors import Busy
from proffer.core.events import Counts, Receipt
from proffer.core.ports import ModelVersion, Stores
from proffer.core.pseudonyms import Pseudonyms
from proffer.core.queries import Query
from proffer.core.schema import settings_event
from proffer.engine import explain, health, ingest, predict, release, serve, train
from proffer.engine.erase import Erased, erase_entities
from proffer.engine.evaluate import evaluate
from proffer.engine.export import Export, export_entity
from proffer.engine.jobs import Jobs
from proffer.engine.live import Live
from proffer.engine.options import DEFAULT, Options
from proffer.engine.plan import Budget
from proffer.engine.reader import Reader
from proffer.engine.release import Released
from proffer.engine.replay import NOTHING, Change, Past, Replayed, replay_decision
from proffer.engine.report import Report
from proffer.engine.seen import Seen

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many are done, how many there are (0: unknown)."""

KEPT_SECONDS = 60.0
"""For so long after a replay the state of then is kept for the next one."""


class Engine(Live):
    """One workspace of one application, over its stores."""

    def __init__(
        self, app: App, workspace: str, stores: Stores, *, clock: Clock, ids: Ids, deadline_ms: float = 500.0,
        home: Path | None = None, pseudonyms: Pseudonyms | None = None,
    ) -> None:  # fmt: skip
        super().__init__(app, workspace, stores, clock=clock, ids=ids, home=home, pseudonyms=pseudonyms)
        self.deadline_ms = deadline_ms
        self.started = time.monotonic()
        self.counters = health.Counters()
        self.reader = Reader(self)
        self.seen = Seen(self)
        self.past = Past(self, keep=KEPT_SECONDS)
        self.jobs = Jobs(self)

    def record(self, rows: Sequence[Any], *, source: str = "api", repairs: int | None = None) -> list[Receipt]:
        """Validate rows of JSON, append them durably and fold them; a receipt for each, in order.

        A row that cannot become an event is quarantined with its reason. `repairs` is the quarantine number the
        single row mends. What this returns as accepted can be served at once.
        """
        self.tail.check()
        now = self.clock.now()
        read = [ingest.read_row(self.app.schema, row, now, self.ids, source) for row in rows]
        receipts = ingest.append(self, read, repairs)
        self.counters.recorded(Counts.of(receipts))
        try:
            self.catch_up()
        except Busy:
            # They are on disk, and were never refused: the tail folds them once it reaches the log again.
            if not self.tail.running:
                raise
        return receipts

    def configure(self, values: Mapping[str, Any]) -> Settings:
        """Replace the given members of the settings from this place in the log on. Raises Invalid."""
        self.tail.check()
        self.app.settings({**self.state.settings, **values})
        event = settings_event(self.ids.new("e"), self.clock.now(), self.workspace, values)
        self.stores.log.append([event])
        self.catch_up()
        return self.settings

    def recommend(self, query: Query) -> Decision:
        """Decide a slate, log it without waiting, and return it. Raises Invalid for an impossible query."""
        started = time.perf_counter()
        decision = serve.recommend(self, query, started)
        with self.lock:
            # Nothing is kept of a decision for somebody who was erased while it was made.
            kept = not self.known_erased.erased(query.subject, decision.as_of)
            if kept:
                self.stores.decisions.put(decision)
        self.counters.decided(decision)
        if kept:
            self.seen.assume(decision)
        return decision

    def predict(self, pairs: Sequence[tuple[str, str]]) -> list[predict.Prediction]:
        """Return for each (subject id, item id) how likely the item is answered when shown, with an interval."""
        return predict.predict(self, pairs)

    def explain(self, query: Query, item: str) -> explain.Explanation:
        """Say where the item stands for this query, or each reason why it was not shown."""
        return explain.explain(self, query, item)

    def export(self, ref: EntityRef) -> Export:
        """Return everything that is kept of an entity, and of others what it has to do with them, under pseudonyms.

        Raises NotFound where nothing is known of it.
        """
        return export_entity(self, ref)

    def erase(self, refs: Sequence[EntityRef], *, texts: bool = False) -> Erased:
        """Erase entities of one kind from everything that is kept, for good; repeat it where it was interrupted.

        Raises Invalid for an unknown kind, NotFound where nothing is known of any of them, Busy.
        """
        return erase_entities(self, refs, texts=texts)

    def replay(self, decision: Decision | str, change: Change = NOTHING) -> Replayed:
        """Make a logged decision again, compare it, and under a change say what would have been shown instead.

        Raises NotFound for an unknown id, Conflict where the model or the log of then is gone, Invalid for an
        impossible change, Busy while another replay goes on.
        """
        return replay_decision(self, decision, change)

    def train(
        self, pipeline: str | None = None, *, budget: Budget | None = None, seed: int = 0, search: bool = True,
        progress: Progress | None = None, options: Options = DEFAULT, debias: bool = True,
    ) -> ModelVersion:  # fmt: skip
        """Back-test every source, blend and ranker within a budget, fit the champion, save it; release it if it won.

        Without `search` the serving recipe is fitted anew. In a process that only reads, the version is saved but not
        released: the writing process adopts it. Unless `debias`, places of shown lists tell nothing. Raises CannotTrain
        naming what is missing and what serves instead.
        """
        chosen = self.app.pipeline(pipeline) if pipeline else self.app.pipelines[0]
        version = train.train(
            self, chosen, budget=budget or Budget.of(), seed=seed, search=search, progress=progress, options=options,
            debias=debias,
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
        protocol: str | None = None, lists: int = 20_000, seed: int = 0, budget: Budget | None = None,
        progress: Progress | None = None, options: Options = DEFAULT, debias: bool = True,
    ) -> Report:  # fmt: skip
        """Judge every source, heuristic, blend and ranker by a protocol (None: the pipeline's own).

        Everything is fitted on earlier phases; unless `debias`, the places at which lists were shown tell nothing.

        The report covers `since` to `until`, by default the newest tenth. Raises Invalid for a period without lists,
        CannotTrain when nobody wanted anything new in it.
        """
        chosen = self.app.pipeline(pipeline) if pipeline else self.app.pipelines[0]
        return evaluate(
            self, chosen, since, until, protocol=protocol, lists=lists, seed=seed, budget=budget or Budget.of(),
            progress=progress, options=options, debias=debias,
        )  # fmt: skip

    def close(self) -> None:
        """End the trainings, snapshot, flush the decisions and let go of the stores."""
        self.jobs.close()
        self.tail.close()
        self.past.forget()
        self._snapshot()
        try:
            self.stores.decisions.flush()
        finally:
            self.stores.log.close()
