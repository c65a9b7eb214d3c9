"""What an engine knows, to look at: decisions, entities, features."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from proffer.core.clock import made_at
from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid, NotFound
from proffer.engine.health import Health, health
from proffer.features.base import Feature
from proffer.features.view import FeatureView

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

BEHIND_SECONDS, LOOK_SECONDS = 1.0, 0.02
CLOCKS_APART = 5.0
"""Seconds within which an id counts as made just now, by whatever machine's clock."""


class Reader:
    """Reads one workspace and changes nothing."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    def decision(self, id: str) -> Decision:
        """Return a logged decision. Raises NotFound.

        One that another process made a moment ago is waited for: it writes its decisions behind its answers.
        """
        decisions = self._engine.stores.decisions
        until = time.monotonic() + BEHIND_SECONDS
        while (found := decisions.get(id)) is None and self._may_come(id) and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        if found is None:
            raise NotFound("no such decision in this workspace", field="id", remedy="Take the id from a slate.")
        return found

    def _may_come(self, id: str) -> bool:
        at = made_at(id)
        age = None if at is None else self._engine.clock.now().timestamp() - at
        return self._engine.stores.shared and age is not None and abs(age) < CLOCKS_APART

    def entity(self, kind: str, id: str) -> dict[str, Any]:
        """Return what is known of an entity. Raises NotFound."""
        kinds = self._engine.app.schema.entities
        if kind not in kinds:
            raise Invalid("unknown kind", field="kind", remedy=f"Use one of {', '.join(kinds)}.")
        found = self._engine.state.attributes(EntityRef(kind, id))
        if found is None:
            raise NotFound(f"no {kind} of that id", field="id", remedy="Set it with PUT first.")
        return dict(found)

    def features(self, subject: str | None, item: str | None) -> dict[str, float | None]:
        """Return the feature columns of a subject, an item, or a pair by name, None for unknown. Raises NotFound."""
        engine, view = self._engine, self._engine.app.view
        with engine.lock:
            ordinals = engine.state.ordinals([item]) if item is not None else np.array([-1])
            if item is not None and ordinals[0] < 0:
                raise _nothing(engine.app.item, "item")
            ref = EntityRef(engine.app.subject, subject) if subject is not None else None
            if ref is not None and engine.state.subject_ordinal(ref) < 0 and engine.state.attributes(ref) is None:
                raise _nothing(engine.app.subject, "subject")
            row = view.matrix(engine.state.batch(ref, ordinals, engine.clock.now().timestamp(), {}))[0]
        wanted = {"subject"} if item is None else {"item"} if subject is None else {"subject", "item", "pair"}
        told = [about(view, feature) in wanted for feature in view.features for _ in feature.columns]
        return {
            name: value for (name, value), shown in zip(named(view.columns, row).items(), told, strict=True) if shown
        }

    def health(self) -> Health:
        """Return how each part is, with the freshness of what it works on."""
        return health(self._engine)


def named(columns: Sequence[str], row: NDArray[np.float32]) -> dict[str, float | None]:
    """Return a row of the matrix (d,) by column, None for unknown."""
    return {name: None if np.isnan(value) else float(value) for name, value in zip(columns, row, strict=True)}


def about(view: FeatureView, feature: Feature) -> Literal["subject", "item", "pair", "query"]:
    """Return what a feature speaks of: the subject, the item, both together, or the query and its list."""
    if any(column.stage != "state" for column in feature.columns):
        return "query"
    side = getattr(feature, "side", None)
    if side is not None and not feature.states:
        return "subject" if side == "actor" else "item"
    parts = {part for scope, state in feature.states for part in (*view.layout.scopes[scope].parts, *state.parts)}
    sides = {part.split(".")[0] for part in parts} - {"all"}
    if sides == {"actor"} and not feature.reads:
        return "subject"
    return "item" if sides <= {"target", "group"} and (sides or feature.reads) else "pair"


def _nothing(kind: str, field: str) -> NotFound:
    return NotFound(f"no {kind} of that id", field=field, remedy="Send an event that names it, or PUT it.")
