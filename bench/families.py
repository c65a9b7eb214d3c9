"""Does the automatic choice put the right family in charge? Four toy worlds of one structure each, twenty seeds.

    python bench/families.py [--seeds 20] [--budget 20] [--structures sequence taste popularity ageing]

trains the feed application in memory on each world of `proffer.testing.structures` and prints a table. A champion's
family is that of its source; of a blend, or a ranker over one, the family with the largest sum of the blend's weights.
A heuristic counts as what most of its terms measure: engagement as popularity (counts of a week), personal as recency.
"""

import argparse
import time
from collections import Counter

from proffer.apps.feed.app import app
from proffer.core.clock import CountingIds, FixedClock
from proffer.engine.engine import Engine
from proffer.engine.plan import Budget
from proffer.stores.memory import memory_stores
from proffer.testing.structures import END, STRUCTURES, champion_family, structured


def trained(structure: str, seed: int, seconds: float) -> tuple[str, str]:
    """Train on one world; return the champion and its family."""
    clock = FixedClock(END)
    stores = memory_stores(clock)
    stores.log.append(structured(structure, seed))
    engine = Engine(app, "structures", stores, clock=clock, ids=CountingIds(), deadline_ms=60_000)
    report = engine.train(budget=Budget.of(seconds), seed=seed).metrics
    engine.close()
    return report["champion"], champion_family(report)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--budget", type=float, default=20.0, help="what a training may cost, in declared seconds")
    options.add_argument("--structures", nargs="+", choices=STRUCTURES, default=list(STRUCTURES))
    given = options.parse_args()
    print("| world | right family | chosen | right families | champions | s a training |\n|---|---|---|---|---|---|")
    for structure in given.structures:
        start = time.perf_counter()
        found = [trained(structure, seed, given.budget) for seed in range(given.seeds)]
        took = (time.perf_counter() - start) / given.seeds
        names, kinds = Counter(name for name, _ in found), Counter(kind for _, kind in found)
        right = f"{kinds[STRUCTURES[structure]]} of {given.seeds}"
        told = (", ".join(f"{name} {count}" for name, count in counts.most_common()) for counts in (kinds, names))
        print(
            f"| {structure} | {STRUCTURES[structure]} | {next(told)} | {right} | {next(told)} | {took:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
