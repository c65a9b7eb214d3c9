"""The daily protocol: what would have been shown, and how good it would have been."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from proffer.app import Pipeline
from proffer.core.errors import CannotTrain, Invalid
from proffer.engine.backtest import EPOCH, Judged, Past
from proffer.engine.fitted import unfitted
from proffer.engine.judge import Judge, Row, Weights, collect, contenders, families
from proffer.engine.metrics import Interval, paired
from proffer.models.rankers.blend import Blend

if TYPE_CHECKING:
    from proffer.engine.engine import Engine, Progress

CHOOSING_LISTS = 3000
CHOOSING_FITS = 30
BLEND = "blend"
TARGET = "ndcg@10"
DAY = timedelta(days=1)


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What was put in charge, on which period, and by how much the blend led the best single source there."""

    champion: str
    weights: dict[str, float]
    since: datetime | None = None
    until: datetime | None = None
    lists: int = 0
    lead: Interval | None = None
    why: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A judged period: a row for each retriever, heuristic and the blend, best NDCG@10 first.

    `unknown_share` is the part of the wanted items that did not exist when the list was made: no list can hold them,
    and they count as misses. `leads` holds the champion's paired lead in NDCG@10 over each other row.
    """

    protocol: str
    since: datetime
    until: datetime
    lists: int
    users: int
    wanted: int
    unknown_share: float
    champion: str
    choice: Choice
    rows: list[Row]
    leads: dict[str, Interval]
    learned: dict[str, Any]


def evaluate(
    engine: "Engine", pipeline: Pipeline, since: datetime, until: datetime, *, lists: int, seed: int,
    progress: "Progress | None",
) -> Report:  # fmt: skip
    """Choose on the time before `since`, then judge the period once. Raises Invalid for an empty period."""
    if since >= until:
        raise Invalid("the period is empty", field="until", remedy="Name a later end.")
    past = Past.of(engine.app, pipeline, engine.settings, read(engine, until))
    if not past.user_days(since, until):
        raise Invalid(f"nobody acted from {since:%Y-%m-%d} until {until:%Y-%m-%d}", field="from", remedy=span(past))
    choice = choose(past, since, seed=seed, progress=progress)
    return judge(past, choice, since, until, lists=lists, seed=seed, progress=progress)


def read(engine: "Engine", until: datetime | None = None) -> list[Any]:
    """Return the log's events before a moment."""
    return [event for chunk in engine.stores.log.scan() for event in chunk if until is None or event.at < until]


def span(past: Past) -> str:
    """Say which period the log covers."""
    acts = [event.at for event in past.events if past.acts(event)]
    return f"The log covers {acts[0]:%Y-%m-%d} to {acts[-1]:%Y-%m-%d}." if acts else "Import events first."


def choose(
    past: Past, until: datetime, *, seed: int, progress: "Progress | None", lists: int = CHOOSING_LISTS
) -> Choice:
    """Choose among the sources and their blend on the time just before `until`.

    The best single source is the best on average: none is simpler than another. The blend's weights are fitted on
    the older half of the time, and it is put in charge only if on the newer half its paired lead over that source is
    above 0 with its whole interval; a tie goes to the single source.
    """
    first = past.pipeline.ladder[-1]
    since = choosing_start(past, until, lists)
    if since is None:
        return Choice(champion=first, weights={first: 1.0}, why="there is no earlier time to choose on")
    seen = [*past.walk(since, until, lists=lists, seed=seed, fits=CHOOSING_FITS, progress=progress, what="choosing")]
    older, newer = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    if len(older) < 10:
        return Choice(champion=first, weights={first: 1.0}, why=f"only {len(seen)} lists to choose on")
    sources = unfitted(past.pipeline).sources
    single = best_single(seen)
    table = judged_by({single: {single: 1.0}, BLEND: blend_weights(older, sources, seed)}, newer)
    lead = paired(table.values(BLEND, TARGET), table.values(single, TARGET), table.people(), seed)
    wins = lead.low is not None and lead.low > 0
    why = f"the blend {'leads' if wins else 'does not lead'} {single} beyond doubt on the newer half of that time"
    return Choice(
        champion=BLEND if wins else single, weights=blend_weights(seen, sources, seed) if wins else {single: 1.0},
        since=since, until=until, lists=len(seen), lead=lead, why=why,
    )  # fmt: skip


def best_single(seen: list[Judged]) -> str:
    """Return the source that ranks these lists best on its own, the earlier declared of equals."""
    table = judged_by(contenders(seen[0].fitted), seen)
    return max(table.tallies, key=lambda name: float(table.values(name, TARGET).mean()))


def judged_by(weights: Mapping[str, Weights], seen: list[Judged]) -> Judge:
    """Return the measures of contenders over lists."""
    table = Judge(weights)
    for judged in seen:
        table.look(judged)
    return table


def blend_weights(seen: list[Judged], sources: tuple[str, ...], seed: int) -> dict[str, float]:
    """Return the blend's weights that rank these lists best."""
    lists = collect(seen)
    rng = np.random.default_rng(seed)
    blend = Blend().fit(lists.scores, lists.relevant, lists.sizes, columns=sources, rng=rng, missed=lists.missed)
    return {name: weight for name, weight in blend.weights.items() if weight > 0}


def choosing_start(past: Past, until: datetime, lists: int) -> datetime | None:
    """Return the day from which enough user-days lie before `until`, at most the newer half of all earlier ones."""
    days = past.user_days(EPOCH, until)
    keep = min(lists, len(days) // 2)
    return EPOCH + timedelta(days=days[len(days) - keep][0]) if keep else None


def judge(
    past: Past, choice: Choice, since: datetime, until: datetime, *, lists: int, seed: int, progress: "Progress | None"
) -> Report:
    """Judge a period once, with the choice made before it."""
    table, learned = None, {}
    for judged in past.walk(since, until, lists=lists, seed=seed, progress=progress, what="judging"):
        if table is None:
            blend = choice.weights if choice.champion == BLEND else {}
            table = Judge({**contenders(judged.fitted), **({BLEND: blend} if blend else {})})
            kinds = families(judged.fitted)
        table.look(judged)
        learned = {name: retriever.parameters()[0] for name, retriever in judged.fitted.retrievers.items()}
    if table is None:
        raise CannotTrain("nobody wanted anything new in that period", remedy=span(past))
    champion = table.values(choice.champion, TARGET)
    leads = {
        name: paired(champion, table.values(name, TARGET), table.people(), seed)
        for name in table.tallies
        if name != choice.champion
    }
    return Report(
        protocol="daily", since=since, until=until, lists=len(table.users), users=len(set(table.users)),
        wanted=table.wanted, unknown_share=table.unknown / max(table.wanted, 1), champion=choice.champion,
        choice=choice, rows=table.rows(kinds, seed), leads=leads, learned=learned,
    )  # fmt: skip
