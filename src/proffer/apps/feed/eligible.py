"""Who may see which post: visibility, expiry, blocks, what he hid."""

import numpy as np
from numpy.typing import NDArray

from proffer.core.entities import stable_key
from proffer.core.queries import Query
from proffer.features.answers import answered
from proffer.features.conditions import ItemColumn
from proffer.features.state import State

PUBLIC, FOLLOWERS, PRIVATE = 0.0, 1.0, 2.0
LEVELS = {"public": PUBLIC, "followers": FOLLOWERS}


class Visibility:
    """A post for followers is shown to who follows its author, a private one to its author alone.

    A visibility nobody declared shows a post to no one else either.
    """

    name = "visible to the user"

    def __init__(self) -> None:
        self.level = ItemColumn(lambda attributes: LEVELS.get(attributes.get("visibility") or "public", PRIVATE))

    def __call__(self, query: Query, state: State) -> NDArray[np.bool_]:
        """Return which posts the user may see (n,)."""
        return self._see(query, state, self.level.look(state), None)

    def some(self, query: Query, state: State, ordinals: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of these posts the user may see (m,)."""
        return self._see(query, state, self.level.look(state)[ordinals], ordinals)

    def _see(
        self, query: Query, state: State, level: NDArray[np.float64], ordinals: NDArray[np.int64] | None
    ) -> NDArray[np.bool_]:
        if (level == PUBLIC).all():
            return np.ones(len(level), np.bool_)
        author = state.column("author", ordinals)
        follows = [_key(ref.id) for ref in state.targets_of(query.subject, ("follow", "unfollow"))]
        seen: NDArray[np.bool_] = (level == PUBLIC) | (author == _key(query.subject.id))
        # Most posts are public and most people follow few: the catalogue is not searched for nothing.
        return seen | ((level == FOLLOWERS) & np.isin(author, follows)) if follows else seen


class Expiry:
    """A post is shown from when it is published until it expires."""

    name = "published and not expired"

    def __call__(self, query: Query, state: State) -> NDArray[np.bool_]:
        """Return which posts have appeared and not expired (n,)."""
        return self.some(query, state, None)

    def some(self, query: Query, state: State, ordinals: NDArray[np.int64] | None) -> NDArray[np.bool_]:
        """Return which of these posts have (m,)."""
        at = query.at.timestamp()
        return (state.published(ordinals) <= at) & ~(state.measure("expires", ordinals) <= at)


class NotBlocked:
    """Nothing is shown of an author whom the user blocks."""

    name = "author not blocked"

    def __call__(self, query: Query, state: State) -> NDArray[np.bool_]:
        """Return which posts are by nobody he blocks (n,)."""
        return self.some(query, state, None)

    def some(self, query: Query, state: State, ordinals: NDArray[np.int64] | None) -> NDArray[np.bool_]:
        """Return which of these posts are (m,)."""
        blocked = [_key(ref.id) for ref in state.targets_of(query.subject, ("block", "unblock"))]
        if not blocked:
            return np.ones(len(state.ids) if ordinals is None else len(ordinals), np.bool_)
        return ~np.isin(state.column("author", ordinals), blocked)


class NotHidden:
    """What the user hid or reported stays away."""

    name = "not hidden or reported"

    def __call__(self, query: Query, state: State) -> NDArray[np.bool_]:
        """Return which posts he neither hid nor reported (n,)."""
        mask = np.ones(len(state.ids), np.bool_)
        mask[answered(state, query.subject, ("hide", "report"))] = False
        return mask

    def some(self, query: Query, state: State, ordinals: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of these posts are not (m,)."""
        return self(query, state)[ordinals]


def _key(author: str) -> int:
    return stable_key("user", author)
