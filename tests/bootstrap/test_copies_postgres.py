"""Workspaces that move between SQLite and a real PostgreSQL, and backups of either."""

import itertools
import subprocess
import sys

import msgspec
import numpy as np
import psycopg
import pytest

import proffer.bootstrap as bootstrap
from proffer.bootstrap.copies import back_up, copy_workspace, restore
from proffer.core.entities import EntityRef
from proffer.core.errors import Busy, CannotStart, Conflict, Invalid, NotFound, WorkspaceBusy
from proffer.core.events import Reject
from proffer.core.ports import Review
from proffer.core.queries import Query
from proffer.engine.replay import replay_decision
from proffer.stores.copying import log_hash
from proffer.testing.samples import NAUGHTY, START, sample_decision, sample_event
from tests.engine.worlds import toy

EDGES = {"big": 2**64 - 1, "least": -(2**63), "minus": -0.0, "tiny": 5e-324, "e": 1e22, "one": 1.0, "nul": "a\x00b"}
NAMES = (f"moved-{number}" for number in itertools.count())


@pytest.fixture(autouse=True)
def password(postgres, monkeypatch):
    """A password is never kept: whoever opens what was copied has to know it."""
    monkeypatch.setenv("PGPASSWORD", postgres.password)


@pytest.fixture
def name():
    return next(NAMES)


@pytest.fixture
def home(tmp_path, name):
    """A home with a workspace in SQLite that holds something of everything."""
    home = tmp_path / "home"
    bootstrap.create(home, name, "feed")
    stores = bootstrap.open_stores(home / name)
    fill(stores)
    stores.log.close()
    return home


def fill(stores):
    rows = [
        sample_event(f"n{n}", user=each, text=each, deep={"z": [1.5, None], "a": {}}, **EDGES)
        for n, each in enumerate(NAUGHTY)
    ]
    stores.log.append([*rows, rows[0], Reject(raw="\x00\ud800", reason="bad"), Reject(raw="x", reason="bad")])
    stores.log.append([sample_event("mended")], repairs=1)
    for n in range(30):
        stores.decisions.put(msgspec.structs.replace(sample_decision(f"d{n:02d}"), as_of=n % 20))
    stores.decisions.flush()
    told = {"schema": "v1", "position": 9, "parameters": {}, "metrics": {}, "at": START}
    version = stores.registry.save("home", "x", arrays={"w": np.ones(3)}, **told)
    stores.registry.promote(version.id, expected_revision=0, at=START)
    stores.registry.review(Review(version=version.id, kind="shadow", at=START, body={"n": 1.5}))


def held(root):
    """Return all that a workspace holds."""
    stores = bootstrap.open_stores(root, writable=False)
    try:
        version, revision = stores.registry.champion("home")
        return (
            [event for chunk in stores.log.scan() for event in chunk], stores.log.counts(), log_hash(stores.log),
            stores.log.quarantined(open_only=False), stores.decisions.find(limit=999), version, revision,
            stores.registry.load(version.id)[1]["w"].tolist(), stores.registry.reviews(version.id),
            stores.registry.promotions("home"),
        )  # fmt: skip
    finally:
        stores.log.close()


def schemas(url):
    with psycopg.connect(url) as connection:
        return {
            name for (name,) in connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'proffer%'")
        }


def test_there_and_back_with_the_same_hash(postgres, home, name, tmp_path):
    url = postgres.url()
    there = copy_workspace(home / name, tmp_path / "other" / name, store=url)
    assert bootstrap.workspace(tmp_path / "other", name).store.startswith("postgresql://")
    assert postgres.password not in (tmp_path / "other" / name / "workspace.json").read_text()
    back = copy_workspace(tmp_path / "other" / name, home / "back")
    assert there == back
    assert held(home / name) == held(tmp_path / "other" / name) == held(home / "back")
    stores = bootstrap.open_stores(tmp_path / "other" / name)
    again = sample_event("n0", user=NAUGHTY[0], text=NAUGHTY[0], deep={"a": {}, "z": [1.5, None]}, **EDGES)
    receipts = stores.log.append([again, sample_event("new"), sample_event("mended", n=1)])
    assert [receipt.verdict.value for receipt in receipts] == ["duplicate", "accepted", "conflict"]
    assert receipts[1].sequence == there.position + 1
    stores.log.close()


def test_a_backup_of_a_database_is_one_of_sqlite(postgres, home, name, tmp_path):
    copy_workspace(home / name, tmp_path / "other" / name, store=postgres.url())
    one = back_up(home, name, tmp_path / "one")
    two = back_up(tmp_path / "other", name, tmp_path / "two")
    assert one.holds == two.holds
    restore(tmp_path / "two", home, "restored")
    assert held(home / "restored") == held(home / name)
    with pytest.raises(Conflict):
        restore(tmp_path / "one", tmp_path / "third", name, store=postgres.url())
    assert not (tmp_path / "third" / name).exists()
    again = next(NAMES)
    restore(tmp_path / "one", tmp_path / "third", again, store=postgres.url())
    assert held(tmp_path / "third" / again) == held(home / name)
    assert not (tmp_path / "third" / again / "log.db").exists()
    assert not [schema for schema in schemas(postgres.url()) if schema.endswith(".copy")]


def test_a_workspace_goes_on_in_the_database_under_its_name(postgres, home, name):
    before, url = held(home / name), postgres.url()
    with pytest.raises(Conflict):
        copy_workspace(home / name, home / name, store=url)
    writer = bootstrap.open_stores(home / name)
    with pytest.raises(WorkspaceBusy):
        copy_workspace(home / name, home / name, store=url, switch=True)
    writer.log.close()
    copy_workspace(home / name, home / name, store=url, switch=True)
    assert bootstrap.workspace(home, name).store is not None
    assert held(home / name) == before
    for source, target, store in ((name, name, None), (name, "x", url), (name, name, url)):
        with pytest.raises(Invalid, match="switch"):
            copy_workspace(home / source, home / target, store=store, switch=True)


def test_copied_while_two_write(postgres, home, name, tmp_path):
    other = tmp_path / "other"
    copy_workspace(home / name, other / name, store=postgres.url())
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, str(other), name, str(number)], stdout=subprocess.PIPE, text=True
        )
        for number in range(2)
    ]
    try:
        acknowledged = [writer.stdout.readline().strip() for writer in writers for _ in range(3)]
        holds = copy_workspace(other / name, home / "copied")
        back_up(other, name, tmp_path / "backup")
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    stores = bootstrap.open_stores(home / "copied", writable=False)
    source = bootstrap.open_stores(other / name, writable=False)
    assert all(stores.log.get(id) is not None for id in acknowledged)
    assert source.log.last() > holds.position
    assert log_hash(source.log, holds.position, holds.rows) == holds.log == log_hash(stores.log)
    assert stores.log.counts().accepted == holds.position
    stores.log.close()
    source.log.close()


WRITE = """
import sys
from pathlib import Path
import proffer.bootstrap as bootstrap
from proffer.core.events import Reject
from proffer.testing.samples import sample_event
home, name, number = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
stores = bootstrap.open_stores(home / name)
for call in range(10_000):
    rows = [sample_event(f"w{number}.{call}.{row}") for row in range(5)]
    receipts = stores.log.append([*rows, rows[0], Reject(raw="x", reason="bad")])
    if call % 3 == 0:
        stores.log.append([sample_event(f"w{number}.{call}.m")], repairs=receipts[-1].quarantine)
    print(rows[0].id, flush=True)
"""

KILLED = """
import sys, time
from pathlib import Path
from proffer.bootstrap import copies
from proffer.stores import copying
def stop(*_):
    print("here", flush=True)
    time.sleep(60)
copying.check_equal = stop
copies.copy_workspace(Path(sys.argv[1]), Path(sys.argv[2]), store=sys.argv[3])
"""


def test_killed_in_the_middle_and_repeated(postgres, home, name, tmp_path):
    url, target = postgres.url(), tmp_path / "other" / name
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(home / name), str(target), url], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "here\n"
        with pytest.raises(Busy, match="another process"):
            copy_workspace(home / name, tmp_path / "third" / name, store=url)
    finally:
        process.kill()
        process.communicate()
    assert f"proffer_{name}" not in schemas(url)
    with pytest.raises(NotFound):
        bootstrap.workspace(tmp_path / "other", name)
    for _ in range(100):
        try:
            copy_workspace(home / name, target, store=url)
            break
        except Busy:
            # The database has not seen yet that the other process is gone.
            continue
    assert held(target) == held(home / name)
    assert not [schema for schema in schemas(url) if schema.endswith(".copy")]


def test_a_schema_that_holds_something_is_left_alone(postgres, home, name, tmp_path):
    url = postgres.url()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE SCHEMA "proffer_{name}"')
        connection.execute(f'CREATE TABLE "proffer_{name}".mine (n int)')
        with pytest.raises(Conflict, match="holds something"):
            copy_workspace(home / name, tmp_path / "other" / name, store=url)
        connection.execute(f'DROP TABLE "proffer_{name}".mine')
    assert not (tmp_path / "other" / name).exists()
    copy_workspace(home / name, tmp_path / "other" / name, store=url)


def test_without_the_right_to_make_schemas_nothing_is_made(postgres, home, name, tmp_path, monkeypatch):
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'other'")
    monkeypatch.delenv("PGPASSWORD")
    url = postgres.url(user=name, password="other")
    with pytest.raises(CannotStart, match="may not make schemas") as caught:
        copy_workspace(home / name, tmp_path / "other" / name, store=url)
    assert "other@" not in str(caught.value)
    assert not (tmp_path / "other" / name).exists()


def test_a_decision_comes_out_the_same_wherever_its_workspace_is(postgres, name, tmp_path):
    home = tmp_path / "home"
    bootstrap.create(home, name, "feed")
    engine = bootstrap.open_engine(home, name)
    engine.stores.log.append(list(toy().events))
    engine.catch_up()
    asked = [
        Query(id=f"q{n}", pipeline="home", subject=EntityRef("user", f"u{n}"), at=engine.clock.now(), n=10)
        for n in range(1, 4)
    ]
    made = [engine.recommend(query) for query in asked]
    engine.close()
    copy_workspace(home / name, tmp_path / "there" / name, store=postgres.url())
    back_up(tmp_path / "there", name, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "back", name)
    for place in ("there", "back"):
        engine = bootstrap.open_engine(tmp_path / place, name)
        try:
            assert [replay_decision(engine, decision.id).verdict for decision in made] == ["exact"] * 3
        finally:
            engine.close()
