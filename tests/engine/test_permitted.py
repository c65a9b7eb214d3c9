"""Which of given candidates may be shown: what the whole catalogue's masks say of them."""

import numpy as np
import pytest

from proffer.engine.pool import masks, permitted, rules_of
from tests.engine.worlds import DAY, NOW, PLAIN, accepted, asks, did, few_posts, follow, new_engine, post

RULES = [{"do": "filter", "where": {"category": {"not_in": ["tech"]}}}, {"do": "seen_out"}]


@pytest.fixture
def engine():
    engine = new_engine(app=PLAIN)
    few_posts(engine, author="ann")
    accepted(
        engine, post("f", author="bob", visibility="followers"), post("p", author="bob", visibility="private"),
        post("late", NOW + DAY), post("gone", expires_at=(NOW - DAY).isoformat()), post("t", category="tech"),
        post("mine", author="u1", visibility="private"), post("x", author="eve"), follow("u1", "eve", "block"),
        follow("u2", "bob"), did("u1", "hide", "a"), did("u2", "report", "b"), did("u1", "view", "c"),
    )  # fmt: skip
    return engine


@pytest.mark.parametrize("user", ["u1", "u2", "ann", "nobody has heard of"])
@pytest.mark.parametrize("rules", [[], RULES])
@pytest.mark.parametrize("shown", [(), ("d", "f")])
def test_looking_at_a_few_says_what_looking_at_all_says(engine, user, rules, shown):
    engine.configure({"rules": {"home": rules}})
    fitted, state = engine.fitted["home"], engine.state
    among = np.arange(len(state.ids))[::-2].copy()
    query = asks(user, candidates=tuple(state.ids[ordinal] for ordinal in among))
    found = rules_of(fitted, engine.settings, query, state)
    whole, few = masks(fitted, found, shown), masks(fitted, found, shown, among)
    assert [*whole] == [*few]
    for name, mask in whole.items():
        assert mask[among].tolist() == few[name].tolist(), name
    together = np.logical_and.reduce([*whole.values()])
    allowed = permitted(fitted, found, shown, among)
    assert allowed[among].tolist() == together[among].tolist()
    assert allowed.sum() == together[among].sum(), "nothing but a candidate may be shown"


def test_a_condition_without_some_is_asked_of_all(engine):
    class Even:
        name = "even"

        def __call__(self, query, state):
            return np.arange(len(state.ids)) % 2 == 0

    fitted = engine.fitted["home"]
    declared = type(fitted.pipeline)(**{**vars(fitted.pipeline), "eligible": (Even(),), "rules": ()})
    fitted = type(fitted)(declared, fitted.retrievers, {})
    found = rules_of(fitted, engine.settings, asks(candidates=("b", "c", "d")), engine.state)
    among = engine.state.ordinals(["b", "c", "d"])
    assert masks(fitted, found, (), among)["even"].tolist() == (among % 2 == 0).tolist()
