import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.core.errors import Invalid
from proffer.models.algebra import dot, gram, solve
from proffer.models.base import DAY, Preparable, Tunable
from proffer.models.retrievers.als import ALS
from proffer.models.retrievers.bpr import BPR
from proffer.models.retrievers.nmf import NMF
from proffer.models.retrievers.popularity import DecayedPopularity
from proffer.models.wanted import columns_of, taste, wanted_matrix
from proffer.testing.world import START, WEIGHTS, World, ask, tastes

from .test_retriever_quality import _found

AT = START + 21 * DAY
END = START + 100 * DAY
MAKERS = (ALS, BPR, NMF)
FOLDING = (ALS, NMF)
EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 6), st.sampled_from(sorted(WEIGHTS))), min_size=1, max_size=40
)


def _happened(events):
    return [(f"u{user}", f"p{item}", START + row, name) for row, (user, item, name) in enumerate(events)]


def _json(parameters):
    values, arrays = parameters
    return json.loads(json.dumps(values, allow_nan=False)), arrays


class Growing(World):
    """A world to which more can happen."""

    def happen(self, happened, *, merged=0):
        fitted, total = self.merged + merged, happened
        self.__init__(total, posts=self.posts)
        self.merged = fitted


def _newcomer_world():
    """Tastes, and after them an item that four even users want: later what is logged with it, and who else is even."""
    world, _ = tastes(1)
    rows = world.interactions()
    happened = [
        (world.subjects[rows.subject[row]], world.ids[rows.item[row]], float(rows.at[row]), "view")
        for row in range(len(rows.item))
    ]
    later = [(f"u{user}", "new", AT + user, "view") for user in (0, 2, 4, 6, 8, 10, 12, 14)]
    return Growing(happened, posts=world.posts), happened, later


# What is wanted


@settings(deadline=None)
@given(EVENTS, st.integers(1, 8), st.integers(0, 40))
def test_a_taste_is_what_a_plain_walk_finds(events, limit, until):
    world = World(_happened(events))
    rows, n = world.interactions(), len(world.ids)
    matrix = wanted_matrix(rows, {"like": 3.0}, until=START + until, limit=limit, items=n)
    grades = {**WEIGHTS, "like": 3.0}
    for user, subject in enumerate(world.subjects):
        found = {}
        for own, item, name in reversed([event for row, event in enumerate(events) if row < until]):
            if f"u{own}" == subject:
                found.setdefault(f"p{item}", []).append(grades[name])
        expected = {item: max(given) for item, given in found.items() if given[0] > 0}
        expected = dict(list(expected.items())[:limit])
        part = slice(matrix.start[user], matrix.start[user + 1])
        named = {world.ids[item]: grade for item, grade in zip(matrix.columns[part], matrix.grades[part], strict=True)}
        assert named == expected
        if until >= len(events):
            items, given = taste(int(rows.subject_head[user]), columns_of(rows, {"like": 3.0}), limit, n)
            assert dict(zip([world.ids[item] for item in items], given.tolist(), strict=True)) == expected


@settings(deadline=None)
@given(EVENTS)
def test_transposing_twice_sorts_and_loses_nothing(events):
    world = World(_happened(events))
    n = len(world.ids)
    matrix = wanted_matrix(world.interactions(), {}, until=math.inf, limit=100, items=n)
    again = matrix.transposed(n).transposed(len(world.subjects))
    np.testing.assert_array_equal(again.start, matrix.start)
    for row in range(len(world.subjects)):
        part = slice(matrix.start[row], matrix.start[row + 1])
        order = np.argsort(matrix.columns[part])
        np.testing.assert_array_equal(again.columns[part], matrix.columns[part][order])
        np.testing.assert_array_equal(again.grades[part], matrix.grades[part][order])


# Algebra


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**31))
def test_solve_solves(size, seed):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((size + 3, size)).astype(np.float32)
    A = gram(rows) + 0.5 * np.eye(size)
    np.testing.assert_allclose(gram(rows), rows.T.astype(float) @ rows, atol=1e-4)
    b = rng.standard_normal(size)
    x = b.copy()
    solve(A.copy(), x)
    np.testing.assert_allclose(A @ x, b, atol=1e-8)
    assert dot(rows[0], rows[1]) == pytest.approx(float(rows[0] @ rows[1]), abs=1e-4)


def test_a_direction_without_knowledge_gets_nothing():
    x = np.array([1.0, 2.0])
    solve(np.array([[2.0, 0.0], [0.0, 0.0]]), x)
    np.testing.assert_array_equal(x, [0.5, 0.0])


# All three


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_they_find_tastes(make, seed):
    world, later = tastes(seed)
    found = _found(make(16).fit(world, at=AT, weights={}), world, later, AT)
    popularity = _found(DecayedPopularity().fit(world, at=AT, weights={}), world, later, AT)
    assert found > 0.27
    assert found > popularity + 0.05


@pytest.mark.parametrize("make", MAKERS)
def test_a_fit_is_the_same_bits_again_and_another_seed_is_another_fit(make):
    world, _ = tastes(0)
    one, two = (make(8).fit(world, at=AT, weights={}).parameters() for _ in range(2))
    assert one[0] == two[0]
    for name, array in one[1].items():
        np.testing.assert_array_equal(array, two[1][name])
    assert (make(8, seed=1).fit(world, at=AT, weights={}).items != one[1]["items"]).any()


@pytest.mark.parametrize("make", MAKERS)
def test_a_model_keeps_nothing_of_a_user(make):
    world, _ = tastes(0, users=61)
    model = make(8).fit(world, at=AT, weights={})
    assert all(61 not in array.shape for array in model.parameters()[1].values())


@pytest.mark.parametrize("make", MAKERS)
def test_a_fit_never_looks_ahead(make):
    world, _ = tastes(0)
    cut = START + 10 * DAY
    rows = world.interactions()
    before = [
        (world.subjects[rows.subject[row]], world.ids[rows.item[row]], float(rows.at[row]), "view")
        for row in np.flatnonzero(rows.at < cut)
    ]
    users = {user: {} for user in world.subjects}
    past = World(before, posts=world.posts, users=users)
    one = make(8).fit(World(_all(world), posts=world.posts, users=users), at=cut, weights={})
    np.testing.assert_array_equal(one.items, make(8).fit(past, at=cut, weights={}).items)


def _all(world):
    rows = world.interactions()
    return [
        (world.subjects[rows.subject[row]], world.ids[rows.item[row]], float(rows.at[row]), "view")
        for row in range(len(rows.item))
    ]


@pytest.mark.parametrize("make", MAKERS)
def test_who_wanted_nothing_is_told_nothing(make):
    world, _ = tastes(0)
    hidden = World([*_all(world), ("shy", "p1", AT, "hide")], posts=world.posts)
    model = make(8).fit(hidden, at=END, weights={})
    for user in ("nobody", "shy"):
        assert np.isnan(model.scores(ask(user, at=END), hidden)).all()
    assert np.isnan(make(8).scores(ask("u0", at=END), hidden)).all()


@pytest.mark.parametrize("make", MAKERS)
def test_an_item_nobody_wanted_is_not_proposed(make):
    world = World([*_all(tastes(0)[0]), ("u0", "p_hidden", AT, "hide")], posts={"p_quiet": {}})
    model = make(8).fit(world, at=END, weights={})
    scores = model.scores(ask("u2", at=END), world)
    assert np.isnan(scores[world.ordinals(["p_quiet", "p_hidden"])]).all()
    assert np.isfinite(scores).sum() > 30


@pytest.mark.parametrize("make", MAKERS)
def test_a_user_is_as_fresh_as_his_last_event(make):
    world, _ = tastes(0)
    model = make(8).fit(world, at=AT, weights={})
    posts = {f"p{row}": world.posts[f"p{row}"] for row in range(80)}
    for wanted in (0, 1):
        grown = World([*_all(world), *((("fresh"), f"p{i}", AT, "view") for i in range(wanted, 20, 2))], posts=posts)
        found = model.retrieve(ask("fresh", at=END), 10, grown).ids
        assert np.mean([int(post[1:]) % 2 == wanted for post in found]) > 0.8


@pytest.mark.parametrize("make", MAKERS)
def test_an_item_in_the_context_asks_for_more_like_this(make):
    world, _ = tastes(0)
    model = make(8).fit(world, at=AT, weights={})
    query = ask("nobody", at=AT, item="p4")
    found = model.retrieve(query, 10, world).ids
    assert "p4" not in found
    assert np.mean([int(post[1:]) % 2 == 0 for post in found]) >= 0.8
    assert np.nanmax(np.abs(model.scores(query, world))) <= 1.0 + 1e-6
    assert len(model.retrieve(ask("u0", at=AT, item="unheard of"), 10, world)) == 0


@pytest.mark.parametrize("make", MAKERS)
def test_a_higher_grade_pulls_harder(make):
    world, _ = tastes(0)
    model = make(8).fit(world, at=AT, weights={"view": 1.0, "like": 8.0})
    shares = []
    for even, odd in (("like", "view"), ("view", "like")):
        own = [("two", f"p{i}", AT, odd if i % 2 else even) for i in range(12)]
        grown = World([*_all(world), *own], posts=world.posts)
        found = model.retrieve(ask("two", at=END), 20, grown).ids
        shares.append(np.mean([int(post[1:]) % 2 == 0 for post in found]))
    assert shares[0] > shares[1]


@pytest.mark.parametrize("make", MAKERS)
def test_a_type_graded_0_is_not_wanted(make):
    world, _ = tastes(0)
    model = make(8).fit(world, at=AT, weights={"view": 0.0})
    assert np.isnan(model.scores(ask("u0", at=AT), world)).all()


@pytest.mark.parametrize("make", MAKERS)
def test_settings_are_told_taken_over_and_varied(make):
    model = make(8)
    assert isinstance(model, Tunable)
    for settings_ in model.variants():
        varied = model.varied(settings_)
        assert varied is not model
        assert all(getattr(varied, name) == value for name, value in settings_.items())
        told = _json(varied.fit(tastes(0)[0], at=AT, weights={}).parameters())
        again = make().restore(*told)
        assert all(getattr(again, name) == value for name, value in settings_.items())
    with pytest.raises(Invalid, match="colour"):
        model.varied({"colour": "red"})


@pytest.mark.parametrize("make", MAKERS)
def test_costs_grow_with_every_size(make):
    small, large = make().memory(100, 100, 1_000), make().memory(100_000, 100_000, 1_000_000)
    assert 0 < small < large < 2_000_000_000
    assert 0 < make().seconds(100, 100, 1_000) < make().seconds(1_000, 100, 1_000) + make().seconds(100, 100, 10_000)
    assert make(16).seconds(1_000, 1_000, 10_000) < make(48).seconds(1_000, 1_000, 10_000)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("happened", [[("u0", "p0", START, "view")], [("u0", "p0", START, "hide")], []])
def test_the_smallest_worlds(make, happened):
    world = World(happened)
    scores = make().fit(world, at=END, weights={}).scores(ask("u0", at=END), world)
    assert len(scores) == len(world.ids)
    assert not np.isinf(scores).any()


# Newcomers


@pytest.mark.parametrize("make", FOLDING)
def test_a_new_item_wanted_by_the_like_minded_is_proposed_to_the_others(make):
    world, happened, later = _newcomer_world()
    model = make(8).fit(world, at=AT, weights={})
    assert isinstance(model, Preparable)
    world.happen(happened + later)
    place = world.ids.index("new")
    ranks = {0: [], 1: []}
    for user in range(20, 80):
        scores = model.scores(ask(f"u{user}", at=END), world)
        ranks[user % 2].append((scores > scores[place]).sum() if np.isfinite(scores[place]) else len(scores))
    assert np.median(ranks[0]) < 20
    assert np.median(ranks[1]) > 2 * np.median(ranks[0]) + 10


def test_bpr_waits_with_new_items_for_the_next_fit():
    world, happened, later = _newcomer_world()
    model = BPR(8).fit(world, at=AT, weights={})
    world.happen(happened + later)
    assert np.isnan(model.scores(ask("u20", at=END), world)[world.ids.index("new")])
    assert not model.prepare(world, 10)


@pytest.mark.parametrize("make", FOLDING)
@settings(max_examples=40, deadline=None)
@given(EVENTS, EVENTS, st.data())
def test_an_answer_depends_on_the_log_and_not_on_earlier_questions(make, before, after, data):
    first, all_ = _happened(before), _happened([*before, *((u + 2, i + 4, name) for u, i, name in after)])
    world = Growing(first)
    model = make(4, iterations=3, first=3).fit(world, at=END, weights={})
    values = _json(model.parameters())
    moments = sorted(data.draw(st.sets(st.integers(len(first), len(all_)), max_size=4)))
    for moment in moments:
        world.happen(all_[:moment])
        if data.draw(st.booleans()):
            model.prepare(world, data.draw(st.integers(0, 3)))
        if data.draw(st.booleans()):
            model.scores(ask(f"u{data.draw(st.integers(0, 5))}", at=END), world)
    world.happen(all_)
    fresh, once = make().restore(*values), World(all_)
    for user in range(6):
        query = ask(f"u{user}", at=END)
        np.testing.assert_array_equal(model.scores(query, world), fresh.scores(query, once))
        np.testing.assert_array_equal(make().restore(*values).scores(query, once), fresh.scores(query, once))


@pytest.mark.parametrize("make", FOLDING)
def test_a_merge_changes_who_wanted_a_new_item(make):
    world, happened, _ = _newcomer_world()
    model = make(8).fit(world, at=AT, weights={})
    visits = [("visitor", f"p{i}", AT, "view") for i in range(1, 20, 2)] + [("visitor", "new", AT + 1, "view")]
    world.happen(happened + visits)
    query = ask("u20", at=END)
    before = model.scores(query, world)
    merged = [("u1" if user == "visitor" else user, *rest) for user, *rest in visits]
    world.happen(happened + merged, merged=1)
    expected = make().restore(*model.parameters()).scores(query, World(happened + merged, posts=world.posts))
    after = model.scores(query, world)
    np.testing.assert_array_equal(after, expected)
    assert (np.nan_to_num(after) != np.nan_to_num(before)).any()


@pytest.mark.parametrize("make", FOLDING)
def test_only_the_first_people_and_the_first_items_count(make):
    world, happened, later = _newcomer_world()
    model = make(8, first=4, most=1).fit(world, at=AT, weights={})
    world.happen(happened + later[:4])
    query, place = ask("u20", at=END), world.ids.index("new")
    few = model.scores(query, world)[place]
    world.happen([*happened, *later, *((user, "second", at + 99, name) for user, _, at, name in later)])
    scores = model.scores(query, world)
    assert scores[place] == few
    assert np.isnan(scores[world.ids.index("second")])


@pytest.mark.parametrize("make", FOLDING)
def test_a_few_items_score_as_in_the_catalogue_new_ones_too(make):
    world, happened, later = _newcomer_world()
    model = make(8).fit(world, at=AT, weights={})
    world.happen(happened + later)
    new = world.ids.index("new")
    for query in (ask("u20", at=END), ask("u20", at=END, item="p2"), ask("u20", at=END, item="new")):
        scores = model.scores(query, world)
        few = np.array([new, 3, 2, 0])
        np.testing.assert_array_equal(model.some(query, world, few), scores[few])
    assert np.isnan(scores[new])
    assert np.isfinite(scores).any()


@pytest.mark.parametrize("make", FOLDING)
def test_new_items_are_prepared_in_pieces(make):
    world, happened, later = _newcomer_world()
    model = make(8).fit(world, at=AT, weights={})
    world.happen(happened + later)
    pieces = 0
    while model.prepare(world, 3):
        pieces += 1
    assert pieces == 2
    expected = make().restore(*model.parameters()).scores(ask("u20", at=END), world)
    np.testing.assert_array_equal(model.scores(ask("u20", at=END), world), expected)


# Each by itself


def test_als_folds_in_the_exact_least_squares():
    world, _ = tastes(0)
    model = ALS(8, confidence=2.0, regularisation=0.5).fit(world, at=AT, weights={})
    vectors, grades = model.items[:5].astype(float), np.array([1.0, 2.0, 1.0, 4.0, 1.0])
    Y = model.items.astype(float)
    A = Y.T @ Y + 0.5 * np.eye(8) + (vectors.T * (2.0 * grades)) @ vectors
    expected = np.linalg.solve(A, vectors.T @ (1.0 + 2.0 * grades))
    np.testing.assert_allclose(model._user(model.items[:5], grades), expected, rtol=1e-4, atol=1e-6)


def _als_loss(model, world, users):
    Y = model.items.astype(float)
    rows = world.interactions()
    wanted = np.zeros((len(world.subjects), len(Y)))
    wanted[rows.subject, rows.item] = 1.0
    weight = 1.0 + model.confidence * wanted
    return (weight * (wanted - users @ Y.T) ** 2).sum() + model.regularisation * ((users**2).sum() + (Y**2).sum())


def test_als_comes_close_to_exact_alternation():
    world, _ = tastes(0)
    losses = {}
    for steps in (1, 3, 30):
        model = ALS(8, regularisation=0.5, iterations=30, steps=steps).fit(world, at=AT, weights={})
        rows = world.interactions()
        own = [np.flatnonzero(rows.subject == user) for user in range(len(world.subjects))]
        users = np.array([model._user(model.items[rows.item[part]], np.ones(len(part))) for part in own], float)
        losses[steps] = _als_loss(model, world, users)
    assert losses[3] < losses[30] * 1.02
    assert losses[3] < _als_loss(ALS(8, regularisation=0.5, iterations=0).fit(world, at=AT, weights={}), world, users)


def test_nmf_is_non_negative_and_keeps_to_the_specified_length():
    world, _ = tastes(0)
    model = NMF().fit(world, at=AT, weights={})
    assert model.items.shape[1] == 50
    assert (model.items >= 0.0).all()
    assert (model._user(model.items[:4], np.ones(4)) >= 0.0).all()
    for factors in (0, 51):
        with pytest.raises(ValueError, match="factors"):
            NMF(factors)


def test_nmf_folds_in_the_non_negative_least_squares():
    from scipy.optimize import nnls

    world, _ = tastes(0)
    model = NMF(8, updates=500, regularisation=0.0).fit(world, at=AT, weights={})
    target = np.zeros(len(model.items))
    target[:10] = 1.0
    expected, _ = nnls(model.items.astype(float), target)
    np.testing.assert_allclose(model._user(model.items[:10], np.ones(10)), expected, atol=1e-3)


def test_nmf_comes_as_near_to_the_matrix_as_scikit_learn():
    from sklearn import decomposition

    world, _ = tastes(0)
    rows = world.interactions()
    wanted = np.zeros((len(world.subjects), len(world.ids)))
    wanted[rows.subject, rows.item] = 1.0
    reference = decomposition.NMF(8, init="random", random_state=0, max_iter=200, tol=0).fit(wanted)
    model = NMF(8, regularisation=0.0, iterations=200, updates=100).fit(world, at=AT, weights={})
    own = [rows.item[rows.subject == user] for user in range(len(world.subjects))]
    users = np.array([model._user(model.items[items], np.ones(len(items))) for items in own])
    assert np.linalg.norm(wanted - users @ model.items.T) < 1.03 * reference.reconstruction_err_


def test_bpr_folds_in_the_top_of_a_concave_hill():
    world, _ = tastes(0)
    model = BPR(8, ascents=2_000.0, regularisation=0.05).fit(world, at=AT, weights={})
    ordinals, grades = np.array([0, 2, 4]), np.array([1.0, 2.0, 1.0])
    x = model._subject(ordinals, model.items[ordinals], grades).astype(float)
    other = model.items[[item for item in model.arrays["negatives"] if item not in (0, 2, 4)]].astype(float)

    def height(x):
        gaps = (model.items[ordinals].astype(float) @ x)[:, None] - other @ x
        return grades @ -np.log1p(np.exp(-gaps)).mean(axis=1) / grades.sum() - 0.025 * (x[:-1] ** 2).sum()

    assert x[-1] == 1.0
    rng = np.random.default_rng(0)
    for _ in range(50):
        moved = x.copy()
        moved[:-1] += rng.standard_normal(8) * 0.05
        assert height(moved) <= height(x) + 1e-9


def test_bpr_folds_in_from_the_last_wants_and_goes_further_with_more_of_them():
    world, _ = tastes(0)
    model = BPR(8, recent=4).fit(world, at=AT, weights={})
    ordinals = np.arange(0, 20, 2)
    vectors, grades = model.items[ordinals], np.ones(10)
    again = BPR(8, recent=10).restore(*_json(model.parameters()))
    last = model._subject(ordinals, vectors[:4], grades[:4])
    np.testing.assert_array_equal(again._subject(ordinals, vectors, grades), last)
    model.recent = 10
    away = [np.linalg.norm(model._subject(ordinals, vectors[:n], grades[:n]) - model.arrays["mean"]) for n in (1, 9)]
    assert away[0] < away[1]
