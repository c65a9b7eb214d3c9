import contextlib
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from proffer.core.errors import Conflict, Corrupt, Invalid, ProfferError, StorageFull
from proffer.core.events import Counts
from proffer.stores.sqlite import sqlite_stores
from proffer.stores.sqlite.decisions import SqliteDecisionQueue as DecisionQueue
from proffer.stores.sqlite.tables import open_reader, open_writer
from proffer.stores.sqlite.writer import Writer
from proffer.stores.versions import VERSION
from proffer.testing import sample_decision, sample_event


class Failing:
    """A connection whose chosen statement fails as a disk would."""

    def __init__(self, connection, statement, code, effect_first=False):
        self.connection, self.statement, self.code, self.effect_first = connection, statement, code, effect_first
        self.closed = False

    def execute(self, sql, *values):
        if sql.startswith(self.statement):
            if self.effect_first:
                self.connection.execute(sql, *values)
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = self.code
            raise error
        return self.connection.execute(sql, *values)

    def close(self):
        self.closed = True
        self.connection.close()

    def __getattr__(self, name):
        return getattr(self.connection, name)


@pytest.fixture
def writer(tmp_path):
    made = Writer(tmp_path, open_writer, DecisionQueue())
    made.run(lambda connection: connection.execute("CREATE TABLE t (x)"))
    yield made
    made.close()


def insert(value):
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", (value,)).rowcount


def stored(root):
    with contextlib.closing(open_reader(root)) as connection:
        return [x for (x,) in connection.execute("SELECT x FROM t ORDER BY rowid")]


def test_who_waits_together_shares_a_transaction(writer, tmp_path):
    before, entered, go_on = writer.commits, threading.Event(), threading.Event()

    def hold(connection):
        entered.set()
        go_on.wait()

    with ThreadPoolExecutor(33) as pool:
        held = pool.submit(writer.run, hold)
        entered.wait()
        waiting = [pool.submit(writer.run, insert(n)) for n in range(32)]
        while len(writer._jobs) < 32:
            threading.Event().wait(0.001)
        go_on.set()
        held.result()
        assert [job.result() for job in waiting] == [1] * 32
    assert writer.commits == before + 2
    assert sorted(stored(tmp_path)) == list(range(32))


def test_who_came_together_is_waited_for(tmp_path, writer, monkeypatch):
    monkeypatch.setattr("proffer.stores.grouping.GATHER", 30.0)
    before, writer._group = writer.commits, 2
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(writer.run, insert(1))
        assert not first.done()
        second = pool.submit(writer.run, insert(2))
        assert [first.result(), second.result()] == [1, 1]
    assert writer.commits == before + 1


def test_threads_in_step_keep_sharing(tmp_path):
    stores = sqlite_stores(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        for number, _ in enumerate(pool.map(lambda n: stores.log.append([sample_event(f"e{n}")]), range(400)), 1):
            assert number
    assert stores.log.last() == 400
    assert stores.log.commits < 300
    stores.log.close()


def test_a_failing_job_takes_back_its_own_rows_only(writer, tmp_path):
    def spoil(connection):
        insert("lost")(connection)
        raise Conflict("changed meanwhile")

    def break_rule(connection):
        insert("lost too")(connection)
        connection.execute("INSERT INTO counts VALUES (1)")

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(writer.run, work) for work in (insert(1), spoil, insert(2), break_rule, insert(3))]
        errors = [job.exception() for job in jobs]
    assert [type(error) for error in errors] == [
        type(None),
        Conflict,
        type(None),
        sqlite3.OperationalError,
        type(None),
    ]
    assert sorted(stored(tmp_path)) == [1, 2, 3]


@pytest.mark.parametrize("statement", ["BEGIN", "INSERT", "COMMIT"])
@pytest.mark.parametrize(
    ("code", "error"),
    [
        (sqlite3.SQLITE_FULL, StorageFull),
        (sqlite3.SQLITE_IOERR, ProfferError),
        (sqlite3.SQLITE_IOERR_FSYNC, ProfferError),
        (sqlite3.SQLITE_CORRUPT, Corrupt),
    ],
)
def test_a_failing_disk_fails_everybody_and_heals(writer, tmp_path, statement, code, error):
    writer.run(insert("before"))
    sound, failing = writer._connection, Failing(writer._connection, statement, code)
    writer._connection = failing
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(writer.run, insert(n)) for n in range(4)]
        failed = [job.exception() for job in jobs]
    first = next(one for one in failed if one is not None)
    assert type(first) is error
    assert "nothing was written" in first.message or error is Corrupt
    assert failing.closed == (code != sqlite3.SQLITE_FULL)
    if code == sqlite3.SQLITE_FULL:
        writer._connection = sound
    kept = {"before", *(n for n, one in enumerate(failed) if one is None)}
    assert set(stored(tmp_path)) == kept
    assert writer.run(insert("after")) == 1
    assert set(stored(tmp_path)) == {*kept, "after"}


def test_no_disk_to_reopen_is_told_each_time_until_there_is(writer, tmp_path):
    def refuse(root):
        raise Corrupt("cannot be opened")

    writer._connection = Failing(writer._connection, "COMMIT", sqlite3.SQLITE_IOERR)
    writer._connect = refuse
    with pytest.raises(ProfferError):
        writer.run(insert(1))
    with pytest.raises(Corrupt):
        writer.run(insert(2))
    writer._connect = open_writer
    writer.run(insert(3))
    assert stored(tmp_path) == [3]


def test_a_full_disk_writes_nothing_and_recovers(tmp_path, monkeypatch):
    limited = []

    def small(root):
        connection = open_writer(root)
        connection.execute("PRAGMA max_page_count = 150")
        limited.append(connection)
        return connection

    monkeypatch.setattr("proffer.stores.sqlite.open_writer", small)
    stores = sqlite_stores(tmp_path)
    acknowledged = 0
    with contextlib.suppress(StorageFull):
        while acknowledged < 20_000:
            stores.log.append([sample_event(f"e{acknowledged + row}", text="x" * 500) for row in range(20)])
            acknowledged += 20
    assert 0 < acknowledged < 20_000
    assert stores.log.last() == acknowledged
    assert stores.log.counts() == Counts(accepted=acknowledged)
    assert sum(map(len, stores.log.scan())) == acknowledged
    stores.decisions.put(sample_decision("d1", items=3000))
    with pytest.raises(StorageFull):
        stores.decisions.flush()
    assert stores.decisions.get("d1") is not None
    limited[0].execute("PRAGMA max_page_count = 100000")
    assert stores.log.append([sample_event("after")])[0].sequence == acknowledged + 1
    stores.decisions.flush()
    stores.log.close()
    again = sqlite_stores(tmp_path, writable=False)
    assert again.log.counts() == Counts(accepted=acknowledged + 1)
    assert again.decisions.get("d1") is not None
    again.log.close()


def test_a_full_queue_drops_and_counts(tmp_path):
    queue = DecisionQueue(capacity=3)
    assert [queue.put(sample_decision(f"d{n}")) for n in range(5)] == [True, True, True, False, False]
    assert queue.dropped == 2
    with contextlib.closing(open_writer(tmp_path)) as connection:
        assert queue.write(connection) == 3
    queue.written(3)
    assert queue.put(sample_decision("d9"))
    assert [one.id for one in queue.all()] == ["d9"]


def test_a_decision_that_cannot_be_written_does_not_hold_up_the_rest(tmp_path):
    stores = sqlite_stores(tmp_path)
    stores.decisions.put(sample_decision("bad\ud800"))
    stores.decisions.put(sample_decision("good"))
    stores.decisions.flush()
    assert [one.id for one in stores.decisions.find()] == ["good"]
    assert stores.decisions.dropped() == 1
    stores.log.close()


def test_decisions_are_written_without_being_flushed(tmp_path):
    stores = sqlite_stores(tmp_path)
    stores.decisions.put(sample_decision("d1"))
    reader = sqlite_stores(tmp_path, writable=False)
    while reader.decisions.get("d1") is None:
        threading.Event().wait(0.005)
    reader.log.close()
    stores.log.close()


def test_no_decision_is_forgotten_by_a_thread_about_to_sleep(tmp_path, monkeypatch):
    monkeypatch.setattr("proffer.stores.grouping.LINGER", 0.0)
    stores = sqlite_stores(tmp_path)
    reader = sqlite_stores(tmp_path, writable=False)
    for n in range(300):
        stores.decisions.put(sample_decision(f"d{n}"))
        # Pauses of about the time a write takes, so that puts meet the thread at every step of falling asleep.
        threading.Event().wait(n % 7 * 0.0003)
    until = time.monotonic() + 10
    while len(reader.decisions.find(limit=1_000)) < 300:
        assert time.monotonic() < until, "a decision waits for ever"
        threading.Event().wait(0.005)
    reader.log.close()
    stores.log.close()


def test_a_closed_workspace_says_so(tmp_path):
    stores = sqlite_stores(tmp_path)
    stores.log.close()
    for use in (lambda: stores.log.append([sample_event("e1")]), stores.log.last):
        with pytest.raises(ProfferError, match="closed"):
            use()


def test_every_commit_is_flushed_to_disk_and_one_connection_checkpoints(tmp_path):
    with contextlib.closing(open_writer(tmp_path)) as writer, contextlib.closing(open_reader(tmp_path)) as reader:
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert writer.execute("PRAGMA synchronous").fetchone() == (2,)
        assert reader.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM events")


def test_values_no_log_can_hold_are_told_and_leave_the_reader_sound(tmp_path):
    stores = sqlite_stores(tmp_path)
    for ask in (
        lambda: stores.log.get("\ud800"),
        lambda: stores.log.find(after=2**70),
        lambda: stores.log.find(limit=10**30),
        lambda: stores.decisions.get("\udfff"),
        lambda: stores.tokens.remove("\udfff"),
    ):
        with pytest.raises(Invalid):
            ask()
        assert stores.log.last() == 0
    stores.log.close()


def test_tables_have_a_version(tmp_path):
    with contextlib.closing(open_writer(tmp_path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
