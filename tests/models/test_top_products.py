import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.core.errors import Invalid
from proffer.models.products import products
from proffer.models.tiles import bytes_are_fast
from proffer.models.topk import TopProducts, top_products, top_rows

KINDS = [False, True] if bytes_are_fast() else [False]


def sorted_all(users, factors, k, ids, seen=None):
    rows, scores = np.full((len(users), k), -1, np.int64), np.full((len(users), k), np.nan)
    for user, vector in enumerate(users):
        exact, allowed = products(vector, factors), np.ones(len(factors), np.bool_)
        if seen is not None:
            allowed[seen[1][seen[0][user] : seen[0][user + 1]]] = False
        best = top_rows(exact, k, ids, allowed)
        rows[user, : len(best)], scores[user, : len(best)] = best, exact[best]
    return rows, scores


def same(found, expected):
    assert found[0].tolist() == expected[0].tolist()
    assert found[1].tobytes() == expected[1].tobytes()


def mixed_ids(rng, n):
    return [f"i{row:05d}" for row in rng.permutation(n)]


def some_seen(rng, users, n, each):
    rows = [rng.integers(0, n, int(rng.integers(0, each + 1))) for _ in range(users)]
    return np.concatenate([[0], np.cumsum([len(row) for row in rows])]), np.concatenate(rows).astype(np.int32)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6), n=st.integers(1, 1500), f=st.integers(1, 21), users=st.integers(0, 19),
    k=st.integers(0, 30), levels=st.sampled_from([0, 1, 2, 5]), scale=st.sampled_from([1e-160, 1e-6, 1.0, 1e6, 1e60]),
    spread=st.sampled_from([0.0, 1.0, 3.0]), double=st.booleans(), coarse=st.sampled_from(KINDS),
    seen=st.booleans(), threads=st.sampled_from([1, 3]),
)  # fmt: skip
def test_equals_a_full_sort(seed, n, f, users, k, levels, scale, spread, double, coarse, seen, threads):
    rng = np.random.default_rng(seed)
    kind = np.float64 if double else np.float32
    # Few levels make many ties; a spread makes some items far longer than others.
    made = rng.normal(size=(n + users, f)) if not levels else rng.integers(-levels, levels + 1, (n + users, f))
    made = made * np.exp(spread * rng.normal(size=(n + users, 1)))
    items, people = (made[:n] * (scale if double else 1.0)).astype(kind), made[n:].astype(kind)
    ids, before = mixed_ids(rng, n), some_seen(rng, users, n, 40) if seen and users else None
    found = TopProducts(items, ids, coarse=coarse).of(people, k, before, threads=threads)
    same(found, sorted_all(people, items, k, ids, before))


@pytest.mark.parametrize("coarse", KINDS)
def test_does_not_depend_on_the_batch_nor_on_threads(coarse):
    rng = np.random.default_rng(3)
    items, users = rng.normal(size=(5000, 24)).astype("f"), rng.normal(size=(700, 24)).astype("f")
    top = TopProducts(items, mixed_ids(rng, 5000), coarse=coarse)
    whole = top.of(users, 10)
    same(top.of(users, 10, threads=4), whole)
    for size in (1, 7, 300):
        parts = [top.of(users[at : at + size], 10) for at in range(0, 700, size)]
        same(tuple(np.concatenate(each) for each in zip(*parts, strict=True)), whole)


@pytest.mark.parametrize("coarse", KINDS)
@pytest.mark.parametrize("kind", ["equal", "zero user", "negative", "one far out", "nearly equal"])
def test_catalogues_that_are_hard_to_screen(coarse, kind):
    rng = np.random.default_rng(5)
    items, users = rng.normal(size=(4000, 8)), rng.normal(size=(9, 8))
    if kind == "equal":
        items[:] = items[0]
    elif kind == "zero user":
        users[::2] = 0.0
    elif kind == "negative":
        items, users = -np.abs(items), np.abs(users)
    elif kind == "one far out":
        items[1234] *= 1e9
    else:
        items = items[0] + 1e-9 * items
    ids = mixed_ids(rng, 4000)
    same(TopProducts(items, ids, coarse=coarse).of(users, 20), sorted_all(users, items, 20, ids))


def test_does_screen_and_does_not_sort_everything(monkeypatch):
    rng = np.random.default_rng(1)
    items, users = rng.normal(size=(9000, 32)).astype("f"), rng.normal(size=(64, 32)).astype("f")
    top = TopProducts(items, mixed_ids(rng, 9000))
    monkeypatch.setattr(top, "_sorted_out", lambda *_: pytest.fail("scored everything"))
    top.of(users, 20)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e200])
def test_refuses_numbers_that_are_not_finite(wrong):
    items, users = np.ones((3, 2)), np.ones((2, 2))
    items[1, 1] = wrong
    with pytest.raises(Invalid, match="factors: row 1 holds a number that is not finite"):
        top_products(users, items, 1, ["a", "b", "c"])
    users[0, 0], items[1, 1] = wrong, 1.0
    with pytest.raises(Invalid, match="users: row 0"):
        top_products(users, items, 1, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("users", "ids", "seen", "message"),
    [
        (np.ones((2, 3)), ["a", "b"], None, "users of shape"),
        (np.ones((2, 2)), ["a"], None, "1 ids for factors of shape"),
        (np.ones((2, 2)), ["a", "b"], ([0, 1], [0]), "do not fit 2 users"),
        (np.ones((2, 2)), ["a", "b"], ([0, 2, 1], [0]), "do not fit"),
        (np.ones((2, 2)), ["a", "b"], ([0, 0, 1], [2]), "not a row of 2"),
    ],
)
def test_refuses_shapes_that_do_not_fit(users, ids, seen, message):
    with pytest.raises(Invalid, match=message):
        top_products(users, np.ones((2, 2)), 1, ids, seen)


def test_nobody_and_nothing():
    rows, scores = top_products(np.ones((0, 2)), np.ones((3, 2)), 2, ["a", "b", "c"])
    assert rows.shape == scores.shape == (0, 2)
    rows, scores = top_products(np.ones((2, 2)), np.ones((0, 2)), 2, [])
    assert rows.tolist() == [[-1, -1], [-1, -1]]
    assert np.isnan(scores).all()


def test_vectors_of_length_zero_tie_everywhere():
    assert top_products(np.ones((2, 0)), np.ones((40, 0)), 1, [f"i{row:02d}" for row in range(40, 0, -1)])[
        0
    ].tolist() == [[39], [39]]


def test_pads_where_all_is_seen():
    rows, scores = top_products(np.ones((1, 2)), np.ones((3, 2)), 5, ["c", "b", "a"], ([0, 1], [1]))
    assert rows.tolist() == [[2, 0, -1, -1, -1]]
    assert np.isnan(scores[0, 2:]).all()


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 70))
def test_products_are_the_same_bits_one_by_one(seed, n, f):
    rng = np.random.default_rng(seed)
    vector, factors = rng.normal(size=f), rng.normal(size=(n, f)).astype(np.float32)
    whole = products(vector, factors)
    assert whole.tolist() == [products(vector, factors[row : row + 1])[0] for row in range(n)]
    np.testing.assert_allclose(whole, factors.astype(np.float64) @ vector, rtol=1e-9, atol=1e-9)
