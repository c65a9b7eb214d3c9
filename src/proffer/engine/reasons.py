"""Reasons in words: why an item stands in a slate, from sources and feature columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.app import SOURCE, Template
from proffer.core.decisions import Reason
from proffer.core.entities import EntityRef
from proffer.core.queries import Query
from proffer.engine.fitted import Fitted
from proffer.engine.pool import Pool
from proffer.features.state import State

MOST = 3


class Reasons:
    """The words of one slate.

    A template's column is a feature column, or `source:NAME` for the percentile of that source's score in the pool.
    """

    def __init__(self, pool: Pool, fitted: Fitted, state: State, query: Query) -> None:
        self.state = state
        self.query = query
        self.columns = [
            (template, [(_column(name, pool, fitted, state), least) for name, least in needs(template)])
            for template in fitted.pipeline.templates
        ]
        self.ordinals = pool.ordinals
        self.scores = pool.scores
        self.fitted = fitted

    def of(self, row: int) -> tuple[Reason, ...]:
        """Return up to three reasons for a row of the pool: the first declared templates that hold, else its source."""
        item = self.state.attributes(EntityRef(self.state.kind, self.state.ids[self.ordinals[row]])) or {}
        held = [
            (template, float(columns[0][0][row]))
            for template, columns in self.columns
            if all(column[row] >= least for column, least in columns)
        ]
        found = tuple(_words(template, value, item, self.query.language) for template, value in held[:MOST])
        return found or (self._ranked(row),)

    def _ranked(self, row: int) -> Reason:
        """Say which of the sources that count likes the row best, where no template has words for it."""
        counting = [name for name in self.fitted.sources if self.fitted.weights.get(name, not self.fitted.weights)]
        likes = {name: float(percentiles(self.scores[:, self.fitted.sources.index(name)])[row]) for name in counting}
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


def _column(name: str, pool: Pool, fitted: Fitted, state: State) -> NDArray[np.floating]:
    if not name.startswith(SOURCE):
        return pool.matrix[:, state.view.columns.index(name)]
    return percentiles(pool.scores[:, fitted.sources.index(name.removeprefix(SOURCE))])


def percentiles(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the share of known scores that are not above each score (m,), NaN for an unknown or an only one.

    >>> percentiles(np.array([3.0, np.nan, 1.0]))
    array([1. , nan, 0.5])
    """
    found = np.full(len(scores), np.nan)
    known = ~np.isnan(scores)
    if known.sum() > 1:
        values = scores[known]
        found[known] = np.searchsorted(np.sort(values), values, side="right") / len(values)
    return found


def _words(template: Template, value: float, item: Mapping[str, Any], language: str) -> Reason:
    values: dict[str, str | float] = {"value": round(value, 4)}
    for name in ("author", "category", "title"):
        values[name] = str(item.get(name) or "")
    words = template.sv if language == "sv" else template.en
    used = {name: value for name, value in values.items() if f"{{{name}" in words}
    return Reason(code=template.code, text=words.format(**used), values=used)
