"""What somebody is told when PostgreSQL refuses, and that nothing is left half done."""

import itertools
from contextlib import contextmanager

import psycopg
import pytest

from proffer.core.clock import SystemClock
from proffer.core.errors import Busy, CannotStart, Invalid, NotFound, ProfferError, StorageFull
from proffer.core.events import Counts, Reject
from proffer.stores.postgres import failures
from proffer.stores.postgres.address import parameters, schema_name, without_password
from proffer.stores.postgres.database import Database
from proffer.stores.postgres.log import PostgresLog
from proffer.stores.postgres.tables import check_tables, make_tables
from proffer.testing import sample_event

NAMES = (f"refused{number}" for number in itertools.count())


@contextmanager
def opened(url, name):
    database = Database(url, schema_name(name))
    make_tables(database, name)
    log = PostgresLog(database, SystemClock(), database.close)
    try:
        yield log
    finally:
        log.close()


@pytest.fixture
def name():
    return next(NAMES)


@pytest.fixture
def admin(postgres):
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        yield connection.execute


def refused(url, error, *words, name="x"):
    database = Database(url, schema_name(name))
    try:
        with pytest.raises(error) as told:
            make_tables(database, name)
    finally:
        database.close()
    text = str(told.value)
    assert all(word in text for word in words), text
    assert told.value.remedy
    return text


def test_wrong_password(postgres):
    text = refused(postgres.url(password="sesame-7"), CannotStart, "password", "PROFFER_DATABASE")
    assert "sesame" not in text


def test_no_password(postgres, monkeypatch):
    monkeypatch.setenv("PGPASSFILE", "/nowhere")
    refused(f"postgresql://proffer@127.0.0.1:{postgres.port}/proffer", CannotStart, "password")


def answers(url):
    database = Database(url, "x")
    try:
        return database.first("SELECT 1") == (1,)
    finally:
        database.close()


def test_a_password_of_the_environment_is_used(postgres, monkeypatch, tmp_path):
    monkeypatch.setenv("PGPASSWORD", postgres.password)
    bare = f"postgresql://proffer@127.0.0.1:{postgres.port}/proffer"
    assert answers(bare)
    monkeypatch.delenv("PGPASSWORD")
    (tmp_path / "pass").write_text(f"127.0.0.1:{postgres.port}:*:proffer:{postgres.password}\n")
    (tmp_path / "pass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pass"))
    assert answers(bare)
    monkeypatch.delenv("PGPASSFILE")
    service = (
        f"[shop]\nhost=127.0.0.1\nport={postgres.port}\nuser=proffer\ndbname=proffer\npassword={postgres.password}\n"
    )
    (tmp_path / "services").write_text(service)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    assert answers("postgresql://?service=shop")


def test_no_such_database_user_or_host(postgres):
    refused(postgres.url("nowhere"), CannotStart, "nowhere", "does not exist")
    refused(postgres.url(user="nobody"), CannotStart, "nobody")
    refused("postgresql://u:p@nowhere.invalid/x", Busy, "nowhere.invalid")
    refused("postgresql://u:p@127.0.0.1:1/x", Busy, "cannot be reached", "refused")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:se@same@host/x", "postgresql://u:se/same@host/x", "postgresql://u:sesame", "host=a sesame",
        "postgresql://u:x@host:sesame/x", "postgresql://u:%zzsesame@host/x",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_read_is_not_quoted(url):
    for ask in (parameters, without_password):
        with pytest.raises(Invalid) as told:
            ask(url)
        assert "sesame" not in str(told.value)
        assert "same" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:se%40me@db:5433/shop?sslmode=require", "postgresql://me@db:5433/shop?sslmode=require"),
        ("postgresql:///shop?host=/run/pg&user=me&password=x", "postgresql://me@%2Frun%2Fpg/shop"),
        ("postgresql://me:x@a:1,b:2/shop?target_session_attrs=read-write",
         "postgresql://me@a:1,b:2/shop?target_session_attrs=read-write"),
        ("postgresql://[::1]:5432/shop", "postgresql://[::1]:5432/shop"),
        ("postgresql://caf%C3%A9:x@db/a%20b", "postgresql://caf%C3%A9@db/a%20b"),
    ],
)  # fmt: skip
def test_an_address_is_shown_without_its_password(url, shown):
    assert without_password(url) == shown
    without = {name: value for name, value in parameters(url).items() if name != "password"}
    assert parameters(shown) == without


def test_a_server_that_is_too_old(postgres, monkeypatch):
    monkeypatch.setattr(failures, "OLDEST", 990000)
    refused(postgres.url(), CannotStart, "PostgreSQL 1", "99 or newer")


def test_a_database_of_another_encoding(postgres, admin):
    admin("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    refused(postgres.url("latin"), CannotStart, "LATIN1", "UTF8")


def test_no_rights(postgres, admin, name):
    admin("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    guest = postgres.url(user="guest", password="guest")
    refused(guest, CannotStart, "permission denied", name=name)
    with opened(postgres.url(), name) as log:
        log.append([sample_event("e1")])
    schema = schema_name(name)
    admin(f"GRANT USAGE ON SCHEMA {schema} TO guest")
    admin(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO guest")
    with opened(guest, name) as log:
        assert log.last() == 1
        with pytest.raises(CannotStart, match="permission denied"):
            log.append([sample_event("e2")])
        assert (log.last(), log.counts()) == (1, Counts(accepted=1))
    # An administrator may make the schema, and then the user needs no right to make any.
    admin(f"CREATE SCHEMA {schema_name(name + 'own')} AUTHORIZATION guest")
    with opened(guest, name + "own") as log:
        assert log.append([sample_event("e1")])[0].sequence == 1


def test_a_schema_that_holds_something_else(postgres, admin, name):
    admin(f"CREATE SCHEMA {schema_name(name)}")
    admin(f"CREATE TABLE {schema_name(name)}.events (id int)")
    refused(postgres.url(), CannotStart, "none of Proffer", name=name)
    assert admin(f"SELECT count(*) FROM pg_tables WHERE schemaname = '{schema_name(name)}'").fetchone() == (1,)


def test_an_unknown_workspace(postgres):
    database = Database(postgres.url(), "proffer_nowhere")
    with pytest.raises(NotFound, match="no workspace nowhere"):
        check_tables(database, "nowhere")
    with pytest.raises(CannotStart, match="lacks a table"):
        database.first("SELECT 1 FROM events")
    database.close()


def test_two_processes_may_make_the_same_workspace(postgres, name):
    from concurrent.futures import ThreadPoolExecutor

    databases = [Database(postgres.url(), schema_name(name)) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        made = [*pool.map(lambda database: make_tables(database, name), databases)]
    assert made.count(True) == 1
    for database in databases:
        assert database.all("SELECT accepted FROM counts") == [(0,)]
        database.close()


@pytest.mark.parametrize("table", ["events", "quarantine", "counts", "writers"])
def test_a_full_disk_leaves_nothing_behind(postgres, admin, name, table):
    schema = schema_name(name)
    with opened(postgres.url(), name) as log:
        log.append([sample_event("e1"), Reject(raw="", reason="bad")])
        # What the server says when its disk is full, at each table in turn.
        admin(
            f"CREATE FUNCTION {schema}.no_space() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
        )
        admin(
            f"CREATE TRIGGER no_space BEFORE INSERT OR UPDATE ON {schema}.{table} EXECUTE FUNCTION {schema}.no_space()"
        )
        with pytest.raises(StorageFull, match="nothing was written"):
            log.append([sample_event("e2"), Reject(raw="", reason="bad")])
        assert (log.last(), log.counts()) == (1, Counts(accepted=1, quarantined=1))
        assert len(log.quarantined()) == 1
        admin(f"DROP TRIGGER no_space ON {schema}.{table}")
        assert log.append([sample_event("e2"), Reject(raw="", reason="bad")])[0].sequence == 2
        assert log.counts() == Counts(accepted=2, quarantined=2)


def test_a_database_that_takes_no_writes(postgres, admin, name):
    with opened(postgres.url(), name) as log:
        log.append([sample_event("e1")])
        admin("ALTER DATABASE proffer SET default_transaction_read_only = on")
        try:
            admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'proffer%'")
            with pytest.raises(Busy, match="takes no writes"):
                log.append([sample_event("e2")])
            assert log.last() == 1
        finally:
            admin("SET default_transaction_read_only = off")
            admin("ALTER DATABASE proffer RESET default_transaction_read_only")
            admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'proffer%'")
        assert log.append([sample_event("e2")])[0].sequence == 2


def test_who_served_before_waits_for_a_mended_password(postgres, admin, name):
    with opened(postgres.url(), name) as log:
        log.append([sample_event("e1")])
        admin("ALTER ROLE proffer PASSWORD 'another'")
        try:
            admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'proffer%'")
            with pytest.raises(Busy, match="password"):
                log.append([sample_event("e2")])
        finally:
            admin(psycopg.sql.SQL("ALTER ROLE proffer PASSWORD {}").format(postgres.password))
        assert log.append([sample_event("e2")])[0].sequence == 2


def test_no_connection_left(postgres, admin, name):
    with opened(postgres.url(), name) as log:
        log.append([sample_event("e1")])
        admin("CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 1")
        few = postgres.url(user="few", password="few")
        with psycopg.connect(few), pytest.raises(Busy, match="no connection left"):
            Database(few, schema_name(name)).first("SELECT 1")


def test_a_lock_somebody_keeps_is_waited_for_and_then_told(postgres, name):
    with opened(postgres.url(), name) as log:
        log.append([sample_event("e1")])
        log._database.run(lambda connection: None)
        with psycopg.connect(postgres.url()) as other:
            other.execute(f"SELECT 1 FROM {schema_name(name)}.counts FOR UPDATE")
            log._database.all("SELECT set_config('lock_timeout', '50ms', false)")
            with pytest.raises(Busy, match="held by others"):
                log.append([sample_event("e2")])
            assert log.last() == 1
        assert log.append([sample_event("e2")])[0].sequence == 2


def test_what_no_text_can_hold_is_refused_as_by_sqlite(postgres, name):
    with opened(postgres.url(), name) as log:
        for bad in (
            sample_event("a\0b"), sample_event("e1", user="a\0b"), sample_event("e1", query_id="\0"),
            sample_event("e1", user="\ud800"), sample_event("e1", n=object()),
        ):  # fmt: skip
            with pytest.raises(Invalid):
                log.append([sample_event("e0"), bad, Reject(raw="\0", reason="bad")])
        assert (log.last(), log.counts()) == (0, Counts())
        # In JSON and in quarantine it has its place.
        log.append([sample_event("e1", text="a\0b"), Reject(raw="\0\ud800", reason="bad")])
        assert log.get("e1").fields == {"text": "a\0b"}
        for ask in (lambda: log.get("\ud800"), lambda: log.find(limit=10**30)):
            with pytest.raises(Invalid):
                ask()
        assert log.find(after=2**70) == []


def test_closed_is_told(postgres, name):
    with opened(postgres.url(), name) as log:
        pass
    for ask in (log.last, log.counts, lambda: log.append([sample_event("e1")])):
        with pytest.raises(ProfferError, match="closed"):
            ask()


def test_reading_only(postgres, name):
    with opened(postgres.url(), name) as log:
        log.append([sample_event("e1")])
        database = Database(postgres.url(), schema_name(name))
        reader = PostgresLog(database, SystemClock(), database.close, writable=False)
        assert reader.last() == 1
        for write in (
            lambda: reader.append([sample_event("e2")]), lambda: reader.rewrite([], [], sample_event("n")),
            lambda: reader.fill([], [], Counts()),
        ):  # fmt: skip
            with pytest.raises(Invalid, match="reading only"):
                write()
        reader.close()
