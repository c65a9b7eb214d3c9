"""A small state to try models on: built at once from a list of what happened, plain numpy, no kernels."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.core.entities import EntityRef, stable_key
from proffer.core.ports import Interactions
from proffer.core.queries import Query
from proffer.models.base import DAY, HOUR
from proffer.testing import samples

START = samples.START.timestamp()
"""The start of 2026 in epoch seconds."""

WEIGHTS = {"view": 1.0, "like": 2.0, "hide": -1.0}
"""The event types of a world and their declared weights."""

HALF_LIVES = (HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, math.inf)
FOOD = ("bread", "soup", "salad", "cheese", "pasta", "apple", "curry", "stew")
ROCK = ("guitar", "drums", "vinyl", "stage", "chorus", "melody", "encore", "bassline")

Happened = tuple[str, str, float, str]
"""User, item, epoch seconds, type (one of `WEIGHTS`)."""


class World:
    """A LiveState of users and posts over what happened, in the order given.

    `posts` and `users` are the attributes of those that have any; such items and users come first in the catalogue.
    Of a post, `published` (epoch seconds) and `deleted` mean what they say; any other attribute is also the column of
    its name. Of a user, `segment`.

    >>> world = World([("ann", "soup", START, "view"), ("bob", "soup", START, "hide")], posts={"bread": {}})
    >>> world.ids, world.decayed(DAY, START).tolist()
    (['bread', 'soup'], [0.0, 1.0])
    """

    kind = "post"
    half_lives = HALF_LIVES
    merged = 0

    def __init__(
        self,
        happened: Sequence[Happened],
        *,
        posts: Mapping[str, Mapping[str, Any]] | None = None,
        users: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.posts, self.users = dict(posts or {}), dict(users or {})
        self.ids = list(dict.fromkeys([*self.posts, *(item for _, item, _, _ in happened)]))
        self.subjects = list(dict.fromkeys([*self.users, *(user for user, _, _, _ in happened)]))
        self.position = len(self.posts) + len(happened)
        self.latest = max((at for _, _, at, _ in happened), default=0.0)
        self._ordinal = {post: row for row, post in enumerate(self.ids)}
        self._subject = {user: row for row, user in enumerate(self.subjects)}
        self._revised = np.array([row + 1 if post in self.posts else 0 for row, post in enumerate(self.ids)], np.int64)
        self._interactions = self._columns(happened)
        first: dict[str, float] = {}
        for _, post, at, _ in happened:
            first.setdefault(post, at)
        published = [self.posts.get(post, {}).get("published", first.get(post, START)) for post in self.ids]
        self._published = np.array(published, np.float64)

    def _columns(self, happened: Sequence[Happened]) -> Interactions:
        types = tuple(WEIGHTS)
        subject = np.array([self._subject[user] for user, _, _, _ in happened], np.int64)
        item = np.array([self._ordinal[post] for _, post, _, _ in happened], np.int64)
        by_subject, subject_head = _chain(subject, len(self.subjects))
        by_item, item_head = _chain(item, len(self.ids))
        return Interactions(
            subject=subject,
            item=item,
            at=np.array([at for _, _, at, _ in happened], np.float64),
            type=np.array([types.index(name) for _, _, _, name in happened], np.int64),
            weight=np.array([WEIGHTS[name] for _, _, _, name in happened], np.float64),
            by_subject=by_subject,
            by_item=by_item,
            subject_head=subject_head,
            item_head=item_head,
            types=types,
        )

    def ordinals(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the ordinals of item ids, -1 where unknown."""
        return np.array([self._ordinal.get(post, -1) for post in ids], np.int64)

    def subject_ordinal(self, subject: EntityRef) -> int:
        """Return the ordinal of a subject, -1 where unknown."""
        return self._subject.get(subject.id, -1)

    def published(self, ordinals: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Return when each item, or each of these, appeared, epoch seconds: its attribute, else its first mention."""
        return self._published if ordinals is None else self._published[ordinals]

    def column(self, role: str) -> NDArray[np.int64]:
        """Return the attribute named like the role as stable keys (n,), 0 where unknown."""
        labels = [self.posts.get(post, {}).get(role) for post in self.ids]
        return np.array([stable_key(role, label) if label else 0 for label in labels], np.int64)

    def available(self) -> NDArray[np.bool_]:
        """Return which items are not deleted (n,)."""
        return np.array([not self.posts.get(post, {}).get("deleted", False) for post in self.ids], np.bool_)

    def members(self, group: str) -> NDArray[np.int64]:  # noqa: ARG002
        """Return nothing: posts are members of no group."""
        return np.empty(0, np.int64)

    def interactions(self) -> Interactions:
        """Return all that happened, as the arrays themselves."""
        return self._interactions

    def decayed(self, half_life: float, at: float, ordinals: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Return each item's decayed count of wanted events (n,), or these items' (m,), for one of `half_lives`."""
        assert half_life in self.half_lives
        counts = self._counts(half_life, at, np.ones(len(self.subjects), np.bool_))
        return counts if ordinals is None else counts[ordinals]

    def segment_decayed(self, subject: EntityRef, at: float) -> NDArray[np.float64]:
        """Return each item's decayed count within the subject's segment (n,), with a half-life of a week."""
        segment = self.users.get(subject.id, {}).get("segment")
        inside = [segment is not None and self.users.get(user, {}).get("segment") == segment for user in self.subjects]
        return self._counts(7 * DAY, at, np.array(inside, np.bool_))

    def attributes(self, ref: EntityRef) -> Mapping[str, Any] | None:
        """Return the attributes of a post or a user, None when there are none."""
        return (self.posts if ref.kind == self.kind else self.users).get(ref.id)

    def revised(self) -> NDArray[np.int64]:
        """Return the position at which each item's attributes last changed (n,), 0 for never."""
        return self._revised

    def set(self, post: str, attributes: Mapping[str, Any]) -> None:
        """Replace the attributes of an item of the catalogue."""
        self.position += 1
        self.posts[post] = attributes
        self._revised[self._ordinal[post]] = self.position

    def _counts(self, half_life: float, at: float, subjects: NDArray[np.bool_]) -> NDArray[np.float64]:
        rows = self._interactions
        taken = (rows.weight > 0) & subjects[rows.subject]
        left = 0.5 ** (np.maximum(min(at, self.latest) - rows.at[taken], 0.0) / half_life)
        return np.bincount(rows.item[taken], weights=left, minlength=len(self.ids)).astype(np.float64)


def _chain(owners: NDArray[np.int64], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    before, head = np.full(len(owners), -1, np.int64), np.full(n, -1, np.int64)
    for row, owner in enumerate(owners):
        before[row], head[owner] = head[owner], row
    return before, head


def ask(user: str = "u0", *, at: float = START + 100 * DAY, diversity: float | None = None, **context: Any) -> Query:
    """Return a query of a user at epoch seconds, with the rest as its context.

    >>> ask("ann", at=START, item="soup").context
    {'item': 'soup'}
    """
    return Query(
        id="q1",
        pipeline="feed",
        subject=EntityRef("user", user),
        at=datetime.fromtimestamp(at, UTC),
        n=10,
        context=context,
        diversity=diversity,
    )


def tastes(seed: int, *, users: int = 80, items: int = 80, each: int = 10) -> tuple[World, dict[str, set[str]]]:
    """Even users want even items, odd users odd ones (9 times in 10); returns the held-out wants of each user.

    Users are u0, u1 and on, items p0, p1 and on. Even titles speak of food, odd ones of rock; all items are equally
    popular. What happened lies in the first 20 days after `START`.

    >>> world, later = tastes(0)
    >>> {int(post[1:]) % 2 for post in later["u1"]}
    {1}
    """
    rng = np.random.default_rng(seed)
    posts = {f"p{row}": _post(row, rng) for row in range(items)}
    happened: list[Happened] = []
    later: dict[str, set[str]] = {}
    for user in range(users):
        own, other = np.arange(user % 2, items, 2), np.arange(1 - user % 2, items, 2)
        liked = rng.permutation(own)[: 2 * each]
        noise = rng.choice(other, max(each // 10, 1), replace=False)
        first = np.concatenate([liked[:each], noise])
        happened += [(f"u{user}", f"p{item}", START + rng.uniform(0, 20 * DAY), "view") for item in first]
        later[f"u{user}"] = {f"p{item}" for item in liked[each:]}
    return World(sorted(happened, key=lambda row: row[2]), posts=posts), later


def paths(seed: int, *, users: int = 150, items: int = 60, each: int = 20) -> tuple[World, dict[str, str]]:
    """What comes next depends on what came last: item i is followed by one certain item, 8 times in 10; returns that.

    Otherwise anything may come; all items are equally popular, and users do not differ. The second value tells for
    each item the one that follows it. What happened lies in the first 20 days after `START`.

    >>> world, follows = paths(0)
    >>> len(follows), world.latest < START + 20 * DAY
    (60, True)
    """
    rng = np.random.default_rng(seed)
    circle = rng.permutation(items)
    follows = {f"p{item}": f"p{other}" for item, other in zip(circle, np.roll(circle, -1), strict=True)}
    happened: list[Happened] = []
    for user in range(users):
        post, at = f"p{rng.integers(items)}", START + rng.uniform(0, 10 * DAY)
        for _ in range(each):
            happened.append((f"u{user}", post, at, "view"))
            post = follows[post] if rng.random() < 0.8 else f"p{rng.integers(items)}"
            at += rng.uniform(60.0, DAY / 4)
    return World(sorted(happened, key=lambda row: row[2])), follows


def _post(row: int, rng: np.random.Generator) -> dict[str, object]:
    words = rng.choice(ROCK if row % 2 else FOOD, 3, replace=False)
    return {"title": " ".join(words), "category": "rock" if row % 2 else "food", "published": START - DAY}
