import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from proffer.models.histories import first_wanted, graded, last_wanted
from proffer.testing.world import START, WEIGHTS, World

EVENTS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.sampled_from(sorted(WEIGHTS))), max_size=30)


def _world(events):
    return World([(f"u{user}", f"p{item}", START + row, name) for row, (user, item, name) in enumerate(events)])


@given(EVENTS, st.integers(1, 6))
def test_last_wanted_is_what_a_plain_walk_finds(events, limit):
    world = _world(events)
    for user, subject in enumerate(world.subjects):
        newest = {}
        for row in range(len(events) - 1, -1, -1):
            if f"u{events[row][0]}" == subject:
                newest.setdefault(events[row][1], row)
        wanted = [row for row in newest.values() if WEIGHTS[events[row][2]] > 0]
        items, times = last_wanted(world.interactions(), user, limit)
        # At most 8 x limit rows are walked, far beyond the length of these.
        assert [world.ids[item] for item in items] == [f"p{events[row][1]}" for row in wanted][:limit]
        assert times.tolist() == [START + row for row in wanted][:limit]


@given(EVENTS)
def test_first_wanted_rows_are_first_of_their_pair(events):
    rows = _world(events).interactions()
    seen, expected = set(), []
    for row, (user, item, name) in enumerate(events):
        if WEIGHTS[name] > 0 and row < 20 and (user, item) not in seen:
            seen.add((user, item))
            expected.append(row)
    assert first_wanted(rows, rows.weight, START + 20).tolist() == expected


def test_a_type_without_a_given_weight_keeps_its_own():
    rows = _world([(0, 0, "view"), (0, 1, "like"), (0, 2, "hide")]).interactions()
    np.testing.assert_array_equal(graded(rows, {"like": 5.0}), [1.0, 5.0, -1.0])
    np.testing.assert_array_equal(graded(rows, {}), rows.weight)


def test_an_unknown_subject_has_no_history():
    assert len(last_wanted(_world([]).interactions(), -1, 5)[0]) == 0
