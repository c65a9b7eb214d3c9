"""When logged decisions cannot tell what another policy would have earned, that is said."""

import numpy as np
import pytest

from proffer.core.errors import Invalid
from proffer.experiments.offpolicy import Slates, snips
from proffer.experiments.support import ANSWERED, ENOUGH, Drawn, depths
from proffer.testing.cascade import PLACES, Cascade


def whys(slates, drawn):
    return [depth.why for depth in depths(slates, drawn)]


def test_where_there_is_enough_nothing_is_said():
    slates, drawn, _ = Cascade(2.0).log(0, 400)
    assert whys(slates, drawn) == [None] * PLACES


def test_a_low_expected_size_is_said_even_where_no_great_weight_was_drawn():
    """Logs that happen to hold no great weight look well and are biased: they are refused all the same."""
    world = Cascade(0.45)
    found = [world.log(seed, 400) for seed in range(30)]
    best = max(found, key=lambda one: depths(*one[:2])[-1].ess)
    depth = depths(*best[:2])[-1]
    assert depth.ess > 2 * depth.expected
    assert "of equal weight, and 50 are needed" in depth.why
    assert all(depths(*one[:2])[-1].why for one in found)


def test_deeper_places_tell_less_and_are_refused_first():
    slates, drawn, _ = Cascade(0.6).log(0, 300)
    found = depths(slates, drawn)
    assert [depth.expected for depth in found] == sorted((depth.expected for depth in found), reverse=True)
    enough = [depth.why is None for depth in found]
    assert enough == sorted(enough, reverse=True)
    assert enough[0]
    assert not enough[-1]
    # Whatever is wrong with the first places is wrong with more of them.
    assert len({depth.why for depth in found}) == 2


def test_what_logging_never_shows_is_noticed():
    slates, drawn, _ = Cascade(2.0).log(0, 400)
    out = drawn.logged.copy()
    out[:30, 1] = 0.0
    assert whys(slates, Drawn.of(out, drawn.target)) == [None, None, None, None]
    out[:200, 1] = 0.0
    found = depths(slates, Drawn.of(out, drawn.target))
    assert found[0].why is None
    assert "is never shown by the one that was logged" in found[1].why
    assert [round(depth.lost, 2) for depth in found] == [0.0, *[round(200 / len(out), 2)] * 3]


def test_propensities_that_are_not_the_chances_are_noticed():
    """A temperature of 2 was logged where 1 was used."""
    world, wrong = Cascade(1.0), Cascade(2.0)
    slates, drawn, _ = world.log(0, 1000)
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 4, len(slates.rewards))
    lists = world._draw(world.logging, kinds, rng)
    told = Slates.of(
        wrong.chances(world.logging, kinds, lists), wrong.chances(world.target, kinds, lists), slates.rewards
    )
    own = wrong._draw(world.target, kinds, rng)
    drawn = Drawn.of(wrong.chances(world.logging, kinds, own), wrong.chances(world.target, kinds, own))
    assert "propensities are not the chances" in str(whys(told, drawn))


@pytest.mark.parametrize("seed", range(20))
def test_right_propensities_are_not_suspected(seed):
    slates, drawn, _ = Cascade(1.0).log(seed, 500)
    assert "propensities" not in str(whys(slates, drawn))


def test_few_answers_say_too_little():
    evenly = np.full((400, 1), 0.5)
    rewards = np.zeros((400, 1))
    rewards[: ANSWERED - 1] = 1.0
    drawn = Drawn.of(evenly, evenly)
    whose = np.arange(400)
    assert f"{ANSWERED} are needed" in whys(Slates.of(evenly, evenly, rewards, whose), drawn)[0]
    rewards[:ANSWERED] = 1.0
    assert whys(Slates.of(evenly, evenly, rewards, whose), drawn) == [None]
    # All of one subject are one.
    assert whys(Slates.of(evenly, evenly, rewards, np.zeros(400)), drawn)[0] is not None
    # Where every fourth decision counts, a fourth of the answers do.
    own = np.where(np.arange(400)[:, None] % 4 == 0, 1.0, 0.5)
    depth = depths(Slates.of(evenly, evenly, rewards, whose), Drawn.of(own / 4, own))[0]
    assert depth.answers == pytest.approx(ANSWERED / 4)


def test_few_decisions_say_too_little():
    for n, enough in ((ENOUGH - 1, False), (ENOUGH, True)):
        evenly = np.full((n, 1), 0.5)
        assert (whys(Slates.of(evenly, evenly, np.ones((n, 1))), Drawn.of(evenly, evenly)) == [None]) == enough


def test_beyond_the_target_policys_lists_nothing_is_told():
    nan, n = float("nan"), 100
    logged = np.full((n, 2), 0.5)
    target = np.column_stack([np.full(n, 0.5), np.zeros(n)])
    own = np.column_stack([np.full(n, 0.5), np.full(n, nan)])
    found = depths(Slates.of(logged, target, np.ones((n, 2))), Drawn.of(own, own))
    assert found[0].why is None
    assert (found[1].due, found[1].lost) == (0.0, 0.0)
    assert found[1].why is not None
    assert snips(Slates.of(logged, target, np.ones((n, 2)))).value == 1.0


def test_chances_of_other_shapes_are_refused():
    with pytest.raises(Invalid, match="shape"):
        Drawn.of([0.5, 0.5], [0.5])
