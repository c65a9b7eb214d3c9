"""Looks at real decisions: equal ones, one that was tampered with, and what explains that one comes out otherwise."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from proffer.core.clock import CountingIds, first_id
from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.engine import looking
from proffer.engine.bygone import Past
from proffer.engine.engine import Engine
from proffer.engine.looking import EQUAL, Judged, judge, look
from tests.engine.worlds import NOW, asks, champion, few_posts, new_engine, toy

HOUR = timedelta(hours=1)


class TimedIds(CountingIds):
    """Ids that say the time of the toy world's end, and count."""

    def new(self, prefix: str) -> str:
        return f"{first_id(prefix, NOW)}{super().new('n')}"


@pytest.fixture
def engine() -> Engine:
    """An engine with a model that has decided a few times while things happened."""
    engine = new_engine(toy().events)
    engine.ids = TimedIds()
    champion(engine, {"newest": 1.0, "content": 0.5})
    for number in range(6):
        engine.recommend(asks(f"u{number}", 10))
        engine.record([{"type": "like", "actor": f"u{number}", "target": f"p{number}"}])
    return engine


def logged(engine: Engine) -> list[Decision]:
    return engine.stores.decisions.find(limit=100)


def tampered(decision: Decision) -> Decision:
    """Return a decision whose first item was logged with another score."""
    first = msgspec.structs.replace(decision.slate[0], score=decision.slate[0].score + 0.5)
    return msgspec.structs.replace(decision, slate=(first, *decision.slate[1:]))


def test_decisions_of_a_running_world_come_out_equal(engine: Engine) -> None:
    found = look(engine, NOW - HOUR, NOW + HOUR, 20, 0)
    assert (found.checked, found.mismatched, found.incomparable) == (6, {}, {})
    assert look(engine, NOW - HOUR, NOW + HOUR, 2, 0).checked == 2
    assert look(engine, NOW + HOUR, NOW + 2 * HOUR, 20, 0).checked == 0


def test_one_that_was_logged_otherwise_is_found(engine: Engine) -> None:
    decisions = logged(engine)
    engine.stores.decisions.replace([tampered(decisions[2])], [])
    found = look(engine, NOW - HOUR, NOW + HOUR, 20, 0)
    assert list(found.mismatched) == [decisions[2].id]
    assert found.mismatched[decisions[2].id] == "other slate"
    assert found.checked == 6


@pytest.mark.parametrize(("place", "named"), [(0, "other code"), (1, "other packages"), (2, "other processor")])
def test_what_computed_otherwise_explains_it(engine: Engine, place: int, named: str) -> None:
    decision = logged(engine)[0]
    words = decision.made.split(" ")
    words[place] += "x"
    elsewhere = msgspec.structs.replace(decision, made=" ".join(words))
    assert judge(engine, elsewhere, Past(engine)) == EQUAL
    assert judge(engine, tampered(elsewhere), Past(engine)) == Judged(left_out=named)
    near = msgspec.structs.replace(elsewhere.slate[0], score=elsewhere.slate[0].score * (1 + 1e-9))
    rounded = (near, *elsewhere.slate[1:])
    assert judge(engine, msgspec.structs.replace(elsewhere, slate=rounded), Past(engine)) == EQUAL
    here = msgspec.structs.replace(decision, slate=rounded)
    assert judge(engine, here, Past(engine)).mismatch == "other slate"


def test_an_erasure_since_explains_it(engine: Engine) -> None:
    decision = tampered(logged(engine)[0])
    assert judge(engine, decision, Past(engine)).mismatch
    engine.erase([EntityRef("user", "u9")])
    assert judge(engine, decision, Past(engine)) == Judged(left_out="erased")


def test_a_model_that_is_gone_or_features_that_changed(engine: Engine) -> None:
    decision = logged(engine)[0]
    gone = msgspec.structs.replace(decision, version="m_gone", model="m_gone")
    assert judge(engine, gone, Past(engine)) == Judged(left_out="gone")
    other = msgspec.structs.replace(decision, schema="another")
    assert judge(engine, other, Past(engine)) == Judged(left_out="gone")


def test_a_log_that_is_shorter_than_the_decision_is_skew(engine: Engine) -> None:
    beyond = msgspec.structs.replace(logged(engine)[0], as_of=10**9)
    assert judge(engine, beyond, Past(engine)).mismatch == "it cannot be made again"


def test_code_that_fails_is_skew(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by chance")

    monkeypatch.setattr(looking, "replay_decision", fails)
    found = look(engine, NOW - HOUR, NOW + HOUR, 20, 0)
    assert (found.checked, len(found.mismatched)) == (6, 6)
    assert set(found.mismatched.values()) == {"making it again fails: ZeroDivisionError"}


def test_a_source_that_answers_by_chance_is_found() -> None:
    from proffer.apps.feed.app import HOME
    from proffer.apps.feed.app import app as feed
    from tests.engine.lottery import Lottery

    home = replace(HOME, retrievers=(*HOME.retrievers, Lottery), ladder=("lottery",))
    engine = new_engine(app=replace(feed, pipelines=(home, *feed.pipelines[1:])))
    engine.ids = TimedIds()
    few_posts(engine)
    engine.recommend(asks("u1", 5))
    found = look(engine, NOW - HOUR, NOW + HOUR, 20, 0)
    assert (found.checked, len(found.mismatched)) == (1, 1)
    assert not any(f"'{name}'" in str(found) for name in "abcdef")
