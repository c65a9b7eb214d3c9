"""What a training tries, decided before it starts from what each source says it costs; never from a clock."""

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from proffer.app import Pipeline
from proffer.core.errors import Invalid
from proffer.engine.protocols import PHASES
from proffer.models.base import Retriever, Tunable

SECONDS = 600.0
FITTING, TUNING = 0.4, 0.2
"""Shares, at most, of what reading the past leaves of a budget's seconds."""
CHOOSING, REPORTING = 0.4, 0.2
"""Shares for the lists of these phases of what fits and trials leave; the rest is for the rankers."""
EVENT = 2.5e-5
"""Seconds an event takes: it is read once and folded twice, for the phases and for the final fit."""
MOST_LISTS, FEWEST_LISTS = 1500, 40
MOST_REPORTED, FEWEST_REPORTED = 20_000, 200
MOST_WANTS, FEWEST_WANTS = 300, 40
LIST_BASE, LIST_SOURCE, LIST_ROW, LIST_ITEM = 1.2e-3, 1.8e-4, 2.4e-7, 2.5e-8
"""Seconds a list takes: at all, and for each source, each candidate and source, each item and source."""
POOL = 500
"""About so many candidates a list has, where the catalogue has more."""
LIST_HEAD, LIST_BLEND = 1.5e-3, 1.2e-4
"""Seconds to read a list's best for rankers, and, for each source, to fit the blends on a list."""
WANT_BASE, WANT_ITEM = 2e-4, 2.5e-8
"""Seconds one source takes to score one user's catalogue, and for each item of it, when its settings are tried."""
RANKER_ROW = {"linear": 2.6e-5, "pointwise": 8e-5, "lambdarank": 1.8e-4}
"""Seconds per row of a list to train a ranker; one that is not named counts as the dearest. All are seconds of one
core, measured once."""
HEAD_ROWS = 100
MEGABYTE = 1 << 20


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What a training may cost: `seconds` as declared, on one core, and `memory` in bytes.

    The seconds decide what is tried, the same on a slow machine and a fast one; they are no stopwatch.
    """

    seconds: float = SECONDS
    memory: int = 0

    @classmethod
    def of(cls, seconds: float | None = None, memory_mb: float | None = None) -> "Budget":
        """Return a budget, by default 600 s and half of this machine's memory. Raises Invalid below 0."""
        if seconds is not None and not seconds > 0:
            raise Invalid("a budget is more than 0 seconds", field="budget", remedy="Send a number of seconds.")
        if memory_mb is not None and not memory_mb > 0:
            raise Invalid("a budget is more than 0 MB", field="memory", remedy="Send a number of megabytes.")
        memory = half_of_memory() if memory_mb is None else int(memory_mb * MEGABYTE)
        return cls(seconds=SECONDS if seconds is None else seconds, memory=memory)


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A source or ranker that is left out, and why."""

    name: str
    why: str


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A retriever that takes part: what it says one fit costs, after how many boundaries it is fitted again."""

    name: str
    family: str
    seconds: float
    memory: int
    every: int
    variants: list[dict[str, Any]]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is fitted how often, which variants are tried, which rankers, on how many lists, and what is left out.

    `seconds` is what all of it is declared to take: more than the budget where even the least there is to do is.
    """

    budget: Budget
    users: int
    items: int
    interactions: int
    retrievers: list[Planned]
    rankers: list[str]
    lists: int
    wants: int
    skipped: list[Skipped]
    reported: int = 0
    seconds: float = 0.0

    @property
    def without(self) -> frozenset[str]:
        """Return the names of the retrievers that are left out."""
        return frozenset(one.name for one in self.skipped) - frozenset(self.rankers)

    @property
    def refits(self) -> dict[str, int]:
        """Return after how many boundaries each retriever is fitted again."""
        return {one.name: one.every for one in self.retrievers}


def plan(
    pipeline: Pipeline, users: int, items: int, interactions: int, budget: Budget, fits: int, *, events: int = 0,
    offered: Mapping[str, int] | None = None, keep: Collection[str] = (), search: bool = True,
) -> Plan:  # fmt: skip
    """Decide what a training tries, from declared memory and seconds alone.

    Reading and folding the `events` of the past comes first. `fits` are the boundaries at which retrievers would be
    fitted anew; one that is too dear for each of them is fitted at every n-th, and one too dear for one fit a phase is
    left out. The retrievers that `keep` names go first, then the cheapest: a small budget drops the dear ones.
    `offered` tells how many lists a phase has. Without `search` no variant is tried. What fits and trials leave goes to
    lists and rankers, and the least of each is done whatever is left.
    """
    made = [make() for make in pipeline.retrievers]
    costs = {one.name: _cost(one, users, items, interactions) for one in made}
    order = sorted(made, key=lambda one: (one.name not in keep, costs[one.name][1]))
    least, past = min(fits, len(PHASES)) + 1, EVENT * events
    left = max(budget.seconds - past, 0.0)
    kept, skipped = _affordable(order, costs, budget, FITTING * left, least)
    every = _refits([costs[one.name][1] for one in kept], FITTING * left, fits)
    fitting = sum(costs[one.name][1] * (-(-fits // often) + 1) for one, often in zip(kept, every, strict=True))
    wants = _wants(items, len(kept), TUNING * left)
    variants, tuning = _variants(kept, costs, TUNING * left, items, wants) if search else ({}, 0.0)
    left = max(left - fitting - tuning, 0.0)
    each = _list_seconds(items, len(kept) + len(pipeline.heuristics), bool(pipeline.rankers))
    names = [make().name for make in pipeline.rankers]
    lists, reported = _lists(each, names, left)
    counts = {phase: min(lists, (offered or {}).get(phase, lists)) for phase in ("blend", "learn", "choose")}
    reported = counts["report"] = min(reported, (offered or {}).get("report", MOST_REPORTED))
    left = max(left - sum(each[phase] * count for phase, count in counts.items()), 0.0)
    rankers, dropped, ranking = _rankers(names, counts, left, budget)
    # What no ranker takes makes the report surer.
    reported = min(reported + int((left - ranking) / each["report"]), (offered or {}).get("report", MOST_REPORTED))
    counts["report"] = reported
    places = {one.name: place for place, one in enumerate(made)}
    planned = [
        Planned(
            name=one.name, family=one.family, memory=costs[one.name][0], seconds=costs[one.name][1], every=often,
            variants=variants.get(one.name, []),
        )
        for one, often in zip(kept, every, strict=True)
    ]  # fmt: skip
    making = sum(each[phase] * count for phase, count in counts.items())
    return Plan(
        budget=budget, users=users, items=items, interactions=interactions, rankers=rankers, lists=lists, wants=wants,
        reported=reported, seconds=round(past + fitting + tuning + making + ranking, 3),
        retrievers=sorted(planned, key=lambda one: places[one.name]), skipped=[*skipped, *dropped],
    )  # fmt: skip


def half_of_memory() -> int:
    """Return half of this machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _cost(retriever: Retriever, users: int, items: int, interactions: int) -> tuple[int, float]:
    size = (max(users, 1), max(items, 1), max(interactions, 1))
    return retriever.memory(*size), retriever.seconds(*size)


def _affordable(
    order: Sequence[Retriever], costs: Mapping[str, tuple[int, float]], budget: Budget, seconds: float, least: int
) -> tuple[list[Retriever], list[Skipped]]:
    """Return which retrievers fit into memory, each beside those before it, and into the seconds for fitting."""
    kept, skipped = [], []
    memory = budget.memory
    for one in order:
        bytes_needed, once = costs[one.name]
        if bytes_needed > memory:
            why = f"needs {size_text(bytes_needed)}, {size_text(memory)} of {size_text(budget.memory)} allowed are left"
        elif once * least > seconds:
            why = f"needs {least} fits of {once:.3g} s, {seconds:.3g} s of the {budget.seconds:g} s budget are left"
        else:
            kept.append(one)
            memory, seconds = memory - bytes_needed, seconds - once * least
            continue
        skipped.append(Skipped(name=one.name, why=why))
    return kept, skipped


def _refits(once: Sequence[float], seconds: float, fits: int) -> list[int]:
    """Return after how many boundaries each retriever is fitted again, so that all together keep to the seconds.

    >>> _refits([0.001, 5.0], 60.0, 100)
    [1, 10]
    """
    every = []
    for place, cost in enumerate(once):
        share = seconds / (len(once) - place)
        affordable = max(int(share / max(cost, 1e-9)), 1)
        often = min(max(-(-fits // affordable), 1), max(fits // len(PHASES), 1))
        every.append(often)
        seconds -= min(cost * (-(-fits // often)), share)
    return every


def _wants(items: int, sources: int, seconds: float) -> int:
    """Return how many queries each variant is tried on."""
    each = (WANT_BASE + WANT_ITEM * items) * max(sources, 1) * 4
    return int(min(max(seconds / 2 / each, FEWEST_WANTS), MOST_WANTS))


def _variants(
    kept: Sequence[Retriever], costs: Mapping[str, tuple[int, float]], seconds: float, items: int, wants: int
) -> tuple[dict[str, list[dict[str, Any]]], float]:
    """Return the variants to try by retriever, the most promising of each first, and the seconds they take."""
    offered = {one.name: list(one.variants()) for one in kept if isinstance(one, Tunable)}
    left = seconds
    asking = wants * (WANT_BASE + WANT_ITEM * items)
    tried: dict[str, list[dict[str, Any]]] = {}
    for depth in range(max(map(len, offered.values()), default=0)):
        for name, found in offered.items():
            # The first trial of a retriever pays for its declared settings too, which it is compared with.
            cost = (costs[name][1] + asking) * (1 if depth else 2)
            if depth < len(found) and len(tried.get(name, [])) == depth and cost <= left:
                tried.setdefault(name, []).append(dict(found[depth]))
                left -= cost
    return tried, seconds - left


def _list_seconds(items: int, sources: int, ranked: bool) -> dict[str, float]:
    """Return what a list of each phase takes."""
    made = LIST_BASE + (LIST_SOURCE + LIST_ROW * min(items, POOL) + LIST_ITEM * items) * sources
    report = made + LIST_HEAD * ranked
    chosen = report + LIST_BLEND * sources
    return {"blend": chosen, "learn": chosen, "choose": chosen, "report": report}


def _lists(each: Mapping[str, float], rankers: Sequence[str], seconds: float) -> tuple[int, int]:
    """Return how many lists each of the three choosing phases holds at most, and how many are reported on.

    No more than the cheapest ranker can be fitted on.
    """
    lists = CHOOSING * seconds / sum(each[phase] for phase in ("blend", "learn", "choose"))
    if rankers:
        rows = _ranker_rows({"learn": 1, "choose": 1})
        lists = min(lists, (1 - CHOOSING - REPORTING) * seconds / (min(map(_ranker_row, rankers)) * rows))
    reported = REPORTING * seconds / each["report"]
    return int(min(max(lists, FEWEST_LISTS), MOST_LISTS)), int(max(reported, FEWEST_REPORTED))


def _rankers(
    names: Sequence[str], lists: Mapping[str, int], left: float, budget: Budget
) -> tuple[list[str], list[Skipped], float]:
    """Return which rankers these seconds allow, each fitted on half a phase, on one and on two, and what they take."""
    kept, skipped, spent = [], [], 0.0
    for name in sorted(names, key=_ranker_row):
        cost = _ranker_row(name) * _ranker_rows(lists)
        if cost > left - spent:
            why = f"needs {cost:.3g} s, {left - spent:.3g} s of the {budget.seconds:g} s budget are left"
            skipped.append(Skipped(name=name, why=why))
        else:
            kept.append(name)
            spent += cost
    return kept, skipped, spent


def _ranker_row(name: str) -> float:
    return RANKER_ROW.get(name, max(RANKER_ROW.values()))


def _ranker_rows(lists: Mapping[str, int]) -> float:
    return HEAD_ROWS * (2.5 * lists["learn"] + lists["choose"])


def size_text(size: int) -> str:
    """Return bytes as people read them.

    >>> size_text(1_500_000_000), size_text(2_000)
    ('1.5 GB', '2.0 kB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
