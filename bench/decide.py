"""What one decision takes in the engine, and where the time goes.

    python bench/decide.py [--posts 20000 100000] [--events 200000] [--calls 300]

prints a markdown table for each size of the catalogue. The feed serves a blend of all of its twelve sources, the
dearest model it can have, over SQLite in a temporary folder with the logging of decisions on.
"""

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from proffer.apps.feed.app import HOME, app
from proffer.apps.feed.simulate import CATEGORIES, WORDS
from proffer.core.clock import FixedClock, RandomIds
from proffer.core.entities import EntityRef
from proffer.core.events import Event
from proffer.core.queries import Query
from proffer.engine.engine import Engine
from proffer.engine.fitted import Fitted, fit, unfitted
from proffer.engine.serve import Asked, by_model
from proffer.engine.slate import line_up, make_slate
from proffer.models.rankers.blend import Blend
from proffer.stores.sqlite import sqlite_stores

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
USERS = 10_000
ANSWERS = ("impression", "impression", "impression", "view", "view", "like", "comment", "hide")
SIZES = (100, 500)


def happened(posts: int, events: int) -> Iterator[Event]:
    """Yield posts over 30 days and what people did with the newer ones, oldest first."""
    rng = np.random.default_rng(0)
    born = np.sort(rng.uniform(0, 30 * 24, posts))
    hours = np.sort(rng.uniform(1, 30 * 24, events))
    alive = np.searchsorted(born, hours)
    chosen = np.maximum(alive - 1 - (rng.exponential(alive / 10.0)).astype(int), 0)
    people, kinds = rng.integers(0, USERS, events), rng.integers(0, len(ANSWERS), events)
    facts = ((hour, post, None) for post, hour in enumerate(born.tolist()))
    acts = ((hour, post, row) for row, (hour, post) in enumerate(zip(hours.tolist(), chosen.tolist(), strict=True)))
    for number, (hour, post, row) in enumerate(sorted([*facts, *acts], key=lambda one: one[0])):
        at, ref = NOW - timedelta(days=30) + timedelta(hours=hour), EntityRef("post", f"p{post}")
        if row is None:
            category = CATEGORIES[post % len(CATEGORIES)]
            words = rng.choice(WORDS[category].split(), 4)
            fields = {"title": " ".join(words), "category": category, "author": f"u{post % 997}", "language": "en"}
            yield Event(id=f"e{number}", type="entity.set", at=at, actor=ref, fields=fields)
        else:
            actor = EntityRef("user", f"u{people[row]}")
            yield Event(id=f"e{number}", type=ANSWERS[kinds[row]], at=at, actor=actor, target=ref)


def filled(folder: Path, posts: int, events: int) -> Engine:
    """Return an engine over a log in a folder that serves a blend of every source."""
    stores = sqlite_stores(folder)
    rows = [*happened(posts, events)]
    for start in range(0, len(rows), 5_000):
        stores.log.append(rows[start : start + 5_000])
    engine = Engine(app, "bench", stores, clock=FixedClock(NOW), ids=RandomIds(), deadline_ms=60_000)
    fitted = fit(unfitted(HOME), engine.state, NOW, {})
    parameters, arrays = Fitted(HOME, fitted.retrievers, dict.fromkeys(fitted.sources, 1 / 12)).parameters()
    version = stores.registry.save(
        HOME.name, "blend", schema=app.view.version, position=engine.state.position, parameters=parameters,
        metrics={}, arrays=arrays, at=NOW,
    )  # fmt: skip
    engine.release(version.id, 0)
    return engine


def pooled(engine: Engine, size: int) -> None:
    """Let every source propose so many that a pool has about this size."""
    served = engine.fitted[HOME.name]
    for k in range(2, size + 1):
        found = replace(served, pipeline=replace(HOME, pool=k))
        sizes = [len(by_model(asked(engine, query, found)).pool.ordinals) for query in queries(8, n=2)]
        if np.mean(sizes) >= size:
            break
    engine.fitted[HOME.name] = found


def asked(engine: Engine, query: Query, fitted: Fitted | None = None) -> Asked:
    """Return a query with what it is answered from."""
    return Asked.of(query, fitted or engine.fitted[HOME.name], engine.settings, engine.state)


def queries(calls: int, *, n: int = 20, candidates: Sequence[Sequence[str]] | None = None) -> list[Query]:
    """Return the queries of different people."""
    rng = np.random.default_rng(1)
    return [
        Query(
            id=f"q{call}", pipeline=HOME.name, subject=EntityRef("user", f"u{user}"), at=NOW, n=n,
            candidates=None if candidates is None else tuple(candidates[call]),
        )
        for call, user in enumerate(rng.integers(0, USERS, calls).tolist())
    ]  # fmt: skip


def given(engine: Engine, calls: int, size: int) -> list[list[str]]:
    """Return for each call so many different posts among the newest two thousand."""
    rng = np.random.default_rng(2)
    newest = list(engine.state.ids[-2_000:])
    return [[newest[row] for row in rng.choice(len(newest), size, replace=False)] for _ in range(calls)]


def row(name: str, size: float, call: Callable[[Query], object], asked: Sequence[Query]) -> str:
    """Return a line of the table: a call for each query, after twenty for warming."""
    for query in asked[:20]:
        call(query)
    times, busy = [], []
    for query in asked:
        start, working = time.perf_counter(), time.thread_time()
        call(query)
        times.append(time.perf_counter() - start)
        busy.append(time.thread_time() - working)
    p50, p99 = (1000 * float(np.quantile(times, share)) for share in (0.5, 0.99))
    return f"| {name} | {size:.0f} | {p50:.2f} | {p99:.2f} | {1000 * float(np.median(busy)):.2f} |"


def parts(engine: Engine, size: int, asking: list[Query]) -> Iterator[str]:
    """Yield lines for the bare parts of a decision that ranks given candidates."""
    state, view, fitted = engine.state, app.view, engine.fitted[HOME.name]
    made = {query.id: asked(engine, query) for query in asking}
    ranked = {query.id: by_model(made[query.id]) for query in asking}
    decisions = {query.id: engine.recommend(query) for query in asking}
    rows = {query.id: state.ordinals(query.candidates or ()) for query in asking}

    def matrix(query: Query) -> object:
        return view.matrix(state.batch(query.subject, rows[query.id], NOW.timestamp(), {}))

    def slate(query: Query) -> object:
        one, found = made[query.id], ranked[query.id]
        lineup = line_up(found, one.fitted, one.settings, one.rules, query)
        return make_slate(lineup, found, one.fitted, state, query)

    def blend(query: Query) -> object:
        return Blend(fitted.weights).predict(ranked[query.id].pool.scores, fitted.sources)

    yield row("part: what may be shown", len(state.ids), lambda query: asked(engine, query), asking)
    for name, retriever in fitted.retrievers.items():
        yield row(f"part: scores of {name}", len(state.ids), lambda q, r=retriever: r.scores(q, state), asking)
    yield row("part: matrix", size, matrix, asking)
    yield row("part: blend", size, blend, asking)
    yield row("part: slate with reasons", 20, slate, asking)
    yield row("part: logging", 1, lambda query: engine.stores.decisions.put(decisions[query.id]), asking)


def table(posts: int, events: int, calls: int) -> None:
    """Print the table of one catalogue."""
    folder = Path(tempfile.mkdtemp())
    try:
        engine = filled(folder, posts, events)
        print(f"\n{posts:,} posts, {events:,} events\n\n| what | of | p50 ms | p99 ms | CPU p50 ms |")
        print("|---|---|---|---|---|")
        start = time.perf_counter()
        engine.recommend(queries(1)[0])
        print(f"| the first decision after a release | | {1000 * (time.perf_counter() - start):.0f} | | |", flush=True)
        for size in SIZES:
            ranks = queries(calls, candidates=given(engine, calls, size))
            print(row("rank given candidates", size, engine.recommend, ranks), flush=True)
            pooled(engine, size)
            proposed = queries(calls)
            mean = np.mean([len(by_model(asked(engine, query)).pool.ordinals) for query in proposed[:50]])
            print(row("recommend from a pool", float(mean), engine.recommend, proposed), flush=True)
        for size in SIZES:
            for line in parts(engine, size, queries(calls, candidates=given(engine, calls, size))):
                print(line)
        engine.close()
        print(f"\nPeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB.", flush=True)
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Print a table for each size."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--posts", type=int, nargs="+", default=[20_000, 100_000])
    options.add_argument("--events", type=int, default=200_000)
    options.add_argument("--calls", type=int, default=300)
    chosen = options.parse_args()
    for posts in chosen.posts:
        table(posts, chosen.events, chosen.calls)


if __name__ == "__main__":
    main()
