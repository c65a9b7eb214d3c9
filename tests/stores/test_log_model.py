"""The log on disk against a dictionary, over random steps with closing, reopening and losses between them."""

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proffer.core.clock import SystemClock
from proffer.core.errors import Conflict, NotFound
from proffer.core.events import Counts, Event, Reject
from proffer.stores.postgres.database import Database
from proffer.stores.postgres.log import PostgresLog
from proffer.stores.postgres.tables import make_tables
from proffer.stores.sqlite import sqlite_stores
from proffer.testing import sample_event

from .losing import lose_connections

NUMBER = itertools.count()

IDS = st.sampled_from([f"e{n}" for n in range(12)])
BODIES = st.sampled_from([1.0, 2.0])
EVENTS = st.builds(lambda name, n: sample_event(name, n=n), IDS, BODIES)
ROWS = st.lists(st.one_of(EVENTS, st.just(Reject(raw="{", reason="cut short"))), max_size=6)


class LogModel(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.log = self.open()
        self.events: dict[str, Event] = {}
        self.broken: list[str | None] = []
        self.tally = {"accepted": 0, "duplicate": 0, "conflict": 0, "quarantined": 0}

    def open(self):
        return sqlite_stores(self.folder).log

    def expect(self, row):
        if isinstance(row, Reject):
            self.broken.append(None)
            return "quarantined"
        first = self.events.setdefault(row.id, row)
        if first is row:
            return "accepted"
        return "duplicate" if first.digest() == row.digest() else "conflict"

    def count(self, rows):
        verdicts = [self.expect(row) for row in rows]
        for verdict in verdicts:
            self.tally[verdict] += 1
        return verdicts

    @rule(rows=ROWS)
    def append(self, rows):
        # A fresh copy of each: `expect` tells the first of an id from a later one by its identity.
        rows = [sample_event(row.id, **row.fields) if isinstance(row, Event) else row for row in rows]
        assert [receipt.verdict.value for receipt in self.log.append(rows)] == self.count(rows)

    @precondition(lambda self: self.broken)
    @rule(data=st.data(), name=IDS, n=BODIES)
    def repair(self, data, name, n):
        number = data.draw(st.integers(1, len(self.broken)))
        event, by = sample_event(name, n=n), self.broken[number - 1]
        if by is not None and by != name:
            try:
                self.log.append([event], repairs=number)
            except Conflict:
                return
            raise AssertionError("a mended row was mended by another event")
        [receipt] = self.log.append([event], repairs=number)
        assert [receipt.verdict.value] == self.count([event])
        if by is None and receipt.verdict.value != "conflict":
            self.broken[number - 1] = name
            self.tally["quarantined"] -= 1

    @rule(name=IDS)
    def repair_what_is_not_there(self, name):
        try:
            self.log.append([sample_event(name)], repairs=len(self.broken) + 1)
        except NotFound:
            return
        raise AssertionError("a row that is not in quarantine was mended")

    @rule()
    def reopen(self):
        self.log.close()
        self.log = self.open()

    @invariant()
    def agrees(self):
        stored = [event for chunk in self.log.scan(chunk=5) for event in chunk]
        assert [(event.id, event.digest()) for event in stored] == [
            (event.id, event.digest()) for event in self.events.values()
        ]
        assert [event.sequence for event in stored] == list(range(1, len(stored) + 1))
        assert [row.repaired_by for row in self.log.quarantined(open_only=False)] == self.broken
        assert self.log.counts() == Counts(
            accepted=self.tally["accepted"],
            duplicates=self.tally["duplicate"],
            conflicts=self.tally["conflict"],
            quarantined=self.tally["quarantined"],
        )

    def teardown(self):
        self.log.close()
        shutil.rmtree(self.folder)


TestLogModel = LogModel.TestCase
TestLogModel.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


class PostgresLogModel(LogModel):
    """The same in PostgreSQL; connections are lost before and after commits, and nobody notices."""

    server = None
    losses: ClassVar[list[str]] = []

    def open(self):
        self.name = getattr(self, "name", None) or f"proffer_model{next(NUMBER)}"
        database = Database(self.server.url(), self.name)
        make_tables(database, self.name)
        return PostgresLog(database, SystemClock(), database.close)

    @rule(losses=st.lists(st.sampled_from(["at once", "before", "after", ""]), max_size=3))
    def lose(self, losses):
        self.losses[:] = losses

    def teardown(self):
        self.losses.clear()
        super().teardown()


class TestPostgresLogModel(PostgresLogModel.TestCase):
    settings = settings(max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))

    @pytest.fixture(autouse=True)
    def _server(self, postgres, monkeypatch):
        PostgresLogModel.server = postgres
        monkeypatch.setattr("proffer.stores.postgres.database.PAUSES", (0.0, 0.0, 0.0))
        lose_connections(monkeypatch, PostgresLogModel.losses)
