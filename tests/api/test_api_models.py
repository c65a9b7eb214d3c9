"""Models over HTTP: what is told of them, what may serve, and that the server goes on whatever is put before it."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from proffer.apps.feed.app import app as feed
from proffer.bootstrap import create, open_engine
from proffer.core.clock import CountingIds, FixedClock
from proffer.engine.engine import Engine
from proffer.stores.memory import memory_stores
from tests.engine.releases import EVENTS, FIRST, SECOND, saved
from tests.engine.worlds import NOW

from .served import Site

LEAD = {"value": 0.04, "low": 0.02, "high": 0.06}
REPORT = {
    "protocol": "daily", "champion": "blend", "fallback": "personal", "lists": 300, "users": 40,
    "rows": [{"name": "blend", "metrics": {"ndcg@10": {"value": 0.3, "low": 0.2, "high": 0.4}}}],
    "leads": {"personal": LEAD},
    "gate": {"wins": True, "serves": "champion", "why": "blend leads personal", "lead": LEAD},
}  # fmt: skip


def toy_engine(name: str) -> Engine:
    clock = FixedClock(NOW)
    stores = memory_stores(clock)
    stores.log.append(EVENTS)
    return Engine(feed, name, stores, clock=clock, ids=CountingIds(), deadline_ms=60_000)


@pytest.fixture
def toy():
    site = Site(toy_engine)
    yield site
    site.close()


def home_of(site: Site):
    return site.get("/model/status").json()["pipelines"][0]


def test_before_any_training_the_ladder_answers_and_says_so(toy: Site) -> None:
    told = home_of(toy)
    assert (told["serves"], told["rung"], told["revision"]) == ("ladder", feed.pipelines[0].ladder[0], 0)
    assert told["why"] == "no model has been trained yet"
    assert (told["model"], told["latest"], told["job"], told["promotions"]) == (None, None, None, [])
    assert told["schema"] == feed.view.version
    assert told["next_training"] is not None
    similar = toy.get("/model/status").json()["pipelines"][1]
    assert (similar["serves"], similar["why"], similar["next_training"]) == ("declared", None, None)
    assert toy.get("/model/evaluate").status_code == 404
    assert toy.get("/model/evaluate?pipeline=nowhere").status_code == 422


def test_a_model_is_told_whole_promoted_and_rolled_back(toy: Site) -> None:
    engine = toy.engines["feed"]
    first, second = saved(engine, FIRST, metrics=REPORT), saved(engine, SECOND)
    assert home_of(toy)["why"] == f"model {second.id} was trained and waits to be promoted"
    path = f"/models/{first.id}"
    assert toy.post(f"{path}/promote", {"expected_revision": 0}).json() == {
        "pipeline": "home", "champion": first.id, "revision": 1,
    }  # fmt: skip
    told = home_of(toy)
    assert (told["serves"], told["why"], told["rung"], told["revision"]) == ("model", None, None, 1)
    assert told["model"]["id"] == first.id
    assert told["model"]["events"] == len(engine.state.interactions().at)
    assert told["model"]["code"] == first.code != ""
    assert told["model"]["age_s"] == 0.0
    assert told["comparison"]["lead"] == LEAD
    assert told["comparison"]["why"] == "blend leads personal"
    assert told["latest"]["model"]["id"] == second.id
    assert told["promotions"][0]["version"] == first.id
    listed = toy.get("/models").json()["pipelines"][0]
    assert [each["model"]["id"] for each in listed["versions"]] == [second.id, first.id]
    assert (listed["champion"], listed["versions"][1]["comparison"]["ndcg"]["value"]) == (first.id, 0.3)
    whole = toy.get(path).json()
    assert (whole["serves"], whole["report"], whole["files"]) == (True, REPORT, first.files)
    assert set(whole["parameters"]) == {"weights", "retrievers"}
    assert toy.get("/model/evaluate").json() == {"pipeline": "home", "version": first.id, "report": REPORT}
    assert toy.get(f"/model/evaluate?version={second.id}").json()["report"] == {}
    assert toy.post("/recommend", {"subject": "u1"}).json()["model"] == first.id
    assert toy.post(f"/models/{second.id}/promote", {"expected_revision": 1}).json()["revision"] == 2
    assert toy.post(f"{path}/rollback").status_code == 409
    assert toy.post(f"/models/{second.id}/rollback").json() == {
        "pipeline": "home", "champion": first.id, "revision": 3,
    }  # fmt: skip
    assert toy.post(f"{path}/rollback").json() == {"pipeline": "home", "champion": None, "revision": 4}
    assert home_of(toy)["why"] == "every model was taken out of service"
    assert toy.post("/recommend", {"subject": "u1"}).json()["fallback"] == "every model was taken out of service"


def test_what_is_unknown_is_not_found(toy: Site) -> None:
    for path in ("/models/m_nothing", "/model/evaluate?version=m_nothing"):
        assert toy.get(path).status_code == 404
    assert toy.post("/models/m_nothing/rollback").status_code == 404
    assert toy.post("/models/m_nothing/promote", {"expected_revision": 0}).status_code == 404
    assert toy.get("/model/evaluate?colour=1").status_code == 422


def test_who_may_only_read_changes_nothing(toy: Site) -> None:
    version = saved(toy.engines["feed"], FIRST).id
    assert toy.get("/model/status", token="reader").status_code == 200
    assert toy.post(f"/models/{version}/promote", {"expected_revision": 0}, token="reader").status_code == 403
    assert toy.post(f"/models/{version}/rollback", token="reader").status_code == 403
    assert home_of(toy)["serves"] == "ladder"


def test_a_version_for_other_features_or_that_lost_is_a_conflict_that_says_why(toy: Site) -> None:
    engine = toy.engines["feed"]
    wrong = saved(engine, FIRST, schema="of-last-year").id
    answer = toy.post(f"/models/{wrong}/promote", {"expected_revision": 0})
    assert answer.status_code == 409
    assert "feature view of-last-year" in answer.json()["detail"]
    gate = {"wins": False, "serves": "fallback", "why": "blend does not lead personal", "lead": LEAD}
    lost = saved(engine, SECOND, metrics={**REPORT, "gate": gate}).id
    answer = toy.post(f"/models/{lost}/promote", {"expected_revision": 0})
    assert (answer.status_code, "blend does not lead personal" in answer.json()["detail"]) == (409, True)
    told = home_of(toy)
    assert told["why"] == f"model {lost} was trained and does not serve: blend does not lead personal"
    assert told["latest"]["comparison"]["wins"] is False


def test_explored_places_are_counted(toy: Site) -> None:
    assert toy.put("/settings", {"exploration": {"home": {"policy": "epsilon", "epsilon": 1.0}}}).status_code == 200
    slate = toy.post("/recommend", {"subject": "u1"}).json()
    number = sum(placed["explored"] for placed in slate["items"])
    assert number > 0
    text = toy.send("GET", "/metrics").text
    assert f'proffer_explored_places_total{{pipeline="home",workspace="feed"}} {number:.1f}' in text
    assert toy.get(f"/decisions/{slate['decision']}").json()["slate"] == slate["items"]
    assert home_of(toy)["exploration"] == {"policy": "epsilon", "epsilon": 1.0}


@pytest.fixture
def stocked(tmp_path: Path) -> tuple[Path, str, str]:
    """A home on disk with a model that serves and one that waits."""
    create(tmp_path, "feed", "feed")
    engine = open_engine(tmp_path, "feed")
    engine.stores.log.append(EVENTS)
    engine.catch_up()
    first, second = saved(engine, FIRST).id, saved(engine, SECOND).id
    engine.release(first, 0)
    engine.close()
    return tmp_path, first, second


def damages(folder: Path):
    """Yield what was done to a version's folder, each time to a sound one."""
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    chance = random.Random(5)
    for name, sound in whole.items():
        for place in (0, len(sound) // 2, len(sound) - 1):
            (folder / name).write_bytes(sound[:place])
            yield f"{name} cut at {place}"
            edited = bytearray(sound)
            edited[place] ^= chance.randrange(1, 256)
            (folder / name).write_bytes(edited)
            yield f"{name} edited at {place}"
        (folder / name).unlink()
        yield f"{name} missing"
        (folder / name).write_bytes(sound)
    (folder / "model.pkl").write_bytes(b"\x80\x04K\x01.")
    yield "one file too many"
    (folder / "model.pkl").unlink()


def test_the_server_goes_on_through_every_kind_of_bad_model(stocked, start) -> None:
    home, first, second = stocked
    server = start()
    with server.client() as client:
        base = "/api/v1/feed"

        def serves() -> str:
            answer = client.post(f"{base}/recommend", json={"subject": "u1"})
            assert answer.status_code == 200
            assert answer.json()["fallback"] is None
            return answer.json()["model"]

        def promote(id: str, revision: int):
            return client.post(f"{base}/models/{id}/promote", json={"expected_revision": revision})

        assert serves() == first
        for what in damages(home / "feed" / "models" / second):
            answer = promote(second, 1)
            assert (answer.status_code, serves()) == (409, first), what
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda _: promote(second, 1).status_code, range(2)))
        assert Counter(answers) == {200: 1, 409: 1}
        assert serves() == second
        (home / "feed" / "models" / first / "arrays.npz").write_bytes(b"PK")
        found = client.post(f"{base}/models/{second}/rollback")
        assert (found.status_code, found.json()["champion"]) == (200, None)
        answer = client.post(f"{base}/recommend", json={"subject": "u1"})
        assert (answer.status_code, answer.json()["fallback"]) == (200, "every model was taken out of service")
        assert client.get("/health/ready").status_code == 200
    assert server.stop() == 0


SAVE = """
import sys, pathlib
from datetime import UTC, datetime
import numpy as np
from proffer.stores.sqlite import sqlite_stores
registry = sqlite_stores(pathlib.Path(sys.argv[1]), writable=False).registry
for number in range(1000):
    arrays = {"w": np.full(2_000_000, number)}
    registry.save("home", "x", schema="v", position=1, parameters={"n": number}, metrics={}, arrays=arrays,
                  at=datetime(2026, 1, 1, tzinfo=UTC))
    print(number, flush=True)
"""


def test_a_killed_trainer_leaves_what_serves_and_its_leftovers_are_swept(stocked, start) -> None:
    home, first, _ = stocked
    models = home / "feed" / "models"
    server = start()
    with server.client() as client:
        commands = [
            [sys.executable, "-m", "proffer", "--home", str(home), "train", "feed", "--lines"],
            [sys.executable, "-c", SAVE, str(home / "feed")],
        ]
        for command in commands:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            trainer = subprocess.Popen(command, **pipes, text=True)
            assert trainer.stdout.readline()
            deadline = time.monotonic() + 3
            while command[1] == "-c" and time.monotonic() < deadline and not [*models.glob(".tmp-*")]:
                time.sleep(0.001)
            trainer.send_signal(signal.SIGKILL)
            assert trainer.wait(20) == -signal.SIGKILL
            trainer.stdin.close()
            trainer.stdout.close()
            answer = client.post("/api/v1/feed/recommend", json={"subject": "u1"}).json()
            assert (answer["model"], answer["fallback"]) == (first, None)
        (models / ".tmp-cut").mkdir(exist_ok=True)
        (models / ".tmp-cut" / "arrays.npz").write_bytes(b"PK")
        for half in models.glob("m_*"):
            # Whatever it finished is whole; nothing half-written bears the name of a version.
            assert {path.name for path in half.iterdir()} == {"arrays.npz", "manifest.json", "manifest.sha256"}
    assert server.stop() == 0
    for leftover in models.glob(".tmp-*"):
        os.utime(leftover, (time.time() - 3700,) * 2)
    server = start(server.token)
    assert [*models.glob(".tmp-*")] == []
    with server.client() as client:
        assert client.post("/api/v1/feed/recommend", json={"subject": "u1"}).json()["model"] == first
    with suppress(OSError):
        shutil.rmtree(models)
