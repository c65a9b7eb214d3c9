"""Durable ingestion over HTTP: single events over 8 and 32 connections, and batches of 100, beside the flush time.

Each event is on disk when its request is answered. The load comes from this machine and shares its processors.

    .venv/bin/python bench/ingest.py [seconds per row]
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import uvloop

from proffer.bootstrap import create

START = (
    "import sys; from pathlib import Path; from proffer.api.serve import serve; "
    "from proffer.bootstrap import Environment; sys.exit(serve(Environment(home=Path(sys.argv[1]), port=0)))"
)
ROWS = (("single events", 8, 1), ("single events", 32, 1), ("batches of 100", 4, 100), ("batches of 100", 16, 100))
POSTS, USERS = 2000, 5000


class Server:
    """A Proffer server of its own process over a home."""

    def __init__(self, home: Path, workspace: str = "feed") -> None:
        self.workspace = workspace
        with (home / "server.log").open("w") as log:
            command = [sys.executable, "-c", START, str(home)]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        told = ""
        while "Operations:" not in told:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"the server ended: {(home / 'server.log').read_text()}")
            told += line
        found = re.search(r"at http://([^:/]+):(\d+)/", told)
        self.address = (found[1], int(found[2]))
        shown = re.search(r"shown this once: (\S+)", told)
        self.token = shown[1] if shown else json.loads((home / workspace / "server.json").read_text())["token"]

    def request(self, path: str, body: bytes) -> bytes:
        """Return a POST as bytes."""
        head = (
            f"POST /api/v1/{self.workspace}/{path} HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()


class Connection:
    """One kept-alive connection that sends bytes and reads one answer at a time."""

    async def open(self, address: tuple[str, int]) -> "Connection":
        self.reader, self.writer = await asyncio.open_connection(*address)
        return self

    async def ask(self, request: bytes) -> bytes:
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        body = await self.reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"refused: {head.decode()}{body.decode()}")
        return body


def quantile(values: list[float], q: float) -> float:
    return sorted(values)[min(int(len(values) * q), len(values) - 1)]


async def load(address: tuple[str, int], connections: int, seconds: float, request: Callable[[], bytes]) -> list[float]:
    """Return the seconds each request took, of as many connections, each sending as soon as it is answered."""
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        connection = await Connection().open(address)
        while (started := time.perf_counter()) < end:
            await connection.ask(request())
            taken.append(time.perf_counter() - started)
        connection.writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return taken


def flush_seconds(folder: Path, times: int = 200) -> list[float]:
    """Return how long the machine takes to bring 4 kB to the disk."""
    taken = []
    with (folder / "flush").open("wb") as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - started)
    return taken


def main(seconds: float = 5.0) -> None:
    numbers = count()

    def event() -> dict[str, object]:
        n = next(numbers)
        return {"id": f"b{n}", "type": "like", "actor": f"u{n % USERS}", "target": f"p{n * 7919 % POSTS}"}

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        create(home, "feed", "feed")
        flush = flush_seconds(home)
        server = Server(home)
        print("| what is sent | connections | events/s | requests/s | p50 ms | p99 ms |\n|---|---|---|---|---|---|")
        try:
            for name, connections, size in ROWS:

                def request(size: int = size) -> bytes:
                    rows = [event() for _ in range(size)]
                    return server.request("events", json.dumps(rows if size > 1 else rows[0]).encode())

                uvloop.run(load(server.address, 2, 0.5, request))
                taken = uvloop.run(load(server.address, connections, seconds, request))
                rate = len(taken) / seconds
                p50, p99 = quantile(taken, 0.5) * 1000, quantile(taken, 0.99) * 1000
                print(
                    f"| {name} | {connections} | {rate * size:,.0f} | {rate:,.0f} | {p50:.1f} | {p99:.1f} |", flush=True
                )
        finally:
            server.stop()
        p50, p99 = quantile(flush, 0.5) * 1000, quantile(flush, 0.99) * 1000
        print(f"| one fdatasync of 4 kB on this disk | | | {1 / quantile(flush, 0.5):,.0f} | {p50:.2f} | {p99:.2f} |")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
