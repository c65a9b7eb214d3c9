"""What a training tries, decided before it starts from what each source says it costs; never from a clock."""

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from proffer.app import Pipeline
from proffer.core.errors import Invalid
from proffer.models.base import Retriever, Tunable

SECONDS = 600.0
FITTING, TUNING, LISTS = 0.45, 0.2, 0.15
"""Shares of a budget's seconds; the rest is for the rankers."""
MOST_LISTS, FEWEST_LISTS = 1500, 40
MOST_WANTS, FEWEST_WANTS = 300, 40
LIST_BASE, LIST_ITEM = 1.5e-3, 2e-8
"""Seconds a list takes whatever it holds, and for each item of the catalogue and source; measured once."""
WANT_BASE, WANT_ITEM = 1e-4, 2e-8
"""Seconds one source takes to score one item's place in a list when its settings are tried."""
RANKER_ROW = {"linear": 4e-6, "pointwise": 6e-5, "lambdarank": 1e-4}
"""Seconds per row of a list to train a ranker on one core; one that is not named counts as the dearest."""
HEAD_ROWS = 100
MEGABYTE = 1 << 20


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What a training may cost: `seconds` by the sources' own declarations, on one core, and `memory` in bytes.

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
    """What is fitted how often, which variants are tried, which rankers, on how many lists, and what is left out."""

    budget: Budget
    users: int
    items: int
    interactions: int
    retrievers: list[Planned]
    rankers: list[str]
    lists: int
    wants: int
    skipped: list[Skipped]

    @property
    def without(self) -> frozenset[str]:
        """Return the names of the retrievers that are left out."""
        return frozenset(one.name for one in self.skipped) - frozenset(self.rankers)

    @property
    def refits(self) -> dict[str, int]:
        """Return after how many boundaries each retriever is fitted again."""
        return {one.name: one.every for one in self.retrievers}


def plan(
    pipeline: Pipeline, users: int, items: int, interactions: int, budget: Budget, fits: int, *,
    offered: Mapping[str, int] | None = None, keep: Collection[str] = (), search: bool = True,
) -> Plan:  # fmt: skip
    """Decide what a training tries, from declared memory and seconds alone.

    `fits` are the boundaries at which retrievers would be fitted anew; one that is too dear for each of them is fitted
    at every n-th, and one too dear for one fit a phase is left out. The retrievers that `keep` names go first, then
    the cheapest: a small budget drops the dear ones. `offered` tells how many lists a phase has. Without `search` no
    variant is tried.
    """
    made = [make() for make in pipeline.retrievers]
    costs = {one.name: _cost(one, users, items, interactions) for one in made}
    order = sorted(made, key=lambda one: (one.name not in keep, costs[one.name][1]))
    least = min(fits, PHASES) + 1
    kept, skipped = _affordable(order, costs, budget, least)
    every = _refits([costs[one.name][1] for one in kept], FITTING * budget.seconds, fits)
    wants = _wants(items, len(kept), budget)
    variants = _variants(kept, costs, budget, items, wants) if search else {}
    lists = _lists(items, len(made) + len(pipeline.heuristics), budget)
    learned = {phase: min(lists, (offered or {}).get(phase, lists)) for phase in ("learn", "choose")}
    rankers, dropped = _rankers([make().name for make in pipeline.rankers], learned, budget)
    places = {one.name: place for place, one in enumerate(made)}
    planned = [
        Planned(
            name=one.name, family=one.family, memory=costs[one.name][0], seconds=costs[one.name][1], every=often,
            variants=variants.get(one.name, []),
        )
        for one, often in zip(kept, every, strict=True)
    ]  # fmt: skip
    return Plan(
        budget=budget, users=users, items=items, interactions=interactions, rankers=rankers, lists=lists, wants=wants,
        retrievers=sorted(planned, key=lambda one: places[one.name]), skipped=[*skipped, *dropped],
    )  # fmt: skip


PHASES = 4


def half_of_memory() -> int:
    """Return half of this machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _cost(retriever: Retriever, users: int, items: int, interactions: int) -> tuple[int, float]:
    size = (max(users, 1), max(items, 1), max(interactions, 1))
    return retriever.memory(*size), retriever.seconds(*size)


def _affordable(
    order: Sequence[Retriever], costs: Mapping[str, tuple[int, float]], budget: Budget, least: int
) -> tuple[list[Retriever], list[Skipped]]:
    """Return which retrievers fit into memory, each beside those before it, and into the seconds for fitting."""
    kept, skipped = [], []
    memory, seconds = budget.memory, FITTING * budget.seconds
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
        often = min(max(-(-int(cost * fits * 1000) // max(int(share * 1000), 1)), 1), max(fits // PHASES, 1))
        every.append(often)
        seconds -= min(cost * (-(-fits // often)), share)
    return every


def _wants(items: int, sources: int, budget: Budget) -> int:
    """Return how many queries each variant is tried on."""
    each = (WANT_BASE + WANT_ITEM * items) * max(sources, 1) * 4
    return int(min(max(TUNING / 2 * budget.seconds / each, FEWEST_WANTS), MOST_WANTS))


def _variants(
    kept: Sequence[Retriever], costs: Mapping[str, tuple[int, float]], budget: Budget, items: int, wants: int
) -> dict[str, list[dict[str, Any]]]:
    """Return the variants to try by retriever: the most promising of each first, as long as the seconds last."""
    offered = {one.name: list(one.variants()) for one in kept if isinstance(one, Tunable)}
    left = TUNING * budget.seconds
    asking = wants * (WANT_BASE + WANT_ITEM * items)
    tried: dict[str, list[dict[str, Any]]] = {}
    for depth in range(max(map(len, offered.values()), default=0)):
        for name, found in offered.items():
            # The first trial of a retriever pays for its declared settings too, which it is compared with.
            cost = (costs[name][1] + asking) * (1 if depth else 2)
            if depth < len(found) and len(tried.get(name, [])) == depth and cost <= left:
                tried.setdefault(name, []).append(dict(found[depth]))
                left -= cost
    return tried


def _lists(items: int, sources: int, budget: Budget) -> int:
    """Return how many lists each of the three choosing phases holds at most."""
    each = LIST_BASE + LIST_ITEM * items * sources
    return int(min(max(LISTS * budget.seconds / PHASES / each, FEWEST_LISTS), MOST_LISTS))


def _rankers(names: Sequence[str], lists: Mapping[str, int], budget: Budget) -> tuple[list[str], list[Skipped]]:
    """Return which rankers the rest of the seconds allows: each is fitted on half a phase, on one and on two."""
    kept, skipped = [], []
    left = (1 - FITTING - TUNING - LISTS) * budget.seconds
    dearest = max(RANKER_ROW.values())
    rows = HEAD_ROWS * (2.5 * lists["learn"] + lists["choose"])
    for name in sorted(names, key=lambda name: RANKER_ROW.get(name, dearest)):
        cost = RANKER_ROW.get(name, dearest) * rows
        if cost > left:
            why = f"needs {cost:.3g} s, {left:.3g} s of the {budget.seconds:g} s budget are left"
            skipped.append(Skipped(name=name, why=why))
        else:
            kept.append(name)
            left -= cost
    return kept, skipped


def size_text(size: int) -> str:
    """Return bytes as people read them.

    >>> size_text(1_500_000_000), size_text(2_000)
    ('1.5 GB', '2.0 kB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
