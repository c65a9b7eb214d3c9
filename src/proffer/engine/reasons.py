"""Reasons in words: why an item stands in a slate, from sources and feature columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from proffer.app import Template
from proffer.core.decisions import Reason
from proffer.core.entities import EntityRef
from proffer.core.queries import Query
from proffer.engine.fitted import Fitted
from proffer.engine.pool import Pool
from proffer.features.state import State

MOST = 3
SOURCE = "source:"


def reasons(pool: Pool, row: int, fitted: Fitted, state: State, query: Query) -> tuple[Reason, ...]:
    """Return up to three reasons, those of the application's templates that hold most, in order of declaration.

    A template's column is a feature column, or `source:NAME` for the percentile of that source's score in the pool.
    """
    columns = {name: place for place, name in enumerate(state.view.columns)}
    item = state.attributes(EntityRef(state.kind, state.ids[pool.ordinals[row]])) or {}
    found = []
    for template in fitted.pipeline.templates:
        value = _value(template, pool, row, columns, fitted)
        if value is not None and value >= template.above:
            found.append(_words(template, value, item, query.language))
        if len(found) == MOST:
            break
    return tuple(found)


def _value(template: Template, pool: Pool, row: int, columns: dict[str, int], fitted: Fitted) -> float | None:
    if not template.column.startswith(SOURCE):
        value = float(pool.matrix[row, columns[template.column]])
        return None if np.isnan(value) else value
    name = template.column.removeprefix(SOURCE)
    scores = pool.scores[:, fitted.sources.index(name)]
    if np.isnan(scores[row]):
        return None
    known = scores[~np.isnan(scores)]
    return float(np.mean(known <= scores[row])) if len(known) > 1 else None


def _words(template: Template, value: float, item: Mapping[str, Any], language: str) -> Reason:
    values: dict[str, str | float] = {"value": round(value, 4)}
    for name in ("author", "category", "title"):
        values[name] = str(item.get(name) or "")
    words = template.sv if language == "sv" else template.en
    used = {name: value for name, value in values.items() if f"{{{name}" in words}
    return Reason(code=template.code, text=words.format(**used), values=used)
