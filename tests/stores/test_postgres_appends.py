"""Appends to PostgreSQL by many at once, through lost connections, crashes and restarts of the server."""

import itertools
import json
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from proffer.core.clock import SystemClock
from proffer.core.errors import Busy, Invalid, NotFound
from proffer.core.events import Counts, Reject, Verdict
from proffer.stores.postgres.database import Database
from proffer.stores.postgres.log import PostgresLog
from proffer.stores.postgres.tables import make_tables
from proffer.testing import sample_event

from .losing import lose_connections

NAMES = (f"proffer_appends{number}" for number in itertools.count())

OPEN = """
import sys, threading, json
from proffer.core.clock import SystemClock
from proffer.core.events import Reject
from proffer.stores.postgres.database import Database
from proffer.stores.postgres.log import PostgresLog
from proffer.testing import sample_event

database = Database(sys.argv[1], sys.argv[2])
log = PostgresLog(database, SystemClock(), database.close)
"""
WRITE_AND_FOLLOW = (
    OPEN
    + """
name, total, tail, told = sys.argv[3], int(sys.argv[4]), [], []

def write(thread):
    for call in range(50):
        rows = [sample_event(f"{name}.{thread}.{call}.{row}") for row in range(3)]
        receipts = log.append([*rows, Reject(raw="{", reason="bad")])
        told.append([receipt.sequence for receipt in receipts[:3]])

def follow():
    while len(tail) < total and log.wait(tail[-1] if tail else 0, 20):
        tail.extend(event.sequence for chunk in log.scan(tail[-1] if tail else 0) for event in chunk)

threads = [threading.Thread(target=write, args=(thread,)) for thread in range(4)]
threads.append(threading.Thread(target=follow))
log.last()
print("ready", flush=True)
sys.stdin.readline()
for thread in threads: thread.start()
for thread in threads: thread.join()
log.close()
print(json.dumps([tail, told]))
"""
)


@pytest.fixture
def schema(postgres):
    name = next(NAMES)
    database = Database(postgres.url(), name)
    make_tables(database, name)
    database.close()
    return name


@contextmanager
def opened(postgres, schema):
    database = Database(postgres.url(), schema)
    log = PostgresLog(database, SystemClock(), database.close)
    try:
        yield log
    finally:
        log.close()


def stored(log):
    events = [event for chunk in log.scan() for event in chunk]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert len({event.id for event in events}) == len(events)
    return {event.id: event.sequence for event in events}


def test_two_processes_append_and_a_tail_in_each_skips_nothing(postgres, schema):
    total = 2 * 4 * 50 * 3
    command = [sys.executable, "-c", WRITE_AND_FOLLOW, postgres.url(), schema]
    processes = [
        subprocess.Popen([*command, name, str(total)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    everything = list(range(1, total + 1))
    assert [tail for tail, _ in said] == [everything, everything]
    calls = [call for _, told in said for call in told]
    assert sorted(sequence for call in calls for sequence in call) == everything
    assert all(call == list(range(call[0], call[0] + 3)) for call in calls)
    # They took turns: neither waited for the other to end.
    assert max(said[0][1])[0] > min(said[1][1])[0]
    assert max(said[1][1])[0] > min(said[0][1])[0]
    with opened(postgres, schema) as log:
        assert log.counts() == Counts(accepted=total, quarantined=total // 3)
        assert [row.number for row in log.quarantined(limit=1000)] == list(range(1, total // 3 + 1))


def test_the_same_event_in_two_processes_is_accepted_once(postgres, schema):
    with opened(postgres, schema) as one, opened(postgres, schema) as other, ThreadPoolExecutor(8) as pool:
        logs = [one, other] * 20
        verdicts = [*pool.map(lambda pair: pair[1].append([sample_event(f"e{pair[0] // 4}")])[0].verdict,
                              enumerate(logs))]  # fmt: skip
        assert verdicts.count(Verdict.ACCEPTED) == 10
        assert len(stored(one)) == 10
        assert one.counts() == Counts(accepted=10, duplicates=30)


def test_another_process_is_heard_at_once(postgres, schema):
    with opened(postgres, schema) as one, opened(postgres, schema) as other:
        delays = []
        for number in range(10):
            with ThreadPoolExecutor(1) as pool:
                heard = pool.submit(lambda after=number: (other.wait(after, 20), time.monotonic()))
                time.sleep(0.03)
                one.append([sample_event(f"e{number}")])
                sent = time.monotonic()
                grown, at = heard.result()
                assert grown
                delays.append(at - sent)
        # Without notifications each would take up to the 250 ms between two looks.
        assert sorted(delays)[5] < 0.1


def test_who_waits_hears_again_after_its_connection_was_cut(postgres, schema):
    with opened(postgres, schema) as one, opened(postgres, schema) as other:
        assert not other.wait(0, 0.01)
        cut(postgres, schema)
        with ThreadPoolExecutor(1) as pool:
            heard = pool.submit(other.wait, 0, 20)
            one.append([sample_event("e1")])
            assert heard.result()
        assert not other.wait(1, 0.01)


def cut(postgres, schema):
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE %s"
        connection.execute(sql, (f"%{schema}",))


class Crowd:
    """Threads that append until told to stop, send again what was not acknowledged, and keep what was."""

    def __init__(self, log, threads=6):
        self.log, self.done, self.failures = log, threading.Event(), 0
        self.acknowledged, self.accepted, self.last = {}, 0, 0.0
        self.pool = ThreadPoolExecutor(threads)
        self.running = [self.pool.submit(self.write, thread) for thread in range(threads)]

    def write(self, thread):
        for call in itertools.count():
            rows = [sample_event(f"{thread}.{call}.{row}") for row in range(3)]
            while not self.send([*rows, Reject(raw="{", reason="bad")]):
                time.sleep(0.02)
            if self.done.is_set():
                return

    def send(self, rows):
        try:
            receipts = self.log.append(rows)
        except Busy:
            self.failures += 1
            return False
        self.acknowledged.update((receipt.id, receipt.sequence) for receipt in receipts[:3])
        self.last = time.monotonic()
        return True

    def stop(self):
        self.done.set()
        for running in self.running:
            running.result(timeout=60)
        self.pool.shutdown()


def check(crowd, log):
    found = stored(log)
    assert found == crowd.acknowledged
    counts = log.counts()
    # A row that was sent again is either what was not stored before, or a duplicate.
    assert counts.accepted == len(found)
    assert counts.conflicts == 0
    assert counts.quarantined == len(log.quarantined(limit=10**6)) >= len(found) // 3
    assert counts.duplicates % 3 == 0
    assert counts.quarantined == (counts.accepted + counts.duplicates) // 3


def test_connections_cut_in_the_middle_lose_and_double_nothing(postgres, schema):
    chance = random.Random(7)
    with opened(postgres, schema) as log:
        crowd = Crowd(log)
        for _ in range(25):
            time.sleep(chance.uniform(0.005, 0.06))
            cut(postgres, schema)
        crowd.stop()
        check(crowd, log)
        # One cut is healed without a word: the same group is done again.
        assert crowd.failures < 25


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_a_server_that_comes_back_is_used_again(postgres, schema, how):
    with opened(postgres, schema) as log:
        crowd = Crowd(log)
        time.sleep(0.2)
        if how == "kill":
            postgres.kill()
            time.sleep(0.3)
            postgres.start()
        else:
            postgres.restart()
        back, known = time.monotonic(), len(crowd.acknowledged)
        while len(crowd.acknowledged) == known and time.monotonic() < back + 10:
            time.sleep(0.005)
        assert time.monotonic() - back < 5
        crowd.stop()
        check(crowd, log)


@pytest.fixture
def lossy(monkeypatch):
    """What is to become of the next transactions."""
    losses = []
    lose_connections(monkeypatch, losses)
    return losses


@pytest.mark.parametrize("when", [["after"], ["before"], ["before", "after"], ["after", "after"]])
def test_a_commit_whose_outcome_is_unknown_is_asked_about(postgres, schema, lossy, when):
    with opened(postgres, schema) as log:
        log.append([sample_event("e1"), Reject(raw="", reason="bad"), Reject(raw="", reason="worse")])
        lossy += when
        receipts = log.append(
            [sample_event("e2"), sample_event("e2"), sample_event("e1", n=1.0), Reject(raw="{", reason="bad")],
            repairs=1,
        )
        assert not lossy
        assert [(r.verdict.value, r.sequence, r.quarantine) for r in receipts] == [
            ("accepted", 2, 0), ("duplicate", 2, 0), ("conflict", 0, 0), ("quarantined", 0, 3),
        ]  # fmt: skip
        assert stored(log) == {"e1": 1, "e2": 2}
        assert log.counts() == Counts(accepted=2, duplicates=1, conflicts=1, quarantined=2)
        assert [row.number for row in log.quarantined()] == [2, 3]
        lossy += when
        with pytest.raises(NotFound):
            log.append([sample_event("e3")], repairs=9)
        assert log.append([sample_event("e3")])[0].sequence == 3


def test_an_unknown_outcome_that_lasts_is_told_and_the_same_again_is_a_duplicate(postgres, schema, lossy):
    with opened(postgres, schema) as log:
        lossy += ["after"] + ["at once"] * 3
        with pytest.raises(Busy):
            log.append([sample_event("e1")])
        assert log.append([sample_event("e1")])[0].verdict is Verdict.DUPLICATE
        assert log.append([sample_event("e2")])[0].sequence == 2


def test_a_rewrite_whose_outcome_is_unknown_is_done_once(postgres, schema, lossy):
    with opened(postgres, schema) as log:
        log.append([sample_event("e1"), sample_event("e2")])
        lossy += ["after"]
        assert log.rewrite([], [], sample_event("note")) == 3
        assert stored(log) == {"e1": 1, "e2": 2, "note": 3}


def test_who_waits_together_shares_a_transaction(postgres, schema):
    with opened(postgres, schema) as log, ThreadPoolExecutor(16) as pool:
        receipts = [*pool.map(lambda n: log.append([sample_event(f"e{n}")])[0], range(400))]
        assert sorted(receipt.sequence for receipt in receipts) == list(range(1, 401))
        assert log.commits < 300


def test_an_append_that_fails_takes_back_its_own_rows_only(postgres, schema):
    with opened(postgres, schema) as log, ThreadPoolExecutor(9) as pool:
        log.append([Reject(raw="", reason="bad")])

        def send(n):
            try:
                return log.append([sample_event(f"e{n}"), sample_event(f"f{n}")], repairs=None if n % 3 else 7)
            except NotFound:
                return None

        told = [*pool.map(send, range(90))]
        assert [given is None for given in told] == [n % 3 == 0 for n in range(90)]
        assert stored(log).keys() == {f"{x}{n}" for n in range(90) if n % 3 for x in "ef"}
        assert log.counts() == Counts(accepted=120, quarantined=1)


def test_a_row_that_no_index_can_hold_is_refused_alone(postgres, schema):
    with opened(postgres, schema) as log, ThreadPoolExecutor(9) as pool:
        long = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_000))

        def send(n):
            try:
                return log.append([sample_event(f"e{n}" if n % 3 else f"{long}{n}")])
            except Invalid:
                return None

        told = [*pool.map(send, range(60))]
        assert [given is None for given in told] == [n % 3 == 0 for n in range(60)]
        assert stored(log).keys() == {f"e{n}" for n in range(60) if n % 3}
        assert log.counts() == Counts(accepted=40)
