"""Position bias: rankers that know at which place each row was shown, beside the same ones that do not.

    python bench/position_bias.py [--seeds 20] [--first 0] [--rounds 5] [--size small] [--small] [--jobs 1]

Simulation. In each world the pages of some rounds are served by the real engine as the advisor declares (order of
confidence, as no model serves), and tracked: a place is looked at with the chance 1 / place^0.8, and what is not looked
at is not answered. From this one log the engine trains twice: as it does by default, and naively, with the places
dropped. Both are asked for the visitors of the next round; NDCG@10 is against the true chances. `chosen` is the ranker
that each of the two judges best itself, on its own newest lists: what it would hold out. Differences are paired by
world, with bootstrap intervals over worlds.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from multiprocessing import get_context

import numpy as np

from proffer.bootstrap import application, in_memory
from proffer.core.entities import EntityRef
from proffer.core.queries import Query
from proffer.engine.evaluate import Outcome
from proffer.engine.fitted import fit, unfitted
from proffer.engine.measure import TARGET
from proffer.engine.metrics import DISCOUNT, intervals
from proffer.engine.plan import Budget
from proffer.engine.serve import Asked, by_model
from proffer.engine.simulation import LEARNT, PLACES, Arm, living
from proffer.engine.train import searched

CHOSEN, FALLBACK = "chosen", "confidence"
SECONDS = 120.0
"""Enough for every ranker to take part."""
Found = Mapping[str, float]


def world(seed: int, rounds: int, size: str) -> dict[str, Found]:
    """Return the true NDCG@10 of each ranker, by how it was trained."""
    started = time.perf_counter()
    app = application("advisor")
    pipeline = app.pipelines[0]
    arm = Arm.of(LEARNT, app, pipeline, living(app, seed, size), in_memory, seed)
    for round in range(rounds):
        arm.run(round, train=False)
    outcomes = {
        name: searched(
            arm.engine, pipeline, budget=Budget.of(SECONDS), seed=seed, search=True, progress=None, debias=debias
        )
        for name, debias in (("default", True), ("naive", False))
    }
    arm._record(arm.world.news(rounds))
    found = {name: true(arm, outcome, rounds) for name, outcome in outcomes.items()}
    told = "; ".join(f"{name}: {round_(values)}" for name, values in found.items())
    looks = outcomes["default"].report.examination or []
    print(f"world {seed}, {time.perf_counter() - started:.0f} s: {told}; looked at: {looks[:5]}", flush=True)
    arm.engine.close()
    return found


def round_(values: Found) -> str:
    """Return figures as text."""
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


def true(arm: Arm, outcome: Outcome, round: int) -> Found:
    """Return the true NDCG@10 of every ranker an outcome tried, of the best by its own report, and of the fallback."""
    engine, pipeline = arm.engine, arm.pipeline
    held = fit(unfitted(pipeline), engine.state, engine.clock.now(), engine.settings.labels)
    recipes = {name: one for name, one in outcome.recipes.items() if one.ranker is not None or name == FALLBACK}
    judged = {row.name: row.metrics[TARGET].value for row in outcome.report.rows if row.name in recipes}
    values: defaultdict[str, list[float]] = defaultdict(list)
    for number, visit in enumerate(arm.world.visits(round)):
        subject = EntityRef(engine.app.subject, visit.subject)
        query = Query(
            id=f"b{number}", pipeline=pipeline.name, subject=subject, at=visit.at, n=PLACES, group=visit.group
        )  # fmt: skip
        for name, recipe in recipes.items():
            served = replace(recipe.of(held), why=None)
            ranked = by_model(Asked.of(query, served, engine.settings, engine.state))
            ids = [engine.state.ids[row] for row in ranked.pool.ordinals[ranked.order].tolist()]
            gains = arm.world.utilities(visit.subject, ids, visit.at)
            best = np.sort(gains)[::-1][:PLACES] @ DISCOUNT[:PLACES]
            values[name].append(float(gains[:PLACES] @ DISCOUNT[:PLACES] / best))
    told = {name: float(np.mean(each)) for name, each in values.items()}
    return {**told, CHOSEN: told[max(judged, key=lambda name: judged[name])]}


def table(found: Sequence[Mapping[str, Found]]) -> str:
    """Return the comparison as a table of Markdown."""
    names = [name for name in found[0]["default"] if all(name in one[way] for one in found for way in one)]
    rows = ["| ranker | default | naive | default - naive | 95 % | closer in |", "|---|---:|---:|---:|---:|---:|"]
    for name in names:
        default, naive = (np.array([one[way][name] for one in found]) for way in ("default", "naive"))
        lead = intervals((default - naive)[:, None], np.arange(len(found)), ["lead"], 0)["lead"]
        rows.append(
            f"| {name} | {default.mean():.3f} | {naive.mean():.3f} | {lead.value:+.3f} | "
            f"{lead.low:+.3f} to {lead.high:+.3f} | {int((default > naive).sum())} of {len(found)} |"
        )
    return "\n".join(rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="First seed.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", default="small")
    parser.add_argument("--jobs", type=int, default=1, help="Processes.")
    parser.add_argument("--small", action="store_true", help="Two tiny worlds.")
    given = parser.parse_args()
    seeds, rounds, size = (2, 4, "tiny") if given.small else (given.seeds, given.rounds, given.size)
    asked = [(seed, rounds, size) for seed in range(given.first, given.first + seeds)]
    if given.jobs > 1:
        with get_context("spawn").Pool(given.jobs) as pool:
            found = pool.starmap(world, asked)
    else:
        found = [world(*one) for one in asked]
    print(f"\nSimulation: {len(found)} worlds ({size}), {rounds} rounds\n\n{table(found)}")


if __name__ == "__main__":
    main()
