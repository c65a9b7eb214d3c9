"""Erasing somebody from a large log in SQLite: seconds for the whole, and what decisions and records meanwhile wait.

Also how much slower events are recorded once somebody was erased, since each must be asked whether it is a tombstone's.

    .venv/bin/python bench/erase.py [--events 1000000] [--decisions 10000] [--small]
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import msgspec
import numpy as np

import proffer.bootstrap as bootstrap
from proffer.core.entities import EntityRef
from proffer.core.queries import Query
from proffer.engine.engine import Engine
from proffer.testing.samples import START, sample_decision, sample_event

TYPES = ("impression", "view", "view", "like", "share")
BATCH = 1000


def fill(engine: Engine, events: int, decisions: int) -> None:
    """Put events of 20,000 users with 5,000 posts into the log, and decisions of 500 candidates, 20 of them placed."""
    rng = np.random.default_rng(1)
    users, posts, types = rng.integers(0, 20_000, events), rng.integers(0, 5_000, events), rng.integers(0, 5, events)
    for start in range(0, events, 20_000):
        engine.stores.log.append([
            sample_event(f"e{n}", type=TYPES[types[n]], user=f"user-{users[n]}", post=f"post-{posts[n]}", after=n)
            for n in range(start, min(start + 20_000, events))
        ])  # fmt: skip
    for n in range(decisions):
        whole = sample_decision(f"d_{n:016x}", user=f"user-{n % 20_000}", items=500)
        decision = msgspec.structs.replace(whole, slate=whole.slate[:20])
        while not engine.stores.decisions.put(decision):
            engine.stores.decisions.flush()
    engine.stores.decisions.flush()
    engine.catch_up()


def rows(first: int) -> list[dict[str, object]]:
    """Return a batch of events of others."""
    return [
        {"id": f"r{first + n}", "type": "view", "actor": f"user-{n % 997 + 1000}", "target": f"post-{n % 313}"}
        for n in range(BATCH)
    ]


def recorded(engine: Engine, first: int, batches: int = 20) -> float:
    """Return how many events a second are recorded in batches of 1,000."""
    started = time.perf_counter()
    for batch in range(batches):
        engine.record(rows(first + batch * BATCH))
    return batches * BATCH / (time.perf_counter() - started)


def waits(engine: Engine, ended: threading.Event, decided: list[float], written: list[float]) -> list[threading.Thread]:
    """Return threads that decide and record all the while, and note how long each call took (seconds)."""

    def decide() -> None:
        for n in range(10**9):
            if ended.is_set():
                return
            subject = EntityRef("user", f"user-{n % 20_000}")
            query = Query(id=f"q{n}", pipeline="home", subject=subject, at=START, n=20)
            decided.append(took(lambda query=query: engine.recommend(query)))

    def write() -> None:
        for n in range(10**9):
            if ended.is_set():
                return
            written.append(took(lambda n=n: engine.record(rows(10**8 + n * BATCH)[:1])))
            time.sleep(0.005)

    return [threading.Thread(target=decide), threading.Thread(target=write)]


def took(work) -> float:  # type: ignore[no-untyped-def]
    """Return the seconds something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--decisions", type=int, default=10_000)
    parser.add_argument("--small", action="store_true")
    asked = parser.parse_args()
    events, decisions = (100_000, 1_000) if asked.small else (asked.events, asked.decisions)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        bootstrap.create(home, "feed", "feed")
        engine = bootstrap.open_engine(home, "feed")
        fill(engine, events, decisions)
        size = (home / "feed" / "log.db").stat().st_size / 1e6
        print(f"{events:,} events, {decisions:,} decisions, log.db {size:.0f} MB")
        before = recorded(engine, 10**7)
        export = took(lambda: msgspec.json.encode(engine.export(EntityRef("user", "user-7"))))
        ended, decided, written = threading.Event(), [], []
        threads = waits(engine, ended, decided, written)
        for thread in threads:
            thread.start()
        time.sleep(1)
        decided.clear()
        written.clear()
        started = time.perf_counter()
        found = engine.erase([EntityRef("user", "user-7")])
        seconds = time.perf_counter() - started
        ended.set()
        for thread in threads:
            thread.join()
        many = took(lambda: engine.erase([EntityRef("user", f"user-{n}") for n in range(100, 200)]))
        after = recorded(engine, 2 * 10**7)
        print(f"export {export:.2f} s; erase one ({found.events} events, {found.decisions} decisions) {seconds:.1f} s, "
              f"100 at once {many:.1f} s")  # fmt: skip
        for name, calls in (("decisions", decided), ("single events", written)):
            p50, p99, most = (1000 * float(np.quantile(calls, q)) for q in (0.5, 0.99, 1.0))
            print(f"meanwhile {len(calls):,} {name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {most:.0f} ms")
        print(f"events recorded in batches of {BATCH:,}: {before:,.0f}/s before, {after:,.0f}/s after an erasure")
        engine.close()


if __name__ == "__main__":
    main()
