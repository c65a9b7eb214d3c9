"""What the log does in PostgreSQL beside what it does in SQLite, by turns in one run on one disk.

    python bench/postgres.py [FOLDER] [--small]

prints markdown tables; FOLDER is on the disk to measure (default: a temporary folder). The server is the one of the
tests, on that disk too, with its settings as they come; both stores flush every commit.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from flush import event, flushes, row, timed
from proffer.core.clock import RandomIds, SystemClock
from proffer.core.ports import EventLog
from proffer.stores.postgres.database import Database
from proffer.stores.postgres.log import PostgresLog
from proffer.stores.postgres.tables import make_tables
from proffer.stores.sqlite import sqlite_stores
from proffer.testing.postgres_server import PostgresServer

WRITER = """
import json, pathlib, random, sys, time
sys.path.insert(0, sys.argv[1])
from flush import event
from postgres import postgres_log
from proffer.core.clock import RandomIds
log, ids, chance, rows = postgres_log(sys.argv[2]), RandomIds(), random.Random(1), 0
print("ready", flush=True)
sys.stdin.readline()
until = time.monotonic() + float(sys.argv[3])
while time.monotonic() < until:
    log.append([event(ids, chance) for _ in range(100)])
    rows += 100
log.close()
print(rows)
"""


def postgres_log(url: str) -> PostgresLog:
    """Return the log of the schema that all here use."""
    database = Database(url, "proffer_bench")
    make_tables(database, "bench")
    return PostgresLog(database, SystemClock(), database.close)


def crowd(log: EventLog, threads: int, seconds: float) -> list[float]:
    """Return the seconds of each append of one event by so many threads at once."""
    times: list[float] = []
    running = [threading.Thread(target=lambda: times.extend(timed(log.append, 1, seconds))) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sorted(times)


def rate(size: int, times: list[float], threads: int = 1) -> float:
    """Return events a second."""
    return threads * size * len(times) / sum(times)


def appends(logs: dict[str, EventLog], seconds: float) -> None:
    """Print a table of appends, each line's stores one right after the other."""
    print("| append | SQLite events/s | p99 ms | PostgreSQL events/s | p99 ms | ratio |\n|---|---|---|---|---|---|")
    for name, size, threads in (
        ("1 by one thread", 1, 1), ("1 by 8 threads", 1, 8), ("1 by 64 threads", 1, 64), ("100", 100, 1),
        ("1,000", 1000, 1), ("5,000", 5000, 1),
    ):  # fmt: skip
        cells, rates = [], []
        for log in logs.values():
            times = crowd(log, threads, seconds) if threads > 1 else timed(log.append, size, seconds)
            rates.append(rate(size, times, threads))
            cells += [f"{rates[-1]:,.0f}", f"{1000 * times[int(0.99 * (len(times) - 1))]:.1f}"]
        print(f"| {name} | {' | '.join(cells)} | {rates[1] / rates[0]:.2f} |", flush=True)


def reads(logs: dict[str, EventLog]) -> None:
    """Print how fast each log is read from its beginning."""
    for name, log in logs.items():
        start, rows = time.perf_counter(), 0
        for chunk in log.scan():
            rows += len(chunk)
        print(f"{name}: {rows:,} events scanned, {rows / (time.perf_counter() - start):,.0f} a second.")


def together(url: str, seconds: float) -> None:
    """Print what one process, and two at once, append in batches of 100."""
    here = str(Path(__file__).parent)
    for number in (1, 2):
        command = [sys.executable, "-c", WRITER, here, url, str(seconds)]
        running = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(number)
        ]
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        said = [process.communicate("go\n")[0] for process in running if process.stdin]
        total = sum(json.loads(rows) for rows in said)
        print(f"{number} process(es), batches of 100 made as they go: {total / seconds:,.0f} events/s.")


def delays(url: str, turns: int) -> None:
    """Print how long after an append's answer another connection's `wait` returns."""
    import random

    one, other, ids, chance, times = postgres_log(url), postgres_log(url), RandomIds(), random.Random(1), []
    for _ in range(turns):
        after, heard = other.last(), []
        waiting = threading.Thread(
            target=lambda after=after, heard=heard: heard.append((other.wait(after, 10), time.perf_counter()))
        )
        waiting.start()
        time.sleep(0.01)
        one.append([event(ids, chance)])
        sent = time.perf_counter()
        waiting.join()
        times.append(max(heard[0][1] - sent, 0.0))
    one.close()
    other.close()
    print("\n| what | p50 ms | p99 ms | |\n|---|---|---|---|")
    print(row("from the answer to an append until another log's `wait` returns", 0, sorted(times)))


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser()
    asked.add_argument("folder", nargs="?")
    asked.add_argument("--small", action="store_true")
    given = asked.parse_args()
    seconds = 0.5 if given.small else 3.0
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    folder.chmod(0o755)
    server = PostgresServer(folder / "server", shared_buffers="256MB", max_wal_size="4GB").start()
    try:
        print("| what | p50 ms | p99 ms | |\n|---|---|---|---|")
        print(row("4 kB + fdatasync, file has its size", 0, flushes(folder, grow=False)), end="\n\n")
        logs: dict[str, EventLog] = {
            "SQLite": sqlite_stores(folder / "log").log,
            "PostgreSQL": postgres_log(server.url()),
        }
        appends(logs, seconds)
        print()
        reads(logs)
        for log in logs.values():
            log.close()
        together(server.url(), seconds)
        delays(server.url(), 20 if given.small else 200)
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
