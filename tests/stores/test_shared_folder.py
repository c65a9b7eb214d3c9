"""Several processes keep snapshots and models in one folder at the same time."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from proffer.stores.artifacts import Artifacts, describe
from proffer.stores.durable import remove, sweep, write_file
from proffer.stores.snapshots import FileSnapshots
from proffer.testing.samples import START

WRITER = """
import sys
from pathlib import Path
import numpy as np
from proffer.stores.snapshots import FileSnapshots
store = FileSnapshots(Path(sys.argv[1]), shared=True)
for position in range(int(sys.argv[2]), 60, 2):
    store.save("v1", position, {"rows": np.full(2000, position)})
"""


def test_a_start_leaves_what_another_process_is_writing(tmp_path):
    for name, age in (("old", 4000), ("new", 10)):
        path = tmp_path / f".tmp-1-{name}.snapshot"
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    FileSnapshots(tmp_path, shared=True)
    assert [path.name for path in tmp_path.iterdir()] == [".tmp-1-new.snapshot"]


def test_two_processes_write_snapshots_while_a_third_reads(tmp_path):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(odd)]) for odd in (0, 1)]
    reader, seen = FileSnapshots(tmp_path, writable=False), set()
    try:
        while any(writer.poll() is None for writer in writers):
            found = reader.load("v1")
            if found is not None:
                position, arrays = found
                assert set(arrays["rows"]) == {position}
                seen.add(position)
    finally:
        status = [writer.wait(30) for writer in writers]
    assert status == [0, 0]
    assert reader.load("v1")[0] in (58, 59)
    assert not [*tmp_path.glob(".tmp-*")]


def test_one_file_written_by_many_is_whole(tmp_path):
    path = tmp_path / "one"

    def write(number):
        write_file(path, lambda file: [file.write(bytes([number]) * 1000) for _ in range(20)])

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(write, range(40)):
            assert len(set(path.read_bytes())) == 1
    assert [found.name for found in tmp_path.iterdir()] == ["one"]


def test_many_sweep_and_remove_at_once(tmp_path):
    for number in range(60):
        (tmp_path / f".tmp-{number}" / "deep").mkdir(parents=True)
        (tmp_path / f".tmp-{number}" / "deep" / "file").touch()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: sweep(tmp_path), range(6)))
    assert [*tmp_path.iterdir()] == []
    remove(tmp_path / "nothing")


@pytest.mark.parametrize("before", ["nothing", "damaged", "a file", "a link"])
def test_many_write_one_model_and_all_have_it(tmp_path, before):
    arrays = {"w": np.arange(5000.0)}
    version = describe("main", "x", schema="v", position=1, parameters={}, metrics={}, arrays=arrays, at=START)
    models = tmp_path / "models"
    if before == "damaged":
        Artifacts(models).write(version, arrays)
        (models / version.id / "arrays.npz").write_bytes(b"PK")
    elif before == "a file":
        models.mkdir()
        (models / version.id).write_text("")
    elif before == "a link":
        Artifacts(tmp_path / "elsewhere").write(version, arrays)
        models.mkdir()
        (models / version.id).symlink_to(tmp_path / "elsewhere" / version.id)

    def write(_):
        return Artifacts(models).write(version, arrays)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, range(24))) == [version] * 24
    assert Artifacts(models).read(version.id)[1]["w"].tolist() == arrays["w"].tolist()
    assert [found.name for found in models.iterdir()] == [version.id]
