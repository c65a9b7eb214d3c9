"""The k best of a catalogue, exactly."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import nsmallest

import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Invalid
from proffer.models.products import products as products

LARGEST = 1e100
CHUNK = 128
Seen = tuple[NDArray[np.integer], NDArray[np.integer]]
"""For each user the rows he has seen, end to end: where each one's begin (b + 1,), and the rows."""


def top_rows(
    scores: NDArray[np.float64], k: int, ids: Sequence[str], allowed: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Return the rows of the `k` highest scores (n,), best first, equal scores in order of id.

    Rows with a score of NaN or minus infinity, and rows that `allowed` (n,) excludes, are never among them. The
    answer is that of a full sort: all rows that tie at the border take part, so it does not depend on their order.

    >>> top_rows(np.array([1.0, 3.0, 3.0, np.nan]), 2, ["a", "c", "b", "d"])
    array([2, 1])
    """
    valid = scores > -np.inf
    if allowed is not None:
        valid &= allowed
    rows = np.flatnonzero(valid)
    if k <= 0 or not len(rows):
        return np.empty(0, np.int64)
    values = scores[rows]
    if len(rows) > k:
        border = values[np.argpartition(values, len(rows) - k)[len(rows) - k]]
        above = rows[values > border]
        # Only as many of the tied as still fit are put in order: a catalogue of equal scores stays cheap.
        tied = nsmallest(k - len(above), rows[values == border].tolist(), key=ids.__getitem__)
        rows = np.concatenate([above, np.asarray(tied, np.int64)])
        values = scores[rows]
    order = np.argsort(-values, kind="stable")
    rows, values = rows[order], values[order]
    # Few are equal: only these are put in order of id.
    equal = values[1:] == values[:-1]
    if equal.any():
        starts = np.flatnonzero(equal & ~np.concatenate([[False], equal[:-1]]))
        ends = np.flatnonzero(equal & ~np.concatenate([equal[1:], [False]])) + 2
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            rows[start:end] = sorted(rows[start:end].tolist(), key=ids.__getitem__)
    return rows.astype(np.int64)


def top_products(
    users: NDArray[np.floating], factors: NDArray[np.floating], k: int, ids: Sequence[str], seen: Seen | None = None,
    *, threads: int = 1,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
    """Return the `k` rows of `factors` (n, f) with the highest inner product with each of `users` (b, f).

    Gives rows (b, k) and scores (b, k), best first, -1 and NaN where a user has fewer; see `TopProducts.of`. Raises
    Invalid for numbers that are not finite.

    >>> factors = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> top_products(np.array([[1.0, 0.0]]), factors, 2, ["b", "x", "a"])[0]
    array([[2, 0]])
    """
    return TopProducts(factors, ids).of(users, k, seen, threads=threads)


class TopProducts:
    """A catalogue prepared for many questions for its highest inner products: `factors` (n, f) and `ids` (n,).

    A coarse copy of the items, in bytes where the processor multiplies these, else in float32, proposes; a bound on
    its error makes the shortlist certain to hold the best; `products` scores what is on it. So the answer is that
    of scoring and sorting everything, bit for bit, whatever the batch and the threads. Blocks of short items are
    passed over once nothing in them can come in, as in LEMP (Teflioudi et al., SIGMOD 2015).

    `coarse` forces bytes or float32. Raises Invalid for numbers that are not finite.
    """

    def __init__(self, factors: NDArray[np.floating], ids: Sequence[str], *, coarse: bool | None = None) -> None:
        # Compiling takes LLVM, which `import proffer` shall not wait for.
        from proffer.models.screen import Screen, lengths_of

        if factors.ndim != 2 or len(ids) != len(factors):
            raise Invalid(f"{len(ids)} ids for factors of shape {factors.shape}", field="factors")
        self.ids = ids
        self.factors = np.ascontiguousarray(factors)
        lengths = lengths_of(self.factors)
        _check(lengths, "factors")
        order = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
        self._ranks = np.empty(len(ids), np.int64)
        self._ranks[order] = np.arange(len(ids))
        self._screen = Screen(self.factors, lengths, coarse=coarse)

    def of(
        self, users: NDArray[np.floating], k: int, seen: Seen | None = None, *, threads: int = 1
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return for each of `users` (b, f) the rows (b, k) of its `k` best items and their scores (b, k).

        Best first, equal scores in order of id, without the items the user has seen; -1 and NaN where there are
        fewer than `k`. Raises Invalid for numbers that are not finite and for a `seen` of another shape.
        """
        from proffer.models.screen import lengths_of

        users = np.ascontiguousarray(users)
        if users.ndim != 2 or users.shape[1] != self.factors.shape[1]:
            raise Invalid(f"users of shape {users.shape} for factors of {self.factors.shape}", field="users")
        _check(lengths_of(users), "users")
        starts, items = _checked_seen(seen, len(users), len(self.ids))
        rows, scores = np.full((len(users), max(k, 0)), -1, np.int64), np.full((len(users), max(k, 0)), np.nan)
        if k <= 0 or not len(self.ids):
            return rows, scores
        found = np.zeros(len(users), np.bool_)

        def screened(first: int) -> None:
            last = min(first + CHUNK, len(users))
            self._screen.top(users, first, last, k, self._ranks, (starts, items), rows, scores, found)

        # A shortlist of a large part of the catalogue would save nothing.
        firsts = range(0, len(users), CHUNK) if 8 * k < len(self.ids) else ()
        if threads == 1 or len(firsts) < 2:
            for first in firsts:
                screened(first)
        else:
            with ThreadPoolExecutor(threads) as pool:
                [*pool.map(screened, firsts)]
        for user in np.flatnonzero(~found).tolist():
            self._sorted_out(users[user], k, items[starts[user] : starts[user + 1]], rows[user], scores[user])
        return rows, scores

    def _sorted_out(
        self, user: NDArray[np.floating], k: int, seen: NDArray[np.int64], rows: NDArray[np.int64],
        scores: NDArray[np.float64],
    ) -> None:  # fmt: skip
        """Score everything for a user whose best are too many or too close for a shortlist."""
        exact = products(user, self.factors)
        allowed = np.ones(len(exact), np.bool_)
        allowed[seen] = False
        best = top_rows(exact, k, self.ids, allowed)
        rows[: len(best)], scores[: len(best)] = best, exact[best]


def _check(lengths: NDArray[np.float64], field: str) -> None:
    wrong = np.flatnonzero(~(lengths <= LARGEST))
    if len(wrong):
        message = f"row {wrong[0]} holds a number that is not finite, or too large"
        raise Invalid(message, field=field, remedy="Leave such rows out, or fit the model anew.")


def _checked_seen(seen: Seen | None, users: int, items: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each user's seen rows begin, and the rows."""
    if seen is None:
        return np.zeros(users + 1, np.int64), np.empty(0, np.int64)
    starts, rows = np.asarray(seen[0], np.int64), np.asarray(seen[1], np.int64)
    if len(starts) != users + 1 or starts[0] != 0 or starts[-1] != len(rows) or (np.diff(starts) < 0).any():
        raise Invalid(f"the begins of seen items do not fit {users} users and {len(rows)} rows", field="seen")
    if len(rows) and (rows.min() < 0 or rows.max() >= items):
        raise Invalid(f"a seen item is not a row of {items}", field="seen")
    return starts, rows
