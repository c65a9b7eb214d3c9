"""Replay: from the log to state rows and matrices, beside a plain Python loop over the same features.

    python bench/replay.py [--users 100000] [--items 20000] [--events 1000000] [--sample 20000]

Builds a synthetic log in memory and prints tables in Markdown. An event-feature fold is one event taken by one
accumulator; the loop folds the same events into the same accumulators, kept in dictionaries and lists.
"""

import argparse
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from proffer.apps.feed.app import app
from proffer.core.entities import EntityRef
from proffer.core.events import ENTITY_SET, Event
from proffer.core.schema import Schema
from proffer.features.live import DAY, HOUR
from proffer.features.state import State
from proffer.features.view import FeatureView
from replay_loop import plain_loop

START = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = {"impression": 0.55, "view": 0.30, "like": 0.06, "comment": 0.02, "share": 0.02, "bookmark": 0.03, "hide": 0.02}
SCHEMA = Schema(app.events, app.entities)


def synthetic(users: int, items: int, events: int) -> list[Event]:
    """Return a log: posts appear over 30 days, who acts follows a power law, one event in twenty comes late."""
    rng = np.random.default_rng(7)
    refs = [EntityRef("user", f"u{n}") for n in range(users)]
    posts = [EntityRef("post", f"p{n}") for n in range(items)]
    times = np.sort(rng.uniform(0, 30 * DAY, events))
    times -= np.where(rng.random(events) < 0.05, rng.exponential(2 * HOUR, events), 0.0)
    who = (users * rng.random(events) ** 2).astype(int)
    made = 1 + (items - 1) * np.arange(events) // max(events - 1, 1)
    what = np.maximum(made - 1 - rng.exponential(items / 15, events).astype(int), 0)
    kinds = rng.choice(len(KINDS), events, p=list(KINDS.values()))
    seconds = rng.exponential(40.0, events)
    names, log = list(KINDS), list[Event]()
    for n in range(events):
        at = START + timedelta(seconds=float(times[n]))
        for post in range(made[n - 1] if n else 0, made[n]):
            fields = described(post, users)
            log.append(Event(id="", type=ENTITY_SET, at=at, actor=posts[post], fields=fields, sequence=len(log) + 1))
        fields = {"seconds": float(seconds[n])} if kinds[n] == 1 else {}
        log.append(
            Event(
                id="", type=names[kinds[n]], at=at, actor=refs[who[n]], target=posts[what[n]], fields=fields,
                sequence=len(log) + 1,
            )
        )  # fmt: skip
    return log


def described(n: int, users: int) -> dict[str, str]:
    """Return the attributes of a post."""
    return {
        "title": f"Post {n} on matters of topic{n % 23}",
        "text": f"Words about subject{n % 97} and what became of thing{n % 389} " * 8,
        "category": f"c{n % 23}",
        "author": f"u{n * 7 % max(users // 50, 1)}",
        "language": "sv",
    }


def folds_of(state: State, events: list[Event]) -> int:
    """Return how many event-feature folds these events make."""
    scopes = [name for name in state.scopes if "actor.segment" not in state.layout.scopes[name].parts]
    each_type = {
        t: sum(t in dict(a.weights) for name in scopes for a, _ in state.scopes[name].accumulators) for t in KINDS
    }
    return sum(each_type.get(event.type, 0) for event in events)


def timed(call: Callable[[], object], clock: Callable[[], float] = time.process_time) -> tuple[float, object]:
    """Return how long a call took by a clock (CPU seconds: others may use the machine), and what it returned."""
    start = clock()
    result = call()
    return clock() - start, result


def new_state(view: FeatureView) -> State:
    """Return an empty state."""
    return State(view, SCHEMA, subject=app.subject, item=app.item)


def replayed(view: FeatureView, log: list[Event], decisions: int) -> tuple[State, float, float]:
    """Fold the log and read a matrix of 100 candidates at evenly spaced places; return the seconds of each part."""
    state, rng = new_state(view), np.random.default_rng(3)
    folding = reading = 0.0
    step = max(len(log) // decisions, 1)
    for start in range(0, len(log), step):
        part = log[start : start + step]
        folding += timed(lambda part=part: state.fold(part))[0]
        items = rng.integers(0, len(state.ids), 100)
        batch = (part[-1].actor, items, part[-1].at.timestamp(), {})
        reading += timed(lambda batch=batch: view.matrix(state.batch(*batch)))[0]
    return state, folding, reading


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("users", 100_000), ("items", 20_000), ("events", 1_000_000), ("sample", 20_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    view = app.view
    compiling, _ = timed(lambda: replayed(view, synthetic(50, 20, 500), 3))
    log = synthetic(given.users, given.items, given.events)
    before = _resident()
    took, state = timed(lambda: _folded(view, log))
    grown = _resident() - before
    print(f"{given.users:,} users, {given.items:,} items, {len(log):,} events; {len(view.columns)} columns, ", end="")
    print(f"{folds_of(state, log) / len(log):.1f} event-feature folds an event; ", end="")
    print(f"compilation, or its cache: {compiling:.1f} CPU s\n")
    _throughput(state, view, log, log[: given.sample], took)
    _latencies(state, view, log)
    _sizes(state, view, grown)


def _throughput(state: State, view: FeatureView, log: list[Event], sample: list[Event], took: float) -> None:
    columns, _ = timed(lambda: _columns(view, log))
    loop, (_, looped) = timed(lambda: plain_loop(state, sample))
    _, folding, reading = replayed(view, log, 500)
    folds = folds_of(state, log)
    if looped != folds_of(state, sample):
        raise SystemExit("The loop did not fold what the kernels fold.")
    print("| step | CPU seconds | events/s | event-feature folds/s |\n|---|---|---|---|")
    for name, seconds, events, made in (
        ("log to columns (the Python loop over events)", columns, len(log), 0),
        ("columns to rows (kernels)", took - columns, len(log), folds),
        ("log to rows", took, len(log), folds),
        ("log to matrix (500 decisions of 100 candidates)", folding + reading, len(log), folds),
        (f"plain Python loop, {len(sample):,} events to rows", loop, len(sample), looped),
    ):
        print(f"| {name} | {seconds:.2f} | {events / seconds:,.0f} | {made / seconds:,.0f} |")


def _sizes(state: State, view: FeatureView, grown: float) -> None:
    print("\n| scope | rows | slots | bytes a row, all told |\n|---|---|---|---|")
    for name, size in state.sizes().items():
        print(f"| {name} | {size['rows']:,} | {size['width']} | {size['bytes'] / max(size['rows'], 1):,.0f} |")
    saving, arrays = timed(state.snapshot)
    kinds = {"subject": app.subject, "item": app.item}
    restoring, _ = timed(lambda: State.restore(view, SCHEMA, **kinds, position=state.position, arrays=arrays))
    size = sum(array.nbytes for array in arrays.values()) / 2**20
    print(f"\nMemory grown by folding: {grown:,.0f} MiB. ", end="")
    print(f"Snapshot: {size:,.0f} MiB, taken in {saving:.2f} CPU s, restored in {restoring:.2f} CPU s.")


def _resident() -> float:
    """Return the most memory this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _folded(view: FeatureView, log: list[Event]) -> State:
    state = new_state(view)
    state.fold(log)
    return state


def _columns(view: FeatureView, log: list[Event]) -> None:
    """Do all that a fold does but for the rows."""
    state = new_state(view)
    state.scopes = {}
    state.fold(log)


def _latencies(state: State, view: FeatureView, log: list[Event]) -> None:
    rng = np.random.default_rng(5)
    print("\n| one call, wall clock | p50 ms | p99 ms |\n|---|---|---|")
    for n in (100, 500):
        times = []
        for _ in range(500):
            items, event = rng.integers(0, len(state.ids), n), log[rng.integers(len(log) // 2, len(log))]
            batch = (event.actor, items, log[-1].at.timestamp(), {})
            times.append(timed(lambda batch=batch: view.matrix(state.batch(*batch)), time.perf_counter)[0] * 1000)
        _percentiles(f"{n} candidates x {len(view.columns)} columns", times)
    tail = [event for event in log[-3000:] if event.type != ENTITY_SET][:1000]
    times = []
    for place, event in enumerate(tail, state.position + 1):
        one = [Event(id="", type=event.type, at=event.at, actor=event.actor, target=event.target, sequence=place)]
        times.append(timed(lambda one=one: state.fold(one), time.perf_counter)[0] * 1000)
    _percentiles("one event folded", times)


def _percentiles(name: str, times: list[float]) -> None:
    print(f"| {name} | {np.percentile(times, 50):.2f} | {np.percentile(times, 99):.2f} |")


if __name__ == "__main__":
    main()
