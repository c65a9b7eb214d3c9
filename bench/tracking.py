"""What tracking costs over HTTP: single interactions, batches of Segment's protocol, and statistics of much-used items.

Each event is on disk when its request is answered. The load comes from this machine and shares its processors.

    .venv/bin/python bench/tracking.py [--small]
"""

import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np

from ingest import Server
from proffer.bootstrap import create

SMALL = "--small" in sys.argv
SECONDS = 2.0 if SMALL else 10.0
SIZES = (100, 1_000, 10_000) if SMALL else (100, 1_000, 10_000, 100_000)
NUMBER = count()
TYPES = ("view", "view", "view", "click", "save", "implement", "rate", "dismiss")
VALUES = {"view": 12.5, "rate": 4}


class Client:
    """One connection to the server."""

    def __init__(self, server: Server) -> None:
        self.connection = http.client.HTTPConnection(*server.address)
        self.headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        self.connection.request(method, path, None if body is None else json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        told = answer.read()
        assert answer.status == 200, told
        return told


def message(user: str, item: str) -> dict[str, object]:
    number = next(NUMBER)
    kind = TYPES[number % len(TYPES)]
    properties = {"target": item, "position": 1 + number % 20, "session": "s1"}
    if kind in VALUES:
        properties["value"] = VALUES[kind]
    return {"type": "track", "event": kind, "messageId": f"m{number}", "userId": user, "properties": properties,
            "timestamp": "2026-01-31T12:00:00Z"}  # fmt: skip


def loaded(server: Server, connections: int, call: Callable[[Client], int]) -> tuple[float, float, float]:
    """Return events a second and p50 and p99 of a request in ms."""
    took, done, until = [], [], time.perf_counter() + SECONDS

    def work() -> None:
        client = Client(server)
        while (started := time.perf_counter()) < until:
            done.append(call(client))
            took.append(time.perf_counter() - started)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    started = time.perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    p50, p99 = np.percentile(np.array(took) * 1000, (50, 99))
    return sum(done) / (time.perf_counter() - started), p50, p99


def batch(client: Client, size: int) -> int:
    messages = [message(f"u{next(NUMBER) % 500}", f"r{next(NUMBER) % 4000}") for _ in range(size)]
    told = json.loads(client.ask("POST", "/v1/batch", {"batch": messages}))
    assert told["accepted"] == size, told
    return size


def single(client: Client) -> int:
    body = {"interaction_type": "view", "interaction_value": 3.5, "user": f"u{next(NUMBER) % 500}"}
    client.ask("POST", f"/api/v1/advisor/recommendations/interact/r{next(NUMBER) % 4000}", body)
    return 1


def facts(client: Client) -> None:
    rows = [
        {"type": "entity.set", "actor": {"kind": "recommendation", "id": f"r{n}"},
         "fields": {"assessment": f"a{n // 40}", "category": f"c{n % 5}", "confidence": (n % 97) / 97}}
        for n in range(4000)
    ]  # fmt: skip
    rows.append({"type": "entity.set", "actor": {"kind": "user", "id": "u1"}})
    for start in range(0, len(rows), 1000):
        client.ask("POST", "/api/v1/advisor/events", rows[start : start + 1000])


def latency(client: Client, path: str, times: int) -> tuple[float, float]:
    took = []
    for _ in range(times):
        started = time.perf_counter()
        client.ask("GET", path)
        took.append(time.perf_counter() - started)
    p50, p99 = np.percentile(np.array(took) * 1000, (50, 99))
    return p50, p99


def freshness(client: Client, times: int) -> tuple[float, float]:
    """Return p50 and p99 of ms from sending an interaction until the next list and the features have come with it."""
    took = []
    for place in range(times):
        item, path = f"r{place}", f"/api/v1/advisor/features/interaction/u1/r{place}"
        before = json.loads(client.ask("GET", path))["features"]
        started = time.perf_counter()
        body = {"interaction_type": "save", "user": "u1"}
        client.ask("POST", f"/api/v1/advisor/recommendations/interact/{item}", body)
        listed = json.loads(client.ask("GET", f"/api/v1/advisor/recommendations/a{place // 40}?user=u1"))
        seen = json.loads(client.ask("GET", path))
        took.append(time.perf_counter() - started)
        assert seen["features"] != before
        assert listed["as_of"] >= seen["as_of"]
    p50, p99 = np.percentile(np.array(took) * 1000, (50, 99))
    return p50, p99


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        create(Path(folder), "advisor", "advisor")
        server = Server(Path(folder), "advisor")
        try:
            client = Client(server)
            facts(client)
            p50, p99 = freshness(client, 100)
            print(f"An interaction, the next list and the features with it: p50 {p50:.1f} ms, p99 {p99:.1f} ms.\n")
            print("| what | connections | events/s | p50 ms | p99 ms |\n|---|---|---|---|---|")
            rows = (
                ("interact, one", 8, single),
                *((f"/v1/batch of {n}", 4, lambda c, n=n: batch(c, n)) for n in (20, 100)),
            )
            for name, connections, call in rows:
                rate, p50, p99 = loaded(server, connections, call)
                print(f"| {name} | {connections} | {rate:,.0f} | {p50:.1f} | {p99:.1f} |", flush=True)
            print(
                "\n| interactions of item and user | stats p50 ms | p99 | history p50 ms | p99 |\n|---|---|---|---|---|"
            )
            # The first connection has been idle for longer than the server keeps one.
            client, sent = Client(server), 0
            for size in SIZES:
                while sent < size:
                    many = min(1000, size - sent)
                    told = client.ask("POST", "/v1/batch", {"batch": [message("busy", "r0") for _ in range(many)]})
                    assert json.loads(told)["accepted"] == many
                    sent += many
                times = 20 if size < 50_000 else 5
                stats = latency(client, "/api/v1/advisor/recommendations/stats/r0", times)
                told = latency(client, "/api/v1/advisor/recommendations/user/history?user=busy", times)
                print(f"| {size:,} | {stats[0]:.1f} | {stats[1]:.1f} | {told[0]:.1f} | {told[1]:.1f} |", flush=True)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
