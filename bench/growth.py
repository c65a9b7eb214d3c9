"""How the cost of training and serving grows with the number of interactions: a table and a plot.

    python bench/growth.py [--sizes 10000 100000 1000000] [--budget 30] [--plot docs/plots/growth.svg]

Makes a feed of each size (a user per 25 interactions, a post per 100, at most 50,000) in a SQLite log in a temporary
folder, in a process of its own, and measures: replaying the log, training the feed's home pipeline within a budget of
declared seconds, decisions of 20 by what then serves, and each retriever by itself (one fit on everything, one query).
Memory is the most the process held. Five million interactions (--sizes 5000000) take a while and are no default.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from proffer.apps.feed.app import HOME, app
from proffer.core.clock import FixedClock, RandomIds
from proffer.core.entities import EntityRef
from proffer.core.errors import CannotTrain
from proffer.core.events import ENTITY_SET, Event
from proffer.core.queries import Query
from proffer.engine.engine import Engine
from proffer.engine.fitted import unfitted
from proffer.engine.plan import Budget
from proffer.stores.sqlite import sqlite_stores

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS = 30
KINDS = ("view", "view", "view", "view", "like", "comment", "bookmark", "hide")
TOPICS = 20
BATCH = 20_000
CALLS = 200
DEAREST = 20.0
"""A retriever that says a fit takes longer than this is not measured."""


def happened(interactions: int) -> Iterator[Event]:
    """Yield posts and what people did with them, oldest first: users like two topics and what is new."""
    rng = np.random.default_rng(0)
    users, posts = max(interactions // 25, 100), min(max(interactions // 100, 100), 50_000)
    born = np.sort(rng.uniform(0, 24 * DAYS, posts))
    born[0] = 0.0
    hours = np.sort(rng.uniform(1, 24 * DAYS, interactions))
    alive = np.searchsorted(born, hours)
    people = (users * rng.random(interactions) ** 1.5).astype(np.int64)
    # A post's topic is its number modulo twenty: moving to the nearest older one of the user's own.
    chosen = np.maximum(alive - 1 - rng.exponential(posts / DAYS, interactions).astype(np.int64), 0)
    wanted = (people * 7 + rng.integers(0, 2, interactions)) % TOPICS
    chosen = np.maximum(chosen - (chosen - wanted) % TOPICS, 0)
    kinds = rng.integers(0, len(KINDS), interactions)
    made = 0
    for row in range(interactions):
        while made < posts and born[made] <= hours[row]:
            yield event(f"p{made}", float(born[made]), made)
            made += 1
        act = Event(
            id=f"e{row}", type=KINDS[kinds[row]], at=moment(float(hours[row])),
            actor=EntityRef("user", f"u{people[row]}"), target=EntityRef("post", f"p{chosen[row]}"),
        )  # fmt: skip
        yield act


def event(post: str, hour: float, number: int) -> Event:
    """Return the event that a post appears."""
    fields = {"title": f"Thing {number % 389} of topic {number % TOPICS}", "category": f"c{number % TOPICS}"}
    return Event(id=post, type=ENTITY_SET, at=moment(hour), actor=EntityRef("post", post), fields=fields)


def moment(hour: float) -> datetime:
    """Return a time by hours since the beginning."""
    return NOW - timedelta(days=DAYS) + timedelta(hours=hour)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds a call takes, and its result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def fill(folder: Path, interactions: int) -> None:
    """Write the log."""
    log, batch = sqlite_stores(folder).log, []
    for one in happened(interactions):
        batch.append(one)
        if len(batch) == BATCH:
            log.append(batch)
            batch = []
    log.append(batch)
    log.close()


def held() -> float:
    """Return the most memory this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(interactions: int, budget: float) -> dict[str, Any]:
    """Return everything measured at one size."""
    folder = Path(tempfile.mkdtemp())
    try:
        found: dict[str, Any] = {"append": timed(lambda: fill(folder, interactions))[0]}
        found["replay"], engine = timed(lambda: opened(folder))
        found["events"], found["state MiB"] = engine.state.position, held()
        found |= trained(engine, budget)
        found["train MiB"] = held()
        found |= decided(engine)
        found["retrievers"] = dict(each(engine))
        engine.close()
        return found
    finally:
        shutil.rmtree(folder)


def opened(folder: Path) -> Engine:
    """Return an engine over the log, which replays it."""
    return Engine(app, "growth", sqlite_stores(folder), clock=FixedClock(NOW), ids=RandomIds(), deadline_ms=60_000)


def trained(engine: Engine, budget: float) -> dict[str, Any]:
    """Train; return the seconds in all and by what progress said was going on."""
    parts: dict[str, float] = {}
    last = ["reading", time.perf_counter()]

    def told(what: str, *_: int) -> None:
        now = time.perf_counter()
        parts[last[0]] = parts.get(last[0], 0.0) + now - last[1]
        last[:] = [what, now]

    busy = time.process_time()
    try:
        wall, version = timed(lambda: engine.train(budget=Budget.of(seconds=budget), progress=told))
    except CannotTrain as error:
        nothing = dict.fromkeys(("train", "train CPU", "declared"), float("nan"))
        return {**nothing, "champion": error.message, "skipped": [], "parts": {}}
    told("done")
    report = version.metrics
    skipped = [one["name"] for one in report["plan"]["skipped"]]
    return {
        "train": wall, "train CPU": time.process_time() - busy, "declared": report["plan"]["seconds"],
        "champion": report["champion"], "skipped": skipped, "parts": parts,
    }  # fmt: skip


def asking(engine: Engine, calls: int) -> list[Query]:
    """Return queries of different people."""
    users = np.random.default_rng(1).integers(0, max(len(engine.state.interactions().subject_head), 1), calls)
    return [
        Query(id=f"q{row}", pipeline=HOME.name, subject=EntityRef("user", f"u{user}"), at=NOW, n=20)
        for row, user in enumerate(users.tolist())
    ]


def decided(engine: Engine) -> dict[str, float]:
    """Return p50 and p99 of decisions in milliseconds, after twenty for warming."""
    taken = [1000 * timed(lambda query=query: engine.recommend(query))[0] for query in asking(engine, CALLS + 20)][20:]
    return {"p50": float(np.quantile(taken, 0.5)), "p99": float(np.quantile(taken, 0.99))}


def each(engine: Engine) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield each retriever's seconds of a fit on everything and milliseconds of a query."""
    interactions = engine.state.interactions()
    size = len(interactions.subject_head), len(engine.state.ids), len(interactions.subject)
    for name, retriever in unfitted(HOME).retrievers.items():
        if retriever.seconds(*size) > DEAREST or retriever.memory(*size) > Budget.of().memory:
            continue
        fit = timed(lambda one=retriever: one.fit(engine.state, at=NOW.timestamp(), weights={}))[0]
        queries = asking(engine, 30)
        taken = [timed(lambda one=retriever, q=query: one.scores(q, engine.state))[0] for query in queries]
        yield name, (fit, 1000 * float(np.median(taken[5:])))


def table(found: dict[int, dict[str, Any]]) -> None:
    """Print the tables."""
    print("| interactions | append s | replay s | train s | train CPU s | declared s | MiB replayed | MiB trained "
          "| champion | decision p50 ms | p99 ms | left out |\n|" + "---|" * 12)  # fmt: skip
    for size, one in found.items():
        cells = [f"{one[name]:.2f}" for name in ("append", "replay", "train", "train CPU", "declared")]
        cells += [f"{one[name]:,.0f}" for name in ("state MiB", "train MiB")]
        cells += [one["champion"], f"{one['p50']:.2f}", f"{one['p99']:.2f}", ", ".join(one["skipped"]) or "none"]
        print(f"| {size:,} | " + " | ".join(cells) + " |")
    heads = " | ".join(f"{size:,}" for size in found)
    for title, rows in (
        ("seconds of training by part", {size: one["parts"] for size, one in found.items()}),
        (
            "seconds of one fit",
            {size: {n: both[0] for n, both in one["retrievers"].items()} for size, one in found.items()},
        ),
        (
            "ms of one query",
            {size: {n: both[1] for n, both in one["retrievers"].items()} for size, one in found.items()},
        ),
    ):
        print(f"\n| {title} | {heads} |\n|---|" + "---|" * len(found))
        for name in dict.fromkeys(name for one in rows.values() for name in one):
            cells = [f"{one[name]:.3f}" if name in one else "" for one in rows.values()]
            print(f"| {name} | " + " | ".join(cells) + " |")


def plot(found: dict[int, dict[str, Any]], path: Path) -> None:
    """Draw costs against the number of interactions, both on logarithmic scales."""
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "growth"
    from matplotlib import pyplot as plt

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 4.5), constrained_layout=True)
    for name, unit in (("replay", "s"), ("train", "s"), ("train MiB", "")):
        left.loglog(list(found), [one[name] for one in found.values()], marker="o", label=f"{name} {unit}".strip())
    for name, line in (("p50", "-"), ("p99", ":")):
        values = [one[name] for one in found.values()]
        middle.loglog(list(found), values, marker="o", label=f"decision {name}", color="k", linestyle=line)
    for name in dict.fromkeys(name for one in found.values() for name in one["retrievers"]):
        sizes = [size for size, one in found.items() if name in one["retrievers"]]
        fits, asked = zip(*(found[size]["retrievers"][name] for size in sizes), strict=True)
        middle.loglog(sizes, asked, marker=".", linewidth=0.8, label=name)
        right.loglog(sizes, np.maximum(fits, 1e-5), marker=".", linewidth=0.8, label=name)
    for axis, title in ((left, "training"), (middle, "ms of a decision, of a query"), (right, "s of one fit")):
        axis.set(title=title, xlabel="interactions")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=6)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    print(f"\nPlot: {path}")


def main() -> None:
    """Measure each size in a child process, print and draw."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    options.add_argument("--budget", type=float, default=30.0, help="declared seconds a training may cost")
    options.add_argument("--plot", type=Path, default=Path(__file__).parent.parent / "docs/plots/growth.svg")
    options.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        print(json.dumps(measured(given.one, given.budget)))
        return
    found = {}
    for size in given.sizes:
        command = [sys.executable, __file__, "--one", str(size), "--budget", str(given.budget)]
        told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        found[size] = json.loads(told.stdout.splitlines()[-1])
        print(f"{size:,} done in {found[size]['append'] + found[size]['train']:.0f} s", file=sys.stderr)
    table(found)
    plot(found, given.plot)


if __name__ == "__main__":
    main()
