"""What the walks of all protocols share: which phase is next, what is fitted when, what it took."""

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np

from proffer.core.errors import Invalid
from proffer.engine.fitted import Fitted, unfitted
from proffer.engine.lists import Maker
from proffer.engine.past import Past, moment
from proffer.engine.protocols import PHASES, Cost, Judged, Size, Span, Want
from proffer.engine.timeline import Tape
from proffer.features.state import State


class Walking:
    """A walk through a past; a protocol says what each phase holds. See `Walk`."""

    name = ""

    def __init__(self, past: Past, seed: int = 0) -> None:
        self.past, self.seed = past, seed
        self.refits: Mapping[str, int] = {}
        self.costs: dict[str, Cost] = {}
        self.state: State = past.empty()
        self.tape = Tape(past.timeline)
        self.maker = Maker(past, self.costs)
        self._skipped: frozenset[str] = frozenset()
        self._fitted = unfitted(past.pipeline)
        self._begun = self._over = -1

    @property
    def fitted(self) -> Fitted:
        """Return what is fitted from the next boundary on."""
        return self._fitted

    @fitted.setter
    def fitted(self, fitted: Fitted) -> None:
        kept = {name: one for name, one in fitted.retrievers.items() if name not in self._skipped}
        self._fitted = fitted if len(kept) == len(fitted.retrievers) else replace(fitted, retrievers=kept)

    @property
    def skipped(self) -> frozenset[str]:
        """Return the retrievers that are never fitted or asked."""
        return self._skipped

    @skipped.setter
    def skipped(self, names: Collection[str]) -> None:
        self._skipped = frozenset(names)
        self.fitted = self._fitted

    def size(self) -> Size:
        """Return how large the evaluation is."""
        acts = self.past.acts
        return Size(
            users=len(np.unique(acts.user)),
            items=len(np.unique(acts.item)),
            wanted=int(acts.news.sum()),
            events=len(self.past),
            phases={phase: self.span(phase) for phase in PHASES},
        )

    def span(self, phase: str) -> Span:
        """Return what a phase covers."""
        raise NotImplementedError

    def upcoming(self, phase: str, most: int) -> list[Want]:
        """Move the state to the start of a phase and return what a seeded sample of users first want in it."""
        self._begin(phase)
        return self.wants(phase, most)

    def phase(self, phase: str, lists: int) -> Iterator[Judged]:
        """Yield at most so many lists of a phase, a seeded sample where there are more."""
        self._begin(phase)
        self._over = PHASES.index(phase)
        return self.lists(phase, lists)

    def enter(self, phase: str) -> None:
        """Move the state to the start of a phase."""
        raise NotImplementedError

    def wants(self, phase: str, most: int) -> list[Want]:
        """Return what a sample of users first want in a phase that has been entered."""
        raise NotImplementedError

    def lists(self, phase: str, most: int) -> Iterator[Judged]:
        """Yield the lists of a phase that has been entered."""
        raise NotImplementedError

    def fold(self, place: int) -> None:
        """Fold everything before a place of the past."""
        for events in self.tape.before(place):
            self.state.fold(events)

    def fit(
        self, at: float, boundary: int = 0, *, state: State | None = None, fitted: Fitted | None = None
    ) -> None:  # fmt: skip
        """Fit what is due at a boundary of a phase, counted from 0, on a state (None: the walk's) at epoch seconds."""
        state = self.state if state is None else state
        for name, retriever in (self._fitted if fitted is None else fitted).retrievers.items():
            if boundary % max(self.refits.get(name, 1), 1):
                continue
            started = time.perf_counter()
            retriever.fit(state, at=at, weights=self.past.settings.labels)
            cost = self.costs.setdefault(name, Cost())
            cost.fit_seconds += time.perf_counter() - started
            cost.fits += 1

    def _begin(self, phase: str) -> None:
        if phase not in PHASES:
            raise Invalid(f"unknown phase {phase[:20]!r}", field="phase", remedy=f"Use one of {', '.join(PHASES)}.")
        number = PHASES.index(phase)
        if number <= self._over or number < self._begun:
            raise Invalid(f"the {phase} phase is over", field="phase", remedy="Begin a new walk.")
        if number > self._begun:
            self.enter(phase)
            self._begun = number


def timed(since: float, until: float, *, boundaries: int, lists: int) -> Span:
    """Return the span of a phase that goes by time."""
    return Span(since=moment(since), until=moment(until), boundaries=boundaries, lists=lists)
