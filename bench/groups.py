"""Groups: what it costs to fold events that know a group, to look up its members, and to read their columns.

    python bench/groups.py [--small]

Folds a synthetic log of 1,000 assessments of 40 recommendations, once with groups and once with the same attribute
declared as plain text, and prints a table in Markdown.
"""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from proffer.apps.advisor.entities import ASSESSMENT, EVENTS, RECOMMENDATION, USER
from proffer.core.entities import EntityRef
from proffer.core.events import ENTITY_SET, Event
from proffer.core.schema import EntityKind, Schema
from proffer.features import counts, given
from proffer.features.accumulators.sums import decay
from proffer.features.base import Scope, each
from proffer.features.live import DAY
from proffer.features.state import State
from proffer.features.view import FeatureView

START = datetime(2026, 1, 1, tzinfo=UTC)
CATEGORIES = ("cost_optimization", "security", "performance", "reliability")
INDUSTRIES = ("bank", "retail", "health", "energy")
DONE = decay(each("implement", "click"), 90 * DAY)
ITEM = Scope("item", ("target",))
GROUPED = {
    "group": ("group",),
    "industry": ("group.segment", "target.category"),
    "load": ("group.workload", "target.action"),
}


def view(*, grouped: bool) -> FeatureView:
    """Return counts of the item, and with groups of three scopes more."""
    scopes = [Scope(name, parts) for name, parts in GROUPED.items()] if grouped else []
    features = [counts.Count(f"n_{scope.name}", scope.name, DONE) for scope in (ITEM, *scopes)]
    told = [given.Number("budget", "budget", "group")] if grouped else []
    return FeatureView("groups", [ITEM, *scopes], [*features, *told])


def schema(*, grouped: bool) -> Schema:
    """Return the advisor's words; without groups the assessment is a text like any other."""
    plain = [
        msgspec.structs.replace(a, role="", kind="") if a.role == "group" else a for a in RECOMMENDATION.attributes
    ]
    item = RECOMMENDATION if grouped else EntityKind(RECOMMENDATION.name, tuple(plain))
    return Schema(EVENTS, (USER, ASSESSMENT, item))


def synthetic(assessments: int, each_has: int, events: int) -> list[Event]:
    """Return facts of assessments and their recommendations, then events on them in order of time."""
    rng = np.random.default_rng(7)
    log: list[Event] = []

    def add(type: str, actor: EntityRef, target: EntityRef | None = None, **fields: object) -> None:
        at = START + timedelta(seconds=len(log))
        log.append(Event(id="", type=type, at=at, actor=actor, target=target, fields=fields, sequence=len(log) + 1))

    for n in range(assessments):
        of = {"industry": INDUSTRIES[n % 4], "workload": f"w{n % 7}", "budget": float(n)}
        add(ENTITY_SET, EntityRef("assessment", f"a{n}"), **of)
    items = [EntityRef("recommendation", f"r{n}") for n in range(assessments * each_has)]
    for n, item in enumerate(items):
        of = {"assessment": f"a{n // each_has}", "category": CATEGORIES[n % 4], "action": f"do{n % 60}"}
        add(ENTITY_SET, item, title=f"Step {n % 60}", confidence=float(rng.random()), **of)
    kinds = rng.choice(["impression", "view", "click", "implement"], events)
    for kind, item, who in zip(kinds, rng.integers(0, len(items), events), rng.integers(0, 5000, events), strict=True):
        add(str(kind), EntityRef("user", f"u{who}"), items[item])
    return log


def fastest(call: Callable[[], object], times: int) -> float:
    """Return the median milliseconds of a call."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        took.append((time.perf_counter() - start) * 1000)
    return float(np.median(took))


def folded(log: list[Event], *, grouped: bool) -> tuple[State, float]:
    """Return a state and how many thousand events a second it folded."""
    state = State(view(grouped=grouped), schema(grouped=grouped), subject="user", item="recommendation")
    start = time.process_time()
    state.fold(log)
    return state, len(log) / (time.process_time() - start) / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="A tenth of it.")
    size = 100 if parser.parse_args().small else 1000
    log = synthetic(size, 40, size * 200)
    folded(log[:2000], grouped=True)
    folded(log[:2000], grouped=False)
    plain, state = folded(log, grouped=False), folded(log, grouped=True)
    rng = np.random.default_rng(3)
    names = [f"a{n}" for n in rng.integers(0, size, 1000)]
    place = iter(range(10**9))
    at = state[0].latest + 60.0

    def read() -> object:
        name = names[next(place) % 1000]
        return state[0].view.matrix(state[0].batch(log[-1].actor, state[0].members(name), at, {}))

    print(f"{size:,} assessments of 40, {len(log):,} events\n\n| what | |\n|---|---|")
    print(f"| folded without groups, one scope | {plain[1]:,.0f} thousand events a CPU second |")
    print(f"| folded with groups, four scopes | {state[1]:,.0f} thousand events a CPU second |")
    looked = fastest(lambda: state[0].members(names[next(place) % 1000]), 5000)
    print(f"| members of a group | {looked * 1000:.1f} microseconds |")
    print(f"| {len(state[0].view.columns)} columns of 40 members | {fastest(read, 2000):.3f} ms |")
    moved = State(view(grouped=True), schema(grouped=True), subject="user", item="recommendation")
    one = [msgspec.structs.replace(e, fields={**e.fields, "assessment": "all"}) for e in log[: 41 * size]]
    moved.fold(one)

    def change() -> object:
        position = moved.position + 1
        item = EntityRef("recommendation", f"r{position % (40 * size)}")
        fields = {"assessment": "all" if position % 2 else "other"}
        moved.fold([Event(id="", type=ENTITY_SET, at=START, actor=item, fields=fields, sequence=position)])
        return moved.members("all")

    print(
        f"| an item moves, and the members of a group of {40 * size:,} are asked for | {fastest(change, 200):.2f} ms |"
    )


if __name__ == "__main__":
    main()
