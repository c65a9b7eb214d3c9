import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.models.retrievers.markov import Markov
from proffer.models.sequences import latest, sequences
from proffer.testing.world import START, WEIGHTS, World, ask

EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from(sorted(WEIGHTS))), max_size=40)


def _world(events):
    items = {f"p{item}": {} for item in range(6)}
    happened = [(f"u{user}", f"p{item}", START + row, name) for row, (user, item, name) in enumerate(events)]
    return World(happened, posts=items, users={f"u{user}": {} for user in range(4)})


def _of(events, user, until):
    found = []
    for row, (owner, item, name) in enumerate(events):
        if owner == user and row < until and WEIGHTS[name] > 0 and found[-1:] != [item]:
            found.append(item)
    return found


@settings(deadline=None)
@given(EVENTS, st.integers(0, 40), st.integers(1, 6))
def test_sequences_are_what_a_plain_walk_finds(events, until, limit):
    world = _world(events)
    start, items = sequences(world.interactions(), {}, until=START + until, limit=limit)
    for user in range(4):
        assert items[start[user] : start[user + 1]].tolist() == _of(events, user, until)[-limit:]


@settings(deadline=None)
@given(EVENTS, st.integers(1, 6))
def test_the_latest_leave_out_what_was_hidden_last(events, limit):
    world = _world(events)
    for user in range(4):
        newest = {item: name for owner, item, name in events if owner == user}
        own = [(user, item, name) for owner, item, name in events if owner == user and newest[item] != "hide"]
        expected = _of(own, user, len(own))[::-1][:limit]
        assert latest(ask(f"u{user}"), world, {}, limit).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.integers(0, 40), st.integers(1, 4))
def test_transitions_counted_live_complete_those_of_the_fit(events, cut, order):
    world = _world(events)
    make = {"order": order, "prior": 1e-9, "fresh": 100, "kept": 6}
    whole = Markov(**make).fit(world, at=START + 100, weights={})
    part = Markov(**make).fit(world, at=START + cut, weights={})
    for item in range(6):
        query = ask("nobody", at=START + 100, item=f"p{item}")
        one, other = (np.nan_to_num(model.scores(query, world)) for model in (whole, part))
        # Where nothing came after an item popularity answers, and that stands still between two fits.
        if whole.followed(item):
            np.testing.assert_allclose(other, one, atol=1e-6)
