"""One decision of 100 given candidates, ranked by 300 trees, beside a bare LightGBM predict of the same shape.

    python bench/ranked.py [--posts 20000] [--events 200000] [--calls 400] [--sources NAME ...] [--no-http] [--profile]

The feed serves a blend of `--sources` and a LambdaRank of 300 trees of 31 leaves over all its columns, over SQLite in a
temporary folder with the logging of decisions on, from a version that was saved, checked and read back as any other.
Bare is `Booster.predict(X, raw_score=True)` on one thread, X the float32 matrix that the engine's ranker read. Calls
of the engine and of LightGBM alternate, so that both meet the same machine; the last column is how many bare
predictions a decision takes, by the medians. A second bare row has the same trees over random-normal columns.
"""

import argparse
import cProfile
import json
import pstats
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import uvloop

from decide import NOW, USERS, asked, given, happened, queries
from ingest import Server
from over_http import over_http
from proffer.apps.feed.app import HOME, app
from proffer.bootstrap import create, open_engine
from proffer.core.clock import FixedClock
from proffer.core.queries import Query
from proffer.engine.engine import Engine
from proffer.engine.fitted import Fitted, unfitted
from proffer.engine.ranking import rank, read_head
from proffer.engine.serve import by_model
from proffer.models.rankers.boosted import LambdaRank
from proffer.models.rankers.trees import Trees

TREES, LEAVES, SIZE, SHOWN = 300, 31, 100, 20
SOURCES = ("newest", "popularity", "trending", "covisits", "itemknn_bm25", "content")


def filled(home: Path, posts: int, events: int) -> Engine:
    """Return the engine of a new workspace with posts over 30 days and what people did with them."""
    create(home, "feed", "feed")
    engine = open_engine(home, "feed")
    engine.clock = FixedClock(NOW)
    rows = [*happened(posts, events)]
    for start in range(0, len(rows), 5_000):
        engine.stores.log.append(rows[start : start + 5_000])
    engine.catch_up()
    return engine


def released(engine: Engine, sources: Sequence[str]) -> tuple[lightgbm.Booster, Fitted]:
    """Let a blend of sources and a ranker of 300 trees serve; return LightGBM's own model of the same trees too."""
    unused = {make().name for make in HOME.retrievers} - set(sources)
    fitted = unfitted(HOME, without=unused)
    for retriever in fitted.retrievers.values():
        retriever.fit(engine.state, at=NOW.timestamp(), weights={})

    fitted = replace(fitted, weights={name: 1 / len(sources) for name in sources})
    heads = [read(engine, fitted, query) for query in queries(300, candidates=given(engine, 300, SIZE))]
    X = np.concatenate([head.matrix for head in heads])
    rng = np.random.default_rng(3)
    signs = rng.normal(size=X.shape[1])
    known = np.nan_to_num(X)
    wish = ((known - known.mean(axis=0)) / (known.std(axis=0) + 1e-9) * signs).sum(axis=1)
    labels = np.digitize(wish + rng.normal(size=len(X)) * wish.std(), wish.std() * np.array([1.5, 2.5]))
    options = {"objective": "lambdarank", "num_leaves": LEAVES, "verbose": -1, "num_threads": 1, "seed": 0}
    booster = lightgbm.train(options, lightgbm.Dataset(X, labels, group=[len(head.rows) for head in heads]), TREES)
    ranker = LambdaRank(rounds=TREES, leaves=LEAVES)
    ranker.columns, ranker.trees = heads[0].columns, Trees.read(booster.model_to_string())
    fitted = replace(fitted, ranker=ranker)
    parameters, arrays = fitted.parameters()
    version = engine.stores.registry.save(
        HOME.name, "lambdarank", schema=app.view.version, position=engine.state.position, parameters=parameters,
        metrics={}, arrays=arrays, at=NOW,
    )  # fmt: skip
    engine.release(version.id, 0)
    return booster, engine.fitted[HOME.name]


def read(engine: Engine, fitted: Fitted, query: Query) -> Any:
    """Return the head that a ranker would read."""
    ranked = by_model(asked(engine, query, replace(fitted, ranker=None)))
    return read_head(ranked.pool, fitted, query, engine.state, ranked.scores)


def paired(calls: Sequence[Callable[[], object]], bare: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Return the seconds of each call and of a bare prediction after each."""
    found: tuple[list[float], list[float]] = ([], [])
    for place, call in enumerate(calls):
        for taken, what in zip(found, (call, bare), strict=True):
            started = time.perf_counter()
            what()
            if place >= 20:
                taken.append(time.perf_counter() - started)
    return found


def row(what: str, taken: Sequence[float], bare: Sequence[float]) -> None:
    """Print a line of the table."""
    p50, p99 = (1000 * float(np.quantile(taken, share)) for share in (0.5, 0.99))
    print(f"| {what} | {p50:.2f} | {p99:.2f} | {p50 / 1000 / float(np.median(bare)):.2f} |", flush=True)


def in_engine(engine: Engine, booster: lightgbm.Booster, fitted: Fitted, calls: int, *, profile: bool) -> None:
    """Print the lines of the engine."""
    ranks = queries(calls + 20, n=SHOWN, candidates=given(engine, calls + 20, SIZE))
    head = read(engine, fitted, ranks[0])
    assert fitted.ranker is not None
    trees, matrix = fitted.ranker, np.ascontiguousarray(head.matrix)
    expected = booster.predict(matrix, raw_score=True, num_threads=1)
    assert trees.trees.scores(matrix).tobytes() == expected.tobytes(), "not LightGBM's scores"  # type: ignore[attr-defined]

    def bare() -> object:
        return booster.predict(matrix, raw_score=True, num_threads=1)

    print(f"{len(head.columns)} columns, {TREES} trees of {LEAVES} leaves, blend of {', '.join(fitted.counting)}\n")
    print("| what | p50 ms | p99 ms | times bare |\n|---|---|---|---|")
    taken, beside = paired([lambda query=query: engine.recommend(query) for query in ranks], bare)
    row(f"bare LightGBM predict of {SIZE} rows, 1 thread", beside, beside)
    noise = np.random.default_rng(4).normal(size=matrix.shape).astype(np.float32)
    random_rows = lambda: booster.predict(noise, raw_score=True, num_threads=1)  # noqa: E731
    row(f"bare, the same trees on {SIZE} rows of random-normal columns", *paired([random_rows] * calls, bare))
    row(
        f"part: our kernel on the same {SIZE} rows",
        *paired([lambda: trees.predict(matrix, head.columns)] * calls, bare),
    )
    made = [asked(engine, query) for query in ranks]
    pools = [by_model(one).pool for one in made]
    for one in made:
        one.scored.clear()
    stages = [lambda o=one, p=pool: rank(p, o.fitted, o.query, o.state) for one, pool in zip(made, pools, strict=True)]
    row("part: two stages from a pool", *paired(stages, bare))
    row(f"engine: {SIZE} given candidates, {SHOWN} shown with reasons, logged", taken, beside)
    proposed = queries(calls + 20, n=SHOWN)
    sizes = [len(by_model(asked(engine, query)).pool.ordinals) for query in proposed[:50]]
    taken, beside = paired([lambda query=query: engine.recommend(query) for query in proposed], bare)
    row(f"engine: recommend from pools of {np.mean(sizes):.0f}, best 100 re-ranked, logged", taken, beside)
    if profile:
        for asking in (ranks, proposed):
            found = cProfile.Profile()
            found.enable()
            for query in asking:
                engine.recommend(query)
            found.disable()
            pstats.Stats(found).sort_stats("tottime").print_stats(45)


def over_the_wire(home: Path, ids: list[list[str]], calls: int, bare: Callable[[], object]) -> None:
    """Print the lines over HTTP: one keep-alive client, one request at a time, the server in a process of its own."""
    rng = random.Random(5)
    server = Server(home)
    try:
        for name, make in {
            f"HTTP: {SIZE} given candidates": lambda: {"candidates": rng.choice(ids)},
            "HTTP: recommend": dict,
        }.items():
            path = "rank" if "given" in name else "recommend"
            beside: list[float] = []

            def request(
                make: Callable[[], dict[str, Any]] = make, path: str = path, beside: list[float] = beside
            ) -> bytes:
                started = time.perf_counter()
                bare()
                beside.append(time.perf_counter() - started)
                body = {"subject": f"u{rng.randrange(USERS)}", "n": SHOWN, **make()}
                return server.request(path, json.dumps(body).encode())

            row(name, uvloop.run(over_http(server.address, request, calls, 1)), beside[20:])
    finally:
        server.stop()


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--posts", type=int, default=20_000)
    options.add_argument("--events", type=int, default=200_000)
    options.add_argument("--calls", type=int, default=400)
    options.add_argument("--sources", nargs="+", default=list(SOURCES))
    options.add_argument("--no-http", action="store_true")
    options.add_argument("--profile", action="store_true")
    chosen = options.parse_args()
    home = Path(tempfile.mkdtemp())
    try:
        engine = filled(home, chosen.posts, chosen.events)
        try:
            booster, fitted = released(engine, chosen.sources)
            in_engine(engine, booster, fitted, chosen.calls, profile=chosen.profile)
            ids = given(engine, 200, SIZE)
            head = read(engine, fitted, queries(1, candidates=ids[:1])[0])
            matrix = np.ascontiguousarray(head.matrix)
        finally:
            engine.close()
        if not chosen.no_http:
            over_the_wire(home, ids, chosen.calls, lambda: booster.predict(matrix, raw_score=True, num_threads=1))
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
