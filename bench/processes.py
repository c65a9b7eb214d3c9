"""Two API processes on PostgreSQL beside one process on SQLite, in the same run: events, slates, and what crosses over.

Events are durable when answered. `visible` is from the moment a post is set through one process until another one
gives it out, which it does from its own memory; on SQLite it is the same process. The load comes from this machine and
shares its processors with the servers and the database.

    .venv/bin/python bench/processes.py [--seconds 5] [--visible 300] [--small]
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from itertools import count, cycle
from pathlib import Path

import httpx
import uvloop

from crash import write_world
from ingest import Connection, quantile
from proffer.testing.clients import BASE
from proffer.testing.deployments import Deployment, PostgresDeployment

LOADS = (
    ("single events", "/events", 32, 1),
    ("batches of 100", "/events", 8, 100),
    ("slates of 10", "/recommend", 8, 0),
)
numbers = count()


def body(path: str, size: int) -> bytes:
    """Return what is sent: an event, so many, or a question."""
    if path == "/recommend":
        return json.dumps({"subject": f"u{next(numbers) % 200}", "n": 10}).encode()
    rows = [
        {"id": f"b{n}", "type": "like", "actor": f"u{n % 5000}", "target": f"p{n * 7919 % 300}"}
        for n in (next(numbers) for _ in range(size))
    ]
    return json.dumps(rows if size > 1 else rows[0]).encode()


def request(deployment: Deployment, path: str, sent: bytes) -> bytes:
    """Return a POST as bytes."""
    head = "".join(f"{name}: {value}\r\n" for name, value in deployment.headers.items())
    return (
        f"POST {BASE}{path} HTTP/1.1\r\nHost: localhost\r\n{head}"
        f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
    ).encode() + sent


async def load(deployment: Deployment, connections: int, seconds: float, make: Callable[[], bytes]) -> list[float]:
    """Return the seconds each request took, the connections spread over the processes in turn."""
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def one(port: int) -> None:
        connection = await Connection().open(("127.0.0.1", port))
        while (started := time.perf_counter()) < end:
            await connection.ask(make())
            taken.append(time.perf_counter() - started)
        connection.writer.close()

    ports = cycle(deployment.ports)
    await asyncio.gather(*(one(next(ports)) for _ in range(connections)))
    return taken


def visible(deployment: Deployment, times: int) -> list[float]:
    """Return the seconds from sending a post to one process until the other gives it out, back and forth."""
    taken = []
    clients = [httpx.Client(base_url=url + BASE, headers=deployment.headers, timeout=20) for url in deployment.urls]
    for number in range(times):
        here, there = clients[number % len(clients)], clients[(number + 1) % len(clients)]
        place = f"/entities/post/new{number}"
        started = time.perf_counter()
        here.put(place, json={"title": f"New {number}", "category": "c1"}).raise_for_status()
        while there.get(place).status_code != 200:
            if time.perf_counter() - started > 30:
                raise SystemExit(f"{place} was not visible within 30 s")
        taken.append(time.perf_counter() - started)
    for client in clients:
        client.close()
    return taken


def rows(deployment: Deployment, seconds: float, times: int) -> None:
    """Print the lines of a deployment."""
    where = f"{len(deployment.ports)} on PostgreSQL" if deployment.store == "postgres" else "1 on SQLite"
    for name, path, connections, size in LOADS:

        def make(path: str = path, size: int = size) -> bytes:
            return request(deployment, path, body(path, size))

        uvloop.run(load(deployment, 2, 0.5, make))
        taken = uvloop.run(load(deployment, connections, seconds, make))
        rate = len(taken) / seconds * max(size, 1)
        print(f"| {where} | {name} | {connections} | {rate:,.0f} | {show(taken)} |", flush=True)
    print(f"| {where} | a post, until the other gives it out | 1 | | {show(visible(deployment, times))} |", flush=True)


def show(taken: list[float]) -> str:
    """Return the middle and the highest hundredth, in ms."""
    return f"{quantile(taken, 0.5) * 1000:.1f} | {quantile(taken, 0.99) * 1000:.1f}"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--seconds", type=float, default=5.0)
    asked.add_argument("--visible", type=int, default=300)
    asked.add_argument("--store", choices=("sqlite", "postgres"))
    asked.add_argument("--small", action="store_true", help="a second a line")
    given = asked.parse_args()
    seconds, times = (1.0, 40) if given.small else (given.seconds, given.visible)
    print("| processes | what is sent | connections | a second | p50 ms | p99 ms |\n|---|---|---|---|---|---|")
    for store in [given.store] if given.store else ("sqlite", "postgres"):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            home.mkdir()
            deployment = Deployment(home) if store == "sqlite" else PostgresDeployment(home, apis=2)
            try:
                deployment.make(write_world(Path(folder) / "world.jsonl"), {"--budget": "2"})
                rows(deployment, seconds, times)
            finally:
                deployment.close()


if __name__ == "__main__":
    main()
