"""The skew watch beside a real server: looks by itself, finds what was tampered with, leaves no child behind."""

import signal
import sqlite3
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from proffer.core.decisions import Decision
from proffer.testing.clients import asker
from proffer.testing.deployments import Deployment, kill

from .test_crash_matrix import write_world


@pytest.fixture
def deployment(tmp_path: Path):
    """A server of the toy world without a model, which looks every second."""
    (tmp_path / "home").mkdir()
    made = Deployment(tmp_path / "home")
    try:
        settings = tmp_path / "settings.json"
        settings.write_text('{"watch": {"seconds": 1, "sample": 50}}')
        made.run("init", "feed", "--app", "feed")
        made.run("import", "feed", str(write_world(tmp_path / "world.jsonl")), "--json")
        made.run("settings", "feed", "--set", str(settings))
        told = msgspec.json.decode(made.run("token", "feed", "--scopes", "read,write,admin", "--json"))
        made.headers = {"Authorization": f"Bearer {told['token']}"}
        made.start()
        yield made
    finally:
        made.close()


def until(found: Callable[[], object], seconds: float = 60) -> object:
    patience = time.monotonic() + seconds
    while not (got := found()):
        assert time.monotonic() < patience
        time.sleep(0.05)
    return got


def looking(deployment: Deployment) -> list[int]:
    """Return the processes that take a look."""
    return [pid for pid, words in deployment.processes().items() if "check-decisions" in words]


def tamper(database: Path) -> str:
    """Give the first item of the newest decision another score, and return the decision's id."""
    with sqlite3.connect(database) as connection:
        id, body = connection.execute("SELECT id, body FROM decisions ORDER BY id DESC LIMIT 1").fetchone()
        decision = msgspec.msgpack.decode(zlib.decompress(body), type=Decision)
        first = msgspec.structs.replace(decision.slate[0], score=decision.slate[0].score + 1)
        changed = msgspec.structs.replace(decision, slate=(first, *decision.slate[1:]))
        body = zlib.compress(msgspec.msgpack.encode(changed))
        connection.execute("UPDATE decisions SET body = ? WHERE id = ?", (body, id))
    connection.close()
    return id


@pytest.mark.timeout(200)
def test_it_looks_by_itself_and_finds_what_is_not_equal(deployment: Deployment, tmp_path: Path) -> None:
    ask = asker(deployment)
    for number in range(6):
        ask("POST", "/recommend", {"subject": f"u{number}", "n": 5})

    def part() -> dict:
        return msgspec.json.decode((deployment.home / "feed" / "skew.json").read_bytes())

    until((deployment.home / "feed" / "skew.json").exists)
    until(lambda: part()["checked"] >= 6)
    assert (part()["mismatched"], part()["failed"], part()["incomparable"]) == (0, None, {})
    # The server is killed while a look is under way: its child ends as well.
    until(lambda: ask("POST", "/recommend", {"subject": "u1", "n": 5}) and looking(deployment))
    deployment.servers[0].end(signal.SIGKILL)
    until(lambda: not looking(deployment), 20)
    kill(list(deployment.processes()))
    id = tamper(deployment.home / "feed" / "log.db")
    with pytest.raises(RuntimeError, match="ended with 1"):
        deployment.run("check-decisions", "feed", "--from", "2020-01-01", "--until", "2100-01-01", "--sample", "50")
    told = deployment.run("status", "feed", "--json")
    assert msgspec.json.decode(told)["health"]["parts"]["skew"]["status"] == "ok"
    # A look starts where the last one ended; told that this was long ago, it sees everything.
    (deployment.home / "feed" / "skew.json").write_text(msgspec.json.encode({"until": "2020-01-01T00:00:00Z"}).decode())
    deployment.start()
    found = until(lambda: (now := part()).get("mismatches") and now)
    assert [one["decision"] for one in found["mismatches"]] == [id]
    assert deployment.stop() == [0]
    assert deployment.processes() == {}
