"""The toy world of the demo, moved so that it ends now."""

from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path

import msgspec

from proffer.app import World as Simulated
from proffer.core.events import ENTITY_SET


class World:
    """A simulated world with its events and the chance that a user opens a post; `now` is where its time ends."""

    def __init__(self, toy: Simulated, now: datetime) -> None:
        self.toy = toy
        self._shift = now - toy.events[-1].at
        self._now = toy.events[-1].at
        self._facts = {event.actor: event.fields for event in toy.events if event.type == ENTITY_SET}
        self._touched: defaultdict[str, set[str]] = defaultdict(set)
        self._opens: Counter[str] = Counter()
        self._tastes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for event in toy.events:
            if event.target is not None and event.target.kind == "post" and event.type != "impression":
                self._touched[event.actor.id].add(event.target.id)
                self._opens[event.target.id] += event.type == "view"
                self._tastes[event.actor.id][str(self._facts[event.target]["category"])] += 1

    @property
    def users(self) -> int:
        """Return how many users there are."""
        return sum(ref.kind == "user" for ref in self._facts)

    @property
    def posts(self) -> int:
        """Return how many posts there are."""
        return sum(ref.kind == "post" for ref in self._facts)

    def write(self, path: Path) -> Path:
        """Write the events, one a line, in the form that imports read."""
        with path.open("wb") as file:
            for event in self.toy.events:
                row = {
                    "id": event.id, "type": event.type, "at": event.at + self._shift, "actor": event.actor._asdict(),
                    "target": event.target and event.target._asdict(), "fields": dict(event.fields),
                }  # fmt: skip
                file.write(msgspec.json.encode({name: value for name, value in row.items() if value}) + b"\n")
        return path

    def people(self, n: int) -> list[str]:
        """Return users who did most, ties by id."""
        return sorted(self._touched, key=lambda user: (-len(self._touched[user]), user))[:n]

    def someone(self) -> str:
        """Return the user with the clearest taste among the busiest."""
        return max(self.people(20), key=lambda user: max(self._tastes[user].values()) / self._tastes[user].total())

    def taste(self, user: str) -> str:
        """Return the category a user answers to most."""
        return self._tastes[user].most_common(1)[0][0]

    def author(self) -> str:
        """Return the author of the newest post."""
        return str(next(event for event in reversed(self.toy.events) if event.actor.kind == "post").fields["author"])

    def title(self, post: str) -> str:
        """Return a post's title, empty for one that is not of this world."""
        return next((str(facts["title"]) for ref, facts in self._facts.items() if ref == ("post", post)), "")

    def closeness(self, user: str, posts: list[str]) -> float:
        """Return the expected opens of these posts as a share of the most that as many could have."""
        best = sorted((self._utility(user, post) for post in self._unseen(user)), reverse=True)[: len(posts)]
        return sum(self._utility(user, post) for post in posts) / (sum(best) or 1.0)

    def by_popularity(self, user: str) -> list[str]:
        """Return what a user has not answered to, most opened first."""
        return sorted(self._unseen(user), key=lambda post: (-self._opens[post], post))

    def by_newest(self, user: str) -> list[str]:
        """Return what a user has not answered to, newest first."""
        return self._unseen(user)[::-1]

    def _unseen(self, user: str) -> list[str]:
        return [ref.id for ref in self._facts if ref.kind == "post" and ref.id not in self._touched[user]]

    def _utility(self, user: str, post: str) -> float:
        return float(self.toy.utility(user, post, self._now))
