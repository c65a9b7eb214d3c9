"""Erased in PostgreSQL: out of every table and its files, and out of every process that shares them."""

import itertools
import time
import zipfile
from pathlib import Path

import psycopg
import pytest

from proffer.apps.feed.app import app as feed
from proffer.core.clock import RandomIds, SystemClock
from proffer.core.entities import EntityRef
from proffer.core.jobs import Job
from proffer.engine.engine import Engine
from proffer.engine.erasures import FILE
from proffer.stores.postgres import join, postgres_stores, schema_name
from tests.engine.test_erased_bytes import KEY, PLANTED, QUAGGA, VISITOR, plain, plant
from tests.engine.worlds import NOW, asks, did

NAMES = (f"erased-{number}" for number in itertools.count())
WORDS = (PLANTED, VISITOR)


@pytest.fixture
def opened(postgres, tmp_path):
    """Return what opens one more process's engine over the same workspace, and its name."""
    name, engines = next(NAMES), []
    join(postgres.url(), name, "feed", NOW)

    def one():
        root = tmp_path / str(len(engines))
        root.mkdir()
        stores = postgres_stores(postgres.url(), name, root, app="feed")
        engine = Engine(
            feed, name, stores, clock=SystemClock(), ids=RandomIds(), deadline_ms=60_000, pseudonyms=KEY
        )  # fmt: skip
        engines.append(engine)
        return engine

    yield one, schema_name(name)
    for engine in engines:
        engine.close()


def in_tables(url, schema):
    """Return each table, and what it holds, in which a planted word is found; decisions are unpacked."""
    found = []
    with psycopg.connect(url, autocommit=True) as connection:
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
        tables = [table for (table,) in connection.execute(sql, (schema,)).fetchall()]
        assert {"events", "quarantine", "decisions", "jobs", "versions"} <= set(tables)
        for table in tables:
            for row in connection.execute(
                psycopg.sql.SQL("SELECT * FROM {}").format(psycopg.sql.Identifier(schema, table))
            ):
                text = " ".join(map(plain, row))
                if any(word in text for word in WORDS):
                    found.append(f"{table}: {text[:80]}")
        stats = str(connection.execute("SELECT * FROM pg_stats WHERE schemaname = %s", (schema,)).fetchall())
        found += ["pg_stats"] if any(word in stats for word in WORDS) else []
    return found


def in_table_files(postgres, schema):
    """Return the tables and indexes whose own files hold a planted word."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        folder = connection.execute("SHOW data_directory").fetchone()[0]
        sql = """
        SELECT c.relname, pg_relation_filepath(c.oid), pg_relation_filepath(nullif(c.reltoastrelid, 0)) FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind IN ('r', 'i')
        """
        files = connection.execute(sql, (schema,)).fetchall()
    found = []
    for name, *paths in files:
        for path in filter(None, paths):
            blob = (Path(folder) / path).read_bytes()
            if any(word.encode() in blob for word in WORDS):
                found.append(name)
    return found


def in_folder(root):
    return [
        str(path) for path in root.rglob("*") if path.is_file() and not zipfile.is_zipfile(path)
        and any(word.encode() in path.read_bytes() for word in WORDS)
    ]  # fmt: skip


def test_it_leaves_every_table_its_files_and_every_process(postgres, opened, tmp_path):
    open_one, schema = opened
    here = open_one()
    rows = plant(here)
    there = open_one()
    there._snapshot()
    there.tail.start()
    assert {"events", "quarantine", "decisions", "jobs"} <= {
        row.split(":")[0] for row in in_tables(postgres.url(), schema)
    }
    assert "events" in in_table_files(postgres, schema)
    assert in_folder(tmp_path)
    found = here.erase([QUAGGA])
    assert (found.names, found.decisions, found.changed_decisions, found.jobs) == (2, 2, 1, 1)
    assert in_tables(postgres.url(), schema) == []
    assert not {"events", "quarantine", "decisions", "jobs"} & set(in_table_files(postgres, schema))
    until = time.monotonic() + 20
    while (there.state.attributes(QUAGGA) is not None or there.state.outdated) and time.monotonic() < until:
        time.sleep(0.05)
    assert there.state.attributes(QUAGGA) is None
    there.rebuild()
    lists = [engine.stores.root / FILE for engine in (here, there)]
    assert lists[0].read_bytes() == lists[1].read_bytes() != b""
    assert in_folder(tmp_path) == []
    assert list(there.state.ids) == list(here.state.ids)
    there.recommend(asks("u1"))
    assert {receipt.verdict.value for receipt in there.record(rows)} == {"duplicate"}
    assert there.record([did(PLANTED, "like", "a")])[0].verdict == "accepted"


def test_what_jobs_said_leaves_their_files_where_nobody_decided_anything(postgres, opened):
    open_one, schema = opened
    here = open_one()
    job = Job(
        id="j1", pipeline="home", search=True, by="request", state="failed", seconds=1, memory_mb=64, created_at=NOW,
        error=f"it choked on {PLANTED}",
    )  # fmt: skip
    here.stores.jobs.add(job)
    here.record([did(PLANTED, "like", "a")])
    assert "jobs" in in_table_files(postgres, schema)
    assert here.erase([QUAGGA]).jobs == 1
    assert in_table_files(postgres, schema) == []


def after_erasing_at_once(here, there, monkeypatch):
    """Let `there` erase Ann just before the rewrite by which `here` erases Bob; return the whole log as text."""
    rewrite, raced = type(here.stores.log).rewrite, []

    def late(log, *arguments):
        if not raced:
            raced.append(True)
            there.erase([EntityRef("user", "ann-4711")])
        return rewrite(log, *arguments)

    monkeypatch.setattr(type(here.stores.log), "rewrite", late)
    here.erase([EntityRef("user", "bob-4711")])
    return repr([event for chunk in here.stores.log.scan() for event in chunk])


def test_of_two_processes_that_erase_at_once_neither_brings_back_the_other_s(postgres, opened, monkeypatch):
    open_one, _ = opened
    here, there = open_one(), open_one()
    here.record(
        [did("ann-4711", "like", "a"), {"id": "both", **did("ann-4711", "follow", {"kind": "user", "id": "bob-4711"})}]
    )
    there.catch_up()
    text = after_erasing_at_once(here, there, monkeypatch)
    assert "ann-4711" not in text
    assert "bob-4711" not in text


def test_nor_where_one_names_the_other_in_words_of_its_own(postgres, opened, monkeypatch):
    open_one, _ = opened
    here, there = open_one(), open_one()
    here.record([did("ann-4711", "like", "post-4711"), did("bob-4711", "like", "post-4711")])
    here.record([did("carl-4711", "like", "post-4711", context={"told": ["ann-4711", "bob-4711"]})])
    assert "carl-4711" in repr(here.stores.log.find(entity=EntityRef("user", "carl-4711")))
    there.catch_up()
    text = after_erasing_at_once(here, there, monkeypatch)
    assert "ann-4711" not in text
    assert "bob-4711" not in text
