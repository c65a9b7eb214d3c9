"""Four toy worlds, each with one structure and so one family of sources that ought to be put in charge.

`STRUCTURES` names them with that family. Users `u0` and on view posts `p0` and on, over fourteen days; posts have no
attributes but when they appear, and a view is the only answer. In each world the right family is the one that knows
what the world was drawn from; every other sees at most its shadow.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid
from proffer.core.events import ENTITY_SET, Event
from proffer.models.base import Family

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 14
END = BEGIN + timedelta(days=DAYS)
STRUCTURES: dict[str, Family] = {
    "sequence": "sequence", "taste": "collaborative", "popularity": "popularity", "ageing": "recency",
}  # fmt: skip
HEURISTICS: dict[str, Family] = {"personal": "recency", "engagement": "popularity"}
"""What most terms of the feed's heuristics measure: age and the demand of a day; counts of a week."""
VIEWED = "view"

View = tuple[float, int, int]
"""Hours since the beginning, user, post."""


def structured(structure: str, seed: int) -> list[Event]:
    """Return a world's events in order of time. Raises Invalid for a structure that is not one of `STRUCTURES`.

    >>> events = structured("taste", 0)
    >>> events[0].type, events[-1].type, events[-1].at < END
    ('entity.set', 'view', True)
    """
    if structure not in STRUCTURES:
        raise Invalid(f"no structure {structure[:20]!r}", field="structure", remedy=f"Use {', '.join(STRUCTURES)}.")
    makers: dict[str, Callable[[np.random.Generator], tuple[NDArray[np.float64], Iterator[View]]]] = {
        "sequence": _sequence, "taste": _taste, "popularity": _popularity, "ageing": _ageing,
    }  # fmt: skip
    born, views = makers[structure](np.random.default_rng(seed))
    facts = [(float(hour), -1, post) for post, hour in enumerate(born)]
    return [_event(number, *row) for number, row in enumerate(sorted([*facts, *views], key=lambda row: row[:2]))]


def champion_family(report: Mapping[str, Any]) -> str:
    """Return the family of the champion of an evaluation's report, given as JSON.

    A single source has its own; a blend, or a ranker over one, that with the largest sum of the blend's weights.
    A heuristic counts as what most of its terms measure: see `HEURISTICS`.

    >>> rows = [{"name": "ease", "family": "collaborative"}, {"name": "personal", "family": "heuristic"}]
    >>> champion_family({"rows": rows, "choice": {"weights": {"ease": 0.4, "personal": 0.6}}})
    'recency'
    """
    kinds = {row["name"]: row["family"] for row in report["rows"]}
    totals: dict[str, float] = defaultdict(float)
    for source, weight in report["choice"]["weights"].items():
        totals[HEURISTICS.get(source, kinds[source])] += weight
    return max(totals, key=lambda kind: totals[kind])


def _event(number: int, hour: float, user: int, post: int) -> Event:
    at, ref = BEGIN + timedelta(hours=hour), EntityRef("post", f"p{post}")
    if user < 0:
        return Event(id=f"e{number}", type=ENTITY_SET, at=at, actor=ref, fields={"language": "en"})
    return Event(id=f"e{number}", type=VIEWED, at=at, actor=EntityRef("user", f"u{user}"), target=ref)


def _hours(rng: np.random.Generator, views: int) -> NDArray[np.float64]:
    """Return the hours of so many views of one user, each in its own part of the fortnight."""
    return 1.0 + (np.arange(views) + rng.uniform(0, 1, views)) * (24.0 * DAYS - 2.0) / views


def _sequence(
    rng: np.random.Generator, users: int = 150, posts: int = 120
) -> tuple[NDArray[np.float64], Iterator[View]]:
    """Each post has one that follows it: two times in three a user views that next, else any other one.

    Whoever viewed both of a pair did so by chance of the walk: the last view tells what comes, older ones do not.
    """
    ring = rng.permutation(posts)
    follows = np.empty(posts, np.int64)
    follows[ring] = np.roll(ring, -1)

    def views() -> Iterator[View]:
        for user in range(users):
            seen = np.zeros(posts, np.bool_)
            last = -1
            for hour in _hours(rng, 28):
                unseen = np.flatnonzero(~seen)
                follow = last >= 0 and not seen[follows[last]] and rng.random() < 2 / 3
                last = int(follows[last]) if follow else int(rng.choice(unseen))
                seen[last] = True
                yield float(hour), user, last

    return np.zeros(posts), views()


def _taste(
    rng: np.random.Generator, users: int = 150, posts: int = 200, kinds: int = 8
) -> tuple[NDArray[np.float64], Iterator[View]]:
    """Posts are of eight kinds and each user wants one kind, nine times in ten, in any order and all alike."""
    kind, mine = rng.permutation(np.arange(posts) % kinds), rng.integers(0, kinds, users)

    def views() -> Iterator[View]:
        for user in range(users):
            own, other = (rng.permutation(np.flatnonzero((kind == mine[user]) == same)).tolist() for same in (1, 0))
            for hour in _hours(rng, 18):
                yield float(hour), user, own.pop() if rng.random() < 0.9 else other.pop()

    return np.zeros(posts), views()


def _popularity(
    rng: np.random.Generator, users: int = 500, posts: int = 150
) -> tuple[NDArray[np.float64], Iterator[View]]:
    """All users want the same posts at all times, post of rank r in proportion to 1 / (1 + r)."""
    chances = 1.0 / (1.0 + rng.permutation(posts))

    def views() -> Iterator[View]:
        for user in range(users):
            chosen = rng.choice(posts, 5, replace=False, p=chances / chances.sum())
            yield from zip(np.sort(rng.uniform(1, 24 * DAYS - 1, 5)).tolist(), [user] * 5, chosen.tolist(), strict=True)

    return np.zeros(posts), views()


def _ageing(
    rng: np.random.Generator, users: int = 170, life: float = 6.0
) -> tuple[NDArray[np.float64], Iterator[View]]:
    """A post appears every two hours, and all users want it in proportion to 2^(-age / 6 h)."""
    born = np.arange(0.0, 24.0 * DAYS - 2.0, 2.0)

    def views() -> Iterator[View]:
        for user in range(users):
            seen = np.zeros(len(born), np.bool_)
            for hour in _hours(rng, 14):
                want = np.where((born <= hour) & ~seen, 0.5 ** (np.maximum(hour - born, 0.0) / life), 0.0)
                post = int(rng.choice(len(born), p=want / want.sum()))
                seen[post] = True
                yield float(hour), user, post

    return born, views()
