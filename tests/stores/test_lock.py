import json
import subprocess
import sys
import threading

import pytest

from proffer.core.errors import CannotStart, Corrupt, Invalid, NotFound, WorkspaceBusy
from proffer.core.events import Counts
from proffer.stores.sqlite import Writing, announce, sqlite_stores, writing
from proffer.testing import sample_decision, sample_event
from proffer.testing.samples import START

HOLD = """
import sys, pathlib
from proffer.stores.sqlite import announce, sqlite_stores
root = pathlib.Path(sys.argv[1])
stores = sqlite_stores(root)
announce(root, "http://127.0.0.1:8000")
print("ready", flush=True)
sys.stdin.readline()
"""

READ = """
import sys, pathlib
from proffer.stores.sqlite import sqlite_stores
log = sqlite_stores(pathlib.Path(sys.argv[1]), writable=False).log
print("ready", flush=True)
seen = 0
while seen < int(sys.argv[2]):
    for chunk in log.scan(seen):
        for event in chunk:
            assert event.sequence == seen + 1, (event.sequence, seen)
            seen += 1
        counts = log.counts()
        assert counts.accepted >= seen
print(seen, flush=True)
"""


def child(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_second_writer_is_refused_with_the_first_ones_address(tmp_path):
    with child(HOLD, tmp_path / "w") as holder:
        with pytest.raises(WorkspaceBusy) as refused:
            sqlite_stores(tmp_path / "w")
        assert str(holder.pid) in refused.value.message
        assert "http://127.0.0.1:8000" in refused.value.remedy
        assert writing(tmp_path / "w") == Writing(holder.pid, "http://127.0.0.1:8000")
        reading = sqlite_stores(tmp_path / "w", writable=False)
        with pytest.raises(WorkspaceBusy, match=r"127\.0\.0\.1"):
            reading.log.append([sample_event("e1")])
        reading.log.close()
        holder.kill()
    assert writing(tmp_path / "w") is None
    sqlite_stores(tmp_path / "w").log.close()


def test_a_second_opening_in_the_same_process_is_refused(tmp_path):
    stores = sqlite_stores(tmp_path)
    with pytest.raises(WorkspaceBusy):
        sqlite_stores(tmp_path)
    stores.log.close()
    stores.log.close()
    sqlite_stores(tmp_path).log.close()


def test_only_the_writer_announces(tmp_path):
    with pytest.raises(Invalid):
        announce(tmp_path, "http://127.0.0.1:1")


def test_asking_who_writes_never_keeps_a_writer_out(tmp_path):
    done = threading.Event()

    def ask():
        while not done.is_set():
            writing(tmp_path)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for _ in range(20):
            sqlite_stores(tmp_path).log.close()
    finally:
        done.set()
        thread.join()


def test_a_reading_process_sees_only_whole_batches_in_order(tmp_path):
    stores = sqlite_stores(tmp_path)
    with child(READ, tmp_path, 3000) as reader:
        for batch in range(300):
            stores.log.append([sample_event(f"e{batch}.{row}") for row in range(10)])
        assert reader.stdout.readline() == "3000\n"
    assert reader.returncode == 0
    stores.log.close()


def test_reading_only(tmp_path):
    with pytest.raises(NotFound):
        sqlite_stores(tmp_path / "none", writable=False)
    assert not (tmp_path / "none").exists()
    writer = sqlite_stores(tmp_path / "w")
    writer.log.append([sample_event("e1")])
    writer.log.close()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "w").iterdir()}
    stores = sqlite_stores(tmp_path / "w", writable=False)
    assert stores.log.get("e1").sequence == 1
    assert stores.log.counts() == Counts(accepted=1)
    for write in (
        lambda: stores.log.append([sample_event("e2")]),
        lambda: stores.decisions.put(sample_decision("d1")),
        lambda: stores.tokens.remove("x"),
        lambda: stores.registry.promote("m_1", expected_revision=0, at=START),
        lambda: stores.snapshots.save("v", 1, {}),
    ):
        with pytest.raises(Invalid, match="reading only"):
            write()
    stores.log.close()
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_newer_database_is_refused(tmp_path):
    import sqlite3

    sqlite_stores(tmp_path).log.close()
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for writable in (True, False):
        with pytest.raises(CannotStart, match="99"):
            sqlite_stores(tmp_path, writable=writable)
    assert writing(tmp_path) is None


def test_what_is_no_log_is_refused(tmp_path):
    import sqlite3

    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "log.db").write_text("dear diary, " * 1000)
    with pytest.raises(Corrupt):
        sqlite_stores(tmp_path / "text")
    (tmp_path / "other").mkdir()
    connection = sqlite3.connect(tmp_path / "other" / "log.db")
    connection.execute("CREATE TABLE diary (day)")
    connection.close()
    with pytest.raises(CannotStart):
        sqlite_stores(tmp_path / "other")


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "under"):
        with pytest.raises(CannotStart, match="file"):
            sqlite_stores(root)


def test_the_lock_tells_the_process_in_plain_json(tmp_path):
    stores = sqlite_stores(tmp_path)
    announce(tmp_path, "http://127.0.0.1:9")
    assert json.loads((tmp_path / "writer.lock").read_text())["url"] == "http://127.0.0.1:9"
    stores.log.close()
