"""A feed whose readers want what is known: logged under one model, to be asked what another would have earned."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from msgspec.structs import replace as changed

from proffer.core.decisions import Decision
from proffer.engine.chances import Policy
from proffer.engine.engine import Engine
from proffer.engine.explore import explore
from proffer.engine.replay import Change, Past, make_again
from proffer.engine.slate import pin
from tests.engine.worlds import DAY, NOW, PLAIN, accepted, asks, champion, did, few_posts, new_engine

ITEMS = "abcdefgh"
PLACES = 4
EXPLORING = {"policy": "plackett_luce", "temperature": 1.5}


def wanted(place: int, item: str, before: str | None) -> float:
    """Return how likely an item is wanted at a place from 0, when another one stands before it."""
    found = (0.5 if item in "aceg" else 0.15) * 0.8**place
    return found / 2 if before is not None and (ord(item) - ord(before)) % 2 == 0 else found


def readers(engine: Engine, seed: int, users: int = 100, visits: int = 4) -> None:
    """Let users come, be shown four items and want some of them; every other visit names its query.

    What is drawn for a slate comes from the query's id, so the ids of two seeds differ too.
    """
    rng = np.random.default_rng(seed)
    for visit in range(visits):
        for user in range(users):
            at = engine.clock.move(1).now()  # type: ignore[attr-defined]
            query = changed(asks(f"u{user}", PLACES, at=at), id=f"q{seed}/{visit}/{user}")
            shown = [placed.id for placed in engine.recommend(query).slate]
            chances = [wanted(place, *pair) for place, pair in enumerate(zip(shown, [None, *shown], strict=False))]
            liked = [item for item, chance in zip(shown, chances, strict=True) if rng.random() < chance]
            rows = [did(f"u{user}", "view", item, at + timedelta(seconds=0.5)) for item in liked]
            if visit % 2:
                rows = [{**row, "query_id": query.id} for row in rows]
            if rows:
                accepted(engine, *rows)


def house(rules: Sequence[dict[str, Any]] = (), exploration: dict[str, Any] | None = None) -> tuple[Engine, str, str]:
    """Return an engine of eight posts and two versions: the newest first serves, the popular first waits."""
    engine = new_engine(app=PLAIN)
    for author, names in (("ann", ITEMS[:4]), ("ben", ITEMS[4:])):
        few_posts(engine, names, author=author)
    accepted(
        engine, *[did(f"x{n}", "view", item, NOW - DAY / 3) for k, item in enumerate(ITEMS) for n in range(24 - 3 * k)]
    )
    other = champion(engine, {"popularity": 1.0, "newest": 0.2})
    serving = champion(engine, {"newest": 1.0})
    engine.configure({"exploration": {"home": exploration or EXPLORING}, "rules": {"home": list(rules)}})
    return engine, serving, other


def later(engine: Engine, days: float = 2.0) -> None:
    """Let time pass, so that every decision is closed."""
    engine.clock.move(days * 86_400)  # type: ignore[attr-defined]


def decided(engine: Engine) -> list[Decision]:
    """Return all decisions in order of the log."""
    return sorted(engine.stores.decisions.find(limit=100_000), key=lambda one: one.as_of)


def truth(engine: Engine, version: str, places: int, draws: int = 4) -> float:
    """Return what the slates of a version earn on average on their first places, in the states that were logged."""
    past, total = Past(engine), []
    for decision in decided(engine):
        again = make_again(past, decision, Change(model=version))
        policy = Policy(again)
        for draw in range(draws):
            found = explore(policy.walk(), f"{draw}/{decision.query.id}")
            rows = pin(found.rows, policy.arranged.fixed)[: min(places, PLACES)]
            items = [policy.ids[row] for row in rows]
            total.append(sum(wanted(k, *pair) for k, pair in enumerate(zip(items, [None, *items], strict=False))))
    return float(np.mean(total))
