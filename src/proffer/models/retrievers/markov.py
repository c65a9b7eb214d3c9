"""Markov: what came next after the last items, backed off from the newest to the ones before, then to popularity."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.base import Family, Parameters
from proffer.models.compiled import compiled
from proffer.models.histories import ITEM
from proffer.models.links import Links, no_links
from proffer.models.sequences import latest, sequences, wanted_counts
from proffer.models.tuned import Tuned
from proffer.models.wanted import columns_of, grade_of


class Markov(Tuned):
    """Score = probability that an item comes next, by what came after the subject's last items in all sequences.

    An item that came g steps later counts `decay`^(g - 1), up to `order` steps. The counts after the newest item are
    smoothed with `prior` of what is expected after the one before it, those again with the one before, over the last
    `recent` items, and the last with the popularity of items: an item of which much is known decides nearly alone,
    one of which little is known hands on to those before it (Dirichlet back-off). Each item keeps the `kept` items
    that came most after it.

    Between two fits the transitions that happened since are counted live from the state, at most `fresh` of the
    newest of each item: an item that is new enters with the first who goes on to it.

    MacKay and Bauman Peto, "A hierarchical Dirichlet language model", Natural Language Engineering 1995.
    """

    name = "markov"
    family: Family = "sequence"
    settings = ("order", "decay", "prior", "recent", "fresh", "history", "kept")
    alternatives = (
        {"prior": 100.0, "order": 5}, {"order": 3, "decay": 0.7}, {"prior": 20.0}, {"order": 1},
        {"prior": 200.0, "recent": 30},
    )  # fmt: skip

    def __init__(
        self, order: int = 10, *, decay: float = 0.8, prior: float = 50.0, recent: int = 20, fresh: int = 20,
        history: int = 5_000, kept: int = 200,
    ) -> None:  # fmt: skip
        self.order, self.decay, self.prior, self.recent = order, decay, prior, recent
        self.fresh, self.history, self.kept = fresh, history, kept
        self.weights: dict[str, float] = {}
        self.until = 0.0
        self._take(no_links(), np.empty(0), np.empty(0, np.int64))

    def fit(self, state: LiveState, *, at: float, weights: Mapping[str, float]) -> Self:
        """Count what came after what in every sequence before `at`, and return self."""
        self.weights, self.until = dict(weights), float(at)
        n = len(state.ids)
        found = sequences(state.interactions(), self.weights, until=at, limit=self.history)
        wanted = wanted_counts(found.items, n)
        start, to, weight, left = _transitions(*found, n, self.order, self.decay, self.kept)
        self._take(Links(start, to, weight, wanted > 0), left, wanted)
        return self

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return the probabilities (n,), NaN for an item that nobody wanted; all NaN where no last item is known."""
        return self._foretold(query, state, np.arange(len(state.ids)))

    def some(self, query: Query, state: LiveState, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what `scores` gives these ordinals (m,)."""
        return self._foretold(query, state, ordinals)[ordinals]

    def _foretold(self, query: Query, state: LiveState, asked: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probabilities (n,), right for the ordinals that are asked for (m,)."""
        found = latest(query, state, self.weights, self.recent)
        scores = np.full(len(state.ids), np.nan)
        rows = state.interactions()
        # Nothing that happened since the fit: no item's newest rows need a look.
        fresh = self.fresh if state.latest >= self.until else 0
        since = _since(
            found, state.subject_ordinal(query.subject), self.until, self.order, self.decay, fresh,
            rows.item_head, rows.subject_head, rows.subject, rows.by_item, *columns_of(rows, self.weights),
        )  # fmt: skip
        known = found < len(self._wanted)
        known[known] = self._wanted[found[known]] > 0
        if known.any() or len(since[1]):
            _backed_off(
                found, self.prior, self.links.start, self.links.to, self.links.weight, self._left, *since,
                self._wanted, self._total, asked, scores,
            )  # fmt: skip
        if ITEM in query.context:
            scores[found] = np.nan
        return scores

    def followed(self, item: int) -> bool:
        """Return whether anything had come after an item, by ordinal, when the model was fitted."""
        return item < len(self._left) and bool(self._left[item] > 0.0)

    def parameters(self) -> Parameters:
        """Return the settings, the grades of event types, the time of the fit, and the counts."""
        values = {**self.told(), "weights": self.weights, "until": self.until}
        return values, {**self.links.arrays(), "left": self._left, "wanted": self._wanted}

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over settings, grades, the time of the fit and counts, and return self."""
        self.take(values)
        self.weights = {name: float(grade) for name, grade in values["weights"].items()}
        self.until = float(values["until"])
        self._take(Links.of(arrays), arrays["left"].astype(np.float64), arrays["wanted"].astype(np.int64))
        return self

    def memory(self, users: int, items: int, interactions: int) -> int:
        """Return the bytes of the sequences by subject and by item, and of the links, which are at most the steps."""
        links = min(items * min(self.kept, items), self.order * interactions)
        return 28 * interactions + 16 * links + 8 * users + 60 * items

    def seconds(self, users: int, items: int, interactions: int) -> float:  # noqa: ARG002
        """Return what reading the sequences and counting and sorting the steps take."""
        return (1e-7 + 6e-8 * self.order) * interactions + 1e-6 * items

    def _take(self, links: Links, left: NDArray[np.float64], wanted: NDArray[np.int64]) -> None:
        self.links, self._left, self._wanted = links, left, wanted
        self._total = float(max(wanted.sum(), 1))


@compiled
def _transitions(start, items, n, order, decay, most):  # type: ignore[no-untyped-def]
    """Return the counts of what came after each item, the `most` largest of a row in order of ordinal, and the sums."""
    place, end = np.empty(len(items), np.int64), np.empty(len(items), np.int64)
    heads = np.zeros(n + 1, np.int64)
    for item in items:
        heads[item + 1] += 1
    heads = np.cumsum(heads)
    free = heads[:-1].copy()
    for subject in range(len(start) - 1):
        for here in range(start[subject], start[subject + 1]):
            slot = free[items[here]]
            place[slot], end[slot] = here, start[subject + 1]
            free[items[here]] = slot + 1
    rows, size = np.zeros(n + 1, np.int64), 0
    room = min(order * len(items), n * most)
    to, weight, left = np.empty(room, np.int32), np.empty(room, np.float32), np.zeros(n)
    count, reached = np.zeros(n), np.empty(n, np.int64)
    for item in range(n):
        met = 0
        for slot in range(heads[item], heads[item + 1]):
            share = 1.0
            for there in range(place[slot] + 1, min(place[slot] + 1 + order, end[slot])):
                left[item] += share
                if count[items[there]] == 0.0:
                    reached[met] = items[there]
                    met += 1
                count[items[there]] += share
                share *= decay
        found = np.sort(reached[:met])
        if met > most:
            found = np.sort(found[np.argsort(-count[found], kind="mergesort")[:most]])
        for other in found:
            to[size], weight[size] = other, count[other]
            size += 1
        count[reached[:met]] = 0.0
        rows[item + 1] = size
    return rows, to[:size].copy(), weight[:size].copy(), left


@compiled
def _since(  # type: ignore[no-untyped-def]
    found, asker, until, order, decay, fresh, item_head, subject_head, subjects, by_item,
    before, items, at, types, declared, by_type,
):  # fmt: skip
    """Return what came at or after `until` after each of the found items, as rows: starts (r + 1,), items, counts."""
    starts, size = np.zeros(len(found) + 1, np.int64), 0
    to = np.empty(len(found) * fresh * order, np.int64)
    counts = np.empty(len(to))
    ring = np.empty(order, np.int64)
    for place in range(len(found)):
        row, used = item_head[found[place]], 0
        for _ in range(2 * fresh):
            if row < 0 or used == fresh:
                break
            user = subjects[row]
            busy = user != asker and at[subject_head[user]] >= until
            if busy and grade_of(row, types, declared, by_type) > 0.0:
                # What this subject wanted after the row, newest first; the last ones written came right after it.
                other, written, last = subject_head[user], 0, -1
                for _ in range(200):
                    if other <= row:
                        break
                    if grade_of(other, types, declared, by_type) > 0.0:
                        written += items[other] != last
                        last = items[other]
                        # Several events in a row with one item happened when the first of them did.
                        ring[(written - 1) % order] = other
                    other = before[other]
                # The row nearest to it may be the same item again: one stay, which counts from its end.
                again = written > 0 and last == found[place]
                share, before_this = 1.0, size
                for back in range(min(written, order) if other == row and not again else 0):
                    after = ring[(written - 1 - back) % order]
                    if at[after] >= until:
                        to[size], counts[size] = items[after], share
                        size += 1
                    share *= decay
                used += size > before_this
            row = by_item[row]
        starts[place + 1] = size
    return starts, to[:size].copy(), counts[:size].copy()


@compiled
def _backed_off(  # type: ignore[no-untyped-def]
    found, prior, start, to, weight, left, since, new_to, new_count, wanted, total, asked, scores
):  # fmt: skip
    # From the newest on: each item keeps what it is sure of and hands `prior` of the rest to the one before it.
    shares, rest = np.empty(len(found)), 1.0
    for place in range(len(found)):
        known = new_count[since[place] : since[place + 1]].sum()
        if found[place] < len(left):
            known += left[found[place]]
        shares[place] = rest / (known + prior)
        rest *= prior / (known + prior)
    for item in asked:
        if item < len(wanted) and wanted[item] > 0:
            scores[item] = rest * wanted[item] / total
    for place in range(len(found)):
        if found[place] < len(left):
            for link in range(start[found[place]], start[found[place] + 1]):
                scores[to[link]] += shares[place] * weight[link]
        for link in range(since[place], since[place + 1]):
            if np.isnan(scores[new_to[link]]):
                scores[new_to[link]] = 0.0
            scores[new_to[link]] += shares[place] * new_count[link]
