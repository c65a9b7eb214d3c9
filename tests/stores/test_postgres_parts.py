"""What decisions, models and tokens in PostgreSQL do beyond their contracts: losses, two machines, damage."""

import itertools
import threading
import time

import msgspec
import numpy as np
import psycopg
import pytest

from proffer.core.errors import Busy, Conflict, Corrupt, Invalid, NotFound
from proffer.core.ports import Review, Token
from proffer.stores.artifacts import Artifacts
from proffer.stores.decision_queue import DecisionQueue
from proffer.stores.postgres import files
from proffer.stores.postgres.database import Database
from proffer.stores.postgres.decisions import PostgresDecisions
from proffer.stores.postgres.registry import PostgresRegistry
from proffer.stores.postgres.tables import make_tables
from proffer.stores.postgres.tokens import PostgresTokens
from proffer.testing.registry_contract import save
from proffer.testing.samples import START, sample_decision

SCHEMAS = (f"proffer_parts{number}" for number in itertools.count())


class Twice(Database):
    """Does every transaction twice, as after a connection that was lost when the commit had been done."""

    def run(self, work, *, again=True):
        first = super().run(work, again=again)
        return super().run(work, again=again) if again else first


@pytest.fixture
def schema():
    return next(SCHEMAS)


@pytest.fixture
def database(postgres, schema):
    database = Database(postgres.url(), schema)
    try:
        make_tables(database, "parts")
        yield database
    finally:
        database.close()


@pytest.fixture
def twice(postgres, schema, database):
    twice = Twice(postgres.url(), schema)
    yield twice
    twice.close()


def execute(postgres, schema, sql):
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f'SET search_path TO "{schema}"')
        return connection.execute(sql).rowcount


def test_what_is_done_again_after_a_loss_is_done_once(twice, database, tmp_path):
    registry = PostgresRegistry(twice, Artifacts(tmp_path))
    one, other = save(registry, days=1), save(registry, days=2)
    assert registry.promote(one.id, expected_revision=0, at=START) == 1
    assert registry.promote(other.id, expected_revision=1, at=START) == 2
    assert registry.retire("main", expected_revision=2, at=START, back=True) == 3
    with pytest.raises(Conflict):
        registry.promote(other.id, expected_revision=1, at=START)
    assert [change.revision for change in registry.promotions("main")] == [3, 2, 1]
    registry.review(Review(version=one.id, kind="shadow", at=START, body={"n": 1}))
    assert len(registry.reviews(one.id)) == 1
    tokens = PostgresTokens(twice)
    tokens.add(Token(name="a", digest="d", scopes=("read",), created_at=START))
    with pytest.raises(Conflict):
        tokens.add(Token(name="a", digest="e", scopes=("read",), created_at=START))
    tokens.remove("a")
    assert tokens.all() == []
    with pytest.raises(NotFound):
        PostgresTokens(database).remove("a")


def test_one_machine_saves_and_another_fetches(database, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PART", 100)
    here = PostgresRegistry(database, Artifacts(tmp_path / "here"))
    there = PostgresRegistry(database, Artifacts(tmp_path / "there"))
    saved = save(here, weight=2.5)
    assert here.promote(saved.id, expected_revision=0, at=START) == 1
    assert there.champion("main") == (saved, 1)
    version, arrays = there.load(saved.id)
    assert (version, arrays["w"].tolist()) == (saved, [2.5] * 3)
    assert Artifacts(tmp_path / "there").check(saved.id) == saved
    # A damaged copy in the folder is mended from the database.
    (tmp_path / "there" / saved.id / "arrays.npz").write_bytes(b"PK")
    assert there.load(saved.id)[1]["w"].tolist() == [2.5] * 3
    assert Artifacts(tmp_path / "there").check(saved.id) == saved


def test_a_folder_that_takes_nothing_keeps_no_model_from_serving(database, tmp_path):
    saved = save(PostgresRegistry(database, Artifacts(tmp_path / "here")))
    (tmp_path / "there").write_text("a file where the folder would be")
    assert PostgresRegistry(database, Artifacts(tmp_path / "there")).load(saved.id)[1]["w"].tolist() == [1.0] * 3


@pytest.mark.parametrize("name", ["arrays.npz", "manifest.json", "manifest.sha256"])
@pytest.mark.parametrize("how", ["body = substr(body, 1, 20)", "body = set_byte(body, 9, get_byte(body, 9) # 1)"])
def test_damage_in_the_database_is_found_and_mended_by_saving_again(postgres, schema, database, tmp_path, name, how):
    here = PostgresRegistry(database, Artifacts(tmp_path / "here"))
    saved = save(here)
    assert execute(postgres, schema, f"UPDATE artifacts SET {how} WHERE name = '{name}'") == 1
    there = PostgresRegistry(database, Artifacts(tmp_path / "there"))
    with pytest.raises(Corrupt, match="in the database are damaged"):
        there.load(saved.id)
    assert not (tmp_path / "there" / saved.id).exists()
    assert save(PostgresRegistry(database, Artifacts(tmp_path / "here"))) == saved
    assert there.load(saved.id)[0] == saved


def test_a_missing_file_is_damage_too(postgres, schema, database, tmp_path):
    saved = save(PostgresRegistry(database, Artifacts(tmp_path / "here")))
    execute(postgres, schema, "DELETE FROM artifacts WHERE name = 'manifest.sha256'")
    with pytest.raises(Corrupt, match="is missing"):
        PostgresRegistry(database, Artifacts(tmp_path / "there")).load(saved.id)


def test_a_training_process_writes_and_a_writer_adopts(database, tmp_path):
    trainer = PostgresRegistry(database, Artifacts(tmp_path), writable=False)
    saved = save(trainer)
    assert trainer.history("main") == []
    with pytest.raises(Invalid, match="reading only"):
        trainer.adopt(saved.id)
    writer = PostgresRegistry(database, Artifacts(tmp_path))
    assert writer.adopt(saved.id) == writer.adopt(saved.id) == saved
    assert trainer.history("main") == [saved]


def test_many_processes_put_the_same_model_into_one_folder(database, tmp_path):
    registries = [PostgresRegistry(database, Artifacts(tmp_path)) for _ in range(4)]
    threads = [threading.Thread(target=save, args=(registry,)) for registry in registries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [version] = registries[0].history("main")
    assert np.array_equal(registries[1].load(version.id)[1]["w"], np.ones(3))
    assert [path.name for path in tmp_path.iterdir()] == [version.id]


def test_decisions_wait_while_the_database_is_away(postgres, database):
    log = PostgresDecisions(database)
    log.put(sample_decision("d1"))
    log.flush()
    postgres.stop()
    try:
        assert log.put(sample_decision("d2"))
        assert log.get("d2") == sample_decision("d2")
        with pytest.raises(Busy):
            log.flush()
        with pytest.raises(Busy):
            log.get("d1")
    finally:
        postgres.start()
    until = time.monotonic() + 5
    while log._queue.waiting() and time.monotonic() < until:
        time.sleep(0.02)
    assert not log._queue.waiting()
    assert [one.id for one in log.find()] == ["d1", "d2"]
    assert log.dropped() == 0
    log.close()


def test_a_full_queue_drops_and_counts(postgres, database):
    log = PostgresDecisions(database, queue=DecisionQueue(capacity=2))
    postgres.stop()
    try:
        assert [log.put(sample_decision(f"d{number}")) for number in range(4)] == [True, True, False, False]
    finally:
        postgres.start()
    log.close()
    assert (log.dropped(), [one.id for one in log.find()]) == (2, ["d0", "d1"])


def test_what_no_column_can_hold_does_not_hold_up_the_rest(database):
    log = PostgresDecisions(database)
    for name in ("d1", "d\x00", "d\ud800", "d2"):
        log.put(sample_decision(name))
    log.flush()
    assert [one.id for one in log.find()] == ["d1", "d2"]
    assert log.dropped() == 2
    assert (log.get("d\x00"), log.find(after="\x00")) == (None, [])
    log.close()


def test_what_was_replaced_or_removed_leaves_the_files(postgres, schema, database):
    log = PostgresDecisions(database)
    for name in ("d1", "d2", "d3"):
        log.put(sample_decision(name, user=f"canary-{name}-{schema}"))
    log.flush()

    def held(word):
        execute(postgres, schema, "CHECKPOINT")
        files = [path for path in (postgres.folder / "data" / "base").rglob("*") if path.is_file()]
        return sum(f"canary-{word}-{schema}".encode() in path.read_bytes() for path in files)

    assert held("d1") > 0
    log.put(sample_decision("d4", user=f"canary-d4-{schema}"))
    log.replace([sample_decision("d1", user="nobody")], ["d2", "d4", "unknown", "d\x00"])
    assert [(one.id, one.query.subject.id) for one in log.find()] == [("d1", "nobody"), ("d3", f"canary-d3-{schema}")]
    assert [held(word) > 0 for word in ("d1", "d2", "d3", "d4")] == [False, False, True, False]
    log.close()


def test_of_two_machines_that_save_the_same_the_first_stands(database, tmp_path):
    first = save(PostgresRegistry(database, Artifacts(tmp_path / "first")), at=START)
    later = START.replace(year=2027)
    second = PostgresRegistry(database, Artifacts(tmp_path / "second"))
    assert save(second, at=later) == first
    assert second.load(first.id)[0] == first
    # A trainer whose folder was written before anybody listed it.
    Artifacts(tmp_path / "third").write(msgspec.structs.replace(first, created_at=later), {"w": np.ones(3)})
    third = PostgresRegistry(database, Artifacts(tmp_path / "third"))
    assert third.adopt(first.id) == first
    assert PostgresRegistry(database, Artifacts(tmp_path / "fourth")).load(first.id)[0] == first
    assert third.history("main") == [first]
