"""The report on a ready-made set: the table, leads over the same lists, what was chosen inside and what it cost."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proffer.engine.gate import gate
from proffer.engine.metrics import Gain, intervals, paired
from proffer.engine.plan import Budget, Plan
from proffer.engine.report import BLEND, Choice, Cost, Phase, Regret, Report, Row, Segment, Step, Tried
from proffer.engine.set_choice import Inside
from proffer.engine.set_folds import MEASURES, TARGET, Floats, Folds, measured
from proffer.engine.set_found import SetJudged
from proffer.engine.set_models import FEATURE, PEER, RANDOM, Contender, Part

DRAWS = 25
"""Random orders that are averaged for each list."""
FEWEST = 10
CHOSEN = "chosen"
"""The champion of a table over folds whose champions differ: of each fold its own."""


@dataclass(frozen=True)
class Compared:
    """What was compared: folds, what was chosen inside each reported one, contenders, names of the two sets."""

    folds: Folds
    insides: Sequence[Inside]
    contenders: Sequence[Contender]
    names: tuple[str, str | None]
    gain: Gain
    budget: Budget

    def values(self) -> dict[str, Floats]:
        """Return the measures of the lists reported on (lists, m) by contender, in the order of the lists."""
        folds, found = self.folds, dict[str, Floats]()
        several = len({one.choice.champion for one in self.insides}) > 1
        for outer, one in zip(folds.report, self.insides, strict=True):
            part = folds.part.of(folds.fold == outer)
            tables = {name: measured(scores, part) for name, scores in one.scores.items()}
            tables[RANDOM] = _random(part, folds.seed)
            if several:
                tables[CHOSEN] = tables[one.choice.champion]
            for name, table in tables.items():
                whole = found.setdefault(name, np.full((len(folds.fold), len(MEASURES)), np.nan))
                whole[folds.fold == outer] = table
        reported = np.isin(folds.fold, folds.report)
        return {name: table[reported] for name, table in found.items()}


def report_of(compared: Compared, notes: list[str]) -> Report:
    """Return the report. Intervals are bootstrapped over lists, those without a grade above 0 counted apart."""
    folds, insides, (train, test) = compared.folds, compared.insides, compared.names
    values = compared.values()
    known = ~np.isnan(values[FEATURE][:, TARGET])
    values = {name: found[known] for name, found in values.items()}
    lists, people = int(known.sum()), np.arange(int(known.sum()))
    champion = CHOSEN if CHOSEN in values else insides[0].choice.champion
    ndcg = {name: found[:, TARGET] for name, found in values.items()}
    leads = {name: paired(ndcg[champion], ndcg[name], people, folds.seed) for name in ndcg if name != champion}
    reported = folds.part.of(np.isin(folds.fold, folds.report))
    count = len(reported.sizes)
    protocol = f"set {train}, {len(insides)} folds" if test is None else f"set {train}, reported on {test}"
    rows = [_row(name, found, compared, people) for name, found in values.items()]
    judged = SetJudged(
        train=train, test=test, folds=[one.choice for one in insides], gain=compared.gain, lists=count,
        without=count - lists, rows=len(reported.y), features=len(folds.part.columns), pooled=len(folds.fold) - count,
        over_peer={name: paired(ndcg[name], ndcg[PEER], people, folds.seed) for name in ndcg if name != PEER},
    )  # fmt: skip
    return Report(
        protocol=protocol, pipeline="", phases=[Phase(name="report", lists=lists, users=lists)], since=None, until=None,
        lists=lists, users=lists, wanted=int((reported.y > 0).sum()), unknown_share=0.0, champion=champion,
        fallback=FEATURE, choice=_choice(compared, champion, lists),
        rows=sorted(rows, key=lambda row: -row.metrics["ndcg@10"].value), leads=leads,
        segments=_segments(ndcg, champion, reported.sizes[known], folds.seed),
        regret=_regret(ndcg, champion, people, folds.seed), gate=gate(champion, FEATURE, leads, None),
        plan=_plan(compared), skipped=[], tried=_tried(compared), notes=notes, learned={}, costs=_costs(compared),
        judged=judged,
    )  # fmt: skip


def _choice(compared: Compared, champion: str, lists: int) -> Choice:
    insides, steps, why = compared.insides, list[Step](), "chosen inside the training set"
    if len(insides) == 1:
        learned = int((compared.folds.fold != compared.folds.report[0]).sum())
        steps = [
            Step(challenger=one.challenger, incumbent=one.incumbent, lead=one.lead, taken=one.taken, lists=learned)
            for one in insides[0].choice.steps
        ]
    else:
        counts = Counter(one.choice.champion for one in insides).most_common()
        why = f"of {len(insides)} folds " + ", ".join(f"{count} chose {name}" for name, count in counts)
    return Choice(champion=champion, single=FEATURE, weights={}, steps=steps, lists=lists, why=why)


def _random(part: Part, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    found: Floats = np.mean([measured(rng.random(len(part.y)), part) for _ in range(DRAWS)], axis=0)
    return found


def _row(name: str, values: Floats, compared: Compared, people: NDArray[np.int64]) -> Row:
    families = {RANDOM: "random", BLEND: "blend", CHOSEN: "champion"}
    families |= {one.name: one.family for one in compared.contenders}
    choices = [one.choice for one in compared.insides]
    weights: dict[str, float] = {}
    if name == BLEND:
        parts = dict.fromkeys(part for one in choices for part in one.weights)
        weights = {part: sum(one.weights.get(part, 0.0) for one in choices) / len(choices) for part in parts}
    taken = [one.settings.get(name, {}) for one in choices]
    alike = taken[0] and all(one == taken[0] for one in taken)
    return Row(
        name=name, family=families[name], weights=weights, settings={name: taken[0]} if alike else {},
        metrics=intervals(values, people, MEASURES, compared.folds.seed),
    )  # fmt: skip


def _segments(ndcg: dict[str, Floats], champion: str, sizes: NDArray[np.int64], seed: int) -> list[Segment]:
    """Return NDCG@10 of the champion and what it is compared with by the length of lists."""
    middle = float(np.median(sizes))
    names, found = list(dict.fromkeys((champion, PEER, FEATURE))), []
    for name, lists in ((f"up to {middle:g} rows", sizes <= middle), (f"more than {middle:g} rows", sizes > middle)):
        if lists.sum() < FEWEST:
            continue
        people = np.arange(int(lists.sum()))
        table = np.column_stack([ndcg[one][lists] for one in names])
        lead = paired(table[:, 0], ndcg[FEATURE][lists], people, seed) if champion != FEATURE else None
        found.append(Segment(name=name, lists=len(people), ndcg=intervals(table, people, names, seed), lead=lead))
    return found


def _regret(ndcg: dict[str, Floats], champion: str, people: NDArray[np.int64], seed: int) -> Regret:
    best = max(ndcg, key=lambda name: (ndcg[name].mean(), name == champion))
    if best == champion:
        return Regret(best=best, value=0.0)
    lead = paired(ndcg[best], ndcg[champion], people, seed)
    return Regret(best=best, value=lead.value, interval=lead)


def _tried(compared: Compared) -> list[Tried]:
    """Return each way of a contender with its NDCG@10 inside, the mean over folds; taken where most folds took it."""
    found, insides = [], compared.insides
    for one in compared.contenders:
        if one.peer or len(one.variants) < 2:
            continue
        for place, way in enumerate(one.variants):
            ndcg = float(np.mean([inside.tried[one.name][place] for inside in insides]))
            taken = sum(inside.ways[one.name] is way for inside in insides) * 2 > len(insides)
            found.append(Tried(name=one.name, settings=dict(way.settings), ndcg=ndcg, taken=taken))
    return found


def _costs(compared: Compared) -> dict[str, Cost]:
    """Return seconds of a fit and ms of a list, the means of the ways taken; a blend takes what its parts take."""
    found, folds = {}, compared.folds
    for one in compared.contenders:
        ways = {id(inside.ways[one.name]) for inside in compared.insides}
        spent, asked = ([took for way in ways for took in times[way]] for times in (folds.seconds, folds.asked))
        seconds, list_ms = float(np.mean(spent)), 1000 * float(np.mean(asked))
        found[one.name] = Cost(fit_seconds=round(seconds, 6), fits=len(spent), list_ms=round(list_ms, 4))
    parts = [found[one.name] for one in compared.contenders if one.family == "ranker"]
    found[BLEND] = Cost(
        fit_seconds=sum(one.fit_seconds for one in parts), fits=max(one.fits for one in parts),
        list_ms=sum(one.list_ms for one in parts),
    )  # fmt: skip
    return found


def _plan(compared: Compared) -> Plan:
    rankers = [one.name for one in compared.contenders if one.family == "ranker"]
    rows, lists = len(compared.folds.part.y), len(compared.folds.fold)
    return Plan(
        budget=compared.budget, users=lists, items=rows, interactions=rows, retrievers=[], rankers=rankers, lists=lists,
        wants=0, skipped=[], reported=lists,
    )  # fmt: skip
