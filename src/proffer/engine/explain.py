"""Why an item is shown where it is, or why it is not shown."""

import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from proffer.core.decisions import Placed
from proffer.core.errors import NotFound
from proffer.core.queries import Query
from proffer.engine import serve
from proffer.engine.pool import masks
from proffer.engine.queries import check, earlier_pages
from proffer.engine.ranking import Ranked, ranking
from proffer.engine.reader import named
from proffer.engine.slate import Lineup
from proffer.models.base import Contributing

if TYPE_CHECKING:
    from proffer.engine.engine import Engine


TOLD = 5
"""How many columns of a ranker are told."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One condition on the way to the slate, whether the item met it, and in words what it found."""

    step: str
    passed: bool
    text: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Where an item stands for a query, and every step on the way there."""

    item: str
    shown: bool
    rank: int | None
    steps: tuple[Step, ...]
    placed: Placed | None = None
    columns: dict[str, float | None] = {}


def explain(engine: "Engine", query: Query, item: str) -> Explanation:
    """Decide again without logging, and follow the item through every step. Raises NotFound."""
    shown = earlier_pages(engine, query)
    with engine.lock:
        check(engine, query)
        ordinal = int(engine.state.ordinals([item])[0])
        if ordinal < 0:
            raise NotFound(
                f"no {engine.app.item} of that id", field="item", remedy="Send an event about it, or PUT it."
            )
        asked = serve.Asked.of(query, engine.fitted[query.pipeline], engine.settings, engine.state, shown)
        steps = [
            _condition(name, bool(mask[ordinal])) for name, mask in masks(asked.fitted, asked.rules, shown).items()
        ]
        decided = serve.decide(asked, time.perf_counter(), engine.deadline_ms)
        ranked, lineup, slate = decided.ranked, decided.lineup, decided.slate
        columns = _columns(engine, query, ordinal)
        steps += _pooled(asked, ranked, decided.rung, ordinal)
        steps += _weighed(asked, decided, ordinal)
        placed = next((placed for placed in slate if placed.id == engine.state.ids[ordinal]), None)
        steps += _placing(placed, ranked, lineup, ordinal, query)
    return Explanation(
        item=item, shown=placed is not None, rank=placed.rank if placed else None, steps=tuple(steps), placed=placed,
        columns=columns,
    )  # fmt: skip


def _condition(name: str, passed: bool) -> Step:
    return Step(
        step=name, passed=passed, text=f"meets the condition: {name}" if passed else f"fails the condition: {name}"
    )


def _pooled(asked: serve.Asked, ranked: Ranked, rung: str, ordinal: int) -> list[Step]:
    rows = np.flatnonzero(ranked.pool.ordinals == ordinal)
    if not len(rows):
        text = f"no source of {rung} has it among its best {max(asked.fitted.pipeline.pool, asked.query.n)}"
        if asked.query.candidates is not None:
            text = "it is not among the given candidates that may be shown"
        if asked.query.group is not None:
            text = f"it is not among the {asked.state.kind}s of {asked.query.group} that may be shown"
        return [Step(step="proposed", passed=False, text=text)]
    row = int(rows[0])
    by = [name for place, name in enumerate(asked.fitted.sources) if ranked.pool.proposed[row, place]]
    place = int(np.flatnonzero(ranked.order == row)[0]) + 1
    score = float(ranked.scores[row])
    return [
        Step(step="proposed", passed=True, text=f"proposed by {', '.join(by) or 'a pin'}"),
        Step(step="scored", passed=True, text=f"place {place} of {len(ranked.order)} by {rung}, score {score:.4g}"),
        *_ranker(asked, ranked, row),
    ]


def _ranker(asked: serve.Asked, ranked: Ranked, row: int) -> list[Step]:
    """Return what the ranker went by, where there is one: the columns that part the row most from the usual one."""
    ranker, head = asked.fitted.ranker, ranked.head
    if ranked.why is not None:
        return [Step(step="ranked", passed=False, text=ranked.why)]
    if ranker is None or head is None:
        return []
    place = head.places().get(row)
    if place is None:
        text = f"not among the best {len(head.rows)} of the blend, which {ranker.name} puts in order"
        return [Step(step="ranked", passed=False, text=text)]
    if not isinstance(ranker, Contributing):
        return [Step(step="ranked", passed=True, text=f"put in order by {ranker.name}")]
    parts = ranker.contributions(head.matrix, head.columns).astype(np.float64)
    parts = parts[place] - parts.mean(axis=0)
    told = [
        f"{_in_words(head.columns[column])} = {head.matrix[place, column]:.4g} ({parts[column]:+.3g})"
        for column in np.argsort(-np.abs(parts), kind="stable")[:TOLD].tolist()
        if parts[column]
    ]
    text = f"{ranker.name}, against the mean of the best {len(head.rows)}: {', '.join(told) or 'nothing parts it'}"
    return [Step(step="ranked", passed=True, text=text)]


def _weighed(asked: serve.Asked, decided: serve.Decided, ordinal: int) -> list[Step]:
    """Return where objectives put the item, where any are weighed: by each one's standing in the list."""
    rows, aimed = np.flatnonzero(decided.ranked.pool.ordinals == ordinal), decided.aimed
    if aimed is None or not len(rows):
        return []
    if aimed.why is not None:
        return [Step(step="weighed", passed=False, text=aimed.why)]
    row = int(rows[0])
    place = ranking(aimed.scores, decided.ranked.pool.ordinals, asked.state.ids).tolist().index(row) + 1
    told = [
        f"{name} {weight:g} (percentile {aimed.percentiles[name][row]:.2f})"
        for name, weight in aimed.weights.items()
        if weight
    ]
    text = f"place {place} of {len(aimed.scores)} by the objectives {', '.join(told)}"
    return [Step(step="weighed", passed=True, text=text)]


def _in_words(column: str) -> str:
    """Return a ranker's column as a reader knows it: a feature by its name, a source's standing by the source's."""
    source, _, of = column.rpartition(":")
    return {"z": f"z-score of {source}", "rank": f"percentile by {source}"}.get(of, column) if source else column


def _placing(placed: Placed | None, ranked: Ranked, lineup: Lineup, ordinal: int, query: Query) -> list[Step]:
    shown = min(query.n, len(lineup.kept))
    if placed is not None:
        text = f"rank {placed.rank} of {shown} after boosts, diversity, caps and pins"
        return [Step(step="placed", passed=True, text=text), *_explored(placed)]
    rows = np.flatnonzero(ranked.pool.ordinals == ordinal).tolist()
    if not rows:
        return []
    if rows[0] not in lineup.kept:
        text = "a cap is used up by better ones of its kind"
        return [Step(step="within caps", passed=False, text=text)]
    text = f"rank {lineup.kept.index(rows[0]) + 1} after boosts, diversity, caps and pins; {shown} are shown"
    return [Step(step="placed", passed=False, text=text)]


def _explored(placed: Placed) -> list[Step]:
    """Say when a place was filled by chance instead of by rank."""
    if not placed.explored:
        return []
    text = f"exploration drew it for this place, by a chance of {placed.propensity:.3g}; another one is ranked here"
    return [Step(step="explored", passed=True, text=text)]


def _columns(engine: "Engine", query: Query, ordinal: int) -> dict[str, float | None]:
    batch = engine.state.batch(query.subject, np.array([ordinal]), query.at.timestamp(), query.context)
    row = engine.app.view.matrix(batch)[0]
    return named(engine.app.view.columns, row)
