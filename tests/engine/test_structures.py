"""The automatic choice on worlds of one structure; bench/families.py does the same over twenty seeds."""

from itertools import pairwise

import numpy as np
import pytest

from proffer.apps.feed.app import HOME, app
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.errors import Invalid
from proffer.engine.engine import Engine
from proffer.engine.plan import Budget
from proffer.stores.memory import memory_stores
from proffer.testing.structures import END, STRUCTURES, champion_family, structured

FAMILIES = {make().family for make in HOME.retrievers}


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_right_family_is_put_in_charge(structure):
    right = STRUCTURES[structure]
    if right not in FAMILIES:
        pytest.skip(f"the feed declares no source of the family {right}")
    stores = memory_stores(FixedClock(END))
    stores.log.append(structured(structure, 1))
    engine = Engine(app, "s", stores, clock=FixedClock(END), ids=CountingIds(), deadline_ms=60_000)
    report = engine.train(budget=Budget.of(2.0), seed=1).metrics
    assert champion_family(report) == right, report["choice"]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_worlds_are_the_same_by_seed_and_in_order_of_time(structure):
    events = structured(structure, 3)
    assert events == structured(structure, 3) != structured(structure, 4)
    times = [event.at for event in events]
    assert times == sorted(times)
    pairs = [(event.actor, event.target) for event in events if event.target]
    assert len(pairs) == len(set(pairs))


def test_each_world_has_its_structure():
    views = {name: [(e.actor.id, e.target.id, e.at) for e in structured(name, 0) if e.target] for name in STRUCTURES}
    following = {}
    for user in {user for user, _, _ in views["sequence"]}:
        mine = [post for one, post, _ in views["sequence"] if one == user]
        for a, b in pairwise(mine):
            following.setdefault(a, []).append(b)
    commonest = [max(map(after.count, after)) / len(after) for after in following.values()]
    assert np.mean(commonest) > 0.5
    counts = np.sort(np.unique([post for _, post, _ in views["popularity"]], return_counts=True)[1])
    assert counts[-10:].sum() > 0.3 * counts.sum()
    even = np.unique([post for _, post, _ in views["taste"]], return_counts=True)[1]
    assert even.max() < 4 * even.mean()
    born = {e.actor.id: e.at for e in structured("ageing", 0) if not e.target}
    ages = [(at - born[post]).total_seconds() / 3600 for _, post, at in views["ageing"]]
    assert np.median(ages) < 12


def test_an_unknown_structure_is_refused():
    with pytest.raises(Invalid, match="no structure"):
        structured("chaos", 0)
