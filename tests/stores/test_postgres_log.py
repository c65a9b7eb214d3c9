import itertools
from contextlib import contextmanager

import pytest

from proffer.core.clock import SystemClock
from proffer.stores.postgres.database import Database
from proffer.stores.postgres.log import PostgresLog
from proffer.stores.postgres.tables import make_tables
from proffer.testing import LogContract

SCHEMAS = (f"proffer_log{number}" for number in itertools.count())


def emptied(server, schema):
    database = Database(server.url(), schema)
    database.run(lambda connection: connection.execute("TRUNCATE events, quarantine, writers"))
    database.run(
        lambda connection: connection.execute(
            "UPDATE counts SET accepted = 0, duplicates = 0, conflicts = 0, quarantined = 0"
        )
    )
    database.close()


@contextmanager
def opened(server, schema):
    database = Database(server.url(), schema)
    make_tables(database, schema)
    log = PostgresLog(database, SystemClock(), database.close)
    try:
        yield log
    finally:
        log.close()


class TestPostgresLog(LogContract):
    @pytest.fixture(autouse=True)
    def _server(self, postgres):
        self.server, self.schemas = postgres, {}

    def open(self, folder):
        gone = [known for known in self.schemas if not known.parent.exists()]
        if folder not in self.schemas and gone:
            # A folder that hypothesis has removed: emptied, its schema serves the next one.
            self.schemas[folder] = self.schemas.pop(gone[0])
            emptied(self.server, self.schemas[folder])
        return opened(self.server, self.schemas.setdefault(folder, next(SCHEMAS)))
