"""Those who wanted what you wanted lately: a neighbourhood walked in the live state."""

from collections.abc import Mapping
from itertools import product
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import Interactions, LiveState
from proffer.core.queries import Query
from proffer.models.base import DAY, WEEK, Family, Parameters, ScoringRetriever, nearest
from proffer.models.compiled import compiled
from proffer.models.histories import ITEM, first_wanted, graded, latest_sample, seeds, walk

_HALF_LIVES = (DAY / 4, DAY, WEEK, 30 * DAY)


class Covisits(ScoringRetriever):
    """From the subject's last `recent` wanted items to the last `users` of each, to the last `items` of those.

    Every hop weighs by recency (half-life), a seed by its place, an item is divided by its decayed count to the power
    of `damping` against mere popularity. There is nothing to fit but half-life and damping, so an item
    enters with its first event. A query costs at most recent x users x items steps.

    VS-kNN: Jannach and Ludewig, RecSys 2017; VMIS-kNN: Kersbergen, Sprangers and Schelter, SIGMOD 2022.
    """

    name = "covisits"
    family: Family = "collaborative"

    def __init__(
        self, recent: int = 10, users: int = 50, items: int = 20, *, half_life: float = WEEK, damping: float = 0.5,
        sample: int = 300,
    ) -> None:  # fmt: skip
        self.recent, self.users, self.items = recent, users, items
        self.half_life = half_life
        self.damping = damping
        self.sample = sample
        self.judged: dict[str, float] = {}

    def fit(self, state: LiveState, *, at: float, weights: Mapping[str, float]) -> Self:
        """Choose half-life and damping by how well they foresaw the latest wanted events, and return self."""
        interactions = state.interactions()
        grades = graded(interactions, weights)
        asked = latest_sample(first_wanted(interactions, grades, at), 1 / 3, self.sample)
        self.judged = {}
        if not len(asked):
            return self
        lives = {nearest(state.half_lives, wanted) for wanted in _HALF_LIVES}
        grid = list(product(sorted(lives, reverse=True), (0.0, 0.5)))
        ask = np.zeros(len(grades), np.bool_)
        ask[asked] = True
        caps = (self.recent, self.users, self.items)
        popular = nearest(state.half_lives, WEEK)
        gains = _foresight(*_columns(interactions, grades), ask, caps, np.asarray(grid), len(state.ids), popular)
        self.judged = {f"{half / DAY:g} d, {damp:g}": float(g) for (half, damp), g in zip(grid, gains, strict=True)}
        if gains.max() > 0.0:
            self.half_life, self.damping = grid[int(np.argmax(gains))]
        return self

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return the weight of all walks that end at each item (n,), NaN where none does."""
        interactions, at = state.interactions(), min(query.at.timestamp(), state.latest)
        found, _ = seeds(query, state, self.recent)
        popular = np.empty(0)
        if self.damping:
            popular = state.decayed(nearest(state.half_lives, WEEK), at)
        scores = np.zeros(len(state.ids))
        _walks(
            found, state.subject_ordinal(query.subject), at, interactions.item_head, interactions.subject_head,
            *_columns(interactions, interactions.weight), (self.recent, self.users, self.items),
            self.half_life, self.damping, popular, scores,
            np.zeros(len(interactions.subject_head), np.bool_), np.zeros(len(scores), np.int64),
        )  # fmt: skip
        if ITEM in query.context:
            scores[found] = 0.0
        return np.where(scores > 0.0, scores, np.nan)

    def parameters(self) -> Parameters:
        """Return half-life in seconds, damping, and how well each pair did."""
        return {"half_life": self.half_life, "damping": self.damping, "judged": self.judged}, {}

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG002
        """Take over half-life and damping and return self."""
        self.half_life, self.damping = float(values["half_life"]), float(values["damping"])
        self.judged = dict(values.get("judged", {}))
        return self

    def memory(self, users: int, items: int, interactions: int) -> int:
        """Return the bytes of the marks and sums of a walk, and of the columns of a replay."""
        return 17 * users + 40 * items + 26 * interactions


def _columns(interactions: Interactions, grades: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    return (
        interactions.subject, interactions.item, interactions.at, grades, interactions.by_subject, interactions.by_item,
    )  # fmt: skip


@compiled
def _walks(  # type: ignore[no-untyped-def]
    found, subject, at, item_head, subject_head, subjects, items, times, grades, by_subject, by_item, caps,
    half_life, damping, popular, scores, met, mark,
):  # fmt: skip
    stamp = 0
    company = np.empty(caps[1], np.int64)
    for place in range(len(found)):
        row, users = item_head[found[place]], 0
        newest = times[row] if row >= 0 else at
        for _ in range(2 * caps[1]):
            if row < 0 or users == caps[1]:
                break
            user = subjects[row]
            if grades[row] > 0.0 and user != subject and not met[user]:
                met[user], company[users] = True, user
                users += 1
                stamp += 1
                # Relative to the newest company of this seed: an old seed has weak company, not none.
                weight = 2.0 ** (-max(newest - times[row], 0.0) / half_life) / (1.0 + place)
                _reach(subject_head[user], found[place], weight, at, items, times, grades, by_subject, caps[2],
                       half_life, scores, mark, stamp)  # fmt: skip
            row = by_item[row]
        for neighbour in company[:users]:
            met[neighbour] = False
    if damping > 0.0:
        for item in range(len(scores)):
            if scores[item] > 0.0:
                scores[item] /= (1.0 + popular[item]) ** damping


@compiled
def _reach(  # type: ignore[no-untyped-def]
    row, seed, weight, at, items, times, grades, by_subject, most, half_life, scores, mark, stamp
):  # fmt: skip
    reached = 0
    for _ in range(2 * most):
        if row < 0 or reached == most:
            break
        item = items[row]
        if mark[item] != stamp:
            mark[item] = stamp
            if grades[row] > 0.0 and item != seed:
                reached += 1
                scores[item] += weight * 2.0 ** (-max(at - times[row], 0.0) / half_life)
        row = by_subject[row]


@compiled
def _foresight(  # type: ignore[no-untyped-def]
    subjects, items, times, grades, by_subject, by_item, ask, caps, grid, n, popular_half_life
):  # fmt: skip
    users = subjects.max() + 1
    item_head, subject_head = np.full(n, -1, np.int64), np.full(users, -1, np.int64)
    met, mark = np.zeros(users, np.bool_), np.zeros(n, np.int64)
    count, last = np.zeros(n), np.full(n, times[0])
    gains = np.zeros(len(grid))
    for row in range(len(items)):
        at, item, user = times[row], items[row], subjects[row]
        if ask[row]:
            found, _ = walk(subject_head[user], by_subject, items, times, grades, caps[0], 8 * caps[0])
            popular = count * 2.0 ** (-np.maximum(at - last, 0.0) / popular_half_life)
            for place in range(len(grid)):
                scores = np.zeros(n)
                mark[:] = 0
                _walks(found, user, at, item_head, subject_head, subjects, items, times, grades, by_subject, by_item,
                       caps, grid[place, 0], grid[place, 1], popular, scores, met, mark)  # fmt: skip
                past = subject_head[user]
                while past >= 0:
                    scores[items[past]] = 0.0
                    past = by_subject[past]
                if scores[item] > 0.0:
                    ahead, tied = (scores > scores[item]).sum(), (scores == scores[item]).sum()
                    gains[place] += 1.0 / np.log2(1.0 + ahead + (tied + 1) / 2.0)
        if grades[row] > 0.0:
            count[item] = count[item] * 2.0 ** (-max(at - last[item], 0.0) / popular_half_life) + 1.0
            last[item] = max(at, last[item])
        item_head[item] = subject_head[user] = row
    return gains / max(ask.sum(), 1)
