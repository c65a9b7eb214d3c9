"""What diversity and other aims cost in relevance: NDCG@10 over lambda, and over weights of objectives.

    python bench/advisor_tradeoffs.py [--data FOLDER] [--seeds 5] [--small] [--plots FOLDER]

Simulation: the toy advisor after five rounds of serving, tracking and training; in the sixth its visitors are served
with each lambda, and with each weight of an objective, by the real engine without exploration. NDCG@10 is against the
true chances, diversity the served lists' own.

Real data, where --data names the folder: web documents of a search engine (yandex_features_train), five folds by query,
LightGBM's lambdarank, similarity = cosine of the standardised features, cut to 0..1 (there is no text and no category);
and films (ml-latest-small): each user's later half of ratings, ordered by means of the film and of the user's genres
of the earlier half, similarity = the engine's content similarity over genres. MMR and diversity are the engine's.
"""

import argparse
import gzip
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from csv import DictReader
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from proffer.bootstrap import application, in_memory
from proffer.core.candidates import Candidates
from proffer.core.entities import EntityRef
from proffer.core.queries import Query
from proffer.engine.metrics import DISCOUNT, intervals
from proffer.engine.serve import recommend
from proffer.engine.similar import diversity_score
from proffer.engine.simulation import LEARNT, PLACES, Arm, living
from proffer.models.rerankers.mmr import MMR, diversity
from proffer.models.retrievers.content import Content

LAMBDAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
USUAL = 0.7
LEAST = 20
"""A film list has at least so many films, and so many ratings stand before it."""
ROUNDS = 5
NOW = datetime(2026, 1, 1, tzinfo=UTC)
Floats = NDArray[np.float64]


class List(NamedTuple):
    """Candidates with their scores, true gains (m,) and similarity (m, m); `group` is who is resampled."""

    scores: Floats
    gains: Floats
    alike: NDArray[np.float32]
    group: int


class Point(NamedTuple):
    """One place of a curve: NDCG@10 with its interval, and a mean of what else is weighed."""

    at: float
    ndcg: float
    low: float
    high: float
    others: Mapping[str, float]


def curve(lists: Sequence[List]) -> list[Point]:
    """Return NDCG@10 and diversity of the first ten over lambda."""
    found = []
    for share in LAMBDAS:
        rows = [_one(one, share) for one in lists]
        told = intervals(np.array([[ndcg] for ndcg, _ in rows]), np.array([one.group for one in lists]), ["n"], 0)["n"]
        spread = float(np.nanmean([spread for _, spread in rows]))
        found.append(Point(share, told.value, known(told.low), known(told.high), {"diversity": spread}))
    return found


def _one(one: List, share: float) -> tuple[float, float]:
    ids = tuple(f"{row:06d}" for row in range(len(one.scores)))
    given = Candidates("item", ids, np.arange(len(ids))).scored(one.scores.astype(np.float32))
    query = Query(id="q", pipeline="p", subject=EntityRef("user", "u"), at=NOW, n=PLACES, diversity=share)
    rows = MMR().rerank(query, given, one.alike, PLACES).ordinals
    return ndcg(one.gains[rows], one.gains), diversity(one.alike[np.ix_(rows, rows)])


def ndcg(shown: Floats, all_: Floats) -> float:
    """Return NDCG@10 of the gains of what is shown."""
    best = np.sort(all_)[::-1][:PLACES]
    return float(shown @ DISCOUNT[: len(shown)]) / float(best @ DISCOUNT[: len(best)])


def searched(folder: Path, *, small: bool) -> list[List]:
    """Return the lists of each left-out fold of the search engine's queries, ordered by what the others taught."""
    import lightgbm

    with gzip.open(folder / "advisor" / "yandex_features_train.txt.gz", "rt", errors="replace") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    queries = np.array([int(row[0]) for row in rows])
    relevance = np.array([float(row[1]) for row in rows])
    columns = np.array([[float(value) for value in row[4:]] for row in rows])
    order = np.argsort(queries, kind="stable")
    queries, relevance, columns = queries[order], relevance[order], columns[order]
    grades = np.searchsorted([0.0, 0.07, 0.14, 0.41], relevance, side="left").astype(np.int64)
    names = np.unique(queries)
    fold_of = dict(zip(names.tolist(), np.random.default_rng(0).permutation(len(names)) % 5, strict=True))
    folds, lists = np.array([fold_of[query] for query in queries.tolist()]), []
    for fold in range(1 if small else 5):
        learn = folds != fold
        model = lightgbm.LGBMRanker(n_estimators=100, verbose=-1, n_jobs=1)
        model.fit(columns[learn], grades[learn], group=np.unique(queries[learn], return_counts=True)[1])
        scores = model.predict(columns)
        scaled = (columns - columns[learn].mean(axis=0)) / (columns[learn].std(axis=0) + 1e-9)
        unit = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
        for query in np.unique(queries[~learn]).tolist():
            mine = np.flatnonzero(queries == query)
            if grades[mine].any():
                alike = np.clip(unit[mine] @ unit[mine].T, 0, 1).astype(np.float32)
                lists.append(List(scores[mine], 2.0 ** grades[mine] - 1, alike, query))
    return lists


def films(folder: Path, *, small: bool) -> list[List]:
    """Return each user's later half of ratings, ordered by what the earlier halves say of films and genres."""
    home = folder / "feed" / "ml-latest-small"
    genres = {row["movieId"]: row["genres"].split("|") for row in _rows(home / "movies.csv.gz")}
    by_user: defaultdict[str, list[tuple[int, str, float]]] = defaultdict(list)
    for row in _rows(home / "ratings.csv.gz"):
        by_user[row["userId"]].append((int(row["timestamp"]), row["movieId"], float(row["rating"])))
    before = {user: sorted(rated)[: len(rated) // 2] for user, rated in by_user.items()}
    after = {user: sorted(rated)[len(rated) // 2 :] for user, rated in by_user.items()}
    by_film = _means([(film, stars) for rated in before.values() for _, film, stars in rated], 5.0)
    usual = float(np.mean([stars for rated in before.values() for *_, stars in rated]))
    content, lists = Content(texts=(), facts=("tags",)), []
    for number, (user, rated) in enumerate(after.items()):
        if len(rated) < LEAST or len(before[user]) < LEAST or (small and number % 5):
            continue
        mine = _means([(g, s - by_film.get(f, usual)) for _, f, s in before[user] for g in genres[f]], 10.0)
        scores = [by_film.get(f, usual) + np.mean([mine.get(g, 0.0) for g in genres[f]]) for _, f, _ in rated]
        # Two genres may cancel out in a hashed vector: then it is like none.
        found = [content.encode({"tags": genres[film]}) for _, film, _ in rated]
        vectors = np.array([np.zeros(content.dims, np.float32) if one is None else one for one in found])
        gains = np.array([2.0 ** max(stars - 1, 0) - 1 for *_, stars in rated])
        if gains.any():
            lists.append(List(np.array(scores), gains, np.clip(vectors @ vectors.T, 0, 1), number))
    return lists


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt") as file:
        yield from DictReader(file)


def _means(pairs: Sequence[tuple[str, float]], damping: float) -> dict[str, float]:
    """Return the mean of each name, drawn to that of all as if it had been met so often before."""
    overall = float(np.mean([value for _, value in pairs]))
    found: defaultdict[str, list[float]] = defaultdict(list)
    for name, value in pairs:
        found[name].append(value)
    return {name: (sum(values) + damping * overall) / (len(values) + damping) for name, values in found.items()}


def simulated(seeds: int, size: str, rounds: int) -> dict[str, list[Point]]:
    """Return the curves of the simulation: over lambda, and over the weight of each objective with a column."""
    app = application("advisor")
    pipeline = app.pipelines[0]
    asked: dict[str, list[dict[str, Any]]] = {"lambda": [{"diversity": share} for share in LAMBDAS]}
    for name, objective in pipeline.objectives.items():
        if objective.column is not None:
            asked[name] = [{"diversity": 1.0, "objectives": _weights(pipeline.objectives, name, w)} for w in WEIGHTS]
    found: dict[tuple[str, int], list[tuple[int, dict[str, float]]]] = defaultdict(list)
    for seed in range(seeds):
        arm = Arm.of(LEARNT, app, pipeline, living(app, seed, size), in_memory, seed)
        for round in range(rounds):
            arm.run(round, train=True)
        print(f"seed {seed}: {arm.trained[-1].champion}, {arm.trained[-1].why}", flush=True)
        arm._record(arm.world.news(rounds))
        for number, visit in enumerate(arm.world.visits(rounds)):
            subject = EntityRef(app.subject, visit.subject)
            query = Query(
                id=f"t{number}", pipeline=pipeline.name, subject=subject, at=visit.at, n=PLACES, group=visit.group
            )  # fmt: skip
            for name, changes in asked.items():
                for place, change in enumerate(changes):
                    found[name, place].append((seed, _served(arm, replace(query, **change))))
        arm.engine.close()
    at = {name: LAMBDAS if name == "lambda" else WEIGHTS for name in asked}
    return {name: [_point(x, found[name, place]) for place, x in enumerate(at[name])] for name in asked}


def _weights(objectives: Mapping[str, Any], name: str, weight: float) -> dict[str, float]:
    quality = next(one for one, objective in objectives.items() if objective.column is None)
    return {quality: 1 - weight, name: weight}


def _served(arm: Arm, query: Query) -> dict[str, float]:
    """Return what one list comes to."""
    engine = arm.engine
    decision = recommend(engine, query, time.perf_counter(), drawing=False)
    shown = [one.id for one in decision.slate]
    told = {"ndcg": arm._ndcg(decision, shown)}
    spread = diversity_score(engine.state.ordinals(shown), arm.ruler, engine.settings, engine.state)
    told["diversity"] = float("nan") if spread is None else spread
    facts = [engine.state.attributes(EntityRef(app_item(arm), item)) or {} for item in shown]
    for name in ("saving", "cost", "effort", "risk"):
        told[name] = float(np.mean([fact[name] for fact in facts if name in fact] or [np.nan]))
    return told


def app_item(arm: Arm) -> str:
    """Return the kind of what an arm's application ranks."""
    return arm.engine.app.item


def _point(at: float, rows: Sequence[tuple[int, dict[str, float]]]) -> Point:
    values = np.array([[row["ndcg"]] for _, row in rows])
    told = intervals(values, np.array([seed for seed, _ in rows]), ["n"], 0)["n"]
    others = {name: float(np.nanmean([row[name] for _, row in rows])) for name in rows[0][1] if name != "ndcg"}
    return Point(at, told.value, known(told.low), known(told.high), others)


def show(title: str, points: Sequence[Point], at: str) -> None:
    """Print a curve as a table of Markdown."""
    names = [*points[0].others]
    print(f"\n{title}\n\n| {at} | NDCG@10 | 95 % | {' | '.join(names)} |\n|{'---:|' * (3 + len(names))}")
    for one in points:
        others = " | ".join(f"{one.others[name]:.3g}" for name in names)
        within = "too few worlds" if one.low != one.low else f"{one.low:.3f} to {one.high:.3f}"
        print(f"| {one.at:g} | {one.ndcg:.3f} | {within} | {others} |")


def draw(curves: Mapping[str, Sequence[Point]], path: Path) -> None:
    """Draw NDCG@10 over diversity, lambda written at some points."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "proffer", "font.size": 9}):
        figure, panels = plt.subplots(1, len(curves), figsize=(4.2 * len(curves), 3.8), layout="constrained")
        for axes, (title, points) in zip(np.atleast_1d(panels), curves.items(), strict=True):
            x, y = [one.others["diversity"] for one in points], [one.ndcg for one in points]
            axes.plot(x, y, "-o", color="#b3261e", markersize=3)
            axes.fill_between(x, [one.low for one in points], [one.high for one in points], color="#b3261e", alpha=0.15)
            for one in points:
                if one.at in (0.0, 0.3, 0.5, USUAL, 1.0):
                    axes.annotate(f"λ={one.at:g}", (one.others["diversity"], one.ndcg), fontsize=7)
            axes.set_title(title)
            axes.set_xlabel("diversity of the first ten")
            axes.set_ylabel("NDCG@10")
            axes.grid(visible=True, alpha=0.3)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def known(bound: float | None) -> float:
    """Return a bound of an interval, NaN where there is none."""
    return float("nan") if bound is None else bound


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="Folder of the real data.")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="One tiny world, a fifth of the real lists.")
    parser.add_argument("--plots", type=Path, help="Folder of the pictures.")
    given = parser.parse_args()
    size, seeds, rounds = ("tiny", 1, 2) if given.small else ("small", given.seeds, ROUNDS)
    curves: dict[str, list[Point]] = {}
    real: dict[str, Callable[..., list[List]]] = {"web search": searched, "films": films}
    if given.data is not None:
        for name, read in real.items():
            lists = read(given.data, small=given.small)
            curves[name] = curve(lists)
            show(f"{name}: {len(lists):,} lists", curves[name], "lambda")
    toy = simulated(seeds, size, rounds)
    for name, points in toy.items():
        show(f"simulation ({seeds} worlds, {size}), {name}", points, "lambda" if name == "lambda" else "weight")
    curves = {"simulation": toy["lambda"], **curves}
    if given.plots is not None:
        draw(curves, given.plots / "advisor-lambda.svg")


if __name__ == "__main__":
    main()
