"""A toy feed whose right answer is known: users with tastes, authors with a following, posts that age."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid
from proffer.core.events import ENTITY_SET, Event

START = datetime(2026, 1, 5, tzinfo=UTC)
CATEGORIES = ("city", "food", "music", "science", "sports", "travel")
WORDS = {
    "city": "tram street council bridge park housing", "food": "bread soup dill market oven recipe",
    "music": "concert choir vinyl festival drummer song", "science": "orbit enzyme ice genome telescope theory",
    "sports": "match goal ski relay coach derby", "travel": "train island cabin ferry border trail",
}  # fmt: skip
COUNTRIES = ("SE", "NO", "FI")
SIZES = {"small": (100, 600, 14), "medium": (400, 1500, 30)}
HALF_LIFE = timedelta(hours=20)
SHOWN = 8
PAGE = 10
RATES = {"click-through": ("view", "impression"), "views a list": ("view", "list"), "hidden a list": ("hide", "list")}
"""What a simulation counts per what."""


class Visit(NamedTuple):
    """A user opens the feed; `number` makes what he does the same whatever else happens."""

    subject: str
    at: datetime
    number: int
    group: None = None


class Toy:
    """The world: `utility` is the chance that a user opens a post shown to him at a time.

    It is quality x taste of the user for the post's category x 2^(-age / 20 h), and half again as much for an
    author he follows.
    """

    def __init__(self, seed: int = 0, size: str = "small") -> None:
        if size not in SIZES:
            raise Invalid(f"unknown size {size[:20]!r}", field="size", remedy=f"Use {' or '.join(SIZES)}.")
        self.seed, self.start, self.page, self.rates = seed, START, PAGE, RATES
        self.rng = np.random.default_rng(seed)
        self.users, self.posts, self.days = SIZES[size]
        self.tastes = self.rng.dirichlet(np.full(len(CATEGORIES), 0.35), self.users)
        self.category = self.rng.integers(0, len(CATEGORIES), self.posts)
        self.author = self.rng.integers(0, max(self.users // 10, 3), self.posts)
        self.quality = self.rng.beta(2, 3, self.posts)
        self.born = np.sort(self.rng.uniform(0, self.days * 24, self.posts))
        self.follows = {(user, self._favourite(user)) for user in range(self.users) if user % 3}
        self._followed = np.ones((self.users, self.posts))
        for user, author in self.follows:
            self._followed[user, self.author == author] = 1.5
        self._ids = count(1)
        self.events: Sequence[Event] = sorted(self._happen(), key=lambda event: event.at)

    def utility(self, subject: str, item: str, at: datetime) -> float:
        """Return the chance that the user opens the post when shown it at that time; 0 before it appears."""
        return float(self._chances(int(subject[1:]) - 1, (at - START) / timedelta(hours=1))[int(item[1:]) - 1])

    def utilities(self, subject: str, items: Sequence[str], at: datetime) -> NDArray[np.float64]:
        """Return the utility of each of these posts (n,)."""
        rows = [int(item[1:]) - 1 for item in items]
        return self._chances(int(subject[1:]) - 1, (at - START) / timedelta(hours=1))[rows]

    def news(self, day: int) -> list[Event]:
        """Return what appears on a day (from 0): its posts; before the first, users and whom they follow."""
        posts = [post for post in range(self.posts) if self.born[post] // 24 == day]
        return [*(self._people() if day == 0 else ()), *(self._post(post) for post in posts)]

    def visits(self, day: int) -> list[Visit]:
        """Return who opens the feed on a day, in order of time."""
        rng = np.random.default_rng([self.seed, 1, day])
        coming = np.flatnonzero(rng.random(self.users) < 0.7)
        hours = np.sort(np.clip(rng.normal(18, 3, len(coming)), 0, 23.9))
        rng.shuffle(coming)
        return [
            Visit(f"u{user + 1}", START + timedelta(days=day, hours=hour), day * self.users + number)
            for number, (user, hour) in enumerate(zip(coming.tolist(), hours.tolist(), strict=True))
        ]

    def answers(self, visit: Visit, slate: Sequence[str], query_id: str) -> list[Event]:
        """Return what the user does with a slate, in order of time: he looks at all of it."""
        luck = np.random.default_rng([self.seed, 2, visit.number]).random((self.posts, 2))
        chances, found = self.utilities(visit.subject, slate, visit.at), []
        for place, item in enumerate(slate):
            hour, target = (visit.at - START) / timedelta(hours=1) + place / 360, EntityRef("post", item)
            acts = ["impression"]
            if luck[int(item[1:]) - 1, 0] < chances[place]:
                acts.append("view")
            elif luck[int(item[1:]) - 1, 1] < 0.02:
                acts.append("hide")
            found += [self._event(act, hour, visit.subject, target, query_id=query_id) for act in acts]
        return found

    def _chances(self, user: int, hour: float) -> NDArray[np.float64]:
        age = hour - self.born
        fresh = np.where(age >= 0, 0.5 ** (np.maximum(age, 0) / (HALF_LIFE / timedelta(hours=1))), 0.0)
        taste = np.minimum(self.tastes[user, self.category] * 2, 1)
        chances: NDArray[np.float64] = np.minimum(self.quality * taste * fresh * self._followed[user], 0.95)
        return chances

    def _favourite(self, user: int) -> int:
        mine = self.tastes[user, self.category] * self.quality
        return int(self.author[int(np.argmax(mine))])

    def _happen(self) -> Iterator[Event]:
        yield from self._people()
        for post in range(self.posts):
            yield self._post(post)
        for user in range(self.users):
            yield from self._sessions(user)

    def _people(self) -> Iterator[Event]:
        for user in range(self.users):
            country = COUNTRIES[user % len(COUNTRIES)]
            yield self._event(ENTITY_SET, 0.0, f"u{user + 1}", fields={"name": f"User {user + 1}", "country": country})
        for user, author in sorted(self.follows):
            yield self._event("follow", 0.5, f"u{user + 1}", EntityRef("user", f"u{author + 1}"))

    def _post(self, post: int) -> Event:
        category = CATEGORIES[self.category[post]]
        words = self.rng.choice(WORDS[category].split(), 3, replace=False)
        fields = {
            "title": " ".join(words).capitalize(), "category": category, "author": f"u{self.author[post] + 1}",
            "tags": [str(words[0])], "language": "en",
        }  # fmt: skip
        return self._event(ENTITY_SET, float(self.born[post]), f"p{post + 1}", kind="post", fields=fields)

    def _sessions(self, user: int) -> Iterator[Event]:
        touched: set[int] = set()
        for day in range(self.days):
            if self.rng.random() < 0.7:
                yield from self._session(user, day * 24 + float(self.rng.normal(18, 3)) % 24, touched)

    def _session(self, user: int, hour: float, touched: set[int]) -> Iterator[Event]:
        """Show eight of the forty newest posts, drawn without favour: the log tells what was passed over too."""
        alive = [int(post) for post in np.flatnonzero(self.born < hour)[-40:] if post not in touched]
        chances = self._chances(user, hour)
        for place, post in enumerate(self.rng.permutation(alive)[:SHOWN].tolist()):
            at, target = hour + place / 360, EntityRef("post", f"p{post + 1}")
            yield self._event("impression", at, f"u{user + 1}", target)
            if self.rng.random() < chances[post]:
                touched.add(post)
                seconds = round(float(self.rng.gamma(3, 12)), 1)
                yield self._event("view", at + 0.001, f"u{user + 1}", target, fields={"seconds": seconds})
                if self.rng.random() < chances[post]:
                    answer = ("like", "comment", "share", "bookmark")[int(self.rng.integers(0, 4))]
                    yield self._event(answer, at + 0.002, f"u{user + 1}", target)
            elif self.rng.random() < 0.02:
                touched.add(post)
                yield self._event("hide", at + 0.001, f"u{user + 1}", target)

    def _event(
        self, type: str, hour: float, actor: str, target: EntityRef | None = None, *, kind: str = "user",
        fields: Mapping[str, object] | None = None, query_id: str | None = None,
    ) -> Event:  # fmt: skip
        at = START + timedelta(hours=hour)
        return Event(
            id=f"toy{next(self._ids)}",
            type=type,
            at=at,
            actor=EntityRef(kind, actor),
            target=target,
            query_id=query_id,
            fields=fields or {},
        )
