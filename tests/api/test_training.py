"""Trainings of a real server: children that work, are cancelled, killed, held to limits, and never outlive it."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from proffer.apps.feed.simulate import Toy
from proffer.bootstrap import create, open_engine
from proffer.testing.job_contract import sample_job

from .process import ServerProcess
from .served import Site

BASE = "/api/v1/feed"
PATIENCE = 150.0
proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system does not tell who started whom")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose workspace has a world in its log, and trains when it is asked to alone."""
    create(tmp_path, "feed", "feed")
    engine = open_engine(tmp_path, "feed")
    engine.stores.log.append(list(Toy(0, "small").events[:4000]))
    engine.catch_up()
    engine.configure({"schedule": {"home": "off"}})
    engine.close()
    return tmp_path


@pytest.fixture
def client(home: Path, start: Callable[..., ServerProcess]) -> Iterator[httpx.Client]:
    server = start()
    with server.client() as client:
        client.server = server  # type: ignore[attr-defined]
        yield client


def until(found: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until something is so, and return it."""
    patience = time.monotonic() + seconds
    while not (got := found()):
        assert time.monotonic() < patience
        time.sleep(0.05)
    return got


def begin(client: httpx.Client, **asked: Any) -> str:
    answer = client.post(f"{BASE}/train", json=asked)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def job(client: httpx.Client, id: str) -> dict[str, Any]:
    return client.get(f"{BASE}/jobs/{id}").json()


def working(client: httpx.Client, id: str) -> dict[str, Any]:
    """Wait until a job tells of progress, and return it."""
    found = until(lambda: (now := job(client, id)) and (now.get("progress") or now["state"] == "failed") and now)
    assert found["state"] == "running", found
    return found


def ended(client: httpx.Client, id: str) -> dict[str, Any]:
    return until(lambda: (now := job(client, id)) and now["state"] not in ("queued", "running") and now)


def children(pid: int) -> list[int]:
    """Return the processes that a process started and that still live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def slate(client: httpx.Client) -> dict[str, Any]:
    answer = client.post(f"{BASE}/recommend", json={"subject": "u1", "n": 5})
    assert answer.status_code == 200, answer.text
    return answer.json()


@proc
@pytest.mark.timeout(300)
def test_a_training_while_decisions_are_answered(client: httpx.Client) -> None:
    key = {"Idempotency-Key": "night-1"}
    asked = client.post(f"{BASE}/train", json={"budget": 1}, headers=key).json()
    assert client.post(f"{BASE}/train", json={"budget": 1}, headers=key).json()["id"] == asked["id"]
    working(client, asked["id"])
    [trainer] = children(client.server.process.pid)  # type: ignore[attr-defined]
    assert os.getpriority(os.PRIO_PROCESS, trainer) == os.getpriority(os.PRIO_PROCESS, os.getpid()) + 10
    refused = client.post(f"{BASE}/retrain", json={})
    assert (refused.status_code, asked["id"] in refused.json()["detail"]) == (409, True)
    answered = 0
    while job(client, asked["id"])["state"] == "running":
        assert slate(client)["items"]
        event = {"type": "view", "actor": "u1", "target": "p1"}
        assert client.post(f"{BASE}/events", json=event).status_code == 200
        answered += 1
    assert answered > 3
    done = job(client, asked["id"])
    assert (done["state"], type(done["released"])) == ("succeeded", bool), done
    assert done["position"] >= 4000
    listed = client.get(f"{BASE}/models").json()["pipelines"][0]
    assert [each["model"]["id"] for each in listed["versions"]] == [done["version"]]
    assert (listed["champion"] == done["version"]) == done["released"]
    assert [each["id"] for each in client.get(f"{BASE}/jobs").json()["jobs"]] == [asked["id"]]
    status = client.get(f"{BASE}/model/status").json()["pipelines"][0]
    assert status["job"]["id"] == asked["id"]
    assert status["next_training"] is None
    assert client.put(f"{BASE}/settings", json={}).status_code == 200
    assert client.get(f"{BASE}/model/status").json()["pipelines"][0]["next_training"] is not None
    metrics = client.get("/metrics").text
    assert 'proffer_trainings_total{pipeline="home",state="succeeded",workspace="feed"} 1.0' in metrics
    assert 'proffer_trainings_active{workspace="feed"} 0.0' in metrics


@proc
@pytest.mark.timeout(300)
def test_trainings_that_end_before_their_time_leave_what_served(client: httpx.Client, home: Path) -> None:
    before, server = slate(client)["model"], client.server.process.pid  # type: ignore[attr-defined]
    first = begin(client)
    working(client, first)
    [trainer] = children(server)
    assert client.post(f"{BASE}/jobs/{first}/cancel").status_code == 200
    assert ended(client, first)["state"] == "cancelled"
    assert gone(trainer)
    assert client.post(f"{BASE}/jobs/{first}/cancel").status_code == 409

    second = begin(client)
    working(client, second)
    os.kill(children(server)[0], signal.SIGKILL)
    found = ended(client, second)
    assert (found["state"], "SIGKILL" in found["error"]) == ("failed", True)

    found = ended(client, begin(client, seconds=1))
    assert (found["state"], "limit of 1 s" in found["error"]) == ("failed", True)
    found = ended(client, begin(client, memory_mb=64))
    assert (found["state"], "limit is 64 MB" in found["error"]) == ("failed", True)

    assert slate(client)["model"] == before
    assert children(server) == []
    assert client.get(f"{BASE}/models").json()["pipelines"][0]["versions"] == []
    assert not list((home / "feed").glob("models/.tmp-*"))


@proc
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("sent", "state"), [(signal.SIGTERM, "cancelled"), (signal.SIGKILL, "failed")])
def test_no_trainer_outlives_its_server(
    home: Path, start: Callable[..., ServerProcess], sent: signal.Signals, state: str
) -> None:
    server = start()
    with server.client() as client:
        id = begin(client)
        working(client, id)
        [trainer] = children(server.process.pid)
    server.stop(sent)
    until(lambda: gone(trainer), 20)
    with start(server.token).client() as client:
        found = job(client, id)
        assert found["state"] == state
        assert (found.get("error") == "the server ended while it ran") == (state == "failed")
        assert begin(client, seconds=1)


@pytest.mark.timeout(200)
def test_a_run_that_was_missed_while_no_server_ran_is_made_up_for(
    home: Path, start: Callable[..., ServerProcess]
) -> None:
    engine = open_engine(home, "feed")
    engine.configure({"schedule": {}})
    long_ago = engine.clock.now() - timedelta(days=3)
    engine.stores.jobs.add(sample_job("j_0", state="failed", created_at=long_ago))
    engine.close()
    server = start()
    with server.client() as client:
        listed = until(lambda: (found := client.get(f"{BASE}/jobs").json()["jobs"])[1:] and found, 30)
        assert [each["by"] for each in listed] == ["schedule", "request"]
        assert ended(client, listed[0]["id"])["state"] == "succeeded"
    assert server.stop() == 0
    again = start(server.token)
    with again.client() as client:
        assert client.get(f"{BASE}/model/status").json()["pipelines"][0]["job"]["id"] == listed[0]["id"]
    assert again.stop() == 0


def test_what_cannot_be_trained_is_refused(site: Site) -> None:
    assert site.post("/train", {}).status_code == 409
    assert site.post("/train", {"pipeline": "similar"}).json()["detail"] == "similar declares its weights"
    assert site.post("/train", {"pipeline": "nope"}).status_code == 422
    for wrong in ({"seconds": 0}, {"memory_mb": 1}, {"budget": -1}, {"seed": -1}, {"seconds": 1e9}, {"colour": 1}):
        refused = site.post("/retrain", wrong)
        assert (refused.status_code, refused.json()["field"]) == (422, next(iter(wrong)))
    assert site.post("/train", {}, token="reader").status_code == 403
    assert site.get("/jobs", token="reader").json() == {"jobs": [], "next": None}
    assert site.get("/jobs/j_none").status_code == 404
    assert site.get("/jobs?pipeline=nope").status_code == 422
    assert site.post("/jobs/j_none/cancel").status_code == 404


def test_jobs_come_in_pages(site: Site) -> None:
    for number in range(5):
        site.engines["feed"].stores.jobs.add(sample_job(f"j_{number}", state="failed", log=("a line",)))
    page = site.get("/jobs?limit=2").json()
    assert [each["id"] for each in page["jobs"]] == ["j_4", "j_3"]
    assert "log" not in page["jobs"][0]
    page = site.get(f"/jobs?limit=3&after={page['next']}").json()
    assert [each["id"] for each in page["jobs"]] == ["j_2", "j_1", "j_0"]
    assert site.get("/jobs/j_0").json()["log"] == ["a line"]


@pytest.mark.parametrize(
    ("values", "field"),
    [({"schedule": {"home": "nightly"}}, "schedule.home"), ({"training": {"seconds": 0}}, "training.seconds")],
)
def test_a_plan_that_cannot_be_followed_is_refused_with_an_example(site: Site, values: dict, field: str) -> None:
    refused = site.put("/settings", values)
    assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert refused.json()["remedy"]


def test_a_training_is_told_what_to_go_by_and_may_only_report(client: httpx.Client) -> None:
    for member, value in (
        ("validation_split", 1.5),
        ("lookback_days", 0),
        ("num_boost_round", 0),
        ("min_interactions", -1),
    ):
        assert client.post(f"{BASE}/train", json={member: value}).status_code == 422
    for one in client.get(f"{BASE}/jobs").json()["jobs"]:  # the first training begins by itself
        client.post(f"{BASE}/jobs/{one['id']}/cancel")
        until(lambda: client.get(f"{BASE}/jobs").json()["jobs"][0]["state"] not in ("queued", "running"))
    asked = {"budget": 1, "validation_split": 0.4, "evaluate_only": True}
    job = client.post(f"{BASE}/train", json=asked, headers={"Idempotency-Key": "look"}).json()
    again = client.post(f"{BASE}/train", json={**asked, "evaluate_only": False}, headers={"Idempotency-Key": "look"})
    assert again.status_code == 409
    over = until(lambda: (got := client.get(f"{BASE}/jobs/{job['id']}").json())["state"] != "running" and
                 got["state"] != "queued" and got)  # fmt: skip
    assert (over["state"], over.get("version")) == ("succeeded", None)
    assert over["report"]["protocol"] == "daily"
    assert "report" not in client.get(f"{BASE}/jobs").json()["jobs"][0]
    assert client.get(f"{BASE}/model/status").json()["pipelines"][0]["serves"] == "ladder"
