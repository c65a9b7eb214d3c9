"""The real process: it starts, shows a token once, keeps what it acknowledged, and ends when told to."""

import json
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from proffer.api.serve import check_host, is_loopback, serve
from proffer.bootstrap import Environment, create, open_engine, running
from proffer.core.errors import CannotStart, NotFound, WorkspaceBusy

from .process import ServerProcess

Start = Callable[..., ServerProcess]
POST = {"type": "entity.set", "actor": {"kind": "post", "id": "p1"}, "fields": {"title": "A", "category": "farm"}}


def test_a_server_lives_and_lives_again(tmp_path: Path, start: Start) -> None:
    first = start()
    with first.client() as client:
        assert client.post("/api/v1/feed/events", json=[POST, {**POST, "id": "e2"}]).json()["accepted"] == 2
        slate = client.post("/api/v1/feed/recommend", json={"subject": "u1"}).json()
        assert [item["id"] for item in slate["items"]] == ["p1"]
    found = running(tmp_path, "feed")
    assert found is not None
    assert (found.url, found.pid) == (first.url, first.process.pid)
    assert stat.S_IMODE((tmp_path / "feed" / "server.json").stat().st_mode) == 0o600
    local = {"Authorization": f"Bearer {found.token}"}
    assert httpx.get(f"{first.url}/api/v1/feed/stats", headers=local).json()["accepted"] == 2
    with pytest.raises(WorkspaceBusy):
        open_engine(tmp_path, "feed")
    assert first.stop() == 0
    assert running(tmp_path, "feed") is None
    assert not (tmp_path / "feed" / "server.json").exists()

    second = start(first.token)
    assert "shown this once" not in second.told
    with second.client() as client:
        assert client.get("/api/v1/feed/stats").json()["accepted"] == 2
        assert client.get(f"/api/v1/feed/decisions/{slate['decision']}").json()["query_id"] == slate["query_id"]
        assert client.get("/api/v1/feed/stats", headers=local).status_code == 401
    assert second.stop(signal.SIGINT) == 0
    kept = (tmp_path / "server.log").read_text()
    assert "recommend feed 200" in kept
    assert first.token not in kept + (tmp_path / "feed" / "workspace.json").read_text()
    assert found.token not in kept


def test_a_signal_lets_running_requests_finish_and_a_second_ends_at_once(start: Start) -> None:
    server = start()
    address = (server.url.rpartition("/")[2].partition(":")[0], int(server.url.rpartition(":")[2]))
    body = json.dumps(POST).encode()
    head = f"POST /api/v1/feed/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with server.client(), socket.create_connection(address) as slow:
        slow.sendall(head.encode() + body[:10])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert server.process.poll() is None
        slow.sendall(body[10:])
        assert slow.recv(1000).startswith(b"HTTP/1.1 200")
    assert server.process.wait(15) == 0

    again = start(server.token)
    with again.client(), socket.create_connection((address[0], int(again.url.rpartition(":")[2]))) as slow:
        slow.sendall(head.encode() + body[:10])
        time.sleep(0.3)
        again.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        started = time.monotonic()
        assert again.stop() != 0
        assert time.monotonic() - started < 3


def test_an_endless_body_is_refused_and_the_server_goes_on(start: Start) -> None:
    server = start()
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    head = f"POST /api/v1/feed/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    part = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    with server.client() as client, socket.create_connection(address, timeout=10) as endless:
        endless.sendall(head.encode())
        gone = threading.Event()

        def pour() -> None:
            try:
                while not gone.is_set():
                    endless.sendall(part)
            except OSError:
                pass

        pouring = threading.Thread(target=pour)
        pouring.start()
        answer = endless.recv(2000)
        assert client.get("/health/live").status_code == 200
        gone.set()
        pouring.join(10)
        assert answer.startswith(b"HTTP/1.1 413")
        whole = client.post(
            "/api/v1/feed/events", content=b" " * 10_000_000, headers={"Content-Type": "application/json"}
        )
        assert whole.status_code == 413
    assert server.stop() == 0


def test_others_reach_the_server_only_when_that_was_said(tmp_path: Path) -> None:
    assert check_host("127.0.0.1", None) == "127.0.0.1"
    assert check_host("127.0.0.1", "0.0.0.0") == "0.0.0.0"
    assert [is_loopback(host) for host in ("localhost", "::1", "127.8.9.1", "10.0.0.1", "example.org")] == [
        True
    ] * 3 + [False] * 2
    with pytest.raises(CannotStart, match="--host"):
        serve(Environment(home=tmp_path, host="0.0.0.0"))


def test_a_server_without_a_workspace_or_a_port_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="proffer init"):
        serve(Environment(home=tmp_path))
    create(tmp_path, "feed", "feed")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CannotStart, match="--port"):
        serve(Environment(home=tmp_path, port=taken.getsockname()[1]))
