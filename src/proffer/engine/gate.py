"""What the report phase says of the champion: segments, regret in hindsight, and whether it may serve."""

from collections.abc import Mapping

import numpy as np

from proffer.engine.judge import NEW_ITEMS, OLD_ITEMS, Judge
from proffer.engine.measure import TARGET
from proffer.engine.metrics import Interval, intervals, paired
from proffer.engine.report import PREVIOUS, Choice, Gate, Regret, Segment


def segments(table: Judge, choice: Choice, fallback: str, seed: int) -> list[Segment]:
    """Return NDCG@10 of champion, fallback and best single source by kind of user and by age of what was wanted."""
    names = list(dict.fromkeys((choice.champion, fallback, choice.single)))
    people, counts = table.people(), table.counts()
    parts = {
        name: (np.array([name in told for told in table.segments]), TARGET)
        for name in sorted(set[str]().union(*table.segments))
    }
    for name in (NEW_ITEMS, OLD_ITEMS):
        parts[name] = ~np.isnan(table.values(choice.champion, name)), name
    found = []
    for part, (lists, measure) in parts.items():
        if not lists.any():
            continue
        values = np.column_stack([table.values(name, measure)[lists] for name in names])
        count = None if counts is None else counts[lists]
        lead = None
        if fallback != choice.champion:
            lead = paired(values[:, 0], values[:, names.index(fallback)], people[lists], seed, weights=count)
        ndcg = intervals(values, people[lists], names, seed, weights=count)
        found.append(Segment(name=part, lists=int(lists.sum()), ndcg=ndcg, lead=lead))
    return found


def regret(table: Judge, champion: str, seed: int) -> Regret:
    """Return what the best row in hindsight has more than the champion; previous and champion may be the best."""
    best = max(table.tallies, key=lambda name: (table.mean(name), name == champion))
    if best == champion:
        return Regret(best=best, value=0.0)
    lead = table.lead(best, champion, seed)
    return Regret(best=best, value=lead.value, interval=lead)


def gate(champion: str, fallback: str, leads: Mapping[str, Interval], over_fallback: Interval | None) -> Gate:
    """Decide whether the champion may serve: it must lead the fallback beyond doubt, and not trail what serves.

    What serves did so once: it goes on as long as it is above the fallback in the mean. Few lists may leave that in
    doubt each time, and a workspace must not change its mind with each. `leads` are the champion's over the other rows;
    `over_fallback` is that of the previous model over the fallback, None without one.
    """
    lead, before = leads.get(fallback), leads.get(PREVIOUS)
    if before is not None and before.high is not None and before.high < 0:
        why = f"the model that serves leads {champion} beyond doubt on the report phase, and goes on serving"
        return Gate(wins=False, serves="previous", why=why, lead=lead)
    if lead is not None and lead.low is not None and lead.low > 0:
        why = f"{champion} leads the fallback {fallback} beyond doubt on the report phase"
        return Gate(wins=True, serves="champion", why=why, lead=lead)
    if lead is None:
        why = f"nothing led the fallback {fallback} beyond doubt before the report phase"
    else:
        why = f"{champion} does not lead the fallback {fallback} beyond doubt on the report phase"
    held = lead if champion == PREVIOUS else over_fallback
    if held is not None and held.value > 0:
        why = f"{why}; the model that serves is above {fallback} in the mean, and goes on"
        return Gate(wins=False, serves="previous", why=why, lead=lead)
    return Gate(wins=False, serves="fallback", why=f"{why}: {fallback} serves instead", lead=lead)
