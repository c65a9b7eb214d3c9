"""A small state for tests of models: built at once from a list of what happened, plain numpy, no kernels."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from proffer.core.entities import EntityRef, stable_key
from proffer.core.ports import Interactions
from proffer.core.queries import Query

HOUR, DAY = 3_600.0, 86_400.0
START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
WEIGHTS = {"view": 1.0, "like": 2.0, "hide": -1.0}
HALF_LIVES = (HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, math.inf)

Happened = tuple[str, str, float, str]
"""User, item, epoch seconds, type."""


class World:
    """A LiveState over (user, item, at, type), in the order given; items named by `posts` come first."""

    kind = "post"
    half_lives = HALF_LIVES

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
        self._subject = {post: row for row, post in enumerate(self.subjects)}
        self._revised = np.array([row + 1 if post in self.posts else 0 for row, post in enumerate(self.ids)], np.int64)
        types = tuple(WEIGHTS)
        subject = np.array([self._subject[user] for user, _, _, _ in happened], np.int64)
        item = np.array([self._ordinal[post] for _, post, _, _ in happened], np.int64)
        by_subject, subject_head = _chain(subject, len(self.subjects))
        by_item, item_head = _chain(item, len(self.ids))
        self._interactions = Interactions(
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
        first = {}
        for _, post, at, _ in happened:
            first.setdefault(post, at)
        published = [self.posts.get(post, {}).get("published", first.get(post, START)) for post in self.ids]
        self._published = np.array(published, np.float64)

    def ordinals(self, ids):
        return np.array([self._ordinal.get(post, -1) for post in ids], np.int64)

    def subject_ordinal(self, subject):
        return self._subject.get(subject.id, -1)

    def published(self):
        return self._published

    def column(self, role):
        labels = [self.posts.get(post, {}).get(role) for post in self.ids]
        return np.array([stable_key(role, label) if label else 0 for label in labels], np.int64)

    def available(self):
        return np.array([not self.posts.get(post, {}).get("deleted", False) for post in self.ids], np.bool_)

    def interactions(self):
        return self._interactions

    def decayed(self, half_life, at):
        assert half_life in self.half_lives
        return self._counts(half_life, at, np.ones(len(self.subjects), np.bool_))

    def segment_decayed(self, subject, at):
        segment = self.users.get(subject.id, {}).get("segment")
        inside = [segment is not None and self.users.get(post, {}).get("segment") == segment for post in self.subjects]
        return self._counts(7 * DAY, at, np.array(inside, np.bool_))

    def attributes(self, ref):
        return (self.posts if ref.kind == self.kind else self.users).get(ref.id)

    def revised(self):
        return self._revised

    def set(self, post, attributes):
        """Change the attributes of an item that exists."""
        self.position += 1
        self.posts[post] = attributes
        self._revised[self._ordinal[post]] = self.position

    def _counts(self, half_life, at, subjects):
        rows = self._interactions
        taken = (rows.weight > 0) & subjects[rows.subject] if len(rows.item) else np.empty(0, np.bool_)
        left = 0.5 ** (np.maximum(min(at, self.latest) - rows.at[taken], 0.0) / half_life)
        return np.bincount(rows.item[taken], weights=left, minlength=len(self.ids)).astype(np.float64)


def ask(user: str = "u0", *, at: float = START + 100 * DAY, diversity: float | None = None, **context: Any) -> Query:
    """Return a query of a user at epoch seconds."""
    return Query(
        id="q1",
        pipeline="feed",
        subject=EntityRef("user", user),
        at=datetime.fromtimestamp(at, UTC),
        n=10,
        context=context,
        diversity=diversity,
    )


def _chain(owners, n):
    before, head = np.full(len(owners), -1, np.int64), np.full(n, -1, np.int64)
    for row, owner in enumerate(owners):
        before[row], head[owner] = head[owner], row
    return before, head
