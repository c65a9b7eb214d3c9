"""One decision of 100 and of 500 candidates, in the engine and over HTTP with logging on, beside a bare Starlette echo.

A workspace of the feed with 2,000 posts and 40,000 events; one request at a time, then eight at a time.
(Not named http.py: a script's folder comes first in Python's path, and that would hide the library's `http`.)

    .venv/bin/python bench/over_http.py [requests per row]
"""

import asyncio
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop

from ingest import POSTS, USERS, Connection, Server, quantile
from proffer.bootstrap import create, open_engine
from proffer.core.entities import EntityRef
from proffer.core.queries import Query
from proffer.engine.engine import Engine

EVENTS = 40_000
ECHO = (
    "import socket, sys, msgspec, uvicorn\n"
    "from starlette.applications import Starlette\n"
    "from starlette.responses import Response\n"
    "from starlette.routing import Route\n"
    "async def echo(request):\n"
    "    body = msgspec.json.decode(await request.body())\n"
    "    return Response(msgspec.json.encode(body), media_type='application/json')\n"
    "app = Starlette(routes=[Route('/{path:path}', echo, methods=['POST'])])\n"
    "config = uvicorn.Config(app, log_level='error', loop='uvloop', http='httptools')\n"
    "uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])\n"
)


def fill(engine: Engine, rng: random.Random) -> None:
    """Record posts of the last ten days and what users did with them."""
    now = datetime.now(UTC)
    rows: list[dict[str, object]] = []
    for n in range(POSTS):
        at = (now - timedelta(seconds=rng.uniform(0, 864_000))).isoformat()
        fields = {"title": f"About {rng.choice('abcdefgh')} and {n}", "category": f"c{n % 12}", "author": f"u{n % 200}"}
        fields["published_at"] = at
        rows.append({"type": "entity.set", "at": at, "actor": {"kind": "post", "id": f"p{n}"}, "fields": fields})
    for _ in range(EVENTS):
        kind = rng.choices(("impression", "view", "like", "comment"), (6, 3, 2, 1))[0]
        at = (now - timedelta(seconds=rng.expovariate(1 / 90_000))).isoformat()
        post = min(int(rng.expovariate(1 / 300)), POSTS - 1)
        rows.append({"type": kind, "at": at, "actor": f"u{rng.randrange(USERS)}", "target": f"p{post}"})
    for start in range(0, len(rows), 1000):
        engine.record(rows[start : start + 1000])


def bodies(rng: random.Random) -> dict[str, Callable[[], dict[str, object]]]:
    """Return makers of bodies by name of the row."""
    ids = [f"p{n}" for n in range(POSTS)]

    def rank(size: int) -> dict[str, object]:
        return {"subject": f"u{rng.randrange(USERS)}", "candidates": rng.sample(ids, size), "n": 20}

    def recommend(n: int) -> dict[str, object]:
        return {"subject": f"u{rng.randrange(USERS)}", "n": n}

    return {
        "rank 100": lambda: rank(100),
        "rank 500": lambda: rank(500),
        "recommend 20": lambda: recommend(20),
        "recommend 100": lambda: recommend(100),
    }


def in_engine(engine: Engine, make: Callable[[], dict[str, object]], times: int) -> tuple[list[float], float]:
    """Return the seconds of each decision, and how many candidates the middle one considered."""
    taken, considered = [], []
    for place in range(times + 20):
        body = make()
        candidates = body.get("candidates")
        query = Query(
            id=engine.ids.new("q"),
            pipeline="home",
            subject=EntityRef("user", str(body["subject"])),
            at=engine.clock.now(),
            n=int(str(body["n"])),
            candidates=tuple(candidates) if isinstance(candidates, list) else None,
        )
        started = time.perf_counter()
        decision = engine.recommend(query)
        if place >= 20:
            taken.append(time.perf_counter() - started)
            considered.append(len(decision.considered.ids))
    return taken, quantile(considered, 0.5)


async def over_http(
    address: tuple[str, int], request: Callable[[], bytes], times: int, connections: int
) -> list[float]:
    """Return the seconds of each request, over as many connections at a time."""
    taken: list[float] = []
    left = iter(range(times + 20))

    async def one() -> None:
        connection = await Connection().open(address)
        for place in left:
            sent = request()
            started = time.perf_counter()
            await connection.ask(sent)
            if place >= 20:
                taken.append(time.perf_counter() - started)
        connection.writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return taken


def row(name: str, where: str, considered: float | str, taken: list[float]) -> None:
    p50, p99 = quantile(taken, 0.5) * 1000, quantile(taken, 0.99) * 1000
    print(f"| {name} | {where} | {considered} | {p50:.2f} | {p99:.2f} |", flush=True)


def main(times: int = 400) -> None:
    rng = random.Random(7)
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listening:
        home = Path(folder)
        create(home, "feed", "feed")
        engine = open_engine(home, "feed")
        makers = bodies(rng)
        print("| decision | where | candidates considered | p50 ms | p99 ms |\n|---|---|---|---|---|")
        try:
            fill(engine, rng)
            considered = {}
            for name, make in makers.items():
                taken, considered[name] = in_engine(engine, make, times)
                row(name, "engine", considered[name], taken)
        finally:
            engine.close()
        listening.set_inheritable(True)
        echo = subprocess.Popen([sys.executable, "-c", ECHO, str(listening.fileno())], pass_fds=[listening.fileno()])
        server = Server(home)
        try:
            for connections in (1, 8):
                where = f"HTTP, {connections} at a time"
                for name, make in makers.items():
                    path = name.partition(" ")[0]

                    def request(path: str = path, make: Callable[[], dict[str, object]] = make) -> bytes:
                        return server.request(path, json.dumps(make()).encode())

                    row(
                        name,
                        where,
                        considered[name],
                        uvloop.run(over_http(server.address, request, times, connections)),
                    )
                bare = lambda: server.request("rank", json.dumps(makers["rank 500"]()).encode())  # noqa: E731
                taken = uvloop.run(over_http(listening.getsockname(), bare, times, connections))
                row("bare Starlette echo of 500 ids", where, "", taken)
        finally:
            server.stop()
            echo.terminate()
            echo.wait(10)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
