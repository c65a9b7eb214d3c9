"""The simulated loop: the best order is best, and known; all arms get the same visitors; all is by the seed."""

from dataclasses import replace
from functools import cache

import pytest

from proffer.apps.advisor.app import app as advisor
from proffer.bootstrap import in_memory
from proffer.core.errors import Invalid
from proffer.engine.simulation import BEFORE, BEST, BY_MODEL, LEARNT, NDCG, Simulated, simulate


@cache
def found(seed: int = 0) -> Simulated:
    return simulate(advisor, in_memory, size="tiny", rounds=2, seeds=1, first_seed=seed)


def of(arm: str, round: int) -> dict[str, float]:
    row = next(row for row in found().table if (row.arm, row.round) == (arm, round))
    return {name: one.value for name, one in row.measures.items()}


def test_the_best_possible_order_has_an_ndcg_of_one_and_nothing_else_has():
    assert of(BEST, 1)[NDCG] == pytest.approx(1.0)
    assert of(BEST, 2)[NDCG] == pytest.approx(1.0)
    assert 0.3 < of(BEFORE, 1)[NDCG] < 0.9


def test_the_best_possible_order_is_clicked_more():
    assert found().changes[BEST]["clicks a list"].value > 0.2


def test_before_anything_was_learnt_the_arms_have_the_same_lists_of_the_same_people():
    lists = {row.arm: row.lists for row in found().table if row.round == 1}
    assert len(set(lists.values())) == 1
    assert of(LEARNT, 1)[BY_MODEL] == of(BEFORE, 2)[BY_MODEL] == 0.0


def test_a_simulation_is_that_of_its_seed():
    again = simulate(advisor, in_memory, size="tiny", rounds=2, seeds=1, arms=(BEFORE, BEST))
    assert [row for row in found().table if row.arm != LEARNT] == again.table
    other = simulate(advisor, in_memory, size="tiny", rounds=1, seeds=1, first_seed=1, arms=(BEFORE,))
    assert other.table[0] != again.table[0]


def test_a_training_that_cannot_be_says_why():
    assert len(found().trainings[0]) == 1
    assert found().trainings[0][0].why


def test_what_cannot_be_simulated_is_refused():
    with pytest.raises(Invalid, match="no toy world that answers"):
        simulate(replace(advisor, simulate=None), in_memory, rounds=1, seeds=1)
    with pytest.raises(Invalid) as refused:
        simulate(advisor, in_memory, rounds=0)
    assert refused.value.field == "rounds"
