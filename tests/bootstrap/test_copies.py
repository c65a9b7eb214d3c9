"""Backups made while somebody writes, and restored: whole, sealed, and the same workspace again."""

import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

import proffer.bootstrap as bootstrap
from proffer.bootstrap.copies import back_up, check_backup, copy_workspace, restore
from proffer.core.entities import EntityRef
from proffer.core.errors import CannotStart, Conflict, Corrupt, NotFound, ProfferError, StorageFull
from proffer.core.events import ENTITY_ERASE, Counts, Reject
from proffer.core.jobs import Job
from proffer.core.queries import Query
from proffer.engine.erase import erase_entities
from proffer.engine.replay import replay_decision
from proffer.stores.backups import told
from proffer.stores.copying import log_hash
from proffer.stores.sealed import MANIFEST, SEAL, manifest
from proffer.stores.sealed import seal as seal_folder
from proffer.stores.sqlite import sqlite_stores
from proffer.stores.sqlite.steps import STEPS
from proffer.testing.samples import START, sample_decision, sample_event
from tests.engine.worlds import champion, toy


@pytest.fixture
def home(tmp_path):
    bootstrap.create(tmp_path / "home", "feed", "feed")
    return tmp_path / "home"


@pytest.fixture
def backed_up(home, tmp_path):
    """A backup of a small workspace that has something of everything."""
    stores = bootstrap.open_stores(home / "feed")
    stores.log.append([*(sample_event(f"e{n}") for n in range(60)), Reject(raw="\ud800", reason="bad")])
    stores.decisions.put(sample_decision("d1"))
    told = {"schema": "v1", "position": 9, "parameters": {}, "metrics": {}, "at": START}
    version = stores.registry.save("home", "x", arrays={"w": np.ones(3)}, **told)
    stores.registry.promote(version.id, expected_revision=0, at=START)
    stores.registry.vouch(version.id, "this code", at=START)
    asked = {"search": True, "by": "request", "seconds": 9.0, "memory_mb": 100, "created_at": START}
    stores.jobs.add(Job(id="j1", pipeline="home", state="running", **asked))
    stores.log.close()
    (home / "feed" / "pseudonym.key").write_text("1:" + "ab" * 32)
    back_up(home, "feed", tmp_path / "backup")
    return tmp_path / "backup"


def held(root):
    """Return the log, the decisions and what serves of the workspace in a folder."""
    stores = sqlite_stores(root, writable=False)
    try:
        log = [event for chunk in stores.log.scan() for event in chunk], stores.log.counts(), log_hash(stores.log)
        return *log, stores.decisions.find(limit=999), stores.registry.champion("home")
    finally:
        stores.log.close()


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_back_and_forth(home, backed_up):
    backup = restore(backed_up, home, "again").backup
    assert held(home / "again") == held(home / "feed")
    assert (backup.workspace, backup.app, backup.holds.position, backup.holds.rows) == ("feed", "feed", 60, 1)
    made = bootstrap.workspace(home, "again")
    assert (made.name, made.created_at) == ("again", bootstrap.workspace(home, "feed").created_at)
    assert bootstrap.workspaces(home) == ["again", "feed"]
    assert (home / "again" / "pseudonym.key").read_bytes() == (home / "feed" / "pseudonym.key").read_bytes()
    assert {path.name for path in files_of(backed_up)} == {
        "log.db", "workspace.json", "pseudonym.key", MANIFEST, SEAL, "arrays.npz", "manifest.json", "manifest.sha256",
    }  # fmt: skip
    assert check_backup(backed_up) == backup
    stores = sqlite_stores(home / "again")
    assert not stores.registry.vouched(stores.registry.champion("home")[0].id, "this code")
    assert stores.log.append([sample_event("e1"), sample_event("new")])[1].sequence == 61
    assert stores.jobs.get("j1").state == "cancelled"
    stores.log.close()


def test_a_backup_is_read_where_nothing_can_be_written(home, backed_up):
    for path in [*backed_up.rglob("*"), backed_up]:
        path.chmod(path.stat().st_mode & ~0o222)
    before = files_of(backed_up)
    restore(backed_up, home, "again")
    assert files_of(backed_up) == before
    backed_up.chmod(0o700)
    for path in backed_up.rglob("*"):
        path.chmod(0o700)


def test_system_tools_check_the_seal(backed_up):
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--status", SEAL], cwd=backed_up, check=True)


def test_every_flipped_bit_is_refused_by_name(home, backed_up):
    chance = np.random.default_rng(3)
    for path in files_of(backed_up):
        sound = path.read_bytes()
        for place in {0, len(sound) - 1, *chance.integers(0, len(sound), 4).tolist()}:
            damaged = bytearray(sound)
            damaged[place] ^= 1 << int(chance.integers(8))
            path.write_bytes(damaged)
            with pytest.raises(Corrupt, match=path.name):
                restore(backed_up, home, "again")
            with pytest.raises(Corrupt, match=path.name):
                check_backup(backed_up)
        path.write_bytes(sound)
    assert bootstrap.workspaces(home) == ["feed"]
    assert names_in(home) == ["feed"]
    restore(backed_up, home, "again")


def test_what_is_cut_missing_or_no_file_is_refused_by_name(home, backed_up):
    for path in files_of(backed_up):
        sound = path.read_bytes()
        for cut in (sound[:-1], sound[: len(sound) // 2], b"", sound + b"x"):
            path.write_bytes(cut)
            with pytest.raises(Corrupt, match=path.name):
                restore(backed_up, home, "again")
        path.unlink()
        with pytest.raises((Corrupt, NotFound), match=path.name):
            restore(backed_up, home, "again")
        path.mkdir()
        with pytest.raises((Corrupt, NotFound), match=path.name):
            restore(backed_up, home, "again")
        path.rmdir()
        path.write_bytes(sound)
    assert names_in(home) == ["feed"]


def test_a_backup_that_lies_about_itself_is_refused(home, backed_up, tmp_path):
    """Its files match their hashes, but not what it says they hold."""
    said = manifest(backed_up)
    other = msgspec.to_builtins(said.told)
    other["backup"]["holds"]["log"] = "0" * 64
    (backed_up / MANIFEST).unlink()
    (backed_up / SEAL).unlink()
    seal_folder(backed_up, other)
    with pytest.raises(Corrupt, match="log is"):
        restore(backed_up, home, "again")
    text = (backed_up / MANIFEST).read_text().replace('"log.db"', '"../log.db"')
    (tmp_path / "log.db").write_bytes((backed_up / "log.db").read_bytes())
    resealed(backed_up, text)
    with pytest.raises(Corrupt, match="outside"):
        restore(backed_up, home, "again")
    resealed(backed_up, "{}")
    with pytest.raises(Corrupt, match=MANIFEST):
        restore(backed_up, home, "again")
    resealed(backed_up, '{"format": 2, "anything": 1}')
    with pytest.raises(CannotStart, match="format 2"):
        restore(backed_up, home, "again")
    assert names_in(home) == ["feed"]


def resealed(folder, text):
    from proffer.stores.sealed import _line

    (folder / MANIFEST).write_text(text)
    (folder / SEAL).write_bytes(_line(text.encode()))


def test_only_into_a_place_that_is_free(home, backed_up, tmp_path):
    before = held(home / "feed")
    with pytest.raises(Conflict, match="feed"):
        restore(backed_up, home, "feed")
    with pytest.raises(Conflict):
        back_up(home, "feed", backed_up)
    (tmp_path / "file").write_text("x")
    with pytest.raises(Conflict):
        back_up(home, "feed", tmp_path / "file")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Conflict):
        back_up(home, "feed", tmp_path / "link")
    with pytest.raises(Conflict):
        back_up(home, "feed", Path("/"))
    assert held(home / "feed") == before
    (tmp_path / "empty").mkdir()
    back_up(home, "feed", tmp_path / "empty")
    for name in ("../x", "", ".tmp-x"):
        with pytest.raises(ProfferError):
            restore(backed_up, home, name)
    with pytest.raises(NotFound):
        restore(tmp_path / "nowhere", home, "again")
    with pytest.raises(NotFound):
        back_up(home, "unknown", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_nothing_is_left_of_what_a_full_disk_stopped(home, backed_up, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    steps = 0
    while True:
        left = [steps]

        def fsync(_, left=left):
            left[0] -= 1
            if left[0] < 0:
                full()

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fsync)
            try:
                back_up(home, "feed", tmp_path / "b")
                break
            except StorageFull:
                assert names_in(tmp_path) == ["backup", "home"]
        steps += 1
    assert steps > 5
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StorageFull):
            restore(backed_up, home, "again")
    assert names_in(home) == ["feed"]
    check_backup(tmp_path / "b")


def test_a_disk_that_is_too_small_for_the_database(home, tmp_path, monkeypatch):
    stores = bootstrap.open_stores(home / "feed")
    stores.log.append([sample_event(f"e{n}", text="x" * 500) for n in range(2000)])
    stores.log.close()
    connect = sqlite3.connect

    def small(path, **options):
        connection = connect(path, **options)
        if "tmp-" in str(path):
            connection.execute("PRAGMA page_size = 2048")
            connection.execute("PRAGMA max_page_count = 100")
        return connection

    monkeypatch.setattr("proffer.stores.sqlite.backup.sqlite3.connect", small)
    with pytest.raises(StorageFull):
        back_up(home, "feed", tmp_path / "b")
    assert names_in(tmp_path) == ["home"]


def test_damage_in_the_workspace_is_not_backed_up(home, tmp_path):
    stores = bootstrap.open_stores(home / "feed")
    stores.log.append([sample_event(f"e{n}", text="x" * 500) for n in range(2000)])
    stores.log.close()
    path = home / "feed" / "log.db"
    sound = bytearray(path.read_bytes())
    for start in range(40_000, 60_000):
        sound[start] ^= 0xFF
    path.write_bytes(sound)
    with pytest.raises(Corrupt, match="feed"):
        back_up(home, "feed", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_tables_of_an_older_version_are_led_on_in_the_backup(home, tmp_path):
    connection = sqlite3.connect(home / "feed" / "log.db", isolation_level=None)
    connection.executescript(f"BEGIN; {STEPS[1]} PRAGMA user_version = 1; COMMIT;")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert back_up(home, "feed", tmp_path / "b").holds.position == 0
    restore(tmp_path / "b", home, "again")
    with pytest.raises(CannotStart, match="version 1"):
        bootstrap.open_stores(home / "feed")
    bootstrap.open_stores(home / "again").log.close()
    # A backup that an earlier Proffer made has tables of its version.
    said = manifest(tmp_path / "b").told
    for name in ("log.db", MANIFEST, SEAL):
        (tmp_path / "b" / name).unlink()
    shutil.copyfile(home / "feed" / "log.db", tmp_path / "b" / "log.db")
    seal_folder(tmp_path / "b", said)
    restore(tmp_path / "b", home, "older")
    bootstrap.open_stores(home / "older").log.close()


def test_tables_of_a_newer_version_are_refused_by_the_name_of_the_workspace(home, tmp_path):
    connection = sqlite3.connect(home / "feed" / "log.db", isolation_level=None)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(CannotStart, match=f"{home / 'feed' / 'log.db'} has tables of version 99"):
        back_up(home, "feed", tmp_path / "b")
    assert not list(tmp_path.glob("*b"))


WRITING = """
import sys, threading
from pathlib import Path
import proffer.bootstrap as bootstrap
from proffer.core.events import Reject
from proffer.testing.samples import sample_decision, sample_event
stores, lock = bootstrap.open_stores(Path(sys.argv[1])), threading.Lock()
def write(thread):
    for call in range(1_000_000):
        rows = [sample_event(f"{thread}.{call}.{row}", text="x" * 50) for row in range(20)]
        stores.log.append([*rows, rows[0], Reject(raw="x", reason="bad")])
        stores.decisions.put(sample_decision(f"{thread}.{call:05d}"))
        with lock:
            print(rows[-1].id, flush=True)
for thread in range(3):
    threading.Thread(target=write, args=(thread,)).start()
"""


def test_backed_up_while_another_process_writes(home, tmp_path):
    """Everything acknowledged before it began is in it; nothing is in it that the log does not hold."""
    said = tmp_path / "said"
    with said.open("w") as output:
        process = subprocess.Popen([sys.executable, "-c", WRITING, str(home / "feed")], stdout=output)
    source = None
    try:
        while said.read_text().count("\n") < 10:
            assert process.poll() is None
            time.sleep(0.02)
        source = sqlite_stores(home / "feed", writable=False)
        for number in range(3):
            before = said.read_text().splitlines()[:-1]
            backup = back_up(home, "feed", tmp_path / f"b{number}")
            restore(tmp_path / f"b{number}", home, f"again{number}")
            events, counts, hashed, decisions, _ = held(home / f"again{number}")
            assert set(before) <= {event.id for event in events}
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))
            assert counts == backup.holds.counts
            assert counts.accepted == len(events) == backup.holds.position < source.log.last()
            assert counts.duplicates * 20 == counts.quarantined * 20 == counts.accepted
            assert hashed == log_hash(source.log, len(events), backup.holds.rows)
            assert len(decisions) == min(backup.holds.decisions, 999)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        if source is not None:
            source.log.close()


def test_backed_up_where_its_application_is_not_installed(home, backed_up, tmp_path):
    made = bootstrap.workspace(home, "feed")
    path = home / "feed" / "workspace.json"
    sound = path.read_bytes()
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(made, app="unknown")))
    back_up(home, "feed", tmp_path / "b")
    assert {path.name for path in files_of(tmp_path / "b")} == {path.name for path in files_of(backed_up)}
    with pytest.raises(NotFound, match="unknown"):
        restore(tmp_path / "b", home, "again")
    with pytest.raises(NotFound, match="unknown"):
        copy_workspace(home / "feed", home / "again")
    path.write_bytes(sound)


def test_somebody_erased_during_a_backup(home, tmp_path, monkeypatch):
    stores = bootstrap.open_stores(home / "feed")
    stores.log.append([sample_event("e1")])
    from proffer.stores import backups

    copy_database = backups.copy_database

    def erasing(*places):
        copy_database(*places)
        stores.log.append([sample_event("note", type=ENTITY_ERASE)])

    monkeypatch.setattr(backups, "copy_database", erasing)
    with pytest.raises(Conflict, match="erased"):
        back_up(home, "feed", tmp_path / "b")
    assert not (tmp_path / "b").exists()
    monkeypatch.undo()
    assert back_up(home, "feed", tmp_path / "b").holds.position == 2
    stores.log.close()


KILLED = """
import sys, time
from pathlib import Path
from proffer.bootstrap import copies
from proffer.stores import backups, sealed
def stop(*_, **__):
    print("here", flush=True)
    time.sleep(60)
home, folder = map(Path, sys.argv[1:3])
if sys.argv[3] == "backup":
    copies.close_up = stop
    copies.back_up(home, "feed", folder)
else:
    backups.check_equal = stop
    copies.restore(folder, home, "again")
"""


@pytest.mark.parametrize("what", ["backup", "restore"])
def test_killed_in_the_middle_and_repeated(home, backed_up, tmp_path, what):
    place = tmp_path / "other" if what == "backup" else backed_up
    again = (lambda: back_up(home, "feed", place)) if what == "backup" else (lambda: restore(place, home, "again"))
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(home), str(place), what], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "here\n"
        with pytest.raises(ProfferError, match="another process is filling"):
            again()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert bootstrap.workspaces(home) == ["feed"]
    assert any(path.name.startswith(".tmp-") for path in (tmp_path if what == "backup" else home).iterdir())
    again()
    assert not any(path.name.startswith(".tmp-") for path in (tmp_path if what == "backup" else home).iterdir())
    assert held(home / "feed") == held(place if what == "backup" else home / "again")


def test_restored_on_an_empty_machine_it_serves_and_replays_the_same(home, tmp_path, monkeypatch):
    world, checked = toy(), []
    monkeypatch.setattr("proffer.engine.release.check_in_child", lambda *told, **_: checked.append(told[-1]))
    engine = bootstrap.open_engine(home, "feed")
    engine.stores.log.append(list(world.events))
    engine.catch_up()
    version = champion(engine, {"newest": 0.6, "popularity": 0.4})
    asked = [
        Query(id=f"q{n}", pipeline="home", subject=EntityRef("user", f"u{n}"), at=engine.clock.now(), n=10)
        for n in range(1, 6)
    ]
    made = [engine.recommend(query) for query in asked]
    assert {decision.version for decision in made} == {version}
    engine.close()
    back_up(home, "feed", tmp_path / "b")
    shutil.rmtree(home)
    restore(tmp_path / "b", tmp_path / "new" / "home", "feed")
    checked.clear()
    engine = bootstrap.open_engine(tmp_path / "new" / "home", "feed")
    try:
        assert checked == [version]
        for decision in made:
            again = replay_decision(engine, decision.id)
            assert again.verdict == "exact", again
        for query, decision in zip(asked, made, strict=True):
            assert [item.id for item in engine.recommend(query).slate] == [item.id for item in decision.slate]
        assert engine.record([{"type": "like", "actor": "u1", "target": "p1"}])[0].sequence == len(world.events) + 1
    finally:
        engine.close()


def test_who_was_erased_since_is_erased_again(home, tmp_path):
    name = "canary-of-the-backup"
    engine = bootstrap.open_engine(home, "feed")
    engine.record([{"type": "like", "actor": user, "target": f"p{n}"} for n in range(5) for user in (name, "u1")])
    engine.recommend(Query(id="q", pipeline="home", subject=EntityRef("user", name), at=engine.clock.now(), n=3))
    engine.stores.decisions.flush()
    back_up(home, "feed", tmp_path / "before")
    erase_entities(engine, [EntityRef("user", name)])
    engine.close()
    back_up(home, "feed", tmp_path / "after")
    newer = home / "feed" / "erasures.jsonl"
    assert restore(tmp_path / "before", home, "forgotten").erased == 0
    assert found(name, home / "forgotten")
    made = restore(tmp_path / "before", home, "again", erasures=newer)
    assert (made.erased, made.holds.position, made.backup.holds.position) == (1, 11, 10)
    assert restore(tmp_path / "after", home, "later").erased == 0
    assert restore(tmp_path / "after", home, "later2", erasures=newer).erased == 0
    assert not found(name, home / "again")
    assert not found(name, home / "later")
    assert (home / "again" / "erasures.jsonl").read_bytes() == newer.read_bytes()
    with pytest.raises(NotFound):
        restore(tmp_path / "before", home, "x", erasures=tmp_path / "none")
    (tmp_path / "broken").write_text("{}\n")
    with pytest.raises(Corrupt):
        restore(tmp_path / "before", home, "x", erasures=tmp_path / "broken")
    assert not (home / "x").exists()


def test_who_was_erased_needs_the_key_they_were_erased_under(home, tmp_path, monkeypatch):
    engine = bootstrap.open_engine(home, "feed")
    engine.record([{"type": "like", "actor": "somebody", "target": "p1"}])
    engine.close()
    (home / "feed" / "pseudonym.key").unlink()
    back_up(home, "feed", tmp_path / "backup")
    engine = bootstrap.open_engine(home, "feed")
    erase_entities(engine, [EntityRef("user", "somebody")])
    engine.close()
    newer = home / "feed" / "erasures.jsonl"
    with pytest.raises(Conflict, match="key"):
        restore(tmp_path / "backup", home, "again", erasures=newer)
    assert not (home / "again").exists()
    monkeypatch.setenv("PROFFER_PSEUDONYM_KEY", (home / "feed" / "pseudonym.key").read_text().strip())
    assert restore(tmp_path / "backup", home, "again", erasures=newer).erased == 1


def found(name, root):
    """Tell whether a text stands anywhere in the files of a folder, in decisions as well."""
    stores = sqlite_stores(root, writable=False)
    try:
        decisions = msgspec.json.encode(stores.decisions.find(limit=999))
    finally:
        stores.log.close()
    return any(name.encode() in text for text in (decisions, *(path.read_bytes() for path in files_of(root))))


def test_what_a_backup_tells_is_read_without_reading_its_files(backed_up):
    (backed_up / "log.db").unlink()
    assert told(backed_up).holds.counts == Counts(accepted=60, quarantined=1)
