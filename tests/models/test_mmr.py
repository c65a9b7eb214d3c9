import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.core.candidates import Candidates
from proffer.core.errors import Invalid
from proffer.models.rerankers.mmr import MMR, diversity
from proffer.testing import ask

LAMBDAS = (0.0, 0.25, 0.5, 0.75, 1.0)


def pool(seed: int, size: int, *, levels: int = 1_000_000):
    """Return candidates of few or many score levels, in no order, and their similarity."""
    rng = np.random.default_rng(seed)
    vectors = np.abs(rng.normal(size=(size, 3)))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = rng.integers(0, levels, size).astype(np.float32)
    ids = tuple(f"i{row:02d}" for row in rng.permutation(size))
    return Candidates("post", ids, np.arange(size), scores), (vectors @ vectors.T).clip(0, 1).astype(np.float32)


def naive(candidates: Candidates, similarity, share: float, n: int):
    rows = sorted(range(len(candidates)), key=lambda row: (-candidates.scores[row], candidates.ids[row]))
    scores = candidates.scores.astype(np.float64)
    scale = (scores - scores.min()) / ((scores.max() - scores.min()) or 1.0)
    placed: list[int] = []
    while len(placed) < min(n, len(rows)):
        free = [row for row in rows if row not in placed]
        values = [
            share * scale[row] - (1 - share) * max((float(similarity[other, row]) for other in placed), default=0.0)
            for row in free
        ]
        placed.append(free[int(np.argmax(values))])
    return tuple(candidates.ids[row] for row in placed)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 25), st.sampled_from([1, 3, 1_000_000]), st.sampled_from(LAMBDAS))
def test_places_what_the_definition_says(seed, size, levels, share):
    candidates, similarity = pool(seed, size, levels=levels)
    found = MMR().rerank(ask(diversity=share), candidates, similarity, 10)
    assert found.ids == naive(candidates, similarity, share, 10)


def test_one_keeps_the_order_of_relevance_and_asks_for_no_similarity():
    candidates, _ = pool(1, 20)

    def refuse(ordinals):
        raise AssertionError

    assert MMR(0.3).rerank(ask(diversity=1.0), candidates, refuse, 7).ids == candidates.top(7).ids


def test_the_first_is_always_the_most_relevant_and_scores_travel_along():
    candidates, similarity = pool(2, 30)
    found = MMR(0.0).rerank(ask(), candidates, similarity, 30)
    assert found.ids[0] == candidates.top(1).ids[0]
    assert sorted(found.ids) == sorted(candidates.ids)
    given_scores = dict(zip(candidates.ids, candidates.scores, strict=True))
    assert all(given_scores[post] == score for post, score in zip(found.ids, found.scores, strict=True))


def test_a_callable_gets_ordinals_in_order_of_relevance():
    candidates, similarity = pool(3, 15)
    by_call = MMR(0.5).rerank(ask(), candidates, lambda ordinals: similarity[np.ix_(ordinals, ordinals)], 15)
    assert by_call.ids == MMR(0.5).rerank(ask(), candidates, similarity, 15).ids


def test_diversity_falls_with_lambda_on_average():
    means = []
    for share in LAMBDAS:
        values = []
        for seed in range(40):
            candidates, similarity = pool(seed, 30)
            rows = MMR(share).rerank(ask(), candidates, similarity, 8).ordinals
            values.append(diversity(similarity[np.ix_(rows, rows)]))
        means.append(np.mean(values))
    assert means == sorted(means, reverse=True)
    assert means[0] > means[-1] + 0.05


def test_near_copies_are_parted():
    candidates = Candidates("post", ("a", "b", "c"), np.arange(3), np.float32([1.0, 0.99, 0.5]))
    similarity = np.float32([[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    assert MMR(0.5).rerank(ask(), candidates, similarity, 3).ids == ("a", "c", "b")


def test_unknown_scores_come_last():
    candidates = Candidates("post", ("a", "b", "c"), np.arange(3), np.float32([np.nan, 1.0, 2.0]))
    assert MMR(0.9).rerank(ask(), candidates, np.eye(3, dtype=np.float32), 3).ids == ("c", "b", "a")


@pytest.mark.parametrize("size", [0, 1])
def test_short_lists(size):
    candidates = Candidates("post", ("a",)[:size], np.arange(size), np.ones(size, np.float32))
    found = MMR(0.5).rerank(ask(), candidates, np.ones((size, size), np.float32), 5)
    assert len(found) == size
    assert np.isnan(diversity(np.ones((size, size), np.float32)))


def test_what_cannot_be_is_refused():
    candidates, similarity = pool(4, 5)
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(Invalid, match="lambda"):
            MMR(share)
        with pytest.raises(Invalid, match="lambda"):
            MMR().rerank(ask(diversity=share), candidates, similarity, 3)
    with pytest.raises(Invalid, match="similarity"):
        MMR(0.5).rerank(ask(), candidates, lambda ordinals: similarity[:2], 3)
