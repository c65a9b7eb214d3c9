"""Live traffic by chance: events, settings, models that come and go, and decisions of every kind."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.core.errors import ProfferError
from proffer.core.queries import Query
from proffer.engine.engine import Engine
from tests.engine.releases import ranker_of, saved
from tests.engine.worlds import NOW, did, follow, post

USERS = [f"u{number}" for number in range(1, 40)]
TOPICS = ("food", "music", "space", "trains")
BLENDS: Sequence[dict[str, float]] = (
    {"newest": 0.6, "popularity": 0.4},
    {"content": 0.5, "covisits": 0.3, "personal": 0.2},
    {"als": 0.5, "content": 0.2, "trending": 0.3},
    {"itemknn_cosine": 0.4, "markov": 0.4, "newest": 0.2},
    {"segment": 0.2, "cold_items": 0.3, "active": 0.5, "engagement": 0.2},
    {"nmf": 0.4, "lar": 0.3, "gfcf": 0.3},
)
ZONES = (ZoneInfo("Europe/Stockholm"), timezone(timedelta(hours=-9.5)), UTC)


class Traffic:
    """Acts on an engine by chance and keeps the decisions made."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine, self.rng = engine, random.Random(seed)
        self.decisions: list[Decision] = []
        self.posts = list(engine.state.ids) or ["p0"]
        self.queries = 0

    def run(self, steps: int) -> None:
        """Do so many things, decisions foremost."""
        acts = (self.decide, self.decide, self.decide, self.happen, self.happen, self.publish, self.alter)
        for step in range(steps):
            if step % 25 == 10:
                self.model()
            self.rng.choice(acts)()
            self.engine.clock.move(self.rng.choice([0.5, 60.0, 7_200.0]))

    def happen(self) -> None:
        """Let people do things, some of them late, some with who is a visitor no longer."""
        rng, now = self.rng, self.engine.clock.now()
        rows: list[dict[str, Any]] = []
        for _ in range(rng.randint(1, 30)):
            user = rng.choice([*USERS, f"visitor{rng.randint(1, 9)}"])
            at = now - rng.choice([timedelta(), timedelta(minutes=5), timedelta(days=3)])
            kind = rng.choice(["impression", "view", "view", "like", "share", "bookmark", "hide"])
            rows.append(did(user, kind, rng.choice(self.posts), at))
        if rng.random() < 0.4:
            rows.append(follow(rng.choice(USERS), rng.choice(USERS), rng.choice(["follow", "unfollow", "block"])))
        if rng.random() < 0.2:
            rows.append({
                "type": "entity.merge", "at": now.isoformat(), "actor": {"kind": "user", "id": rng.choice(USERS)},
                "target": {"kind": "user", "id": f"visitor{rng.randint(1, 9)}"},
            })  # fmt: skip
        self.engine.record(rows)

    def publish(self) -> None:
        """Set, change or delete posts."""
        rng, now = self.rng, self.engine.clock.now()
        for _ in range(rng.randint(1, 4)):
            name = rng.choice([rng.choice(self.posts), f"n{len(self.posts)}"])
            if name not in self.posts:
                self.posts.append(name)
            if rng.random() < 0.1:
                self.engine.record([{"type": "entity.delete", "at": now.isoformat(),
                                     "actor": {"kind": "post", "id": name}}])  # fmt: skip
                continue
            words = " ".join(rng.choice(TOPICS) for _ in range(rng.randint(1, 4)))
            facts = {"title": words, "category": rng.choice(TOPICS), "author": rng.choice(USERS)}
            if rng.random() < 0.3:
                facts["visibility"] = rng.choice(["public", "followers", "private"])
            if rng.random() < 0.3:
                facts["expires_at"] = (now + timedelta(hours=rng.randint(1, 48))).isoformat()
            self.engine.record([post(name, now, **facts)])

    def alter(self) -> None:
        """Change settings, all of which a decision reads."""
        rng = self.rng
        self.engine.configure(rng.choice([
            {"content": {"title": rng.random(), "category": 2 * rng.random()}},
            {"diversity": {"home": rng.choice([0.5, 0.8, 1.0]), "similar": 0.7}},
            {"heuristics": {"personal": {"i_freshness": 3 * rng.random()}}},
            {"rules": {"home": [{"do": "seen_out", "within_days": 2.5}, {"do": "cap", "per": "category", "at_most": 2},
                                {"do": "boost", "where": {"category": rng.choice(TOPICS)}, "by": rng.random()},
                                {"do": "pin", "item": rng.choice(self.posts), "position": 2}]}},
            {"rules": {"home": [{"do": "filter", "where": {"category": {"not_in": [rng.choice(TOPICS)]}}}]}},
            {"rules": {}},
            {"exploration": {"home": {"policy": "plackett_luce", "temperature": 0.3, "depth": 20}}},
            {"exploration": {"home": {"policy": "epsilon", "epsilon": 0.4}, "similar": {"policy": "epsilon"}}},
            {"exploration": {}},
            {"assume_seen": {"home": 2}}, {"assume_seen": {}},
        ]))  # fmt: skip

    def model(self) -> None:
        """Let a new model serve, or the one before, or none."""
        engine, rng = self.engine, self.rng
        champion, revision = engine.stores.registry.champion("home")
        if champion is not None and rng.random() < 0.4:
            engine.rollback(champion.id)
            return
        weights = rng.choice(BLENDS)
        ranker = ranker_of(engine, weights, seed=rng.randint(0, 9)) if rng.random() < 0.5 else None
        engine.release(saved(engine, weights, ranker).id, revision)

    def decide(self) -> None:
        """Ask something that can be asked, under what can befall a request."""
        query, rng = self.query(), self.rng
        with self.trouble():
            try:
                decision = self.engine.recommend(query)
            except ProfferError:
                return
        self.decisions.append(decision)
        if decision.slate and rng.random() < 0.5:
            seen = rng.choice(decision.slate).id
            self.engine.record([{**did(query.subject.id, "view", seen, self.engine.clock.now()),
                                 "query_id": query.id}])  # fmt: skip

    def query(self) -> Query:
        """Return a question of any kind."""
        rng = self.rng
        self.queries += 1
        at = self.engine.clock.now().astimezone(rng.choice(ZONES)) - rng.choice([timedelta(0), timedelta(hours=5)])
        query = Query(
            id=f"q{self.queries}", pipeline="home", subject=EntityRef("user", rng.choice([*USERS, "visitor3", "new"])),
            at=at, n=rng.choice([1, 3, 10, 40]), language=rng.choice(["en", "sv"]),
            diversity=rng.choice([None, None, 0.3, 0.9, 1.0]), context={"device": "phone", "language": "sv"},
        )  # fmt: skip
        form = rng.random()
        if form < 0.25:
            found = rng.sample(self.posts, min(len(self.posts), rng.randint(1, 30)))
            known = [name for name, row in zip(found, self.engine.state.ordinals(found), strict=True) if row >= 0]
            return changed(query, candidates=tuple(known) or None)
        if form < 0.45:
            return changed(query, pipeline="similar", context={"item": rng.choice(self.posts)})
        if form < 0.65 and self.decisions:
            before = rng.choice(self.decisions[-5:])
            return changed(before.query, id=query.id, at=at, after=before.id)
        return query

    @contextmanager
    def trouble(self) -> Iterator[None]:
        """Now and then be late, or let a source or the ranker fail."""
        engine, rng = self.engine, self.rng
        patient, fitted = engine.deadline_ms, dict(engine.fitted)
        fate = rng.random()
        if fate < 0.15:
            engine.deadline_ms = rng.choice([-1.0, 1.0, 3.0])
        elif fate < 0.3:
            home = fitted["home"]
            broken = rng.sample(list(home.retrievers), 3)
            engine.fitted["home"] = replace(home, retrievers={
                name: Broken(one) if name in broken and name != "newest" else one
                for name, one in home.retrievers.items()
            })  # fmt: skip
        elif fate < 0.4 and fitted["home"].ranker is not None:
            engine.fitted["home"] = replace(fitted["home"], ranker=Broken(fitted["home"].ranker))
        try:
            yield
        finally:
            engine.deadline_ms, engine.fitted = patient, fitted


class Broken:
    """A source or a ranker that fails whenever it is asked for scores."""

    def __init__(self, of: Any) -> None:
        self.of = of
        self.name = of.name

    def scores(self, *_: Any) -> Any:
        """Fail."""
        raise RuntimeError("out of order")

    some = predict = scores

    def __getattr__(self, name: str) -> Any:
        return getattr(self.of, name)


def changed(query: Query, **values: Any) -> Query:
    """Return a query with some members changed."""
    from msgspec.structs import replace as other

    return other(query, **values)


def later(engine: Engine) -> datetime:
    """Return a moment after everything."""
    return max(engine.clock.now(), NOW) + timedelta(days=1)
