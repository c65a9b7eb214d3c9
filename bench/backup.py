"""Backup while events are written, restore, and copies between SQLite and PostgreSQL: seconds and megabytes.

A child process appends batches of 20 events as fast as it can while the backup is made. Each backup is restored and
the hash of its log compared with the log's own at that position. PostgreSQL is a server of this run's own.

    .venv/bin/python bench/backup.py [--events 1000000] [--decisions 10000] [--small] [--sqlite]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import numpy as np

import proffer.bootstrap as bootstrap
from proffer.bootstrap.copies import Inventory, back_up, check_backup, copy_workspace, restore
from proffer.core.events import Counts, Event
from proffer.stores.copying import log_hash
from proffer.testing.postgres_server import PostgresServer
from proffer.testing.samples import START, sample_decision, sample_event

WRITE = """
import sys
from pathlib import Path
import proffer.bootstrap as bootstrap
from proffer.testing.samples import sample_event
stores = bootstrap.open_stores(Path(sys.argv[1]))
print("ready", flush=True)
for call in range(10**9):
    rows = [sample_event(f"w{sys.argv[2]}.{call}.{row}", user=f"u{call % 5000}", post=f"p{row}") for row in range(20)]
    stores.log.append([*rows, rows[0]])
    print(rows[-1].id, flush=True)
"""
TYPES = ("impression", "impression", "view", "view", "like", "share")


def events(n: int) -> list[Event]:
    """Return events of 20,000 users with 5,000 posts, one in three with a field."""
    rng = np.random.default_rng(1)
    users, posts, types = rng.integers(0, 20_000, n), rng.integers(0, 5_000, n), rng.integers(0, len(TYPES), n)
    return [
        sample_event(
            f"e_{number:012x}", type=TYPES[types[number]], user=f"u{users[number]}", post=f"p{posts[number]}",
            after=number * 0.5, **({"seconds": 12.5} if number % 3 == 0 else {}),
        )
        for number in range(n)
    ]  # fmt: skip


def filled(home: Path, n: int, decisions: int) -> None:
    """Make a workspace in SQLite with so many events, decisions of 100 candidates and a model version of 20 MB."""
    bootstrap.create(home, "feed", "feed", store="sqlite")
    with closing(bootstrap.open_stores(home / "feed").log) as log:
        rows = [msgspec.structs.replace(event, sequence=place) for place, event in enumerate(events(n), 1)]
        log.fill([rows[start : start + 10_000] for start in range(0, n, 10_000)], [], Counts(accepted=n))
    stores = bootstrap.open_stores(home / "feed")
    for number in range(decisions):
        stores.decisions.put(sample_decision(f"d{number:07d}", user=f"u{number % 20_000}", items=100))
        if number % 5_000 == 0:
            stores.decisions.flush()
    stores.registry.save(
        "home", "x", schema="v", position=n, parameters={}, metrics={}, at=START, arrays={"w": np.ones(2_500_000)}
    )  # fmt: skip
    stores.log.close()


@contextmanager
def written(home: Path, writers: int = 1):
    """Let processes append to a workspace; gives the file of the ids that were acknowledged."""
    said = home / "said"
    with said.open("w") as output:
        command = [sys.executable, "-c", WRITE, str(home / "feed")]
        processes = [subprocess.Popen([*command, str(number)], stdout=output) for number in range(writers)]
        while said.read_text().count("ready") < writers:
            time.sleep(0.02)
        try:
            yield said
        finally:
            for process in processes:
                process.kill()
                process.wait()


def timed(call: Callable[[], object]) -> tuple[float, object]:
    started = time.perf_counter()
    found = call()
    return time.perf_counter() - started, found


def size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def row(what: str, seconds: float, holds: Inventory, megabytes: float | None = None) -> None:
    shown = "" if megabytes is None else f"{megabytes:,.0f}"
    rate = holds.position / seconds
    print(f"| {what} | {holds.position:,} | {seconds:.1f} | {rate:,.0f} | {shown} |", flush=True)


def check(home: Path, name: str, holds: Inventory) -> None:
    """Exit unless the hash of a log up to a position is the one that a copy of it has."""
    stores = bootstrap.open_stores(home / name, writable=False)
    if log_hash(stores.log, holds.position, holds.rows) != holds.log:
        raise SystemExit("The copy is not what was copied.")
    stores.log.close()


def sqlite(home: Path, place: Path) -> None:
    """Measure backup and restore of a workspace in SQLite."""
    seconds, backup = timed(lambda: back_up(home, "feed", place / "quiet"))
    row("backup, nobody writes", seconds, backup.holds, size(place / "quiet"))
    with written(home) as said:
        time.sleep(1)
        before = said.read_text().count("\n")
        seconds, backup = timed(lambda: back_up(home, "feed", place / "backup"))
        during = said.read_text().count("\n") - before
    row("backup while a process appends", seconds, backup.holds, size(place / "backup"))
    print(f"<!-- {during * 20 / seconds:,.0f} events/s were appended meanwhile -->")
    seconds, _ = timed(lambda: check_backup(place / "backup"))
    row("every byte of it checked", seconds, backup.holds)
    seconds, _ = timed(lambda: restore(place / "backup", place / "home", "feed"))
    row("restore on an empty machine", seconds, backup.holds, size(place / "home" / "feed"))
    check(home, "feed", backup.holds)
    check(place / "home", "feed", backup.holds)
    seconds, _ = timed(lambda: bootstrap.open_engine(place / "home", "feed").close())
    row("first start after it: the log is folded", seconds, backup.holds)


def postgres(home: Path, place: Path, server: PostgresServer) -> None:
    """Measure copies from SQLite to PostgreSQL and back, and a backup of PostgreSQL while two processes append."""
    other = place / "other"
    seconds, there = timed(lambda: copy_workspace(home / "feed", other / "feed", store=server.url()))
    row("copy SQLite to PostgreSQL", seconds, there)
    with written(other, writers=2):
        seconds, backup = timed(lambda: back_up(other, "feed", place / "of-postgres"))
    row("backup of PostgreSQL while two processes append", seconds, backup.holds, size(place / "of-postgres"))
    check(other, "feed", backup.holds)
    seconds, _ = timed(lambda: restore(place / "of-postgres", other, "again", store=server.url()))
    row("restore into PostgreSQL", seconds, backup.holds)
    check(other, "again", backup.holds)
    seconds, back = timed(lambda: copy_workspace(other / "again", place / "back" / "feed"))
    row("copy PostgreSQL to SQLite", seconds, back, size(place / "back" / "feed"))
    if back.log != backup.holds.log:
        raise SystemExit("The hash of the log changed on its way.")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--decisions", type=int, default=10_000)
    parser.add_argument("--small", action="store_true", help="20,000 events and 200 decisions")
    parser.add_argument("--sqlite", action="store_true", help="leave PostgreSQL out")
    given = parser.parse_args()
    n, decisions = (20_000, 200) if given.small else (given.events, given.decisions)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        home = place / "source"
        filled(home, n, decisions)
        print("| what | events | seconds | events/s | MB |\n|---|---|---|---|---|")
        sqlite(home, place)
        if given.sqlite:
            return
        server = PostgresServer().start()
        os.environ["PGPASSWORD"] = server.password
        try:
            postgres(home, place, server)
        finally:
            server.close()


if __name__ == "__main__":
    main()
