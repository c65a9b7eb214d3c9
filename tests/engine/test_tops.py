"""The first places of a blend, beside the way that serving takes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.engine.pool import Pool
from proffer.engine.ranking import blend, ranking
from proffer.engine.tops import first_places, id_ranks

SOURCES = ("a", "b", "c", "d")


@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(1, 25), st.sampled_from([2, 50, 10**6]))
@settings(max_examples=150, deadline=None)
def test_the_first_places_are_those_of_the_whole_order(seed, size, depth, values):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-values, values, (size, 4)).astype(np.float32) / np.float32(7)
    proposed = rng.random((size, 4)) < 0.5
    scores[~proposed] = np.nan
    ids = [f"i{number}" for number in rng.permutation(size)]
    ordinals = np.arange(size)
    weighted = np.flatnonzero(rng.random(4) < 0.6)
    weights = rng.random(len(weighted))
    vector = np.zeros(4)
    vector[weighted] = weights
    rows = np.flatnonzero(proposed[:, weighted].any(axis=1))
    pool = Pool(SOURCES, ordinals[rows], scores[rows], proposed[rows])
    expected = rows[ranking(blend(pool, SOURCES, vector), pool.ordinals, ids)][:depth]
    found = first_places(scores, proposed, id_ranks(ordinals, ids), weighted, weighted, weights, depth)
    assert found.tolist() == expected.tolist()
