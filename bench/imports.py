"""Import of 1,000,000 events: time, start of a fresh process to ready, memory, bytes on disk.

    .venv/bin/python bench/imports.py [--events 1000000] [--users 100000] [--items 20000]

Writes a synthetic CSV of views and likes with a country for each user, imports it through the command line's own
path into a new workspace, then opens that workspace in fresh processes, and prints tables in Markdown. "Ready" is the
time from before the first import of Proffer until an engine is open and has made its first recommendation.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PROBE = """
import json, resource, sys, time
started = time.perf_counter()
from pathlib import Path
import proffer.bootstrap as bootstrap
from proffer.core.entities import EntityRef
from proffer.core.queries import Query
from proffer.engine import serve
imported = time.perf_counter()
engine = bootstrap.open_engine(Path(sys.argv[1]), "feed", writable=sys.argv[2] == "write")
engine.deadline_ms = 1e9
opened = time.perf_counter()
query = Query(id="q", pipeline="home", subject=EntityRef("user", "u7"), at=engine.clock.now(), n=20)
serve.recommend(engine, query, opened)
asked = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
resident = pages * resource.getpagesize() / 2**20
print(json.dumps({"packages": imported - started, "open": opened - imported, "first": asked - opened, "peak": peak,
                  "resident": resident, "position": engine.state.position}))
engine.close()
"""


def write_events(path: Path, events: int, users: int, items: int, seed: int = 0) -> None:
    """Write a CSV of skewed interactions over a year, in order of time."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.integers(1_735_689_600, 1_735_689_600 + 365 * 86_400, events))
    user = (users * rng.random(events) ** 1.5).astype(int)
    item = (items * rng.random(events) ** 2.5).astype(int)
    liked = rng.random(events) < 0.15
    with path.open("w") as file:
        file.write("timestamp,eventType,contentId,personId,userCountry,seconds\n")
        for row in range(events):
            kind, seconds = ("LIKE", "") if liked[row] else ("VIEW", str(row % 300))
            country = ("SE", "NO", "FI", "DK")[user[row] % 4]
            file.write(f"{at[row]},{kind},p{item[row]},u{user[row]},{country},{seconds}\n")


def import_file(home: Path, path: Path) -> tuple[float, dict[str, object]]:
    """Return the wall time of `proffer import` in a process of its own, and its report."""
    run = [sys.executable, "-m", "proffer", "--home", str(home)]
    if not (home / "feed").exists():
        subprocess.run([*run, "init", "feed"], check=True, capture_output=True)
    started = time.perf_counter()
    done = subprocess.run([*run, "import", "feed", str(path), "--json"], check=True, capture_output=True, text=True)
    return time.perf_counter() - started, json.loads(done.stdout)


def probe(home: Path, mode: str) -> dict[str, float]:
    """Return what a fresh process needs until it is ready."""
    done = subprocess.run([sys.executable, "-c", PROBE, str(home), mode], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Run everything and print the tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--users", type=int, default=100_000)
    arguments.add_argument("--items", type=int, default=20_000)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home, path = Path(folder) / "home", Path(folder) / "events.csv"
        write_events(path, given.events, given.users, given.items)
        size = path.stat().st_size / 2**20
        print(f"{given.events:,} events, {given.users:,} users, {given.items:,} items, {size:.0f} MB of CSV\n")
        print("| run | seconds | rows/s | accepted | duplicates | attribute facts |\n|---|---|---|---|---|---|")
        for name in ("import", "the same again"):
            took, report = import_file(home, path)
            counts, facts = report["counts"], report["facts"]
            told = facts["accepted"] + facts["duplicates"]
            rate = given.events / took
            print(
                f"| {name} | {took:.1f} | {rate:,.0f} | {counts['accepted']:,} | {counts['duplicates']:,} | {told:,} |"
            )
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"\nPeak memory of the importing process: {peak:,.0f} MB.\n")
        print("| fresh process | packages s | open s | first recommendation s | ready s | resident MB | peak MB |")
        print("|---|---|---|---|---|---|---|")
        _probes(home)
        _disk(home, given.events)


def _probes(home: Path) -> None:
    cases = [("read-only, from the snapshot", "read"), ("writing, from the snapshot", "write")]
    for name, mode in cases:
        _probe_row(name, probe(home, mode))
    for old in (home / "feed" / "snapshots").glob("*"):
        old.unlink()
    _probe_row("read-only, whole log replayed", probe(home, "read"))


def _probe_row(name: str, found: dict[str, float]) -> None:
    ready = found["packages"] + found["open"] + found["first"]
    print(
        f"| {name} | {found['packages']:.1f} | {found['open']:.1f} | {found['first']:.1f} | {ready:.1f} "
        f"| {found['resident']:,.0f} | {found['peak']:,.0f} |"
    )


def _disk(home: Path, events: int) -> None:
    root = home / "feed"
    log = sum(path.stat().st_size for path in root.glob("log.db*"))
    print(f"\nOn disk: log {log / 2**20:,.0f} MB, {log / events:,.0f} bytes an event.")


if __name__ == "__main__":
    main()
