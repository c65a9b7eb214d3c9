"""Does a whole what-if report find the truth? Logs made by the engine itself, under caps and pins, seed after seed.

    python bench/whatif.py [--seeds 200] [--users 100] [--small]

Run it from the repository. Each seed is a feed of eight posts in memory (`tests/engine/periods.py`), whose readers
want what is known; one model serves with Plackett-Luce exploration, another waits. The report's intervals are compared
with what the other model's slates earn in the states that were logged, from 40 draws for each decision.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.engine.periods import house, later, readers, truth

from proffer.engine.whatif import WhatIf, what_if

RULES = [{"do": "pin", "item": "b", "position": 2}, {"do": "cap", "per": "author", "at_most": 2}]


def logged(seed: int, users: int, rules: list[dict[str, object]]) -> tuple[WhatIf, float, float, float]:
    """Return a report, the truth of the other model and of the one that served, and seconds a decision."""
    engine, serving, other = house(rules)
    readers(engine, seed, users)
    later(engine)
    start = time.perf_counter()
    found = what_if(engine, other)
    took = (time.perf_counter() - start) / found.replayed
    places = max(found.clicks.places, 1)
    return found, truth(engine, other, places, draws=40), truth(engine, serving, places, draws=40), took


def main() -> None:
    """Print a table for slates without rules and one under a cap and a pin."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=200)
    options.add_argument("--users", type=int, default=100)
    options.add_argument("--small", action="store_true", help="5 seeds of 40 users")
    given = options.parse_args()
    seeds, users = (5, 40) if given.small else (given.seeds, given.users)
    for words, rules in (("no rules", []), ("a pin and a cap", RULES)):
        rows = [logged(seed, users, rules) for seed in range(seeds)]
        told = [row for row in rows if row[0].clicks.places]
        deep = Counter(row[0].clicks.places for row in rows)
        exact = sum(row[0].verdicts.get("exact", 0) for row in rows) / sum(row[0].replayed for row in rows)
        took = 1000 * float(np.mean([row[3] for row in rows]))
        print(f"\n{words}: {seeds} logs of {4 * users} decisions, {exact:.1%} replayed bit for bit, places told of "
              f"{dict(sorted(deep.items()))}, {took:.1f} ms a decision\n")  # fmt: skip
        print("| estimate | truth | bias | spread | holds the truth |\n|---|---|---|---|---|")
        for name in ("logged", "ips", "snips", "dr", "lead"):
            row(name, told)


def row(name: str, told: list[tuple[WhatIf, float, float, float]]) -> None:
    """Print what one estimate found."""
    if not told:
        return
    true = np.array([{"logged": old, "lead": new - old}.get(name, new) for _, new, old, _ in told])
    found = [getattr(report.clicks, name) for report, *_ in told]
    away = np.array([one.value for one in found]) - true
    held = np.mean([one.low <= each <= one.high for one, each in zip(found, true, strict=True)])
    print(f"| {name} | {true.mean():+.3f} | {away.mean():+.4f} | {away.std():.4f} | {held:.1%} |", flush=True)


if __name__ == "__main__":
    main()
