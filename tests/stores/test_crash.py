"""A writing process is killed in the middle; what it acknowledged is there exactly once, and the counts add up."""

import random
import sqlite3
import subprocess
import sys
import time

import pytest

from proffer.core.events import Counts
from proffer.stores.sqlite import sqlite_stores

WRITE = """
import pathlib, sys, threading
from proffer.core.events import Reject
from proffer.stores.sqlite import sqlite_stores
from proffer.testing import sample_decision, sample_event

stores = sqlite_stores(pathlib.Path(sys.argv[1]))
round, lock = sys.argv[2], threading.Lock()

def write(thread):
    for call in range(100_000):
        events = [sample_event(f"{round}.{thread}.{call}.{row}") for row in range(3)]
        receipts = stores.log.append([*events, Reject(raw="{", reason="cut short"), events[0]])
        stores.log.append([sample_event(f"{round}.{thread}.{call}.mended")], repairs=receipts[3].quarantine)
        stores.decisions.put(sample_decision(f"{round}.{thread}.{call}"))
        told = "".join(f"{r.id}\\t{r.sequence}\\n" for r in receipts[:3])
        with lock:
            sys.stdout.write(told)
            sys.stdout.flush()

for thread in range(4):
    threading.Thread(target=write, args=(thread,)).start()
"""


def killed_in_the_middle(root, name, seconds):
    command = [sys.executable, "-c", WRITE, str(root), name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = [process.stdout.readline()]
    time.sleep(seconds)
    process.kill()
    rest, _ = process.communicate()
    return [line.split("\t") for line in (lines[0] + rest).splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.parametrize("seed", [1])
def test_killed_in_the_middle_of_writing(tmp_path, seed):
    chance = random.Random(seed)
    acknowledged = {}
    for turn in range(3):
        told = killed_in_the_middle(tmp_path, f"r{turn}", chance.uniform(0.05, 0.4))
        assert len(told) >= 3
        acknowledged.update((name, int(sequence)) for name, sequence in told)
        stores = sqlite_stores(tmp_path)
        events = [event for chunk in stores.log.scan() for event in chunk]
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        stored = {event.id: event.sequence for event in events}
        assert len(stored) == len(events)
        assert acknowledged.items() <= stored.items()
        calls = sum(name.endswith(".0") for name in stored)
        mended = sum(name.endswith(".mended") for name in stored)
        assert len(stored) == 3 * calls + mended
        assert stores.log.counts() == Counts(accepted=len(stored), duplicates=calls, quarantined=calls - mended)
        assert len(stores.log.quarantined(limit=10**6)) == calls - mended
        assert len(stores.log.quarantined(limit=10**6, open_only=False)) == calls
        assert all(stores.decisions.get(one.id) == one for one in stores.decisions.find(limit=10**6))
        stores.log.close()
    connection = sqlite3.connect(tmp_path / "log.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_a_reader_opens_what_a_killed_writer_left(tmp_path):
    told = killed_in_the_middle(tmp_path, "r", 0.1)
    stores = sqlite_stores(tmp_path, writable=False)
    assert {name for name, _ in told} <= {event.id for chunk in stores.log.scan() for event in chunk}
    stores.log.close()
