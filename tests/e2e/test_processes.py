"""Several processes over one PostgreSQL server: what one records, decides, settles or promotes the other one sees."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from proffer.api.serve import chosen_workspaces
from proffer.api.work import work
from proffer.apps.feed.simulate import Toy
from proffer.bootstrap import Environment, create, open_engine
from proffer.core.errors import CannotStart, NotFound
from proffer.engine.engine import Engine
from proffer.testing.postgres_server import PostgresServer
from tests.e2e.processes import BASE, Started, command, proffer, ready, until
from tests.engine.worlds import champion, few_posts

WORK = Path(__file__).with_name("toy_worker.py")


class World:
    """A home with a workspace in a schema of its own, and the processes that a test starts over it."""

    def __init__(self, home: Path, database: str) -> None:
        self.home, self.database = home, database
        self.started: list[Started] = []
        self.clients: list[httpx.Client] = []
        self.token: str | None = None

    def begin(self, *line: str) -> Started:
        """Begin a process, to wait for later."""
        self.started.append(Started(self.home, self.database, *line))
        return self.started[-1]

    def apis(self, number: int = 1, *, serving: bool = False) -> list[httpx.Client]:
        """Return clients of new processes that answer over HTTP and no more; the first one does all if `serving`."""
        names = ["serve" if serving and not place else "api" for place in range(number)]
        started = [self.begin(*command(self.home, name, "feed", "--port", "0")) for name in names]
        tokens = [each.up().token for each in started]
        self.token = self.token or next(filter(None, tokens))
        found = [each.client(self.token) for each in started]
        self.clients += found
        return found

    def workers(self, number: int, *, lease: float, seconds: float, version: str) -> list[Started]:
        """Return workers whose trainings take their time and give a version that is there."""
        line = (str(WORK), str(self.home), str(lease), str(seconds), version)
        started = [self.begin(*line) for _ in range(number)]
        return [each.up() for each in started]

    def engine(self) -> Engine:
        """Return an engine in this process."""
        return open_engine(self.home, "feed")


@pytest.fixture
def world(tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    yield from a_world(tmp_path, postgres, monkeypatch)


def a_world(home: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    import psycopg

    monkeypatch.setenv("PROFFER_DATABASE", server.url())
    create(home, "feed", "feed")
    found = World(home, server.url())
    yield found
    for client in found.clients:
        client.close()
    for each in found.started:
        each.kill()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("DROP SCHEMA proffer_feed CASCADE")


def folded(client: httpx.Client) -> int:
    return client.get(f"{BASE}/stats").json()["folded"]


def seen_after(client: httpx.Client, sequence: int) -> float:
    """Return after how many seconds a process has folded an event."""
    started = time.monotonic()
    until(lambda: folded(client) >= sequence, 5)
    return time.monotonic() - started


def says(client: httpx.Client, status: str) -> None:
    until(lambda: ready(client) == status, 10)


def home_of(client: httpx.Client) -> dict[str, Any]:
    """Return what serves the pipeline home."""
    return client.get(f"{BASE}/model/status").json()["pipelines"][0]


def view(client: httpx.Client, post: str, **more: Any) -> httpx.Response:
    return client.post(f"{BASE}/events", json={"type": "view", "actor": "u1", "target": post, **more})


def posts(client: httpx.Client, *names: str) -> None:
    rows = [{"type": "entity.set", "actor": {"kind": "post", "id": name}, "fields": {"title": name}} for name in names]
    assert client.post(f"{BASE}/events", json=rows).json()["accepted"] == len(names)


def slate(client: httpx.Client, user: str = "u9") -> list[str]:
    answer = client.post(f"{BASE}/recommend", json={"subject": user, "n": 5})
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


@pytest.mark.timeout(200)
def test_what_one_process_does_the_other_sees_within_a_second(world: World) -> None:
    first, second = world.apis(2, serving=True)
    delays = []
    for number in range(10):
        clients = (first, second) if number % 2 else (second, first)
        sequence = view(clients[0], f"p{number}").json()["sequence"]
        delays.append(seen_after(clients[1], sequence))
        assert set(slate(first)) == set(slate(second))
    assert max(delays) < 1.0, delays
    # Decisions: at once by their id, though they are written behind the answer, and as the page before.
    for one, other in ((first, second), (second, first)):
        made = one.post(f"{BASE}/recommend", json={"subject": "u2", "n": 3}).json()
        assert other.get(f"{BASE}/decisions/{made['decision']}").json()["id"] == made["decision"]
        after = {"subject": "u2", "n": 3, "after": made["decision"]}
        page = other.post(f"{BASE}/recommend", json=after).json()["items"]
        assert not {item["id"] for item in page} & {item["id"] for item in made["items"]}
    assert second.get(f"{BASE}/decisions/d_{'0' * 28}").status_code == 404
    # Settings, tokens, promotions.
    assert first.put(f"{BASE}/settings", json={"diversity": {"home": 0.25}}).status_code == 200
    until(lambda: second.get(f"{BASE}/settings").json().get("diversity") == {"home": 0.25}, 1)
    made = proffer(world.home, world.database, "token", "feed", "--scopes", "read", "--json")
    assert made.returncode == 0, made.stderr
    engine = world.engine()
    try:
        few_posts(engine)
        version = champion(engine, {"newest": 1.0})
    finally:
        engine.close()
    until(lambda: all(home_of(client).get("model") for client in (first, second)), 5)
    for client in (first, second):
        assert client.post(f"{BASE}/recommend", json={"subject": "u1", "n": 2}).json()["model"] == version
    rolled = first.post(f"{BASE}/models/{version}/rollback", json={})
    assert rolled.status_code == 200, rolled.text
    until(lambda: second.post(f"{BASE}/recommend", json={"subject": "u1", "n": 2}).json()["fallback"], 5)
    assert [each.end() for each in world.started] == [0, 0]


@pytest.mark.timeout(200)
def test_the_database_goes_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = PostgresServer().start()
    try:
        for world in a_world(tmp_path, server, monkeypatch):
            goes_and_comes_back(world, server)
    finally:
        server.close()


def goes_and_comes_back(world: World, server: PostgresServer) -> None:
    clients = world.apis(2)
    posts(clients[0], "a", "b", "c")
    until(lambda: folded(clients[1]) == 3, 2)
    for client in clients:
        assert len(slate(client)) == 3
    server.kill()
    for client in clients:
        says(client, "degraded")
        assert client.get("/health/ready").status_code == 200
        started = time.monotonic()
        assert len(slate(client)) == 3
        assert time.monotonic() - started < 1
        refused = view(client, "a", id="e-lost")
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True), refused.text
        assert refused.json()["remedy"]
        assert server.password not in refused.text
        assert client.get("/metrics").text.count('proffer_log_reached{workspace="feed"} 0.0') == 1
        health = client.get("/health").json()["feed"]
        assert (health["status"], health["parts"]["tail"]["status"]) == ("down", "degraded")
    server.start()
    started = time.monotonic()
    for client in clients:
        says(client, "ok")
    assert time.monotonic() - started < 5
    accepted = view(clients[0], "a", id="e-lost")
    assert accepted.json()["verdict"] == "accepted"
    until(lambda: folded(clients[1]) == 4, 2)
    # Nothing that was decided meanwhile is lost.
    until(lambda: len(clients[1].get(f"{BASE}/decisions?limit=100").json()["decisions"]) == 4, 5)
    assert all(server.password not in each.log.read_text() for each in world.started)
    assert [each.end() for each in world.started] == [0, 0]


def saved(world: World) -> str:
    """Return a version in the registry that wins, and that every process can load."""
    engine = world.engine()
    try:
        few_posts(engine)
        version = champion(engine, {"newest": 1.0})
        engine.rollback(version)
        return version
    finally:
        engine.close()


def state_of(client: httpx.Client, id: str) -> dict[str, Any]:
    return client.get(f"{BASE}/jobs/{id}").json()


@pytest.mark.timeout(200)
def test_of_two_workers_one_trains_and_a_killed_one_is_followed_by_the_other(world: World) -> None:
    [client] = world.apis()
    version = saved(world)
    workers = world.workers(2, lease=2.0, seconds=1.5, version=version)
    asked = client.post(f"{BASE}/train", json={}).json()
    assert asked["state"] == "queued"
    running = until(
        lambda: (now := state_of(client, asked["id"]))["state"] == "running" and now.get("progress") and now
    )
    assert running["fence"] == 1
    assert client.post(f"{BASE}/train", json={}).status_code == 409
    holders = {f":{each.process.pid}": each for each in workers}
    [first] = [each for name, each in holders.items() if running["holder"].endswith(name)]
    first.kill()
    started = time.monotonic()
    taken = until(lambda: (now := state_of(client, asked["id"]))["fence"] == 2 and now)
    assert time.monotonic() - started < 2.0 + 2.0
    [second] = [each for each in workers if each is not first]
    assert taken["holder"].endswith(f":{second.process.pid}")
    over = until(lambda: (now := state_of(client, asked["id"]))["state"] not in ("queued", "running") and now)
    assert (over["state"], over["version"], over["fence"]) == ("succeeded", version, 2), over
    until(lambda: client.post(f"{BASE}/recommend", json={"subject": "u1", "n": 2}).json()["model"] == version, 5)
    assert second.end() == 0


@pytest.mark.timeout(200)
def test_the_late_result_of_a_worker_that_stood_still_is_refused(world: World) -> None:
    [client] = world.apis()
    version = saved(world)
    before = home_of(client)["revision"]
    [still] = world.workers(1, lease=1.0, seconds=1.0, version=version)
    asked = client.post(f"{BASE}/train", json={}).json()
    until(lambda: state_of(client, asked["id"]).get("progress"))
    still.send(signal.SIGSTOP)
    [other] = world.workers(1, lease=30.0, seconds=60.0, version=version)
    taken = until(lambda: (now := state_of(client, asked["id"]))["fence"] == 2 and now)
    # Its child has ended long since; it wakes up with a version in its hands.
    time.sleep(1.5)
    still.send(signal.SIGCONT)
    until(lambda: "no longer this process's" in still.log.read_text())
    time.sleep(1.0)
    now = state_of(client, asked["id"])
    assert (now["state"], now["fence"], now["holder"]) == ("running", 2, taken["holder"])
    assert home_of(client)["revision"] == before
    # Cancelled from the process that answers; whoever runs it ends its child.
    assert client.post(f"{BASE}/jobs/{asked['id']}/cancel", json={}).json()["state"] == "cancelled"
    until(lambda: "no longer this process's" in other.log.read_text())
    assert (still.end(), other.end()) == (0, 0)


@pytest.mark.timeout(250)
def test_a_real_training_of_a_worker_serves_in_the_other_process(world: World) -> None:
    engine = world.engine()
    engine.stores.log.append(list(Toy(0, "small").events[:4000]))
    engine.catch_up()
    # So much is worth a training that nobody asked for, which would come first.
    engine.configure({"schedule": {"home": "off"}})
    engine.close()
    [client] = world.apis()
    worker = world.begin(*command(world.home, "worker")).up()
    asked = client.post(f"{BASE}/train", json={"budget": 1}).json()
    listed = proffer(world.home, world.database, "jobs", "feed", "--json")
    assert asked["id"] in listed.stdout, listed.stderr
    over = until(lambda: (now := state_of(client, asked["id"]))["state"] not in ("queued", "running") and now, 150)
    assert over["state"] == "succeeded", over
    assert over["holder"].endswith(f":{worker.process.pid}")
    status = home_of(client)
    if over["released"]:
        until(lambda: home_of(client)["model"]["id"] == over["version"], 5)
    else:
        assert status["latest"]["model"]["id"] == over["version"]
    assert [each.end() for each in world.started] == [0, 0]


@pytest.mark.timeout(120)
def test_a_worker_that_is_stopped_gives_its_training_back_and_leaves_no_child(world: World) -> None:
    version = saved(world)
    [client] = world.apis()
    [worker] = world.workers(1, lease=30.0, seconds=60.0, version=version)
    asked = client.post(f"{BASE}/train", json={}).json()
    pid = int(until(lambda: state_of(client, asked["id"]).get("progress"))["what"])
    assert worker.end() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    kept = state_of(client, asked["id"])
    assert (kept["state"], kept.get("holder")) == ("queued", None)
    # Nobody works: it waits, and can be cancelled by a command as well.
    ended = proffer(world.home, world.database, "jobs", "feed", "--cancel", asked["id"], "--json")
    assert ended.returncode == 0, ended.stderr
    assert state_of(client, asked["id"])["state"] == "cancelled"


def test_on_sqlite_one_process_does_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROFFER_DATABASE", raising=False)
    here = Environment(home=tmp_path)
    with pytest.raises(NotFound, match="no workspace"):
        work(here)
    create(tmp_path, "feed", "feed")
    for begin in (lambda: work(here), lambda: chosen_workspaces(here, ["feed"], shared="api")):
        with pytest.raises(CannotStart, match="one process does everything") as caught:
            begin()
        assert "`proffer serve feed`" in caught.value.remedy
    assert chosen_workspaces(here, []) == ["feed"]
