import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from proffer.models.topk import top_rows

VALUES = st.sampled_from([0.0, -0.0, 1.0, 1.0 + 1e-16, 2.5, -3.0, float("nan"), float("-inf"), float("inf")])


@given(st.lists(st.tuples(VALUES, st.booleans()), max_size=60), st.integers(0, 70), st.randoms())
def test_equals_a_full_sort(rows, k, random):
    scores = np.array([score for score, _ in rows], np.float64)
    allowed = np.array([free for _, free in rows], np.bool_)
    ids = [f"i{row:03d}" for row in range(len(rows))]
    random.shuffle(ids)
    valid = [row for row in range(len(rows)) if allowed[row] and scores[row] > -np.inf]
    best = sorted(valid, key=lambda row: (-scores[row], ids[row]))
    assert top_rows(scores, k, ids, allowed).tolist() == best[:k]


@given(st.lists(VALUES, min_size=1, max_size=40), st.integers(1, 20), st.randoms())
def test_the_order_of_the_catalogue_does_not_matter(values, k, random):
    ids = [f"i{row:03d}" for row in range(len(values))]
    places = list(range(len(values)))
    random.shuffle(places)
    straight = top_rows(np.array(values), k, ids)
    mixed = top_rows(np.array([values[row] for row in places]), k, [ids[row] for row in places])
    assert [ids[row] for row in straight] == [ids[places[row]] for row in mixed]


def test_does_not_change_its_input():
    scores, allowed = np.array([1.0, 2.0, np.nan]), np.array([True, True, True])
    top_rows(scores, 2, ["a", "b", "c"], allowed)
    assert allowed.all()
