"""Do the off-policy estimators find what another policy would have earned? Bias and coverage, and the Open Bandit data.

    python bench/offpolicy.py [--seeds 200] [--small]
    python bench/offpolicy.py --cases FILE
    python bench/offpolicy.py --obd FOLDER

The first form logs lists in `proffer.testing.cascade`, where the value of the target policy is summed over every list
there is, and prints for each size and temperature the bias of each estimator, the spread of its estimates and how often
its 95 % interval holds the truth: over all four places, and over as many as the report would tell. `--cases` compares
the estimators with the reference cases in a JSON file. `--obd` estimates the click rate of either logged policy of the
Open Bandit data (Saito et al., NeurIPS 2021) from the other one's log.
"""

import argparse
import csv
import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np

from proffer.experiments import offpolicy
from proffer.experiments.offpolicy import Direct, Estimated, Slates
from proffer.experiments.support import Drawn, depths, effective_size
from proffer.testing.cascade import PLACES, Cascade

WORLDS = ((1.0, 0.25), (0.6, 0.25), (1.0, 0.03))
SUBJECTS = (100, 400, 1600)
NAMES = ("logged", "ips", "clipped ips", "snips", "dm", "dr", "self-normalised dr", "lead (dr - logged)")


def estimates(slates: Slates, model: Direct) -> list[Estimated | float]:
    """Return every estimate of one log, in order of NAMES."""
    logged, robust = offpolicy.on_policy(slates), offpolicy.doubly_robust(slates, model)
    return [
        logged, offpolicy.ips(slates), offpolicy.clipped_ips(slates, 10.0), offpolicy.snips(slates),
        offpolicy.direct(model), robust, offpolicy.self_normalised_dr(slates, model),
        offpolicy.difference(robust, logged, slates.clusters),
    ]  # fmt: skip


def simulate(temperature: float, rate: float, subjects: int, seeds: int) -> None:
    """Print what the estimators find in one world: of all four places, and of those that the report would tell."""
    world = Cascade(temperature, rate)
    whole, told, deep, expected = [], [], Counter[int](), []
    for seed in range(seeds):
        slates, drawn, model = world.log(seed, subjects)
        found = depths(slates, drawn)
        places = sum(depth.why is None for depth in found)
        deep[places] += 1
        expected.append(found[-1].expected)
        whole.append((PLACES, estimates(slates, model)))
        if places:
            told.append((places, estimates(slates.first(places), model.first(places))))
    lead = world.value - world.logging_value
    print(f"\nTemperature {temperature:g}, rate {rate:g}, {subjects:,} subjects, {len(slates.logged):,} decisions: "
          f"truth {world.value:.4f}, logged {world.logging_value:.4f}, lead {lead:+.4f}; ESS to expect of four places "
          f"{np.mean(expected):.0f}; the report tells of {spelt(deep)}.\n")  # fmt: skip
    print(
        "| estimator | bias | spread | held, four places | bias, as told | held, as told |\n|---|---|---|---|---|---|"
    )
    for number, name in enumerate(NAMES):
        bias, spread, held = against(world, number, whole)
        shown, _, right = against(world, number, told)
        print(f"| {name} | {bias:+.4f} | {spread:.4f} | {held} | {shown:+.4f} | {right} |", flush=True)


def against(world: Cascade, number: int, found: list[tuple[int, list[Estimated | float]]]) -> tuple[float, float, str]:
    """Return bias, spread and how often the interval held the truth of one estimator over many logs."""
    if not found:
        return float("nan"), float("nan"), "never told"
    truths = {"logged": world.logging_values, NAMES[-1]: world.values - world.logging_values}
    true = np.array([truths.get(NAMES[number], world.values)[places - 1] for places, _ in found])
    one = [row[number] for _, row in found]
    away = np.array([each if isinstance(each, float) else each.value for each in one]) - true
    held = [
        each.low <= truth <= each.high for each, truth in zip(one, true, strict=True) if not isinstance(each, float)
    ]
    return float(away.mean()), float(away.std()), f"{np.mean(held):.1%}" if held else "no interval"


def spelt(deep: Counter[int]) -> str:
    """Return how often the report would tell of how many places."""
    parts = [f"{places or 'no'} place{'s' * (places != 1)} in {count}" for places, count in sorted(deep.items())]
    return ", ".join(parts)


def cases(path: Path) -> None:
    """Compare with reference cases."""
    for case in json.loads(path.read_text())["cases"]:
        if case["what"].startswith("ope_"):
            away = max(abs(got - wanted) for got, wanted in compared(case))
            print(f"{case['id']} {case['what']}: {away:.1e} away, tolerance {case['tolerance']:.0e}")


def compared(case: dict) -> list[tuple[float, float]]:
    """Return (got, expected) of each number of a reference case."""
    given, expected = case["input"], case["expected"]
    action, logged = np.array(given["action"]), np.array(given["pscore"])
    rows = np.arange(len(action))
    policy = None if isinstance(given["eval_policy"], str) else np.array(given["eval_policy"])
    slates = Slates.of(logged, logged if policy is None else policy[rows, action], given["reward"])
    inverse, normalised = offpolicy.ips(slates), offpolicy.snips(slates)
    got = {"ips": inverse.value, "snips": normalised.value, "se": inverse.error, "ess": effective_size(slates.weights)}
    value = {"ope_ips": inverse, "ope_snips": normalised}.get(case["what"])
    if "clip" in given:
        value = offpolicy.clipped_ips(slates, given["clip"])
    if "q_hat" in given:
        predicted = np.array(given["q_hat"])
        model = Direct.of(predicted[rows, action], (policy * predicted).sum(axis=1))
        robust = offpolicy.doubly_robust(slates, model)
        got |= {"dm": offpolicy.direct(model), "dr": robust.value, "dr_se": robust.error}
        got["sndr"] = offpolicy.self_normalised_dr(slates, model).value
    if value is not None:
        got["value"] = value.value
    pairs = [(got[name], wanted) for name, wanted in expected.items() if name != "weights"]
    return pairs + list(zip(slates.weights[:, 0].tolist(), expected.get("weights", ()), strict=False))


def read(path: Path) -> tuple[np.ndarray, ...]:
    """Return item, position, click and propensity of each row of an Open Bandit file."""
    with gzip.open(path, "rt", newline="") as lines:
        rows = [*csv.DictReader(lines)]
    whole = (np.array([int(row[name]) for row in rows]) for name in ("item_id", "position"))
    return (*whole, *(np.array([float(row[name]) for row in rows]) for name in ("click", "propensity_score")))


def shares(items: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return how often each item stood at each position (items, positions), as a policy without contexts."""
    counts = np.zeros((items.max() + 1, positions.max() + 1))
    np.add.at(counts, (items, positions), 1.0)
    return counts / counts.sum(axis=0).clip(1.0)


def open_bandit(folder: Path) -> None:
    """Estimate each policy's click rate from the other one's log, and compare with its own log."""
    logs = {name: read(folder / f"obd_{name}_men.csv.gz") for name in ("random", "bts")}
    few = " and ".join(f"{int(clicks.sum())} ({name})" for name, (_, _, clicks, _) in logs.items())
    print(
        f"WARNING: samples of 10,000 rows with {few} clicks. The intervals are wide; nothing here tells one estimator"
    )
    print("from another, and a policy's contexts are not in its log: it is taken as the same for everybody.\n")
    print("| policy | judged from the log of | estimator | clicks per 1,000 | 95 % interval | ESS |")
    print("|---|---|---|---|---|---|")
    for policy, source in (("bts", "random"), ("random", "bts")):
        items, positions, clicks, _ = logs[policy]
        own = Slates.of(np.ones(len(clicks)), np.ones(len(clicks)), clicks)
        row(policy, policy, "mean", offpolicy.on_policy(own), len(clicks))
        target = shares(items, positions)
        items, positions, clicks, logged = logs[source]
        slates = Slates.of(logged, target[items, positions], clicks)
        size = effective_size(slates.weights)
        row(policy, source, "IPS", offpolicy.ips(slates), size)
        row(policy, source, "SNIPS", offpolicy.snips(slates), size)
        why = depths(slates, drawn_from(target, shares(items, positions), positions))[0].why
        print(f"| {policy} | {source} | a report | {'gives them' if why is None else f'refuses: {why}'} | | |")


def drawn_from(target: np.ndarray, logging: np.ndarray, positions: np.ndarray) -> Drawn:
    """Return one item for each position, drawn from a policy given as (items, positions), with both chances."""
    rng, items = np.random.default_rng(0), np.empty(len(positions), np.int64)
    for position in np.unique(positions):
        here = positions == position
        items[here] = rng.choice(len(target), here.sum(), p=target[:, position])
    return Drawn.of(logging[items, positions], target[items, positions])


def row(policy: str, source: str, name: str, found: Estimated, size: float) -> None:
    """Print a row of the table."""
    value, low, high = (1000 * each for each in found[:3])
    print(f"| {policy} | {source} | {name} | {value:.2f} | {low:.2f} to {high:.2f} | {size:,.0f} |")


def main() -> None:
    """Print what is asked for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=200)
    options.add_argument("--small", action="store_true", help="one world of one size, 20 seeds")
    options.add_argument("--cases", type=Path, help="reference cases as JSON")
    options.add_argument("--obd", type=Path, help="folder of obd_random_men.csv.gz and obd_bts_men.csv.gz")
    given = options.parse_args()
    if given.cases:
        cases(given.cases)
    if given.obd:
        open_bandit(given.obd)
    if given.cases or given.obd:
        return
    for temperature, rate in WORLDS[:1] if given.small else WORLDS:
        for subjects in SUBJECTS[:1] if given.small else SUBJECTS:
            simulate(temperature, rate, subjects, 20 if given.small else given.seeds)


if __name__ == "__main__":
    main()
