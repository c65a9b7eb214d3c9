"""Past decisions again: do all come out bit for bit, and how long does one take, at first and in bulk?

    python bench/replay_decisions.py [--events 1000000] [--decisions 1000] [--cold 5] [--small]

Writes a synthetic log to SQLite in a temporary folder. From two fifths on decisions are made while it grows, under
three model versions promoted in turn and under settings that change; snapshots are written as a server writes them.
Then every decision is replayed in order of the log (bulk), some in another order, so that each begins from a snapshot
(alone), and some by the command line in a process of its own (cold start). Prints tables in Markdown.
"""

import argparse
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

import proffer.bootstrap as bootstrap
from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.core.events import Event
from proffer.core.queries import Query
from proffer.engine.engine import Engine
from proffer.engine.fitted import Fitted, unfitted
from proffer.engine.golden import golden, golden_queries
from proffer.engine.provenance import provenance
from proffer.engine.ranking import ranker_columns
from proffer.engine.replay import Past, Replayed, replay_decision
from proffer.models.base import Ranker
from proffer.models.rankers.boosted import LambdaRank
from proffer.models.rankers.linear import LinearRanker
from replay import synthetic

MODELS = (
    ({"popularity": 0.5, "newest": 0.2, "content": 0.3}, None),
    ({"als": 0.4, "covisits": 0.3, "personal": 0.3}, LinearRanker),
    ({"itemknn_bm25": 0.3, "markov": 0.3, "trending": 0.2, "content": 0.2}, LambdaRank),
)
SETTINGS = (
    {"exploration": {"home": {"policy": "plackett_luce", "temperature": 0.2}}},
    {"content": {"title": 0.5, "category": 2.0}, "diversity": {"home": 0.7}},
    {"rules": {"home": [{"do": "seen_out"}, {"do": "cap", "per": "category", "at_most": 3}]}},
    {"exploration": {}, "rules": {}, "diversity": {}},
)
CHUNK = 2_000
BEGIN = 0.4


def main() -> None:
    """Fill, decide, replay, and print what came of it."""
    read = argparse.ArgumentParser()
    read.add_argument("--events", type=int, default=1_000_000)
    read.add_argument("--decisions", type=int, default=1_000)
    read.add_argument("--cold", type=int, default=5)
    read.add_argument("--small", action="store_true")
    given = read.parse_args()
    events, decisions = (40_000, 120) if given.small else (given.events, given.decisions)
    home = Path(tempfile.mkdtemp())
    try:
        ids = lived(home, events, decisions)
        engine = bootstrap.open_engine(home, "feed", writable=False)
        bulk(engine, ids)
        alone(engine, ids, min(10, decisions))
        engine.close()
        cold(home, ids, given.cold)
    finally:
        shutil.rmtree(home)


def lived(home: Path, size: int, decisions: int) -> list[str]:
    """Write a log of so many events into a workspace and make decisions on the way; return their ids in order."""
    log = synthetic(max(size // 10, 50), max(size // 50, 50), size)
    bootstrap.create(home, "feed", "feed")
    engine = bootstrap.open_engine(home, "feed")
    engine.deadline_ms = float("inf")
    # A server's check of a new version in a child process takes time that is not measured here.
    engine.home = None
    rng, made, started = random.Random(0), list[Decision](), time.perf_counter()
    turns = [int(len(log) * share) for share in (BEGIN, 0.6, 0.8)]
    for start in range(0, len(log), CHUNK):
        chunk = log[start : start + CHUNK]
        engine.stores.log.append([msgspec.structs.replace(one, id=f"e{one.sequence}") for one in chunk])
        engine.catch_up()
        for turn, place in enumerate(turns):
            if start <= place < start + CHUNK:
                promote(engine, *MODELS[turn])
        passed = (start / len(log) - BEGIN) / (1 - BEGIN)
        while len(made) < min(decisions * passed, decisions):
            if rng.random() < 0.02:
                engine.configure(rng.choice(SETTINGS))
            made.append(engine.recommend(question(engine, rng, chunk, made)))
    while len(made) < decisions:
        made.append(engine.recommend(question(engine, rng, log[-CHUNK:], made)))
    last, versions = engine.state.position, len({one.version for one in made})
    engine.close()
    spent = time.perf_counter() - started
    print(f"{last:,} events and {len(made):,} decisions under {versions} versions were written in {spent:.0f} s.\n")
    return [one.id for one in made]


def promote(engine: Engine, weights: dict[str, float], ranker: type[LinearRanker | LambdaRank] | None) -> None:
    """Fit a blend on all there is, with a ranker of noise where one is named, and let it serve."""
    declared = engine.app.pipeline("home")
    plain = unfitted(declared, without=[n for n in (make().name for make in declared.retrievers) if n not in weights])
    for retriever in plain.retrievers.values():
        retriever.fit(engine.state, at=engine.state.latest, weights={})
    fitted = Fitted(declared, plain.retrievers, weights)
    fitted = Fitted(declared, plain.retrievers, weights, ranker=of_noise(engine, fitted, ranker))
    parameters, arrays = fitted.parameters()
    queries = golden_queries(engine.state, "home", engine.app.subject)
    asked, answered = golden(fitted, engine.settings, engine.state, queries)
    version = engine.stores.registry.save(
        "home", "bench", schema=engine.app.view.version, position=engine.state.position,
        parameters=parameters | asked, arrays=arrays | answered, metrics={}, at=engine.clock.now(),
        **provenance(engine.state),
    )  # fmt: skip
    engine.release(version.id, engine.stores.registry.champion("home")[1])


def of_noise(engine: Engine, fitted: Fitted, kind: type[LinearRanker | LambdaRank] | None) -> Ranker | None:
    """Return a ranker that learned from noise: what it says matters less than that it says it again."""
    if kind is None:
        return None
    columns, rng = ranker_columns(engine.app.view.columns, fitted.counting), np.random.default_rng(0)
    X = rng.normal(size=(4_000, len(columns))).astype(np.float32)
    y = (X[:, -1] + X[:, 3] + rng.normal(size=len(X)) > 1).astype(float)
    return kind().fit(X, y, np.full(200, 20), columns=columns, rng=rng)


def question(engine: Engine, rng: random.Random, chunk: Sequence[Event], made: Sequence[Decision]) -> Query:
    """Return a query of one who just did something, of any kind: a page, the next one, given candidates, more like."""
    event = rng.choice(chunk)
    subject = event.actor if event.actor.kind == "user" else EntityRef("user", "stranger")
    query = Query(id=f"q{len(made)}", pipeline="home", subject=subject, at=event.at, n=20)
    form = rng.random()
    if form < 0.1:
        some = tuple(rng.sample(list(engine.state.ids[-500:]), 20))
        return msgspec.structs.replace(query, candidates=some)
    if form < 0.2:
        item = rng.choice(engine.state.ids[-500:])
        return msgspec.structs.replace(query, pipeline="similar", context={"item": item})
    if form < 0.3 and made:
        before = made[-1]
        return msgspec.structs.replace(before.query, id=query.id, after=before.id)
    return msgspec.structs.replace(query, diversity=rng.choice([None, None, 0.5]))


def bulk(engine: Engine, ids: Sequence[str]) -> None:
    """Replay all in order of the log with one state that walks forward."""
    past, started = Past(engine), time.perf_counter()
    found = [replay_decision(engine, id, past=past) for id in ids]
    spent = time.perf_counter() - started
    print("| version | decisions | exact | within 1e-6 | differ |\n|---|---|---|---|---|")
    for version in dict.fromkeys(one.logged.version for one in found):
        mine = Counter(one.verdict for one in found if one.logged.version == version)
        told = " | ".join(f"{mine[name]:,}" for name in ("exact", "close", "differs"))
        print(f"| {version[:10]} | {sum(mine.values()):,} | {told} |")
    wrong = [one for one in found if one.verdict != "exact"]
    for one in wrong[:10]:
        print(f"\n{one.logged.id}: {one.text}")
    print(f"\nIn bulk: {len(ids):,} decisions in {spent:.1f} s, {spent / len(ids) * 1000:.1f} ms each.")
    if wrong:
        sys.exit(1)


def alone(engine: Engine, ids: Sequence[str], size: int) -> None:
    """Replay some backwards, each from its snapshot on and with a model loaded anew."""
    times = []
    for id in sorted(random.Random(1).sample(list(ids), size), reverse=True):
        past, started = Past(engine), time.perf_counter()
        replayed: Replayed = replay_decision(engine, id, past=past)
        assert replayed.verdict == "exact"
        times.append(time.perf_counter() - started)
    print(f"One alone, from its snapshot on: median {statistics.median(times):.2f} s, at most {max(times):.2f} s.")


def cold(home: Path, ids: Sequence[str], size: int) -> None:
    """Replay some by the command line, each in a process of its own."""
    times = []
    for id in [ids[int(place)] for place in np.linspace(0, len(ids) - 1, size)]:
        command = [sys.executable, "-m", "proffer", "--home", str(home), "replay", id, "--json"]
        started = time.perf_counter()
        said = subprocess.run(command, capture_output=True, check=True).stdout
        times.append(time.perf_counter() - started)
        assert msgspec.json.decode(said)["verdict"] == "exact"
    print(
        f"`proffer replay`, a process of its own: median {statistics.median(times):.1f} s, at most {max(times):.1f} s."
    )


if __name__ == "__main__":
    main()
