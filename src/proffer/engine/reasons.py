"""Reasons in words: why an item stands in a slate, from sources, feature columns and what these add to its score."""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.app import SOURCE, Template
from proffer.core.decisions import Reason
from proffer.core.entities import EntityRef
from proffer.core.queries import Query
from proffer.engine.added import added
from proffer.engine.fitted import Fitted
from proffer.engine.objectives import Aimed
from proffer.engine.ranking import Ranked, read_columns
from proffer.features.state import State
from proffer.models.rankers.standing import percentiles

MOST = 3
WELL = 0.75
"""Where an item must stand by an objective for that to be a reason: in the best quarter of the list."""
logger = logging.getLogger("proffer.serve")


class Reasons:
    """The words of one slate: of these rows of a ranked pool, and no others.

    A template's column is a feature column, or `source:NAME` for the percentile of that source's score in the pool.
    Where the pipeline tells reasons by contribution and a ranker that can tell decided, the templates that hold stand
    in the order of what their columns add to the score, and one that adds nothing is not told.
    """

    def __init__(
        self, ranked: Ranked, rows: Sequence[int], fitted: Fitted, state: State, query: Query,
        aimed: Aimed | None = None,
    ) -> None:  # fmt: skip
        self.state = state
        self.query = query
        self.pool = ranked.pool
        self.fitted = fitted
        self.aimed = aimed
        self.place = {row: place for place, row in enumerate(rows)}
        templates = fitted.pipeline.templates
        needed = {name for template in templates for name, _ in needs(template)}
        values = feature_values(ranked, rows, sorted(n for n in needed if not n.startswith(SOURCE)), state, query)
        for name in needed:
            if name.startswith(SOURCE):
                values[name] = self._standing(name.removeprefix(SOURCE))[list(rows)].tolist()
        self.templates = [(template, values[template.column]) for template in templates]
        held = _held(templates, values, len(rows))
        worth = None
        if templates and fitted.pipeline.reasons == "contributions":
            worth = added(ranked, rows, fitted, [columns_of(template) for template in templates])
        self.weighed = worth is not None
        if worth is not None:
            held = [_first(told, adds) for told, adds in zip(held, worth.tolist(), strict=True)]
        self.held = [told[:MOST] for told in held]

    def of(self, row: int) -> tuple[Reason, ...]:
        """Return up to three reasons for a row of the pool; what answered as a whole, where no template has words."""
        place = self.place[row]
        item = self.state.attributes(EntityRef(self.state.kind, self.state.ids[self.pool.ordinals[row]])) or {}
        told = [self.templates[number] for number in self.held[place]]
        found = [_words(template, values[place], item, self.query.language) for template, values in told]
        found = [*self._aim(row), *found][:MOST]
        return tuple(found) or (self._ranked(row),)

    def _aim(self, row: int) -> list[Reason]:
        """Name the objective that lifts a row most, where it stands well by one that is weighed."""
        if self.aimed is None or not self.aimed.percentiles:
            return []
        declared = self.fitted.pipeline.objectives
        lifts = {
            name: weight * (float(self.aimed.percentiles[name][row]) - 0.5)
            for name, weight in self.aimed.weights.items()
            if weight and declared[name].column is not None and self.aimed.percentiles[name][row] >= WELL
        }
        if not lifts:
            return []
        name = max(lifts, key=lambda one: lifts[one])
        sv = self.query.language == "sv"
        text = f"Prioriterat här: {declared[name].sv}" if sv else f"Asked for here: {declared[name].en}"
        value = float(self.aimed.values[name][row])
        return [Reason(code="objective", text=text, values={"objective": name, "value": round(value, 4)})]

    def _standing(self, source: str) -> NDArray[np.float64]:
        if source not in self.pool.sources:
            return np.full(len(self.pool.scores), np.nan)
        return percentiles(self.pool.scores[:, self.pool.sources.index(source)])

    @cached_property
    def _standings(self) -> dict[str, NDArray[np.float64]]:
        """Return the percentiles (m,) of each source that counts; all of them, where nothing was learned."""
        return {name: self._standing(name) for name in self.fitted.counting or self.fitted.sources}

    def _ranked(self, row: int) -> Reason:
        """Say which of the sources that count likes the row best, where no template has words for it."""
        sv = self.query.language == "sv"
        if self.weighed:
            text = "Ingen enskild egenskap avgör, utan helheten" if sv else "No single thing decides, but all together"
            return Reason(code="model", text=text)
        likes = {name: float(shares[row]) for name, shares in self._standings.items()}
        known = {name: share for name, share in likes.items() if not np.isnan(share)}
        if not known:
            text = "Inget talar för eller emot än" if sv else "Nothing speaks for or against it yet"
            return Reason(code="unknown", text=text)
        source = max(known, key=lambda name: known[name])
        text = f"Rankad hit av {source}" if sv else f"Ranked here by {source}"
        return Reason(code="ranked", text=text, values={"source": source})


def needs(template: Template) -> tuple[tuple[str, float], ...]:
    """Return every column of a template with the value it must reach, its own first."""
    return ((template.column, template.above), *template.also)


def columns_of(template: Template) -> tuple[str, ...]:
    """Return the columns of a ranker's matrix that a template speaks for: its own and those akin to it."""
    found: list[str] = []
    for name in dict.fromkeys((template.column, *template.akin)):
        source = name.removeprefix(SOURCE)
        found += [name] if source == name else [f"{source}:z", f"{source}:rank"]
    return tuple(found)


def feature_values(
    ranked: Ranked, rows: Sequence[int], names: Sequence[str], state: State, query: Query
) -> dict[str, list[float]]:
    """Return feature columns of these rows of a pool, NaN where a feature fails: reasons may, a decision may not."""
    if not names or not len(rows):
        return {name: [] for name in names}
    try:
        found = read_columns(ranked, rows, names, state, query)
    except Exception as error:
        logger.warning("the feature view failed: %s", error)
        found = np.full((len(rows), len(names)), np.nan, np.float32)
    return dict(zip(names, found.T.tolist(), strict=True))


def _held(templates: Sequence[Template], values: Mapping[str, list[float]], n: int) -> list[list[int]]:
    """Return for each row (n,) the numbers of the templates that hold, in the order declared."""
    reached = np.ones((len(templates), n), np.bool_)
    columns = {name: np.array(column, np.float64) for name, column in values.items()}
    for number, template in enumerate(templates):
        for name, least in needs(template):
            # An unknown value (NaN) reaches nothing.
            reached[number] &= columns[name] >= least
    return [np.flatnonzero(told).tolist() for told in reached.T]


def _first(held: Sequence[int], adds: Sequence[float]) -> list[int]:
    """Return the numbers of those templates that add something to the score, the most first."""
    return sorted((number for number in held if adds[number] > 0.0), key=lambda number: -adds[number])


class Swedish(float):
    """A number as Swedish writes it: a space that does not break between thousands, and a comma before decimals.

    >>> f"{Swedish(12500.5):,.1f}".replace(chr(0xA0), " ")
    '12 500,5'
    """

    def __format__(self, spec: str) -> str:
        """Return the number as this asks, with Swedish signs."""
        return super().__format__(spec).translate({ord(","): "\u00a0", ord("."): ","})


def _words(template: Template, value: float, item: Mapping[str, Any], language: str) -> Reason:
    words = template.sv if language == "sv" else template.en
    used: dict[str, str | float] = {}
    for name in _named(words):
        used[name] = round(value, 4) if name == "value" else str(item.get(name) or "")
    # A category is often a code, and people read words.
    told = {**used, "category": str(used.get("category", "")).replace("_", " ")}
    if language == "sv" and "value" in used:
        told["value"] = Swedish(used["value"])
    return Reason(code=template.code, text=words.format(**told), values=used)


@lru_cache(maxsize=1_024)
def _named(words: str) -> tuple[str, ...]:
    """Return the names that a template's words leave room for."""
    return tuple(name for name in ("value", "author", "category", "title") if f"{{{name}" in words)
