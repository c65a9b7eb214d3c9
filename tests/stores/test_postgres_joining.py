"""Workspaces in a real PostgreSQL: made, joined, opened, and refused in words, with the password in none of them."""

import contextlib
import itertools
import socket
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from proffer.core.errors import Busy, CannotStart, Conflict, Invalid, NotFound
from proffer.core.ports import Token
from proffer.stores.postgres import join, postgres_stores, schema_name
from proffer.stores.postgres.tables import STEPS
from proffer.testing.samples import START, sample_decision, sample_event

NAMES = (f"joining-{number}" for number in itertools.count())


@pytest.fixture
def name():
    return next(NAMES)


def ask(url, *statements):
    with psycopg.connect(url, autocommit=True) as connection:
        return [connection.execute(each).rowcount for each in statements]


def refusal(kind, *what):
    """Return the error of joining, after looking for a password in all that a log could show of it."""
    with pytest.raises(kind) as caught:
        join(*what)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    password = what[0].split("@")[0].rsplit(":", 1)[1]
    assert password not in shown
    return caught.value


def test_of_many_who_make_it_all_find_the_same(postgres, name, tmp_path):
    def made(number):
        return join(postgres.url(), name, "feed", START + timedelta(days=number))

    with ThreadPoolExecutor(6) as pool:
        found = set(pool.map(made, range(6)))
    assert len(found) == 1
    assert found < {START + timedelta(days=number) for number in range(6)}
    stores = [postgres_stores(postgres.url(), name, tmp_path / str(number), app="feed") for number in range(2)]
    assert stores[0].shared
    stores[0].log.append([sample_event("e1")])
    stores[0].decisions.put(sample_decision("d1"))
    stores[0].decisions.flush()
    assert stores[1].log.get("e1").sequence == 1
    assert stores[1].decisions.get("d1") == sample_decision("d1")
    for each in stores:
        each.log.close()
        each.log.close()


def test_what_was_not_made_is_not_found(postgres, name, tmp_path):
    with pytest.raises(NotFound, match=f"no workspace {name}") as caught:
        postgres_stores(postgres.url(), name, tmp_path)
    assert "proffer init" in caught.value.remedy
    assert [*tmp_path.iterdir()] == []


def test_a_wrong_password(postgres, name):
    error = refusal(CannotStart, postgres.url(password="canary-wrong"), name, "feed", START)
    assert "password is wrong or missing" in error.message
    assert "PGPASSWORD" in error.remedy


def test_an_unknown_database_and_an_unknown_user(postgres, name):
    for url in (postgres.url("nowhere"), postgres.url(user="nobody-knows")):
        error = refusal(CannotStart, url, name, "feed", START)
        assert error.field == "store" or "password" in error.message
    assert "no such database" in refusal(CannotStart, postgres.url("nowhere"), name, "feed", START).message


def test_no_server(name):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    error = refusal(Busy, f"postgresql://me:canary-word@127.0.0.1:{port}/shop", name, "feed", START)
    assert "cannot be reached" in error.message


@pytest.mark.parametrize(
    "url", ["postgresql://me:canary@word@host/shop", "postgresql://me:canary-word@host:54x32/shop"]
)
def test_an_address_that_is_none(name, url):
    refusal(Invalid, url, name, "feed", START)


def test_without_the_right_to_make_a_schema_an_administrator_can_make_it(postgres, name):
    role = "joining_guest"
    ask(postgres.url(), f"DROP ROLE IF EXISTS {role}", f"CREATE ROLE {role} LOGIN PASSWORD 'canary-guest'")
    url = postgres.url(user=role, password="canary-guest")
    error = refusal(CannotStart, url, name, "feed", START)
    assert "permission denied" in error.message
    schema = schema_name(name)
    assert f'CREATE SCHEMA "{schema}" AUTHORIZATION' in error.remedy
    try:
        ask(postgres.url(), f'CREATE SCHEMA "{schema}" AUTHORIZATION {role}')
        assert join(url, name, "feed", START) == START
        ask(postgres.url(), f'ALTER SCHEMA "{schema}" OWNER TO proffer', f"REASSIGN OWNED BY {role} TO proffer")
        error = refusal(CannotStart, url, name, "feed", START)
        assert f"may not use the schema {schema}" in error.message
        ask(postgres.url(), f'GRANT USAGE ON SCHEMA "{schema}" TO {role}')
        error = refusal(CannotStart, url, name, "feed", START)
        assert "permission denied for table" in error.message
        assert "grant the user what it lacks" in error.remedy
    finally:
        ask(postgres.url(), f'DROP SCHEMA "{schema}" CASCADE', f"DROP ROLE {role}")


def test_a_workspace_of_another_application_is_left_alone(postgres, name, tmp_path):
    join(postgres.url(), name, "feed", START)
    error = refusal(Conflict, postgres.url(), name, "shop", START)
    assert "application feed, not of shop" in error.message
    with pytest.raises(Conflict, match="application feed, not of shop"):
        postgres_stores(postgres.url(), name, tmp_path, app="shop")
    assert join(postgres.url(), name, "feed", START + timedelta(days=1)) == START


def test_a_schema_of_somebody_else_is_left_alone(postgres, name):
    schema = schema_name(name)
    ask(postgres.url(), f'CREATE SCHEMA "{schema}"', f'CREATE TABLE "{schema}".letters (text text)')
    error = refusal(CannotStart, postgres.url(), name, "feed", START)
    assert "holds tables, but none of Proffer" in error.message
    assert ask(postgres.url(), f"SELECT FROM pg_tables WHERE schemaname = '{schema}'") == [1]


def test_newer_tables_are_refused(postgres, name, tmp_path):
    join(postgres.url(), name, "feed", START)
    newer = max(STEPS) + 1
    ask(postgres.url(), f'UPDATE "{schema_name(name)}".proffer_version SET number = {newer}')
    for opening in (
        lambda: postgres_stores(postgres.url(), name, tmp_path),
        lambda: join(postgres.url(), name, "feed", START),
    ):
        with pytest.raises(CannotStart, match=f"tables of version {newer}"):
            opening()


def test_a_process_that_only_reads(postgres, name, tmp_path):
    join(postgres.url(), name, "feed", START)
    stores = postgres_stores(postgres.url(), name, tmp_path / "reader", writable=False)
    with contextlib.closing(stores.log):
        for write in (
            lambda: stores.decisions.put(sample_decision("d1")),
            lambda: stores.decisions.replace([sample_decision("d1")], []),
            lambda: stores.registry.retire("home", expected_revision=0, at=START),
            lambda: stores.registry.fill([], [], []),
            lambda: stores.tokens.add(Token(name="a", digest="d", scopes=(), created_at=START)),
            lambda: stores.tokens.remove("a"),
            lambda: stores.log.append([sample_event("e1")]),
        ):
            with pytest.raises(Invalid, match="opened for reading only"):
                write()
        assert not (tmp_path / "reader" / "snapshots").exists()
