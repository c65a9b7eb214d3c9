"""The registry on disk does what the one in memory does, whatever is asked of it and wherever the process ends."""

import itertools
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from proffer.core.errors import Conflict, NotFound
from proffer.stores.memory_registry import MemoryRegistry
from proffer.stores.postgres import join, postgres_stores
from proffer.stores.sqlite import sqlite_stores
from proffer.testing.samples import START

NUMBERS = st.integers(0, 3)
NEAR = st.integers(-1, 1)
NUMBER = itertools.count()


class Registries(RuleBasedStateMachine):
    """Save, promote, retire and vouch in both; now and then the process that writes ends and begins again."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.stores = self.open(Path(self.folder.name))
        self.memory = MemoryRegistry()
        self.ids = ["m_" + "0" * 32]
        self.moment = 0

    def open(self, folder):
        return sqlite_stores(folder)

    def both(self, ask):
        said = []
        for registry in (self.memory, self.stores.registry):
            try:
                said.append(ask(registry))
            except (Conflict, NotFound) as error:
                said.append((type(error), error.message))
        assert said[0] == said[1]
        return said[0]

    def at(self):
        self.moment += 1
        return START + timedelta(minutes=self.moment)

    @rule(number=NUMBERS)
    def save(self, number):
        told = {"schema": "v", "position": number, "parameters": {}, "metrics": {}, "code": f"c{number}"}
        at = self.at()
        saved = self.both(lambda registry: registry.save("main", "x", arrays={"w": np.ones(2)}, at=at, **told))
        if saved.id not in self.ids:
            self.ids.append(saved.id)

    @rule(number=NUMBERS, off=NEAR, back=st.booleans())
    def promote(self, number, off, back):
        id, revision, at = self.ids[number % len(self.ids)], self.memory.champion("main")[1] + off, self.at()
        self.both(lambda registry: registry.promote(id, expected_revision=revision, at=at, back=back))

    @rule(off=NEAR, back=st.booleans())
    def retire(self, off, back):
        revision, at = self.memory.champion("main")[1] + off, self.at()
        self.both(lambda registry: registry.retire("main", expected_revision=revision, at=at, back=back))

    @rule(number=NUMBERS, code=NUMBERS)
    def vouch(self, number, code):
        at = self.at()
        self.both(lambda registry: registry.vouch(self.ids[number % len(self.ids)], f"c{code}", at=at))

    @rule()
    def begin_again(self):
        self.stores.log.close()
        self.stores = self.open(Path(self.folder.name))

    @invariant()
    def agree(self):
        self.both(lambda registry: registry.champion("main"))
        self.both(lambda registry: registry.history("main"))
        changes = self.both(lambda registry: registry.promotions("main"))
        assert [change.revision for change in changes] == [*range(len(changes), 0, -1)]
        pairs = [(id, f"c{code}") for id in self.ids for code in range(4)]
        self.both(lambda registry: [registry.vouched(*pair) for pair in pairs])

    def teardown(self):
        self.stores.log.close()
        self.folder.cleanup()


TestRegistries = Registries.TestCase
TestRegistries.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)


class OnPostgres(Registries):
    """The same with PostgreSQL; half of the time the process that begins again is on another machine."""

    server = None

    def open(self, folder):
        self.opened = getattr(self, "opened", 0) + 1
        self.name = getattr(self, "name", None) or f"agree{next(NUMBER)}"
        if self.opened == 1:
            join(self.server.url(), self.name, "feed", START)
        return postgres_stores(self.server.url(), self.name, folder / str(self.opened % 2))


class TestRegistriesOnPostgres(OnPostgres.TestCase):
    settings = settings(max_examples=8, stateful_step_count=20, deadline=None)

    @pytest.fixture(autouse=True)
    def _server(self, postgres):
        OnPostgres.server = postgres
