"""Our collaborative models beside those of implicit and scikit-learn: seconds, memory and quality on one split.

    python bench/peers.py [--ratings FILE] [--users 3000] [--items 2000] [--each 30] [--judged 1000]

prints a markdown table. The world is made by a seed, or read from FILE: lines of user,item,rating,timestamp, .csv or
.csv.gz, every rating a want. Of each user the last item is left out; NDCG@10 is its place among all items he has not
had, with a bootstrapped 90 % interval, over the same users for all. Each model runs in a process of its own, after a
tiny fit that loads and compiles; memory is the highest of the fit above what the process held before it. "same" peers
have our settings where they have a word for them; one with "defaults" is as the library makes it.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from proffer.models.base import DAY
from proffer.testing.world import START, World, ask

Row = tuple[int, int, float]
Scorer = Callable[[int], NDArray[np.float64]]
"""Gives a score per item (n,) for a user, NaN for none."""

Fit = Callable[["Split"], Scorer]


class Split:
    """Users and items by number; `train` in order of time, `last` the item left out of each judged user."""

    def __init__(self, rows: list[Row], judged: int) -> None:
        rows = sorted(rows, key=lambda row: row[2])
        last = {user: place for place, (user, _, _) in enumerate(rows)}
        seen = dict.fromkeys(last, 0)
        for user, _, _ in rows:
            seen[user] += 1
        out = {place for user, place in last.items() if seen[user] > 1}
        self.train = [row for place, row in enumerate(rows) if place not in out]
        self.items = 1 + max(item for _, item, _ in rows)
        self.users = 1 + max(user for user, _, _ in rows)
        held = sorted((rows[place][0], rows[place][1]) for place in out)
        picked = np.random.default_rng(0).permutation(len(held))[:judged]
        self.last = [held[place] for place in sorted(picked.tolist())]
        users, items = (np.array([row[column] for row in self.train]) for column in (0, 1))
        shape = (self.users, self.items)
        self.matrix = sparse.csr_matrix((np.ones(len(users), np.float32), (users, items)), shape=shape)
        self.matrix.data[:] = 1.0

    def world(self) -> World:
        """Return the training rows as a state that knows every item and user by its number."""
        posts = {f"p{item}": {} for item in range(self.items)}
        users = {f"u{user}": {} for user in range(self.users)}
        return World([(f"u{u}", f"p{i}", at, "view") for u, i, at in self.train], posts=posts, users=users)


def made(users: int, items: int, each: int) -> list[Row]:
    """Return a world: sixteen tastes, a popularity that falls like 1 / rank, and each user a mix of tastes."""
    rng = np.random.default_rng(0)
    kinds, fame = rng.integers(0, 16, items), 1.0 / (10.0 + rng.permutation(items)) ** 0.8
    tastes = rng.dirichlet(np.full(16, 0.15), users)
    rows: list[Row] = []
    for user in range(users):
        chances = fame * (0.02 + tastes[user, kinds])
        count = min(2 + int(rng.exponential(each - 2)), items // 2)
        chosen = rng.choice(items, count, replace=False, p=chances / chances.sum())
        times = START + np.sort(rng.uniform(0, 90 * DAY, count))
        rows += [(user, int(item), float(at)) for item, at in zip(rng.permutation(chosen), times, strict=True)]
    return rows


def read(path: Path) -> list[Row]:
    """Return the ratings of a file, users and items numbered."""
    raw = path.read_bytes()
    lines = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode().splitlines()
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    rows = []
    for line in lines[1:]:
        user, item, _, at = line.split(",")
        rows.append((users.setdefault(user, len(users)), items.setdefault(item, len(items)), float(at)))
    return rows


def ours(make: Callable[[], Any]) -> Callable[["Split"], Callable[[], Scorer]]:
    """Return one of our retrievers, ready to be fitted on a split."""

    def ready(split: Split) -> Callable[[], Scorer]:
        world, until = split.world(), split.train[-1][2] + 1.0

        def fit() -> Scorer:
            retriever = make().fit(world, at=until, weights={})
            return lambda user: retriever.scores(ask(f"u{user}", at=until), world)

        return fit

    return ready


def implicit_factors(kind: str, **settings: Any) -> Callable[["Split"], Callable[[], Scorer]]:
    """Return a factor model of implicit, ready to be fitted."""

    def ready(split: Split) -> Callable[[], Scorer]:
        from implicit.cpu.als import AlternatingLeastSquares
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        model = {"als": AlternatingLeastSquares, "bpr": BayesianPersonalizedRanking}[kind](random_state=0, **settings)

        def fit() -> Scorer:
            model.fit(split.matrix, show_progress=False)
            return lambda user: model.item_factors @ model.user_factors[user]

        return fit

    return ready


def implicit_bm25(**settings: Any) -> Callable[["Split"], Callable[[], Scorer]]:
    """Return implicit's item-item model, ready to be fitted."""

    def ready(split: Split) -> Callable[[], Scorer]:
        from implicit.nearest_neighbours import BM25Recommender

        model = BM25Recommender(**settings)

        def fit() -> Scorer:
            model.fit(split.matrix, show_progress=False)
            return lambda user: (split.matrix[user] @ model.similarity).toarray()[0]

        return fit

    return ready


def sklearn_nmf(**settings: Any) -> Callable[["Split"], Callable[[], Scorer]]:
    """Return scikit-learn's factorisation, ready to be fitted."""

    def ready(split: Split) -> Callable[[], Scorer]:
        from sklearn.decomposition import NMF

        model = NMF(n_components=50, random_state=0, **settings)

        def fit() -> Scorer:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # That it has not converged is no concern of a recommender.
                users = model.fit_transform(split.matrix)
            return lambda user: users[user] @ model.components_

        return fit

    return ready


def models() -> Mapping[str, Callable[["Split"], Callable[[], Scorer]]]:
    """Return every row of the table by name."""
    from proffer.models.retrievers.als import ALS
    from proffer.models.retrievers.bpr import BPR
    from proffer.models.retrievers.ease import EASE
    from proffer.models.retrievers.gfcf import GFCF
    from proffer.models.retrievers.itemknn import ItemKNN
    from proffer.models.retrievers.lar import LAR
    from proffer.models.retrievers.markov import Markov
    from proffer.models.retrievers.nmf import NMF

    als, bpr, bm25, nmf = ALS(), BPR(), ItemKNN("bm25"), NMF()
    return {
        "proffer als": ours(ALS),
        "implicit ALS, same": implicit_factors(
            "als", factors=als.factors, regularization=als.regularisation, alpha=1.0 + als.confidence,
            iterations=als.iterations,
        ),
        "implicit ALS, defaults": implicit_factors("als"),
        "proffer bpr": ours(BPR),
        "implicit BPR, same": implicit_factors(
            "bpr", factors=bpr.factors, learning_rate=bpr.rate, regularization=bpr.regularisation,
            iterations=bpr.iterations,
        ),
        "implicit BPR, defaults": implicit_factors("bpr"),
        "proffer itemknn_bm25": ours(partial(ItemKNN, "bm25")),
        "implicit BM25, same": implicit_bm25(K=bm25.neighbours, K1=bm25.saturation, B=bm25.length),
        "implicit BM25, defaults": implicit_bm25(),
        "proffer nmf": ours(NMF),
        "scikit-learn NMF, same": sklearn_nmf(max_iter=nmf.iterations, alpha_W=nmf.regularisation / 1e3),
        "scikit-learn NMF, defaults": sklearn_nmf(),
        "proffer ease": ours(EASE),
        "proffer gfcf": ours(GFCF),
        "proffer lar": ours(LAR),
        "proffer markov": ours(Markov),
    }  # fmt: skip


def memory(name: str) -> float:
    """Return a line of this process's status in MiB: VmHWM, the highest it held, or VmRSS."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def measured(name: str, split: Split) -> dict[str, float]:
    """Fit one model on a split and judge it."""
    tiny = Split(made(60, 40, 8), 5)
    models()[name](tiny)()(0)
    fit = models()[name](split)
    Path("/proc/self/clear_refs").write_text("5")  # The highest mark begins anew at what is held now.
    before, wall, busy = memory("VmRSS"), time.perf_counter(), time.process_time()
    scorer = fit()
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    peak = memory("VmHWM") - before
    asking = time.process_time()
    gains = np.array([gain(scorer(user), split.matrix[user].indices, item) for user, item in split.last])
    asking = (time.process_time() - asking) / len(split.last)
    drawn = np.random.default_rng(0).integers(0, len(gains), (1000, len(gains)))
    low, high = np.quantile(gains[drawn].mean(1), (0.05, 0.95))
    return {
        "wall": wall, "cpu": busy, "peak": peak, "ndcg": float(gains.mean()), "low": float(low), "high": float(high),
        "ms": 1000 * asking,
    }  # fmt: skip


def gain(scores: NDArray[np.float64], seen: NDArray[np.int32], wanted: int) -> float:
    """Return NDCG@10 of one wanted item: 1 / log2(1 + place), 0 beyond the tenth place; ties count half."""
    scores = np.where(np.isnan(scores), -np.inf, scores).astype(np.float64)
    mine = scores[wanted]
    scores[seen] = -np.inf
    if mine == -np.inf:
        return 0.0
    others = np.count_nonzero(scores == mine) - 1
    place = 1 + np.count_nonzero(scores > mine) + max(others, 0) / 2
    return float(1 / np.log2(1 + place)) if place <= 10 else 0.0


def main() -> None:
    """Print the table, a child process for each row."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--ratings", type=Path)
    for name, default in (("users", 3000), ("items", 2000), ("each", 30), ("judged", 1000)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--one", help=argparse.SUPPRESS)
    given = options.parse_args()
    split = Split(read(given.ratings) if given.ratings else made(given.users, given.items, given.each), given.judged)
    if given.one:
        print(json.dumps(measured(given.one, split)))
        return
    print(f"{split.users:,} users, {split.items:,} items, {len(split.train):,} wants to learn from, ", end="")
    print(f"{len(split.last):,} users judged\n")
    print("| model | fit s | fit CPU s | peak MiB | NDCG@10 | 90 % | CPU ms a user |\n|---|---|---|---|---|---|---|")
    for name in models():
        command = [sys.executable, __file__, *sys.argv[1:], "--one", name]
        # implicit asks for this: its own threads and those of the linear algebra would wait for each other.
        own = {"OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"} if "implicit" in name else {}
        told = subprocess.run(command, env={**os.environ, **own}, stdout=subprocess.PIPE, check=True, text=True)
        found = json.loads(told.stdout)
        print(
            f"| {name} | {found['wall']:.2f} | {found['cpu']:.2f} | {found['peak']:.0f} | {found['ndcg']:.4f} ", end=""
        )
        print(f"| {found['low']:.4f} to {found['high']:.4f} | {found['ms']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
