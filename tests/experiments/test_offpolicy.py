"""Off-policy estimators: identities, reference values, and the truth of a toy world where it is known."""

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.core.errors import Invalid
from proffer.experiments import offpolicy
from proffer.experiments.offpolicy import (
    Direct,
    Slates,
    clipped_ips,
    difference,
    direct,
    doubly_robust,
    effective_size,
    ips,
    on_policy,
    self_normalised_dr,
    snips,
)
from proffer.testing.cascade import Cascade

SEEDS = range(60)
chance = st.floats(0.01, 1.0)


@st.composite
def lists(draw, places=3):
    """Return chances under two policies and rewards of a few lists."""
    n = draw(st.integers(2, 12))
    matrix = st.lists(st.lists(chance, min_size=places, max_size=places), min_size=n, max_size=n)
    rewards = st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=places, max_size=places), min_size=n, max_size=n)
    return np.array(draw(matrix)), np.array(draw(matrix)), np.array(draw(rewards))


@given(lists())
def test_of_the_logging_policy_itself_every_weight_is_1(found):
    logged, _, rewards = found
    slates = Slates.of(logged, logged, rewards)
    mean = rewards.sum(axis=1).mean()
    assert slates.weights.tolist() == np.ones(logged.shape).tolist()
    assert effective_size(slates.weights[:, -1]) == len(logged)
    for one in (on_policy(slates), ips(slates), clipped_ips(slates, 2.0), snips(slates)):
        assert one.value == pytest.approx(mean)
        assert one.low <= one.value <= one.high


@given(lists(), st.floats(-3, 3))
def test_a_reward_for_everybody_moves_the_self_normalised_by_just_that(found, more):
    logged, target, rewards = found
    one, other = (Slates.of(logged, target, values) for values in (rewards, rewards + more))
    assert snips(other).value - snips(one).value == pytest.approx(3 * more, abs=1e-6)


@given(lists())
def test_rewards_further_down_do_not_change_what_is_told_of_the_first_places(found):
    logged, target, rewards = found
    other = rewards.copy()
    other[:, 2] = 1.0 - other[:, 2]
    one, two = (Slates.of(logged, target, values).first(2) for values in (rewards, other))
    assert (ips(one).value, snips(one).value) == (ips(two).value, snips(two).value)


@given(lists(), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_a_model_that_knows_nothing_changes_nothing(found, levels):
    """One that says 0 leaves IPS; one that says the same of all items leaves the self-normalised IPS."""
    slates = Slates.of(*found)
    nothing = np.zeros(found[0].shape)
    assert doubly_robust(slates, Direct.of(nothing, nothing)).value == pytest.approx(ips(slates).value)
    same = np.tile(levels, (len(nothing), 1))
    model = Direct.of(same, same)
    assert direct(model) == pytest.approx(sum(levels))
    assert self_normalised_dr(slates, model).value == pytest.approx(snips(slates).value, abs=1e-9)


def test_a_list_that_ends_earns_nothing_below_its_end():
    nan = float("nan")
    slates = Slates.of([[0.5, 0.5], [0.5, nan]], [[0.5, 1.0], [1.0, nan]], [[1.0, 1.0], [1.0, nan]])
    assert slates.weights.tolist() == [[1.0, 2.0], [2.0, 0.0]]
    assert ips(slates).value == pytest.approx((1 + 2 + 2) / 2)
    assert on_policy(slates).value == 1.5


def test_decisions_of_one_subject_count_as_one():
    """The same decision four times says no more than once."""
    rng = np.random.default_rng(0)
    logged, target, rewards = rng.uniform(0.2, 1, 40), rng.uniform(0.2, 1, 40), rng.integers(0, 2, 40)
    once = Slates.of(logged, target, rewards, np.arange(40))
    often = Slates.of(*(np.repeat(values, 4) for values in (logged, target, rewards, np.arange(40))))
    alone = often._replace(clusters=None)
    for estimate in (ips, snips):
        assert estimate(often)[:4] == pytest.approx(estimate(once)[:4])
        assert estimate(alone).error < 0.6 * estimate(often).error


def test_what_a_few_great_weights_make_is_told_with_a_wider_interval():
    even, odd = np.full(100, 0.5), np.append(np.full(99, 0.5), 0.01)
    rewards = np.tile([0.0, 1.0], 50)
    one, other = (ips(Slates.of(logged, np.full(100, 0.5), rewards)) for logged in (even, odd))
    assert (one.high - one.value) / one.error < (other.high - other.value) / other.error


def test_an_estimate_differs_from_itself_by_nothing():
    slates = Slates.of([0.5, 0.25, 0.5], [0.25, 0.5, 0.5], [1, 0, 1])
    assert difference(ips(slates), ips(slates))[:4] == (0.0, 0.0, 0.0, 0.0)
    paired = difference(ips(slates), on_policy(slates))
    assert paired.value == pytest.approx(ips(slates).value - on_policy(slates).value)


def test_one_decision_tells_nothing_of_the_error():
    found = ips(Slates.of([0.5], [0.5], [1.0]))
    assert (found.low, found.error) == (pytest.approx(0.0), float("inf"))


@pytest.mark.parametrize(
    ("logged", "target", "rewards", "said"),
    [
        ([0.5, float("nan")], [0.5, 0.5], [1, 0], "1 decisions have no propensity"),
        ([0.5, 0.0], [0.5, 0.5], [1, 0], "logged chance is 0"),
        ([0.5, -0.1], [0.5, 0.5], [1, 0], "between 0 and 1"),
        ([0.5, 1.1], [0.5, 0.5], [1, 0], "between 0 and 1"),
        ([0.5, 0.5], [0.5, float("nan")], [1, 0], "between 0 and 1"),
        ([0.5, 0.5], [0.5, 0.5], [1, float("inf")], "finite"),
        ([0.5, 0.5], [0.5], [1, 0], "differ in length"),
        ([], [], [], "no decisions"),
    ],
)
def test_impossible_chances_are_refused(logged, target, rewards, said):
    with pytest.raises(Invalid, match=said):
        Slates.of(logged, target, rewards)


@cache
def logs(temperature, rate, subjects):
    world = Cascade(temperature, rate)
    return world, [world.log(seed, subjects) for seed in SEEDS]


@pytest.mark.parametrize(("temperature", "rate", "subjects"), [(1.0, 0.25, 200), (1.0, 0.05, 400)])
def test_the_truth_is_found_and_held_by_the_intervals(temperature, rate, subjects):
    """Mean of sixty logs within four standard errors; intervals of 95 % miss at most eight (one in 500 by chance)."""
    world, found = logs(temperature, rate, subjects)
    lead = world.value - world.logging_value
    told = {
        "ips": ([ips(slates) for slates, _, _ in found], world.value),
        "snips": ([snips(slates) for slates, _, _ in found], world.value),
        "dr": ([doubly_robust(slates, model) for slates, _, model in found], world.value),
        "sndr": ([self_normalised_dr(slates, model) for slates, _, model in found], world.value),
        "logged": ([on_policy(slates) for slates, _, _ in found], world.logging_value),
        "lead": (
            [difference(doubly_robust(s, model), on_policy(s), s.clusters) for s, _, model in found],
            lead,
        ),
    }
    for name, (estimates, truth) in told.items():
        values = np.array([one.value for one in estimates])
        assert abs(values.mean() - truth) < 4 * values.std() / len(values) ** 0.5, name
        assert sum(one.low <= truth <= one.high for one in estimates) >= len(values) - 8, name


def test_clipping_and_a_wrong_model_are_biased_and_the_doubly_robust_is_not():
    world, found = logs(1.0, 0.25, 200)
    clipped = [clipped_ips(slates, 3.0).value for slates, _, _ in found]
    modelled = [direct(model) for _, _, model in found]
    robust = [doubly_robust(slates, model).value for slates, _, model in found]
    assert np.mean(clipped) < world.value - 0.03
    assert np.mean(modelled) > world.value + 0.03
    assert abs(np.mean(robust) - world.value) < 0.02


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_the_worlds_chances_add_up(seed):
    world = Cascade(0.7, seed=seed)
    lists = np.array([[a, b] for a in range(8) for b in range(8) if a != b])
    chances = world.chances(world.target, np.zeros(len(lists), np.int64), lists)
    assert chances.prod(axis=1).sum() == pytest.approx(1.0)


def reference():
    folder = os.environ.get("PROFFER_DATA")
    if folder is None:
        pytest.skip("PROFFER_DATA names no data folder")
    cases = json.loads((Path(folder) / "experiments" / "reference_cases.json").read_text())["cases"]
    return {case["what"]: case for case in cases if case["what"].startswith("ope_")}


@pytest.mark.data
def test_reference_cases():
    cases = reference()
    assert len(cases) == 5
    given = cases["ope_ips"]["input"]
    logged, policy, rewards = (np.array(given[name]) for name in ("pscore", "eval_policy", "reward"))
    rows = np.arange(len(rewards)), np.array(given["action"])
    slates = Slates.of(logged, policy[rows], rewards)
    expected = {name: case["expected"] for name, case in cases.items()}
    predicted = np.array(cases["ope_dm_dr_sndr"]["input"]["q_hat"])
    model = Direct.of(predicted[rows], (policy * predicted).sum(axis=1))
    itself = Slates.of(logged, logged, rewards)
    near = {"abs": 1e-12}
    assert slates.weights[:, 0] == pytest.approx(expected["ope_ips"]["weights"], **near)
    assert (ips(slates).value, ips(slates).error) == pytest.approx(
        (expected["ope_ips"]["value"], expected["ope_ips"]["se"]), **near
    )
    assert (snips(slates).value, effective_size(slates.weights)) == pytest.approx(
        (expected["ope_snips"]["value"], expected["ope_snips"]["ess"]), **near
    )
    clip = cases["ope_clipped_ips"]["input"]["clip"]
    assert clipped_ips(slates, clip).value == pytest.approx(expected["ope_clipped_ips"]["value"], **near)
    robust = doubly_robust(slates, model)
    assert (direct(model), robust.value, robust.error, self_normalised_dr(slates, model).value) == pytest.approx(
        tuple(expected["ope_dm_dr_sndr"][name] for name in ("dm", "dr", "dr_se", "sndr")), **near
    )
    assert (ips(itself).value, snips(itself).value) == pytest.approx(tuple(expected["ope_identity"].values()), **near)


def test_nothing_heavy_is_imported_before_it_is_needed():
    assert "scipy" not in vars(offpolicy)
