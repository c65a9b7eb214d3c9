import numpy as np
import pytest

from proffer.models.retrievers.itemknn import ItemKNN
from proffer.testing.world import START, ask, tastes

AT = START + 21 * 86_400.0


def _expected(world, saturation, length):
    """The similarities written out over dense matrices, an item to itself left out."""
    rows = world.interactions()
    wanted = np.zeros((len(world.ids), len(world.subjects)))
    wanted[rows.item, rows.subject] = 1.0
    norm = 1.0 - length + length * wanted.sum(1) / wanted.sum(1).mean()
    rarity = np.log(len(wanted)) - np.log1p(wanted.sum(0))
    weighted = wanted * np.maximum(rarity, 0.0) * ((saturation + 1.0) / (saturation * norm + 1.0))[:, None]
    alike = weighted @ weighted.T
    np.fill_diagonal(alike, 0.0)
    return alike


@pytest.mark.parametrize(("saturation", "length"), [(1.2, 0.75), (0.3, 0.9), (100.0, 0.8), (2.0, 0.0)])
def test_bm25_saturates_as_it_is_set(saturation, length):
    world, _ = tastes(3, users=20, items=60, each=5)
    model = ItemKNN("bm25", saturation=saturation, length=length, neighbours=59).fit(world, at=AT, weights={})
    expected = _expected(world, saturation, length)
    found = np.zeros_like(expected)
    for item, (near, alike) in enumerate(zip(model.near, model.alike, strict=True)):
        found[item, near[near >= 0]] = alike[near >= 0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_bm25_is_tuned_by_its_saturation_and_cosine_is_not():
    assert {"saturation": 100.0, "length": 0.8} in ItemKNN("bm25").variants()
    assert not any("saturation" in one or "length" in one for one in ItemKNN().variants())
    own = ItemKNN("bm25", saturation=0.3, length=0.9)
    assert {"saturation": 0.3, "length": 0.9} not in own.variants()


def test_a_model_without_the_newer_settings_is_restored_with_its_own():
    world, _ = tastes(3, users=20, items=30, each=5)
    values, arrays = ItemKNN("bm25").fit(world, at=AT, weights={}).parameters()
    old = {name: value for name, value in values.items() if name not in ("saturation", "length")}
    again = ItemKNN("bm25").restore(old, arrays)
    assert (again.saturation, again.length) == (1.2, 0.75)
    query = ask("u1", at=AT)
    np.testing.assert_array_equal(
        again.scores(query, world), ItemKNN("bm25").restore(values, arrays).scores(query, world)
    )
