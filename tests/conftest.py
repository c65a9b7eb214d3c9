import pytest

from proffer.testing.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres():
    """One PostgreSQL server for all tests of this process, started by the first that asks for it."""
    server = PostgresServer().start()
    yield server
    server.close()
