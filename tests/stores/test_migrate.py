"""Tables of an earlier version are led on, also after a death half way; those of a later one are refused."""

import contextlib
import itertools
import json
import signal
import sqlite3
import subprocess
import sys
import time

import psycopg
import pytest

from proffer.core.errors import Busy, CannotStart, NotFound, WorkspaceBusy
from proffer.core.events import Counts
from proffer.stores.postgres import migrate as migrate_postgres
from proffer.stores.postgres import schema_name
from proffer.stores.postgres.database import Database
from proffer.stores.postgres.tables import STEPS as POSTGRES_STEPS
from proffer.stores.postgres.tables import check_tables, make_tables, version_of
from proffer.stores.postgres.tables import migrate as migrate_schema
from proffer.stores.sqlite import migrate, sqlite_stores
from proffer.stores.sqlite.steps import STEPS
from proffer.stores.versions import VERSION
from proffer.testing import sample_event

NAMES = (f"migrated{number}" for number in itertools.count())


def statements(sql):
    return [part.strip() for part in sql.split(";") if part.strip()]


def test_every_store_ends_at_the_same_version():
    assert max(STEPS) == max(POSTGRES_STEPS) == VERSION


# SQLite


@pytest.fixture
def first(tmp_path):
    """A workspace as the first release left it: tables of version 1, an event, a model that serves."""
    connection = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    connection.executescript(f"PRAGMA journal_mode = WAL; {STEPS[1]} PRAGMA user_version = 1;")
    connection.execute("INSERT INTO champions VALUES ('main', 'm_1', 1)")
    body = {
        "id": "m_1", "pipeline": "main", "name": "n", "created_at": "2026-01-02T00:00:00Z", "schema": "s",
        "position": 1,
    }  # fmt: skip
    sql = "INSERT INTO versions (id, pipeline, body) VALUES ('m_1', 'main', ?)"
    connection.execute(sql, (json.dumps(body).encode(),))
    connection.close()
    return tmp_path


def tables_of(root):
    with contextlib.closing(sqlite3.connect(root / "log.db")) as connection:
        rows = connection.execute("SELECT name, replace(sql, ' IF NOT EXISTS', '') FROM sqlite_schema ORDER BY name")
        return rows.fetchall(), connection.execute("PRAGMA user_version").fetchone()[0]


def test_an_older_workspace_is_told_the_command(first):
    for writable in (True, False):
        with pytest.raises(CannotStart, match="version 1, this Proffer needs version") as told:
            sqlite_stores(first, writable=writable)
        assert f"proffer migrate {first.name}" in told.value.remedy
    assert tables_of(first)[1] == 1


def test_an_older_workspace_is_migrated(first, tmp_path_factory):
    assert [*migrate(first)] == [*range(2, VERSION + 1)]
    assert [*migrate(first)] == []
    fresh = tmp_path_factory.mktemp("fresh")
    sqlite_stores(fresh).log.close()
    assert tables_of(first) == tables_of(fresh)
    stores = sqlite_stores(first)
    assert stores.log.append([sample_event("e1")])[0].sequence == 1
    (served,) = stores.registry.promotions("main")
    assert (served.version, served.at.isoformat()) == ("m_1", "2026-01-02T00:00:00+00:00")
    stores.log.close()


def test_some_workspaces_of_version_1_have_some_later_tables(first):
    with contextlib.closing(sqlite3.connect(first / "log.db", isolation_level=None)) as connection:
        connection.executescript(";".join(statements(STEPS[2])[:4]))
        connection.execute("INSERT INTO promotions VALUES ('main', 1, 'm_1', 5, 'promote')")
    assert [*migrate(first)] == [*range(2, VERSION + 1)]
    stores = sqlite_stores(first, writable=False)
    assert [(one.version, one.at.microsecond) for one in stores.registry.promotions("main")] == [("m_1", 5)]
    stores.log.close()


def test_a_fresh_workspace_needs_nothing(tmp_path):
    sqlite_stores(tmp_path).log.close()
    assert [*migrate(tmp_path)] == []
    assert tables_of(tmp_path)[1] == VERSION


def test_a_newer_workspace_is_refused_and_left_alone(tmp_path):
    sqlite_stores(tmp_path).log.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    for ask in (lambda: [*migrate(tmp_path)], lambda: sqlite_stores(tmp_path)):
        with pytest.raises(CannotStart, match="version 99") as told:
            ask()
        assert "newer Proffer" in told.value.remedy
    assert tables_of(tmp_path)[1] == 99


def test_only_the_one_who_writes_migrates(tmp_path):
    stores = sqlite_stores(tmp_path)
    with pytest.raises(WorkspaceBusy):
        [*migrate(tmp_path)]
    stores.log.close()


def test_nothing_to_migrate_is_told(tmp_path):
    with pytest.raises(NotFound):
        [*migrate(tmp_path)]
    assert not (tmp_path / "log.db").exists()


KILLED = """
import os, pathlib, signal, sqlite3, sys
from proffer.stores.sqlite import tables
from proffer.stores.sqlite.steps import STEPS

opened = tables._open
def with_death(root):
    connection = opened(root)
    connection.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
    return connection
tables._open = with_death
steps = {**STEPS, int(sys.argv[2]): sys.argv[3]}
list(tables.migrate(pathlib.Path(sys.argv[1]), steps=steps))
"""


@pytest.mark.parametrize("place", range(len(statements(STEPS[2])) + 1))
def test_killed_half_way_it_goes_on_where_it_stood(first, place):
    before = tables_of(first)
    parts = statements(STEPS[2])
    deadly = "; ".join([*parts[:place], "SELECT die()", *parts[place:]]) + ";"
    done = subprocess.run([sys.executable, "-c", KILLED, str(first), "2", deadly], check=False)
    assert done.returncode == -signal.SIGKILL
    assert tables_of(first) == before
    assert [*migrate(first)] == [*range(2, VERSION + 1)]
    stores = sqlite_stores(first)
    assert stores.log.append([sample_event("e1")])[0].sequence == 1
    stores.log.close()


# PostgreSQL


@pytest.fixture
def name():
    return next(NAMES)


@pytest.fixture
def database(postgres, name):
    database = Database(postgres.url(), schema_name(name))
    yield database
    database.close()


SHAPE = """
SELECT table_name, column_name, data_type, is_nullable, coalesce(collation_name, '') FROM information_schema.columns
WHERE table_schema = %s
UNION SELECT tablename, indexname, replace(indexdef, schemaname, ''), '', '' FROM pg_indexes WHERE schemaname = %s
ORDER BY 1, 2
"""


def shape_of(database):
    return database.all(SHAPE, (database.schema, database.schema))


def set_version(database, number):
    database.run(lambda connection: connection.execute("UPDATE proffer_version SET number = %s", (number,)))


def test_an_older_schema_is_told_the_command(database, name):
    make_tables(database, name)
    set_version(database, VERSION - 1)
    for ask in (check_tables, make_tables):
        with pytest.raises(CannotStart, match="this Proffer needs version") as told:
            ask(database, name)
        assert f"proffer migrate {name}" in told.value.remedy


def test_a_newer_schema_is_refused_and_left_alone(postgres, database, name):
    make_tables(database, name)
    set_version(database, 99)
    for ask in (lambda: check_tables(database, name), lambda: [*migrate_schema(database)]):
        with pytest.raises(CannotStart, match="version 99") as told:
            ask()
        assert "newer Proffer" in told.value.remedy
    assert version_of(database) == 99


def test_an_older_schema_is_led_on_step_by_step(postgres, database, name):
    make_tables(database, name)
    database.close()
    later = {**POSTGRES_STEPS, VERSION + 1: "CREATE TABLE extra (a int)", VERSION + 2: "ALTER TABLE extra ADD b int"}
    again = Database(postgres.url(), schema_name(name))
    assert [*migrate_schema(again, steps=later)] == [VERSION + 1, VERSION + 2]
    assert [*migrate_schema(again, steps=later)] == []
    assert version_of(again) == VERSION + 2
    again.close()


def test_a_schema_of_today_needs_nothing(postgres, database, name):
    make_tables(database, name)
    assert [*migrate_postgres(postgres.url(), name)] == []


def test_an_unknown_schema_is_not_made_by_migrating(postgres, name):
    with pytest.raises(NotFound):
        [*migrate_postgres(postgres.url(), name)]


def test_nobody_else_may_be_connected(postgres, database, name):
    make_tables(database, name)
    later = {**POSTGRES_STEPS, VERSION + 1: "CREATE TABLE extra (a int)"}
    other = Database(postgres.url(), schema_name(name))
    assert other.first("SELECT 1") == (1,)
    with pytest.raises(Busy, match="other processes"):
        [*migrate_schema(database, steps=later)]
    assert version_of(database) == VERSION
    other.close()


SLOW = """
import sys
from proffer.stores.postgres.database import Database
from proffer.stores.postgres.tables import migrate
database = Database(sys.argv[1], sys.argv[2])
list(migrate(database, new=sys.argv[3] == "new", steps={int(sys.argv[4]): sys.argv[5]}))
"""


def killed_at(postgres, schema, how, number, parts, place):
    deadly = "; ".join([*parts[:place], "SELECT pg_sleep(60)", *parts[place:]])
    command = [sys.executable, "-c", SLOW, postgres.url(), schema, how, str(number), deadly]
    process = subprocess.Popen(command)
    sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        until = time.monotonic() + 20
        while not connection.execute(sql).fetchone()[0] and time.monotonic() < until:
            time.sleep(0.01)
        assert connection.execute(sql).fetchone()[0]
        process.kill()
        process.wait()
        # The server notices when it next speaks to the dead: here, it is told.
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")


PLACES = len(statements(POSTGRES_STEPS[2]))


@pytest.mark.parametrize("place", [1, PLACES // 2, PLACES])
def test_killed_while_the_schema_is_made(postgres, database, name, place):
    killed_at(postgres, database.schema, "new", 2, statements(POSTGRES_STEPS[2]), place)
    assert version_of(database) == 0
    assert shape_of(database) == []
    assert make_tables(database, name)
    fresh = Database(postgres.url(), schema_name(next(NAMES)))
    make_tables(fresh, "fresh")
    assert shape_of(database) == shape_of(fresh)
    fresh.close()


@pytest.mark.parametrize("place", [1, 3])
def test_killed_half_way_to_a_later_schema(postgres, database, name, place):
    make_tables(database, name)
    before = shape_of(database)
    database.close()
    parts = ["CREATE TABLE extra (a int)", "ALTER TABLE events ADD extra int", "DROP TABLE vouched"]
    killed_at(postgres, database.schema, "old", VERSION + 1, parts, place)
    again = Database(postgres.url(), schema_name(name))
    assert (version_of(again), shape_of(again)) == (VERSION, before)
    again.close()
    again = Database(postgres.url(), schema_name(name))
    assert [*migrate_schema(again, steps={VERSION + 1: ";".join(parts)})] == [VERSION + 1]
    assert version_of(again) == VERSION + 1
    assert again.all("SELECT accepted FROM counts") == [(Counts().accepted,)]
    again.close()
