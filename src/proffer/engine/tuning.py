"""Settings of retrievers, tried on a sample of what users want next before any list is read."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from proffer.app import Pipeline, Settings
from proffer.core.entities import EntityRef
from proffer.engine.fitted import unfitted
from proffer.engine.measure import TARGET
from proffer.engine.metrics import list_metrics
from proffer.engine.plan import Plan
from proffer.engine.protocols import Walk, Want
from proffer.engine.report import Tried
from proffer.features.state import State
from proffer.models.base import Retriever, Weighable
from proffer.models.topk import top_rows

if TYPE_CHECKING:
    from proffer.engine.engine import Progress

DEPTH = 10
ERRORS = 1.0
"""A variant is taken when it leads the settings so far by this many standard errors of the difference."""


def tune(
    walk: Walk, pipeline: Pipeline, settings: Settings, plan: Plan, held: Mapping[str, Mapping[str, Any]],
    progress: "Progress | None",
) -> tuple[dict[str, dict[str, Any]], list[Tried]]:  # fmt: skip
    """Return the settings by retriever that differ from the declared ones, and all that was tried.

    Each variant is fitted on the state before the first phase and scores the whole catalogue alone; the settings that
    the previous model `held` are tried first.
    """
    planned = {one.name: one.variants for one in plan.retrievers if one.variants or held.get(one.name)}
    wants = walk.upcoming("blend", plan.wants) if planned else []
    chosen: dict[str, dict[str, Any]] = {}
    tried: list[Tried] = []
    if not wants:
        return chosen, tried
    trial = Trial(walk.state, pipeline, settings, wants)
    for number, (name, variants) in enumerate(planned.items()):
        offered = [{}, *([dict(held[name])] if held.get(name) else []), *variants]
        best, found = trial.best(name, [one for place, one in enumerate(offered) if one not in offered[:place]])
        tried += found
        if best:
            chosen[name] = best
        if progress is not None:
            progress("tuning", number + 1, len(planned))
    return chosen, tried


class Trial:
    """A frozen state with what users first want after it."""

    def __init__(self, state: State, pipeline: Pipeline, settings: Settings, wants: Sequence[Want]) -> None:
        self.state, self.pipeline, self.settings, self.wants = state, pipeline, settings, wants
        self.available = state.available()
        self.at = min(want.query.at.timestamp() for want in wants)

    def best(self, name: str, offered: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[Tried]]:
        """Return the settings to take and what each gave; a later one must lead by a standard error."""
        values = [self.ndcg(name, settings) for settings in offered]
        taken = 0
        for place in range(1, len(offered)):
            if leads(values[place] - values[taken]):
                taken = place
        found = [
            Tried(name=name, settings=dict(settings), ndcg=float(values[place].mean()), taken=place == taken)
            for place, settings in enumerate(offered)
        ]
        return dict(offered[taken]), found

    def ndcg(self, name: str, settings: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return NDCG@10 of a retriever alone over all that a user had not touched (wants,)."""
        retriever: Retriever = unfitted(self.pipeline, settings={name: settings}).retrievers[name]
        retriever.fit(self.state, at=self.at, weights=self.settings.labels)
        if isinstance(retriever, Weighable):
            retriever.weigh(self.settings.content)
        return np.array([self._gain(retriever, want) for want in self.wants])

    def _gain(self, retriever: Retriever, want: Want) -> float:
        subject: EntityRef = want.query.subject
        allowed = self.available.copy()
        allowed[self.state.touched(subject)] = False
        rows = top_rows(retriever.scores(want.query, self.state), DEPTH, self.state.ids, allowed)
        hits = np.isin(rows, self.state.ordinals(want.wanted))
        return list_metrics(hits, len(want.wanted))[TARGET]


def leads(difference: NDArray[np.float64]) -> bool:
    """Return whether a difference (n,) is above 0 by more than its standard error.

    >>> leads(np.array([0.1, 0.2, 0.15])), leads(np.array([0.5, -0.5, 0.1]))
    (True, False)
    """
    if len(difference) < 2:
        return False
    error = float(difference.std(ddof=1)) / np.sqrt(len(difference))
    return bool(difference.mean() > ERRORS * error and difference.mean() > 0)
