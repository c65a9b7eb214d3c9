"""`proffer migrate`, and what other commands say of a workspace of another version."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from proffer.stores.versions import VERSION
from proffer.testing.postgres_server import PostgresServer

from .conftest import Run, counts, parsed, served


def as_of_version(home: Path, number: int) -> None:
    with closing(sqlite3.connect(home / "feed" / "log.db", isolation_level=None)) as connection:
        if number == 1:
            connection.executescript("DROP TABLE reviews; DROP TABLE leases; DROP TABLE vouched;")
        connection.execute(f"PRAGMA user_version = {number}")


def test_an_older_workspace_goes_on_after_the_command(filled: Run, home: Path) -> None:
    before = counts(home)
    as_of_version(home, 1)
    for command in (["status", "feed"], ["events", "feed"], ["recommend", "feed", "u1"], ["import", "feed", "x.csv"]):
        assert "proffer migrate feed" in filled(*command, status=1).stderr
    assert parsed(filled("migrate", "feed", "--json")) == {"workspace": "feed", "steps": [*range(2, VERSION + 1)]}
    assert "Nothing to do" in filled("migrate", "feed").output
    assert counts(home) == before
    filled("recommend", "feed", "u1")


def test_each_step_is_told(filled: Run, home: Path) -> None:
    as_of_version(home, 1)
    assert "version 2: made" in filled("migrate", "feed").output


def test_a_newer_one_is_refused(filled: Run, home: Path) -> None:
    as_of_version(home, 99)
    for command in ("migrate", "status"):
        told = filled(command, "feed", status=1).stderr
        assert "version 99" in told
        assert "newer Proffer" in told


def test_one_never_opened_needs_nothing(run: Run) -> None:
    run("init", "feed")
    assert parsed(run("migrate", "feed", "--json"))["steps"] == []
    assert "no workspace nowhere" in run("migrate", "nowhere", status=1).stderr


def test_not_beside_a_server(filled: Run, home: Path) -> None:
    with served(home) as child:
        assert str(child._process.pid) in filled("migrate", "feed", status=1).stderr


def test_in_postgres(postgres: PostgresServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    monkeypatch.setenv("PROFFER_DATABASE", postgres.url())
    run("init", "migrating", "--app", "feed")
    assert "Nothing to do" in run("migrate", "migrating").output
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("UPDATE proffer_migrating.proffer_version SET number = 1")
        assert "proffer migrate migrating" in run("status", "migrating", status=1).stderr
        connection.execute("UPDATE proffer_migrating.proffer_version SET number = 99")
        for command in ("migrate", "status"):
            assert "newer Proffer" in run(command, "migrating", status=1).stderr
    monkeypatch.setenv("PROFFER_DATABASE", postgres.url(password="sesame"))
    told = run("migrate", "migrating", status=1).stderr
    assert "password is wrong" in told
    assert "sesame" not in told
