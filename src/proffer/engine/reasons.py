"""Reasons in words: why an item stands in a slate, from sources and feature columns."""

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
from proffer.engine.fitted import Fitted
from proffer.engine.ranking import Ranked
from proffer.features.state import State
from proffer.models.rankers.standing import percentiles

MOST = 3
logger = logging.getLogger("proffer.serve")


class Reasons:
    """The words of one slate: of these rows of a ranked pool, and no others.

    A template's column is a feature column, or `source:NAME` for the percentile of that source's score in the pool.
    """

    def __init__(self, ranked: Ranked, rows: Sequence[int], fitted: Fitted, state: State, query: Query) -> None:
        self.state = state
        self.query = query
        self.pool = ranked.pool
        self.fitted = fitted
        self.place = {row: place for place, row in enumerate(rows)}
        needed = {name for template in fitted.pipeline.templates for name, _ in needs(template)}
        values = feature_values(ranked, rows, sorted(n for n in needed if not n.startswith(SOURCE)), state, query)
        for name in needed:
            if name.startswith(SOURCE):
                values[name] = self._standing(name.removeprefix(SOURCE))[list(rows)].tolist()
        self.templates = [(template, values[template.column]) for template in fitted.pipeline.templates]
        self.held = _held(fitted.pipeline.templates, values, len(rows))

    def of(self, row: int) -> tuple[Reason, ...]:
        """Return up to three reasons for a row of the pool: the first declared templates that hold, else its source."""
        place = self.place[row]
        held = self.held[place]
        if not held:
            return (self._ranked(row),)
        item = self.state.attributes(EntityRef(self.state.kind, self.state.ids[self.pool.ordinals[row]])) or {}
        told = [self.templates[number] for number in held]
        return tuple(_words(template, values[place], item, self.query.language) for template, values in told)

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
        likes = {name: float(shares[row]) for name, shares in self._standings.items()}
        known = {name: share for name, share in likes.items() if not np.isnan(share)}
        sv = self.query.language == "sv"
        if not known:
            text = "Inget talar för eller emot än" if sv else "Nothing speaks for or against it yet"
            return Reason(code="unknown", text=text)
        source = max(known, key=lambda name: known[name])
        text = f"Rankad hit av {source}" if sv else f"Ranked here by {source}"
        return Reason(code="ranked", text=text, values={"source": source})


def needs(template: Template) -> tuple[tuple[str, float], ...]:
    """Return every column of a template with the value it must reach, its own first."""
    return ((template.column, template.above), *template.also)


def feature_values(
    ranked: Ranked, rows: Sequence[int], names: Sequence[str], state: State, query: Query
) -> dict[str, list[float]]:
    """Return feature columns of these rows of a pool, NaN where a feature fails: reasons may, a decision may not.

    What was read for the scores is not read again. A list-relative column is relative to the list it was read with: the
    ranker's head, else the pool.
    """
    if not names or not len(rows):
        return {name: [] for name in names}
    view = state.view
    places = list(rows)
    try:
        if ranked.head is not None and set(places) <= (held := ranked.head.places()).keys():
            found = ranked.head.matrix[[held[row] for row in places]][:, [view.columns.index(name) for name in names]]
        else:
            whole = view.relative(names)
            ordinals = ranked.pool.ordinals if whole else ranked.pool.ordinals[places]
            batch = state.batch(query.subject, ordinals, query.at.timestamp(), query.context)
            found = view.some(batch, names)[places if whole else slice(None)]
    except Exception as error:
        logger.warning("the feature view failed: %s", error)
        found = np.full((len(places), len(names)), np.nan, np.float32)
    return dict(zip(names, found.T.tolist(), strict=True))


def _held(templates: Sequence[Template], values: Mapping[str, list[float]], n: int) -> list[list[int]]:
    """Return for each row (n,) the numbers of the first templates that hold, at most three."""
    reached = np.ones((len(templates), n), np.bool_)
    columns = {name: np.array(column, np.float64) for name, column in values.items()}
    for number, template in enumerate(templates):
        for name, least in needs(template):
            # An unknown value (NaN) reaches nothing.
            reached[number] &= columns[name] >= least
    found: list[list[int]] = [[] for _ in range(n)]
    for number, row in np.argwhere(reached).tolist():
        if len(found[row]) < MOST:
            found[row].append(number)
    return found


def _words(template: Template, value: float, item: Mapping[str, Any], language: str) -> Reason:
    words = template.sv if language == "sv" else template.en
    used: dict[str, str | float] = {}
    for name in _named(words):
        used[name] = round(value, 4) if name == "value" else str(item.get(name) or "")
    return Reason(code=template.code, text=words.format(**used), values=used)


@lru_cache(maxsize=1_024)
def _named(words: str) -> tuple[str, ...]:
    """Return the names that a template's words leave room for."""
    return tuple(name for name in ("value", "author", "category", "title") if f"{{{name}" in words)
