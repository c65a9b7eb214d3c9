"""The 20 best of 41,000 items for many users: ours beside implicit's, in paired rounds of one run.

    python bench/topk.py [--items 41000] [--factors 64] [--k 20] [--threads 2] [--users 2048] [--rounds 20]

prints a markdown table of users a second. "fastest batch" is implicit with the batch size that a first trial found best
on this machine. Factors are drawn from a normal distribution (all items about equally long: the hard case, nothing can
be passed over) and, "skewed", with lengths spread as those of popular and rare items are. Both sides answer for the
same users with the same number of threads; the catalogue is prepared beforehand but for "with preparing".
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from implicit.cpu.topk import topk
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from proffer.models.topk import TopProducts, top_products

BATCHES = (32, 64, 128, 256, 512, 1024)
EACH = 50
"""Seen items a user, where these are left out."""

Call = Callable[[], object]


def seconds(call: Call) -> float:
    """Return the wall-clock seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def world(n: int, f: int, users: int, skewed: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return items (n, f) and users (b, f)."""
    rng = np.random.default_rng(0)
    items, people = rng.normal(size=(n, f)), rng.normal(size=(users, f))
    if skewed:
        items *= rng.lognormal(0.0, 0.5, (n, 1))
    return items.astype(np.float32), people.astype(np.float32)


def peer(
    items: NDArray[np.float32], users: NDArray[np.float32], k: int, threads: int, batch: int,
    seen: sparse.csr_matrix | None,
) -> Call:  # fmt: skip
    """Return implicit's way with a batch size."""

    def call() -> None:
        for at in range(0, len(users), batch):
            part = None if seen is None else seen[at : at + batch]
            topk(items, users[at : at + batch], k, filter_query_items=part, num_threads=threads)

    return call


def compare(name: str, ours: Call, theirs: dict[str, Call], users: int, rounds: int) -> None:
    """Print a row for each of implicit's ways: rates and the ratio of paired rounds."""
    for call in (ours, *theirs.values()):
        call()
    taken: dict[str, list[float]] = {"": [], **{way: [] for way in theirs}}
    for number in range(rounds):
        pairs = [("", ours), *theirs.items()]
        for way, call in pairs if number % 2 else pairs[::-1]:
            taken[way].append(seconds(call))
    for way in theirs:
        ratios = [peers / mine for peers, mine in zip(taken[way], taken[""], strict=True)]
        rates = (users / statistics.median(taken[which]) for which in ("", way))
        print(f"| {name} | {way} | " + " | ".join(f"{rate:,.0f}" for rate in rates), end=" | ")
        print(f"{statistics.median(ratios):.1f} | {min(ratios):.1f} to {max(ratios):.1f} |", flush=True)


def agree(items: NDArray[np.float32], users: NDArray[np.float32], top: TopProducts, k: int) -> float:
    """Return the share of places at which implicit has the same item: float32 sums put near ties in another order."""
    return float(np.mean(topk(items, users[:200], k)[0] == top.of(users[:200], k)[0]))


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = {"items": 41_000, "factors": 64, "k": 20, "threads": 2, "users": 2048, "rounds": 20}
    for name, default in defaults.items():
        options.add_argument(f"--{name}", type=int, default=default)
    given = options.parse_args()
    print(f"{given.items:,} items x {given.factors} factors, k = {given.k}, {given.threads} threads, ", end="")
    print(f"{given.users:,} users a round, {given.rounds} paired rounds\n")
    print("| factors | implicit's way | proffer users/s | implicit users/s | median ratio | range |")
    print("|---|---|---|---|---|---|")
    # Puts the libraries' thread counts back when it ends; ours starts its own threads and touches no setting.
    with threadpool_limits(limits=given.threads):
        for skewed in (False, True):
            rows(given, skewed)


def rows(given: argparse.Namespace, skewed: bool) -> None:
    """Print the rows of one kind of catalogue."""
    items, users = world(given.items, given.factors, given.users, skewed)
    ids = [f"i{row}" for row in range(len(items))]
    rng = np.random.default_rng(1)
    starts, cells = np.arange(len(users) + 1) * EACH, rng.integers(0, len(items), len(users) * EACH)
    seen = sparse.csr_matrix((np.ones(len(cells), np.float32), cells, starts), shape=(len(users), len(items)))
    top, name = TopProducts(items, ids), "skewed" if skewed else "normal"
    for label, before, matrix in ((name, None, None), (f"{name}, seen left out", (starts, cells), seen)):
        trial = {size: peer(items, users, given.k, given.threads, size, matrix) for size in (*BATCHES, len(users))}
        fastest = min(trial, key=lambda size: min(seconds(trial[size]) for _ in range(2)))
        ways = {"one call": trial[len(users)], f"fastest batch, {fastest}": trial[fastest]}
        compare(
            label,
            lambda seen=before: top.of(users, given.k, seen, threads=given.threads),
            ways,
            len(users),
            given.rounds,
        )
    if not skewed:
        prepare = {"one call": peer(items, users, given.k, given.threads, len(users), None)}
        compare(
            f"{name}, with preparing", lambda: top_products(users, items, given.k, ids, threads=given.threads),
            prepare, len(users), given.rounds // 4,
        )  # fmt: skip
    print(f"| {name}: places with the same item in both | {agree(items, users, top, given.k):.4f} | | | | |")


if __name__ == "__main__":
    main()
