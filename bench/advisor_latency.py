"""What it takes to rank the 40 recommendations of an assessment: 1,000 assessments, in the engine and over HTTP.

    python bench/advisor_latency.py [--assessments 1000] [--calls 1000] [--small]

The toy world of the advisor, all of its sources blended, LambdaRank of 300 trees over every column on top, MMR at
lambda 0.7, places drawn by chance, reasons by contribution, over SQLite in a temporary folder, decisions logged.
Prints a markdown table; the rows below the first leave out one part each, so that what it costs is their difference.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from ingest import Server
from over_http import over_http
from proffer.app import NO_EXPLORATION
from proffer.apps.advisor.app import ASSESSED, app
from proffer.apps.advisor.simulate import Toy
from proffer.bootstrap import create, open_engine
from proffer.core.clock import FixedClock
from proffer.core.entities import EntityRef
from proffer.core.queries import Query
from proffer.engine.engine import Engine
from proffer.engine.fitted import Fitted, fit, unfitted
from proffer.engine.ranking import ranker_columns, ranker_matrix
from proffer.engine.serve import Asked, by_model
from proffer.models.rankers.boosted import LambdaRank

OFFERED, N, LISTS, TREES, WEEKS = 40, 20, 400, 300, 8
NAME = ASSESSED.name


def world(assessments: int) -> Toy:
    """Return a toy world of at least so many assessments, over eight weeks."""
    toy = Toy(0, "medium")
    toy.weeks, toy.assessments = WEEKS, -(-assessments // WEEKS)
    return toy


def fill(engine: Engine, toy: Toy, assessments: int) -> datetime:
    """Append what happens to the first assessments, and return when the last of it did."""
    kept = [
        event
        for event in toy.events
        if not any(ref and ref.kind != "user" and _number(ref.id) > assessments for ref in (event.actor, event.target))
    ]
    for start in range(0, len(kept), 1_000):
        engine.stores.log.append(kept[start : start + 1_000])
    print(f"{assessments:,} assessments x {OFFERED} recommendations, {len(kept):,} events.\n")
    return kept[-1].at


def _number(id: str) -> int:
    return int(id[1:].partition("-")[0])


def serve_lambdarank(engine: Engine, toy: Toy, assessments: int, at: datetime) -> None:
    """Fit every source and LambdaRank on lists graded by the world's own utility, and let them serve."""
    fitted = fit(unfitted(ASSESSED), engine.state, at, {})
    weights = dict.fromkeys(fitted.sources, 1.0 / len(fitted.sources))
    blended, lists, grades = replace(fitted, weights=weights, version="fitting"), [], []
    for query in queries(LISTS, assessments, at, seed=1):
        ranked = by_model(Asked.of(query, blended, engine.settings, engine.state))
        rows = np.arange(len(ranked.scores))
        if not len(rows):
            continue
        lists.append(ranker_matrix(query, engine.state, ranked.pool, rows, ranked.scores, blended.counting))
        ids = [engine.state.ids[ordinal] for ordinal in ranked.pool.ordinals]
        worth = toy.utilities(query.subject.id, ids, at)
        grades.append((worth >= np.quantile(worth, 0.9)).astype(np.float64))
    columns = ranker_columns(app.view.columns, blended.counting)
    ranker = LambdaRank(rounds=TREES, patience=TREES)
    sizes = np.array([len(one) for one in lists], np.int64)
    # The whole forest is what serving has to carry, wherever the newest lists would stop.
    ranker._rounds = lambda *_: TREES  # type: ignore[method-assign]
    ranker.fit(np.vstack(lists), np.concatenate(grades), sizes, columns=columns, rng=np.random.default_rng(0))
    parameters, arrays = Fitted(ASSESSED, fitted.retrievers, weights, ranker=ranker).parameters()
    version = engine.stores.registry.save(
        NAME, ranker.name, schema=app.view.version, position=engine.state.position, parameters=parameters,
        metrics={}, arrays=arrays, at=at,
    )  # fmt: skip
    engine.release(version.id, engine.stores.registry.champion(NAME)[1])
    trees = ranker.trees
    assert trees is not None
    print(f"LambdaRank of {len(trees.nodes)} trees over {len(columns)} columns, {len(fitted.sources)} sources.\n")


def queries(calls: int, assessments: int, at: datetime, *, seed: int = 2, **rest: Any) -> list[Query]:
    """Return queries of different people for different assessments."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(1, assessments + 1, (calls, 2)).tolist()
    return [
        Query(id=f"q{seed}-{place}", pipeline=NAME, subject=EntityRef("user", f"u{1 + user % 400}"), at=at, n=N,
              group=f"a{group}", **rest)
        for place, (group, user) in enumerate(drawn)
    ]  # fmt: skip


def variants() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield a name, what is other about the pipeline, and about the query."""
    yield "LambdaRank, MMR, draws, reasons by contribution", {}, {}
    yield "... reasons in the declared order", {"reasons": "declared"}, {}
    yield "... without any reasons", {"templates": (), "reasons": "declared"}, {}
    yield "... without MMR", {}, {"diversity": 1.0}
    yield "... without draws", {"exploration": NO_EXPLORATION}, {}
    plain = {"templates": (), "reasons": "declared", "exploration": NO_EXPLORATION, "diversity": 1.0}
    yield "... without all of these", plain, {"diversity": 1.0}
    yield "... with objectives", {}, {"objectives": {"quality": 0.5, "cost": 0.3, "risk": 0.2}}
    yield "confidence order (no model)", {}, {}


def row(name: str, where: str, seconds: list[float], busy: list[float] | None = None) -> None:
    """Print a line of the table; `busy` are the seconds of processor time, where they are known."""
    p50, p99 = (1000 * float(np.quantile(seconds, share)) for share in (0.5, 0.99))
    spent = "" if busy is None else f"{1000 * float(np.median(busy)):.2f}"
    print(f"| {name} | {where} | {p50:.2f} | {p99:.2f} | {spent} |", flush=True)


def in_engine(engine: Engine, calls: int, assessments: int, at: datetime) -> None:
    """Print the lines of the engine; the variants take turns, so that none has a quieter machine than another."""
    served = engine.fitted[NAME]
    made = []
    for name, other, asking in variants():
        fitted = replace(served, pipeline=replace(ASSESSED, **other))
        if name.startswith("confidence"):
            fitted = unfitted(ASSESSED, "no model has been trained yet")
        made.append((name, fitted, queries(calls, assessments, at, **asking), list[float](), list[float]()))
    for place in range(-20, calls):
        for _, fitted, asked, seconds, busy in made:
            engine.fitted[NAME] = fitted
            start, working = time.perf_counter(), time.thread_time()
            engine.recommend(asked[place])
            if place >= 0:
                seconds.append(time.perf_counter() - start)
                busy.append(time.thread_time() - working)
    engine.fitted[NAME] = served
    for name, _, _, seconds, busy in made:
        row(name, "engine", seconds, busy)


def through_http(server: Server, calls: int, assessments: int) -> None:
    """Print the lines of HTTP: the route of the application, and the engine's own."""
    rng = np.random.default_rng(3)

    def drawn() -> tuple[str, str]:
        group, user = rng.integers(1, assessments + 1, 2).tolist()
        return f"a{group}", f"u{1 + user % 400}"

    def get() -> bytes:
        group, user = drawn()
        path = f"/api/v1/advisor/recommendations/{group}?user={user}&n={N}"
        return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n\r\n".encode()

    def post() -> bytes:
        group, user = drawn()
        body = json.dumps({"subject": user, "group": group, "n": N}).encode()
        return server.request("recommend", body)

    makers: dict[str, Callable[[], bytes]] = {"GET /recommendations/{id}": get, "POST /recommend with a group": post}
    for connections in (1, 8):
        for name, make in makers.items():
            where = f"HTTP, {connections} at a time"
            row(name, where, uvloop.run(over_http(server.address, make, calls, connections)))


def main() -> None:
    """Fill a workspace, measure it in the engine, then through a server of its own process."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--assessments", type=int, default=1_000)
    options.add_argument("--calls", type=int, default=1_000)
    options.add_argument("--small", action="store_true", help="100 assessments, 100 calls a row")
    chosen = options.parse_args()
    assessments, calls = (100, 100) if chosen.small else (chosen.assessments, chosen.calls)
    toy = world(assessments)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        create(home, "advisor", "advisor")
        engine = open_engine(home, "advisor")
        try:
            at = fill(engine, toy, assessments)
        finally:
            engine.close()
        engine = open_engine(home, "advisor", clock=FixedClock(at))
        try:
            serve_lambdarank(engine, toy, assessments, at)
            print("| decision | where | p50 ms | p99 ms | CPU p50 ms |\n|---|---|---|---|---|")
            in_engine(engine, calls, assessments, at)
        finally:
            engine.close()
        server = Server(home, "advisor")
        try:
            through_http(server, calls, assessments)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
