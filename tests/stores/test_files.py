"""Snapshots and models that were cut short, altered or left half-written."""

import errno
import os
import random
import shutil
import sqlite3
import time
from contextlib import closing
from hashlib import sha256

import msgspec
import numpy as np
import pytest

from proffer.core.clock import SystemClock
from proffer.core.errors import Corrupt, NotFound, StorageFull, WorkspaceBusy
from proffer.stores.artifacts import Artifacts, describe
from proffer.stores.snapshots import FileSnapshots
from proffer.stores.sqlite import migrate, sqlite_stores
from proffer.testing.job_contract import sample_job
from proffer.testing.samples import START

ARRAYS = {"rows": np.arange(500.0).reshape(50, 10), "ids": np.array(["a", "b\u00e5"])}


def damages(size, seed):
    """Places to cut at and bits to flip, everywhere in a file of this size."""
    chance = random.Random(seed)
    cuts = sorted({0, 1, 8, 40, 48, size - 1, *(chance.randrange(size) for _ in range(20))})
    flips = sorted({0, size - 1, *(chance.randrange(min(size, 300)) for _ in range(40)), *range(0, size, size // 40)})
    return [("cut", place) for place in cuts] + [("flip", place) for place in flips]


def damaged(sound, how, place):
    if how == "cut":
        return sound[:place]
    return sound[:place] + bytes([sound[place] ^ (1 << place % 8)]) + sound[place + 1 :]


def test_a_damaged_snapshot_is_passed_over_and_removed(tmp_path):
    store = FileSnapshots(tmp_path / "s")
    store.save("v1", 10, ARRAYS)
    store.save("v1", 20, ARRAYS)
    newest = sorted((tmp_path / "s").iterdir())[-1]
    sound = newest.read_bytes()
    reading = FileSnapshots(tmp_path / "s", writable=False)
    for how, place in damages(len(sound), 1):
        newest.write_bytes(damaged(sound, how, place))
        position, arrays = reading.load("v1")
        assert (position, arrays["rows"].tolist()) == (10, ARRAYS["rows"].tolist()), (how, place)
        assert newest.exists()
        assert store.load("v1")[0] == 10
        assert not newest.exists()
    newest.write_bytes(sound)
    assert store.load("v1")[0] == 20


def test_a_snapshot_under_another_name_is_passed_over(tmp_path):
    store = FileSnapshots(tmp_path)
    store.save("v1", 10, ARRAYS)
    [path] = tmp_path.iterdir()
    shutil.copy(path, path.with_name(path.name.replace("0010-", "0099-")))
    assert store.load("v1")[0] == 10
    assert store.positions("v1") == [10]


def test_what_was_cut_off_is_swept_by_the_writer(tmp_path):
    (tmp_path / ".tmp-00000001-x.snapshot").write_bytes(b"half")
    FileSnapshots(tmp_path, writable=False)
    assert len(list(tmp_path.iterdir())) == 1
    FileSnapshots(tmp_path)
    assert list(tmp_path.iterdir()) == []


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_no_snapshot(tmp_path, monkeypatch):
    store = FileSnapshots(tmp_path)
    store.save("v1", 10, ARRAYS)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StorageFull):
            store.save("v1", 20, ARRAYS)
    assert len(list(tmp_path.iterdir())) == 1
    assert store.load("v1")[0] == 10


def model(days=3):
    return describe(
        "main",
        "popularity",
        schema="v1",
        position=9,
        parameters={"days": days},
        metrics={"ndcg": 0.1},
        arrays=ARRAYS,
        at=START,
    )


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256", "arrays.npz"])
def test_a_damaged_model_is_refused_before_it_is_read(tmp_path, monkeypatch, name):
    artifacts = Artifacts(tmp_path)
    version = artifacts.write(model(), ARRAYS)
    path = tmp_path / version.id / name
    sound = path.read_bytes()

    def read(*_, **__):
        raise AssertionError("numpy saw a damaged file")

    with monkeypatch.context() as patched:
        patched.setattr(np, "load", read)
        for how, place in damages(len(sound), 2):
            path.write_bytes(damaged(sound, how, place))
            with pytest.raises(Corrupt):
                artifacts.read(version.id)
        path.unlink()
        with pytest.raises(Corrupt):
            artifacts.read(version.id)
    path.write_bytes(sound)
    assert artifacts.read(version.id)[0] == version


def test_a_model_cannot_be_exchanged_for_another(tmp_path):
    artifacts = Artifacts(tmp_path)
    one, other = artifacts.write(model(3), ARRAYS), artifacts.write(model(4), ARRAYS)
    shutil.rmtree(tmp_path / one.id)
    shutil.copytree(tmp_path / other.id, tmp_path / one.id)
    with pytest.raises(Corrupt):
        artifacts.read(one.id)


def test_links_are_not_followed(tmp_path):
    artifacts = Artifacts(tmp_path)
    version = artifacts.write(model(), ARRAYS)
    path = tmp_path / version.id / "arrays.npz"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Corrupt):
        artifacts.read(version.id)


def test_writing_again_mends_a_damaged_model(tmp_path):
    artifacts = Artifacts(tmp_path)
    version = artifacts.write(model(), ARRAYS)
    (tmp_path / version.id / "arrays.npz").write_bytes(b"")
    assert artifacts.write(model(), ARRAYS) == version
    assert artifacts.read(version.id)[1]["rows"].tolist() == ARRAYS["rows"].tolist()
    assert [path.name for path in tmp_path.iterdir()] == [version.id]


@pytest.mark.parametrize("step", range(8))
def test_stopped_at_any_step_a_model_is_whole_or_absent(tmp_path, monkeypatch, step):
    artifacts = Artifacts(tmp_path)
    flushes = iter(range(100))

    def fsync(file):
        if next(flushes) == step:
            full()

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        try:
            artifacts.write(model(), ARRAYS)
            refused = False
        except StorageFull:
            refused = True
    assert refused == (step < 7)
    if step < 6:
        with pytest.raises(NotFound):
            artifacts.read(model().id)
    assert artifacts.read(artifacts.write(model(), ARRAYS).id)[0] == model()


def test_a_killed_training_is_swept_after_an_hour(tmp_path):
    sqlite_stores(tmp_path).log.close()
    for name, age in ((".tmp-old", 3700), (".tmp-new", 60)):
        (tmp_path / "models" / name).mkdir(parents=True)
        touched = time.time() - age
        os.utime(tmp_path / "models" / name, (touched, touched))
    sqlite_stores(tmp_path, clock=SystemClock()).log.close()
    assert [path.name for path in (tmp_path / "models").iterdir()] == [".tmp-new"]


def test_a_killed_training_is_swept_by_the_next_one_too(tmp_path):
    artifacts = Artifacts(tmp_path / "models")
    artifacts.write(model(1), ARRAYS)
    left = tmp_path / "models" / ".tmp-killed"
    left.mkdir()
    artifacts.write(model(2), ARRAYS)
    assert left.exists()
    os.utime(left, (time.time() - 4000,) * 2)
    artifacts.write(model(3), ARRAYS)
    assert not left.exists()


def test_a_training_process_writes_and_the_writer_adopts(tmp_path):
    parent = sqlite_stores(tmp_path)
    trainer = sqlite_stores(tmp_path, writable=False)
    saved = trainer.registry.save(
        "main", "popularity", schema="v1", position=9, parameters={}, metrics={}, arrays=ARRAYS, at=START
    )
    assert trainer.registry.load(saved.id)[0] == saved
    assert parent.registry.history("main") == []
    with pytest.raises(NotFound):
        parent.registry.promote(saved.id, expected_revision=0, at=START)
    assert parent.registry.adopt(saved.id) == parent.registry.adopt(saved.id) == saved
    assert parent.registry.promote(saved.id, expected_revision=0, at=START) == 1
    assert trainer.registry.champion("main") == (saved, 1)
    (tmp_path / "models" / saved.id / "arrays.npz").write_bytes(b"PK")
    with pytest.raises(Corrupt):
        parent.registry.adopt(saved.id)
    with pytest.raises(WorkspaceBusy):
        trainer.registry.promote(saved.id, expected_revision=1, at=START)
    trainer.log.close()
    parent.log.close()


@pytest.mark.parametrize("wrong", ["extra", "folder", "pipe", "link"])
def test_only_the_three_files_of_a_model_may_be_in_its_folder(tmp_path, wrong):
    artifacts = Artifacts(tmp_path / "models")
    folder = tmp_path / "models" / artifacts.write(model(), ARRAYS).id
    if wrong == "extra":
        (folder / "model.pkl").write_bytes(b"\x80\x04K\x01.")
    elif wrong == "folder":
        (folder / "more").mkdir()
    elif wrong == "pipe":
        (folder / "arrays.npz").unlink()
        os.mkfifo(folder / "arrays.npz")
    else:
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Corrupt):
        artifacts.read(folder.name)
    # Writing the same content again puts a sound folder there.
    assert artifacts.read(artifacts.write(model(), ARRAYS).id)[0] == model()


def test_a_model_of_before_its_origin_was_told_can_still_be_read(tmp_path):
    version = Artifacts(tmp_path).write(model(), ARRAYS)
    manifest = tmp_path / version.id / "manifest.json"
    told = msgspec.json.decode(manifest.read_bytes())
    for name in ("code", "since", "until", "events"):
        del told[name]
    manifest.write_bytes(msgspec.json.encode(told))
    seal = f"{sha256(manifest.read_bytes()).hexdigest()}  manifest.json\n"
    (tmp_path / version.id / "manifest.sha256").write_text(seal)
    assert Artifacts(tmp_path).read(version.id)[0] == version == model()


def test_a_workspace_of_before_promotions_were_kept_is_migrated_and_goes_on(tmp_path):
    stores = sqlite_stores(tmp_path)
    saved = [
        stores.registry.save(
            "main", "x", schema="v", position=1, parameters={"n": n}, metrics={}, arrays=ARRAYS, at=START
        )
        for n in range(2)
    ]
    stores.registry.promote(saved[0].id, expected_revision=0, at=START)
    stores.log.close()
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection:
        connection.executescript("DROP TABLE promotions; DROP TABLE vouched; PRAGMA user_version = 1;")
    assert [*migrate(tmp_path)]
    reading = sqlite_stores(tmp_path, writable=False)
    assert reading.registry.champion("main") == (saved[0], 1)
    assert not reading.registry.vouched(saved[0].id, "1.0")
    reading.log.close()
    for _ in range(2):
        stores = sqlite_stores(tmp_path)
        # What served then begins the list, made when the version was.
        [first] = stores.registry.promotions("main")
        assert (first.revision, first.version, first.at, first.how) == (1, saved[0].id, START, "promote")
        stores.log.close()
    stores = sqlite_stores(tmp_path)
    assert stores.registry.promote(saved[1].id, expected_revision=1, at=START) == 2
    assert [change.version for change in stores.registry.promotions("main")] == [saved[1].id, saved[0].id]
    stores.log.close()


def test_a_workspace_of_before_there_were_jobs_is_migrated_and_takes_some(tmp_path):
    sqlite_stores(tmp_path).log.close()
    with sqlite3.connect(tmp_path / "log.db") as connection:
        connection.executescript("DROP TABLE jobs; DROP TABLE leases; PRAGMA user_version = 1;")
    connection.close()
    assert [*migrate(tmp_path)]
    stores = sqlite_stores(tmp_path)
    assert stores.jobs.add(sample_job("j_1")) == stores.jobs.get("j_1")
    stores.log.close()
