"""The toy feed: the same for its seed, and won by the trained champion."""

from datetime import timedelta
from functools import cache

import numpy as np
import pytest

from proffer.apps.feed.simulate import START, Toy
from proffer.core.errors import Invalid
from proffer.engine.plan import Budget
from tests.engine.worlds import NOW, asks, champion, new_engine

SEEDS = (0, 1, 2)
ASKED = [f"u{number}" for number in range(1, 81)]


def test_a_world_is_that_of_its_seed():
    assert Toy(3).events == Toy(3).events
    assert Toy(3).events != Toy(4).events


def test_events_are_in_order_with_ids_of_their_own():
    events = Toy(3).events
    times = [event.at for event in events]
    assert times == sorted(times)
    assert len({event.id for event in events}) == len(events)
    assert START <= times[0] <= times[-1] <= START + timedelta(days=15)


def test_every_event_passes_the_feeds_own_checks():
    from proffer.apps.feed.app import app

    for event in Toy(3).events[::17]:
        row = {"id": event.id, "type": event.type, "at": event.at.isoformat(), "fields": dict(event.fields),
               "actor": event.actor._asdict()}  # fmt: skip
        if event.target is not None:
            row["target"] = event.target._asdict()
        assert app.schema.read(row, id="x", latest=event.at, now=event.at) == event


def test_utility_is_a_chance_that_fades_and_is_nought_before_the_post():
    toy = Toy(0)
    late = START + timedelta(days=14)
    for user in ("u1", "u40"):
        chances = [toy.utility(user, f"p{post + 1}", late) for post in range(toy.posts)]
        assert 0 <= min(chances) < max(chances) <= 0.95
        assert toy.utility(user, "p240", START) == 0
    assert toy.utility("u1", "p1", START + timedelta(days=1)) > toy.utility("u1", "p1", late)


def test_an_unknown_size_is_refused():
    with pytest.raises(Invalid, match="unknown size"):
        Toy(0, "huge")


@cache
def outcomes(seed: int) -> dict[str, float]:
    """Return the mean utility over all users of the top 5 of each contender, as a share of the oracle's best."""
    toy = Toy(seed, "small")
    engine = new_engine(toy.events)
    engine.train(budget=Budget.of(1))
    found = {"champion": top5(engine, toy)}
    for source in ("popularity", "newest"):
        champion(engine, {source: 1.0})
        found[source] = top5(engine, toy)
    best = []
    for user in ASKED:
        seen = {engine.state.ids[row] for row in engine.state.touched(asks(user).subject)}
        chances = [toy.utility(user, item, NOW) for item in engine.state.ids if item not in seen]
        best.append(np.mean(sorted(chances, reverse=True)[:5]))
    return {name: value / float(np.mean(best)) for name, value in found.items()}


def top5(engine, toy) -> float:
    slates = {user: engine.recommend(asks(user, 5)).slate for user in ASKED}
    assert all(len(slate) == 5 for slate in slates.values())
    return float(np.mean([toy.utility(user, placed.id, NOW) for user, slate in slates.items() for placed in slate]))


def test_the_trained_champion_beats_popularity_and_is_near_the_best():
    """Floors: 1.2 times popularity with each seed, 0.9 times newest, and half of the best on the whole."""
    found = [outcomes(seed) for seed in SEEDS]
    for one in found:
        assert one["champion"] > 1.2 * one["popularity"], one
        assert one["champion"] > 0.9 * one["newest"], one
        assert one["champion"] <= 1.0
    assert np.mean([one["champion"] for one in found]) > 0.5, found
