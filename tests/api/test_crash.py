"""kill -9 in the middle of ingestion: every acknowledged event is there exactly once."""

import signal
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from .process import ServerProcess

CLIENTS, ROUNDS = 6, 2


def ingest(server: ServerProcess, client_name: str, acknowledged: dict[str, int], sent: set[str]) -> None:
    """Send single events and batches until the server is gone; note each acknowledged id and its sequence."""
    place = 0
    with httpx.Client(base_url=server.url, headers=server.headers, timeout=10) as client:
        while True:
            size = 1 if place % 3 else 20
            rows = [
                {"id": f"{client_name}-{place}-{row}", "type": "like", "actor": client_name, "target": f"p{row}"}
                for row in range(size)
            ]
            sent.update(row["id"] for row in rows)
            try:
                answer = client.post("/api/v1/feed/events", json=rows if size > 1 else rows[0])
            except httpx.HTTPError:
                return
            assert answer.status_code == 200
            told = answer.json()
            acknowledged.update({receipt["id"]: receipt["sequence"] for receipt in told.get("receipts", [told])})
            place += 1


def logged(client: httpx.Client) -> list[tuple[str, int]]:
    """Return id and sequence of everything in the log."""
    found, after = [], 0
    while after is not None:
        page = client.get("/api/v1/feed/events", params={"limit": 1000, "after": after}).json()
        found += [(event["id"], event["sequence"]) for event in page["events"]]
        after = page["next"]
    return found


@pytest.mark.parametrize("enough", [60, 600])
def test_every_acknowledged_event_survives_kill_9_exactly_once(
    start: Callable[..., ServerProcess], enough: int
) -> None:
    acknowledged: dict[str, int] = {}
    sent: set[str] = set()
    token = None
    for each in range(ROUNDS):
        server = start(token)
        token = server.token
        clients = [
            threading.Thread(target=ingest, args=(server, f"u{each}-{number}", acknowledged, sent))
            for number in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        goal, patience = len(acknowledged) + enough, time.monotonic() + 30
        while len(acknowledged) < goal and time.monotonic() < patience:
            time.sleep(0.01)
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        for client in clients:
            client.join(20)
    server = start(token)
    with server.client() as client:
        found = logged(client)
        assert len(acknowledged) >= ROUNDS * enough
        assert len(dict(found)) == len(found)
        assert acknowledged.items() <= dict(found).items()
        assert dict(found).keys() <= sent
        counts = client.get("/api/v1/feed/stats").json()
        assert (counts["received"], counts["accepted"], counts["folded"]) == (len(found),) * 3
        lost = sorted(sent - dict(found).keys())[:50]
        again = [{"id": each, "type": "like", "actor": "u", "target": "p"} for each in lost] or [found[0][0]]
        assert client.post("/api/v1/feed/events", json=again).status_code == 200
    assert server.stop() == 0
