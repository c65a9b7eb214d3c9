"""The advisor's loop over many worlds, beside what the specification expects of it.

    python bench/advisor_simulation.py [--seeds 20] [--rounds 6] [--size small] [--jobs 1] [--small] [--plot FILE]

Simulation: what `proffer simulate advisor` does, each world in a process of its own where --jobs is more than 1. The
table gives the last round of each arm, means over worlds with 95 % bootstrap intervals, and the change of the learnt
against the order of confidence among the same visitors.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path

import msgspec
import numpy as np

from proffer.bootstrap import application, in_memory
from proffer.engine.metrics import Interval, intervals
from proffer.engine.simulation import BEFORE, BEST, LEARNT, Round, Simulated, simulate

EXPECTED: Mapping[str, tuple[str, float]] = {
    "ndcg@10": (".62 -> .85, at least .80", 0.80), "diversity": (".35 -> .70, at least .65", 0.65),
    "click-through": ("+50 %, at least +30 %", 0.30), "clicks a list": ("+50 %, at least +30 %", 0.30),
    "implementation": ("+56 %, at least +40 %", 0.40), "implementations a list": ("+56 %, at least +40 %", 0.40),
}  # fmt: skip
"""What the specification expects, and its floor: of the first two the value itself, of the others the change."""
VALUES = ("ndcg@10", "diversity")


def world(seed: int, rounds: int, size: str) -> Simulated:
    """Return the simulation of one world."""
    started = time.process_time()
    found = simulate(application("advisor"), in_memory, size=size, rounds=rounds, seeds=1, first_seed=seed)
    last = {row.arm: row.measures["ndcg@10"].value for row in found.table if row.round == rounds}
    wins = [one.round + 1 for one in found.trainings[0] if one.wins]
    print(f"world {seed}: {time.process_time() - started:.0f} s, NDCG@10 {last}, won after {wins}", flush=True)
    return found


def joined(worlds: Sequence[Simulated]) -> Simulated:
    """Return one simulation of several worlds, with intervals over them."""
    names = [*worlds[0].table[0].measures]
    table = []
    for place, row in enumerate(worlds[0].table):
        rows = [one.table[place] for one in worlds]
        measures = _over([one.measures for one in rows], names)
        lists = float(np.mean([one.lists for one in rows]))
        table.append(Round(arm=row.arm, round=row.round, lists=lists, measures=measures))
    changes = {arm: _over([one.changes[arm] for one in worlds], [*worlds[0].changes[arm]]) for arm in worlds[0].changes}
    trainings = [one.trainings[0] for one in worlds]
    return msgspec.structs.replace(
        worlds[0], seeds=len(worlds), table=table, changes=changes, trainings=trainings
    )  # fmt: skip


def _over(rows: Sequence[Mapping[str, Interval]], names: Sequence[str]) -> dict[str, Interval]:
    values = np.array([[row[name].value for name in names] for row in rows])
    return intervals(values, np.arange(len(rows)), names, 0)


def table(found: Simulated) -> str:
    """Return the last round beside the specification, as Markdown."""
    last = {row.arm: row.measures for row in found.table if row.round == found.rounds}
    rows = [
        "| measure | confidence | learnt | best possible | learnt: change | best: change | specification | reached |",
        "|---|---:|---:|---:|---:|---:|---|---|",
    ]
    for name, (expected, least) in EXPECTED.items():
        change = found.changes[LEARNT][name]
        value = last[LEARNT][name].value if name in VALUES else change.value
        rows.append(
            f"| {name} | {_told(last[BEFORE][name])} | {_told(last[LEARNT][name])} | {_told(last[BEST][name])} | "
            f"{_change(change)} | {_change(found.changes[BEST][name])} | {expected} | "
            f"{'yes' if value >= least else 'no'} |"
        )
    return "\n".join(rows)


def _told(one: Interval) -> str:
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def _change(one: Interval) -> str:
    return f"{100 * one.value:+.0f} % ({100 * (one.low or 0):+.0f} to {100 * (one.high or 0):+.0f})"


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="First seed.")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--size", default="small")
    parser.add_argument("--jobs", type=int, default=1, help="Processes.")
    parser.add_argument("--small", action="store_true", help="Two tiny worlds of three rounds.")
    parser.add_argument("--plot", type=Path, help="Picture of the rounds, .svg or .png.")
    given = parser.parse_args()
    seeds, rounds, size = (2, 3, "tiny") if given.small else (given.seeds, given.rounds, given.size)
    asked = [(seed, rounds, size) for seed in range(given.first, given.first + seeds)]
    if given.jobs > 1:
        with get_context("spawn").Pool(given.jobs) as pool:
            worlds = pool.starmap(world, asked, chunksize=1)
    else:
        worlds = [world(*one) for one in asked]
    found = joined(worlds)
    print(f"\nSimulation: {seeds} worlds ({size}), round {rounds} of {rounds}\n\n{table(found)}\n")
    won = [min((one.round + 1 for one in trained if one.wins), default=None) for trained in found.trainings]
    print(f"a training won for the first time after round: {won}")
    if given.plot is not None:
        from proffer.cli.plots import plot_simulation

        plot_simulation(found, given.plot)


if __name__ == "__main__":
    main()
