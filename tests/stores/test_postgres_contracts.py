"""Every contract, on a real PostgreSQL server; the log's is in test_postgres_log.py."""

import itertools
from contextlib import contextmanager

import pytest

from proffer.stores.artifacts import Artifacts
from proffer.stores.postgres.database import Database
from proffer.stores.postgres.decisions import PostgresDecisions
from proffer.stores.postgres.jobs import PostgresJobs
from proffer.stores.postgres.registry import PostgresRegistry
from proffer.stores.postgres.tables import make_tables
from proffer.stores.postgres.tokens import PostgresTokens
from proffer.testing import DecisionLogContract, JobStoreContract, ModelRegistryContract, TokenStoreContract

SCHEMAS = (f"proffer_contract{number}" for number in itertools.count())


class OnPostgres:
    """Gives each folder a schema of its own."""

    @pytest.fixture(autouse=True)
    def _server(self, postgres):
        self.url, self.schemas = postgres.url(), {}

    @contextmanager
    def database(self, folder):
        database = Database(self.url, self.schemas.setdefault(folder, next(SCHEMAS)))
        try:
            make_tables(database, "contract")
            yield database
        finally:
            database.close()


class TestPostgresDecisions(OnPostgres, DecisionLogContract):
    @contextmanager
    def open(self, folder):
        with self.database(folder) as database:
            log = PostgresDecisions(database)
            try:
                yield log
            finally:
                log.close()


class TestPostgresRegistry(OnPostgres, ModelRegistryContract):
    @contextmanager
    def open(self, folder):
        with self.database(folder) as database:
            yield PostgresRegistry(database, Artifacts(folder / "models"))


class TestPostgresTokens(OnPostgres, TokenStoreContract):
    @contextmanager
    def open(self, folder):
        with self.database(folder) as database:
            yield PostgresTokens(database)


class TestPostgresJobs(OnPostgres, JobStoreContract):
    @contextmanager
    def open(self, folder):
        with self.database(folder) as database:
            yield PostgresJobs(database)
