"""What this machine's disk takes to flush, and the append rates of the log beside it.

    python bench/flush.py [FOLDER]

prints a markdown table; FOLDER is on the disk to measure (default: a temporary folder).
"""

import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from proffer.core.clock import RandomIds
from proffer.core.entities import EntityRef
from proffer.core.events import Event
from proffer.core.ports import EventLog
from proffer.stores.sqlite import sqlite_stores

FLUSHES = 200
SECONDS = 2.0
THREADS = 8


def flushes(folder: Path, *, grow: bool) -> list[float]:
    """Return the seconds of each of 200 writes of 4 kB with fdatasync, to a file that grows or over what is there."""
    block, times = os.urandom(4096), []
    with (folder / "flush").open("wb", buffering=0) as file:
        if not grow:
            file.write(block * FLUSHES)
            os.fsync(file.fileno())
            file.seek(0)
        for _ in range(FLUSHES):
            start = time.perf_counter()
            file.write(block)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return sorted(times)


def event(ids: RandomIds, chance: random.Random) -> Event:
    """Return an event of 20,000 users with 5,000 posts; every third one has a field and a query."""
    told = chance.randrange(3) == 0
    return Event(
        id=ids.new("e"),
        type=chance.choice(["impression", "view", "like"]),
        at=datetime.now(UTC),
        actor=EntityRef("user", f"u{chance.randrange(20_000)}"),
        target=EntityRef("post", f"p{chance.randrange(5_000)}"),
        query_id=f"d_{chance.randrange(10**6)}" if told else None,
        fields={"dwell": 12.5} if told else {},
    )


def timed(call: Callable[[list[Event]], object], size: int, seconds: float = SECONDS) -> list[float]:
    """Return the seconds of each call with a fresh batch, made beforehand, until that many seconds have gone by."""
    ids, chance, times = RandomIds(), random.Random(size), []
    while sum(times) < seconds:
        batch = [event(ids, chance) for _ in range(size)]
        start = time.perf_counter()
        call(batch)
        times.append(time.perf_counter() - start)
    return sorted(times)


def crowd(log: EventLog) -> list[float]:
    """Return the seconds of each append of one event by eight threads at once."""
    times: list[float] = []
    threads = [threading.Thread(target=lambda: times.extend(timed(log.append, 1))) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(times)


def row(name: str, size: int, times: list[float], threads: int = 1) -> str:
    """Return a line of the table."""
    p50, p99 = (1000 * times[int(share * (len(times) - 1))] for share in (0.5, 0.99))
    rate = f"{threads * size * len(times) / sum(times):,.0f}" if size else ""
    return f"| {name} | {p50:.2f} | {p99:.2f} | {rate} |"


def main() -> None:
    """Print the table."""
    folder = Path(tempfile.mkdtemp(dir=sys.argv[1] if len(sys.argv) > 1 else None))
    try:
        print("| what | p50 ms | p99 ms | events/s |\n|---|---|---|---|")
        print(row("4 kB + fdatasync, file grows", 0, flushes(folder, grow=True)))
        print(row("4 kB + fdatasync, file has its size", 0, flushes(folder, grow=False)))
        log = sqlite_stores(folder / "log").log
        for size in (1, 100, 1000, 5000):
            print(row(f"append, batches of {size}", size, timed(log.append, size)))
        before, single = log.commits, crowd(log)
        print(row(f"append of 1 by {THREADS} threads", 1, single, THREADS))
        print(f"\n{THREADS} threads shared {log.commits - before:,} commits for {len(single):,} appends.")
        log.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
