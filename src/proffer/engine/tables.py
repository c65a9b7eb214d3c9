"""What the choosing phases measured: each contender on the lists that it did not learn from."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from proffer.engine.judge import Judge
from proffer.engine.measure import weights_of
from proffer.engine.metrics import Interval, intervals, paired
from proffer.engine.report import Step

CHOICE_LEVEL = 0.9
"""Of the interval above 0 that a challenger needs to take over: 95 % sure to be better. The gate asks for more."""
TRAIN = ("ndcg@5", "ndcg@10")


@dataclass
class Tables:
    """The choosing phases' measures, the learn phase in two halves; `since` tells from which on a contender is judged.

    Before that it learned from the lists, or did not exist yet.
    """

    judges: list[Judge] = field(default_factory=list)
    since: dict[str, int] = field(default_factory=dict)

    def lists(self, since: int = 0) -> int:
        """Return how many lists the parts from there on hold."""
        return sum(len(judge.users) for judge in self.judges[since:])

    def mean(self, name: str, since: int) -> float:
        """Return a contender's mean NDCG@10 from a phase on."""
        judges = [judge for judge in self.judges[since:] if judge.users]
        values = np.concatenate([judge.values(name) for judge in judges])
        return float(np.average(values, weights=_counts(judges)))

    def train(self, name: str, seed: int) -> dict[str, Interval]:
        """Return a contender's mean NDCG@5 and @10 over all lists it was judged on before the report, by user."""
        judges = [judge for judge in self.judges[self.since.get(name, 0) :] if judge.users and judge.has(name)]
        if not judges:
            return {}
        values = np.column_stack([np.concatenate([judge.values(name, cut) for judge in judges]) for cut in TRAIN])
        return intervals(values, _users(judges), TRAIN, seed, weights=_counts(judges))

    def step(self, challenger: str, incumbent: str, seed: int) -> Step | None:
        """Compare two on every list neither learned from, None without any; a tie goes to the incumbent."""
        since = max(self.since.get(name, 0) for name in (challenger, incumbent))
        if not self.lists(since):
            return None
        judges = [judge for judge in self.judges[since:] if judge.users]
        a, b = (np.concatenate([judge.values(name) for judge in judges]) for name in (challenger, incumbent))
        lead = paired(a, b, _users(judges), seed, CHOICE_LEVEL, _counts(judges))
        return Step(challenger=challenger, incumbent=incumbent, lead=lead, lists=len(a), taken=above_zero(lead))


def _users(judges: Sequence[Judge]) -> NDArray[np.int64]:
    return np.unique(np.concatenate([judge.users for judge in judges]), return_inverse=True)[1]


def _counts(judges: Sequence[Judge]) -> NDArray[np.float64] | None:
    return weights_of([weight for judge in judges for weight in judge.weights])


def above_zero(lead: Interval) -> bool:
    """Return whether a lead lies above 0 with its whole interval; a tie goes to the simpler."""
    return lead.low is not None and lead.low > 0
