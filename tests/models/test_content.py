import numpy as np
import pytest

from proffer.models.base import DAY
from proffer.models.retrievers.content import Content
from proffer.models.retrievers.hashing import text_bags
from proffer.testing.world import START, World, ask

POSTS = {
    "jazz1": {"title": "Jazzkonsert i Malmö", "tags": ["jazz", "live"]},
    "jazz2": {"title": "Två jazzkonserter nästa helg", "tags": ["jazz"]},
    "soup1": {"title": "Soppa på kantareller", "tags": ["mat"]},
    "soup2": {"title": "Kantarellsoppa för fyra", "tags": ["mat"]},
    "blank": {"title": "", "tags": []},
    "nothing": {},
}


def _world():
    happened = [("ann", "jazz1", START, "view"), ("ann", "bare", START, "view")]
    return World(happened, posts=POSTS)


def test_profile_finds_inflected_and_compound_words():
    found = Content().retrieve(ask("ann", at=START + DAY), 2, _world())
    assert found.ids == ("jazz1", "jazz2")
    assert Content().retrieve(ask("x", item="soup1"), 1, _world()).ids == ("soup2",)


def test_items_without_words_or_labels_are_not_proposed():
    world = _world()
    scores = Content().scores(ask("ann", at=START + DAY), world)
    unknown = [world.ids.index(post) for post in ("blank", "nothing", "bare")]
    assert np.isnan(scores[unknown]).all()
    plain = World([("ann", "p0", START, "view"), ("bob", "p1", START, "view")])
    assert np.isnan(Content().scores(ask("ann"), plain)).all()


def test_changed_attributes_count_at_once():
    world, content = _world(), Content()
    query = ask("ann", at=START + DAY)
    assert content.retrieve(query, 9, world).ids[:2] == ("jazz1", "jazz2")
    world.set("soup1", {"title": "Jazzkonsert i Malmö", "tags": ["jazz", "live"]})
    assert set(content.retrieve(query, 2, world).ids) == {"jazz1", "soup1"}
    world.set("jazz2", {})
    assert "jazz2" not in content.retrieve(query, 9, world).ids


def test_equal_attributes_tie():
    world = World([("ann", "p7", START, "view")], posts={f"p{row}": {"title": "same words"} for row in range(150)})
    scores = Content().scores(ask("ann", at=START + DAY), world)
    assert len(set(scores)) == 1
    assert scores[0] == pytest.approx(1.0, abs=1e-5)


def test_similarity_is_symmetric_between_0_and_1():
    world, content = _world(), Content()
    rows = np.array([0, 1, 2, 3, 4])
    similarity = content.similarity(rows, world)
    np.testing.assert_array_equal(similarity, similarity.T)
    assert similarity.dtype == np.float32
    assert similarity.min() >= 0.0
    assert similarity.max() <= 1.0
    np.testing.assert_allclose(np.diag(similarity), [1, 1, 1, 1, 0], atol=1e-5)
    assert similarity[0, 1] > similarity[0, 2]
    assert similarity[2, 3] > similarity[1, 3]


def test_scores_do_not_depend_on_the_size_of_the_catalogue():
    small, large = (
        _world(),
        World([("ann", "jazz1", START, "view")], posts=POSTS | {f"x{i}": POSTS["soup1"] for i in range(200)}),
    )
    query = ask("ann", at=START + DAY)
    np.testing.assert_array_equal(Content().scores(query, small)[:6], Content().scores(query, large)[:6])


def test_fit_learns_that_common_words_say_little():
    posts = {f"p{row}": {"title": f"nyheter idag {word}"} for row, word in enumerate(("ost", "vin", "ost", "bil"))}
    world = World(
        [("ann", "p0", START, "view")], posts={**posts, **{f"n{i}": {"title": "nyheter idag"} for i in range(30)}}
    )
    raw, fitted = Content(), Content().fit(world, at=START + DAY, weights={})
    rows = np.arange(4)
    gap = [model.similarity(rows, world)[0, 2] - model.similarity(rows, world)[0, 1] for model in (raw, fitted)]
    assert gap[1] > gap[0] > 0


@pytest.mark.parametrize("text", ["", "   ", "!!!", "\U0001f600", "a", "中文標題", "\ud800"])
def test_any_text_can_be_read(text):
    for buckets, counts in text_bags(text):
        assert (counts > 0).all()
        assert (np.diff(buckets) > 0).all()


def test_vectors_made_in_pieces_are_those_made_at_once():
    posts = {f"p{row}": {"title": f"story number {row} about {'tea' if row % 2 else 'cars'}"} for row in range(7)}
    world = World([("u0", "p1", START, "view")], posts=posts)
    pieces, whole = Content(), Content()
    left = [pieces.prepare(world, 3) for _ in range(3)]
    assert left == [True, True, False]
    np.testing.assert_array_equal(pieces.scores(ask(), world), whole.scores(ask(), world))
    world.set("p2", {"title": "something else"})
    assert pieces.prepare(world, 0)
    assert not pieces.prepare(world, 1)


def test_rarities_counted_on_are_those_counted_anew():
    world, followed = _world(), Content()

    def same(at: float) -> None:
        followed.learned = 0
        rarities = [one.fit(world, at=at, weights={}).rarity for one in (followed, Content())]
        assert rarities[0].tobytes() == rarities[1].tobytes()

    between = float(np.median(world.published()[np.isfinite(world.published())]))
    for at in (between, START + DAY, START + DAY):
        same(at)
    world.set("jazz1", {"title": "Inget mer"})
    same(START + DAY)
    assert (followed._met.count(world, START - DAY)[0] == 0).all()
