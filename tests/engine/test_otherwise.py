"""What another model, time, lambda or rule would have shown, and why; and what cannot be replayed."""

import shutil
import threading
from datetime import timedelta

import pytest
from msgspec.structs import replace

from proffer.app import Rule
from proffer.core.entities import EntityRef
from proffer.core.errors import Busy, CannotReplay, Invalid, NotFound
from proffer.engine.bygone import Past, position_at
from proffer.engine.replay import Change, replay_decision
from tests.engine.releases import EVENTS, FIRST, SECOND, opened, saved
from tests.engine.worlds import DAY, NOW, PLAIN, accepted, asks, did, few_posts, new_engine, post

HOUR = DAY / 24


def moved(replayed):
    return {one.item: (one.before, one.after) for one in replayed.otherwise.moves}


def whys(replayed):
    return {one.item: one.why for one in replayed.otherwise.moves}


@pytest.fixture
def engine():
    """Newest first over the posts a to f, f the newest; a slate of three."""
    engine = new_engine(app=PLAIN)
    few_posts(engine, category="food")
    return engine


def test_rules_pin_filter_and_cap(engine):
    decision = engine.recommend(asks("u1", 3))
    assert [placed.id for placed in decision.slate] == ["f", "e", "d"]
    pinned = replay_decision(engine, decision.id, Change(rules=(Rule(do="pin", item="a", position=1),)))
    assert pinned.verdict == "exact"
    assert moved(pinned) == {"a": (None, 1), "f": (1, 2), "e": (2, 3), "d": (3, None)}
    before = "at place 6, and 3 are shown (place 6 by score, -1.454)"
    assert whys(pinned)["a"] == f"entered: pinned to place 1; before, {before}"
    assert whys(pinned)["d"].startswith("left: at place 4, and 3 are shown (place 3 by score")
    assert whys(pinned)["f"].startswith("moved by diversity, caps or what moved around it: place 1")
    filtered = replay_decision(engine, decision.id, Change(rules=(Rule(do="filter", where={"title": ["a", "f"]}),)))
    assert moved(filtered) == {"a": (None, 2), "e": (2, None), "d": (3, None)}
    assert whys(filtered)["e"] == "left: it fails the condition: filter 1"
    capped = replay_decision(engine, decision.id, Change(rules=(Rule(do="cap", per="category", at_most=1),)))
    assert whys(capped)["e"].startswith("left: a cap is used up by better ones (place 2 by score")


def test_another_time_reads_another_log(engine):
    decision = engine.recommend(asks("u1", 3))
    accepted(engine, post("z", NOW + HOUR), did("u1", "view", "f", NOW + 2 * HOUR))
    later = replay_decision(engine, decision.id, Change(at=NOW + HOUR))
    assert moved(later) == {"z": (None, 1), "f": (1, 2), "e": (2, 3), "d": (3, None)}
    assert whys(later)["z"].endswith("before, nobody had mentioned it yet")
    latest = replay_decision(engine, decision.id, Change(at=NOW + 3 * HOUR))
    assert whys(latest)["f"] == "left: it fails the condition: not seen yet"
    earlier = replay_decision(engine, decision.id, Change(at=NOW - DAY + 0.025 * DAY))
    assert moved(earlier) == {"c": (None, 1), "b": (None, 2), "a": (None, 3), "f": (1, None), "e": (2, None),
                              "d": (3, None)}  # fmt: skip
    assert whys(earlier)["f"] == "left: nobody had mentioned it yet"
    assert earlier.otherwise.decision.query.at == NOW - DAY + 0.025 * DAY
    assert replay_decision(engine, decision.id, Change(at=NOW - 9 * DAY)).otherwise.decision.slate == ()
    assert later.verdict == latest.verdict == earlier.verdict == "exact"


def test_the_log_at_a_time_ends_before_the_first_later_event():
    engine = new_engine()
    times = [3, 1, 5, 4, 9]
    accepted(engine, *(post(f"p{hour}", NOW - DAY + hour * HOUR) for hour in times))
    ends = [position_at(engine.stores.log, NOW - DAY + hour * HOUR) for hour in (2, 3, 4, 5, 8, 9)]
    assert ends == [0, 2, 2, 4, 4, 5]


def test_another_model_and_another_lambda():
    engine = new_engine(EVENTS)
    first, second = (saved(engine, weights).id for weights in (FIRST, SECOND))
    engine.release(first, 0)
    decision = engine.recommend(asks("u5"))
    engine.release(second, 1)
    now = engine.recommend(asks("u5"))
    found = replay_decision(engine, decision.id, Change(model=second))
    assert (found.verdict, found.otherwise.decision.model) == ("exact", second)
    assert found.otherwise.decision.slate == now.slate
    assert all("by score" in why for why in whys(found).values())
    same = replay_decision(engine, decision.id, Change(model=first, diversity=decision.query.diversity))
    assert same.otherwise.moves == ()
    diverse = replay_decision(engine, decision.id, Change(diversity=0.2)).otherwise
    assert diverse.moves
    assert (
        diverse.decision.slate
        == replay_decision(engine, replace(decision, query=replace(decision.query, diversity=0.2))).again.slate
    )


def test_what_the_ladder_answered_stays_the_ladders_under_a_rule_and_is_the_models_when_one_is_named():
    engine = new_engine(EVENTS)
    version = saved(engine, SECOND).id
    decision = engine.recommend(asks("u5"))
    assert decision.version == "untrained"
    assert replay_decision(engine, decision.id, Change(rules=())).otherwise.decision.model == decision.model
    assert replay_decision(engine, decision.id, Change(model=version)).otherwise.decision.model == version
    engine.release(version, 0)
    served = engine.recommend(asks("u5"))
    assert replay_decision(engine, served.id, Change(model="untrained")).otherwise.decision.slate == decision.slate


def test_erased_since(engine):
    accepted(engine, did("u9", "view", "e"))
    decision = engine.recommend(asks("u1", 3))
    assert replay_decision(engine, decision.id).since == ()
    engine.erase([EntityRef("user", "u9")])
    replayed = replay_decision(engine, decision.id)
    assert replayed.since == ("1 erasure since changed the log it was made from",)
    assert replayed.verdict == "exact"
    later = engine.recommend(asks("u1", 3, at=NOW + HOUR))
    assert replay_decision(engine, later.id).since == ()
    meanwhile = engine.recommend(asks("u1", 3, at=NOW + HOUR / 12))
    assert len(replay_decision(engine, meanwhile.id).since) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (Change(diversity=1.5), "diversity"),
        (Change(at=NOW.replace(tzinfo=None)), "at"),
        (Change(rules=(Rule(do="cap", per="nothing", at_most=1),)), "rules.per"),
        (Change(rules=(Rule(do="pin"),)), "rules.item"),
    ],
)
def test_changes_that_cannot_be_made(engine, change, field):
    decision = engine.recommend(asks("u1", 3))
    with pytest.raises(Invalid) as refused:
        replay_decision(engine, decision.id, change)
    assert refused.value.field == field


def test_models_that_cannot_be_named():
    engine = new_engine(EVENTS)
    similar = engine.recommend(asks("u5", pipeline="similar"))
    with pytest.raises(Invalid, match="declares its weights"):
        replay_decision(engine, similar.id, Change(model="m_1"))
    decision = engine.recommend(asks("u5"))
    with pytest.raises(CannotReplay, match="model m_1 cannot be loaded"):
        replay_decision(engine, decision.id, Change(model="m_1"))
    foreign = saved(engine, FIRST, schema="of another view").id
    with pytest.raises(CannotReplay, match="of another view"):
        replay_decision(engine, decision.id, Change(model=foreign))
    assert replay_decision(engine, decision.id).verdict == "exact"


def test_an_unknown_decision_and_one_of_another_workspace(engine):
    other = new_engine(app=PLAIN)
    few_posts(other)
    for _ in range(9):
        elsewhere = other.recommend(asks("u1", 3))
    for id in ("d_nope", elsewhere.id):
        with pytest.raises(NotFound):
            engine.replay(id)


@pytest.mark.parametrize("harm", ["removed", "damaged"])
def test_a_model_that_is_gone_is_named_and_another_one_can_answer(tmp_path, harm):
    engine = opened(tmp_path)
    engine.stores.log.append(EVENTS)
    engine.catch_up()
    first, second = (saved(engine, weights).id for weights in (FIRST, SECOND))
    engine.release(first, 0)
    decision = engine.recommend(asks("u5"))
    folder = next(path for path in tmp_path.rglob(f"*{first}*") if path.is_dir())
    if harm == "removed":
        shutil.rmtree(folder)
    else:
        arrays = folder / "arrays.npz"
        body = bytearray(arrays.read_bytes())
        body[len(body) // 2] ^= 1
        arrays.write_bytes(body)
    engine.past.forget()
    with pytest.raises(CannotReplay, match=first) as refused:
        engine.replay(decision.id)
    assert "Give another version" in refused.value.remedy
    found = engine.replay(decision.id, Change(model=second))
    assert (found.verdict, found.again, found.otherwise.decision.model) == ("gone", None, second)
    assert first in found.since[0]
    assert found.text == "cannot be made again as it was"
    assert found.otherwise.moves
    engine.close()


def test_another_feature_view_is_named(engine):
    decision = engine.recommend(asks("u1", 3))
    with pytest.raises(CannotReplay, match=f"view an-older-one, this code has {engine.app.view.version}"):
        replay_decision(engine, replace(decision, schema="an-older-one"))


def test_a_rung_or_a_source_that_is_no_more(engine):
    decision = engine.recommend(asks("u1", 3))
    for gone in (replace(decision, model="oracle"), replace(decision, model="personal", asked=("oracle",))):
        with pytest.raises(CannotReplay, match="oracle, which this code no longer has"):
            replay_decision(engine, gone)


def test_a_pipeline_or_a_page_before_that_is_no_more(engine):
    decision = engine.recommend(asks("u1", 3))
    with pytest.raises(CannotReplay, match="made by the pipeline front"):
        replay_decision(engine, replace(decision, query=replace(decision.query, pipeline="front")))
    with pytest.raises(CannotReplay, match="continues a page that is not in the decision log"):
        replay_decision(engine, replace(decision, query=replace(decision.query, after="d_lost")))


def test_a_log_that_ends_before_the_decision(engine):
    decision = engine.recommend(asks("u1", 3))
    with pytest.raises(CannotReplay, match="made at event 99 and the log ends at 6"):
        replay_decision(engine, replace(decision, as_of=99))


def test_a_corrupt_snapshot_is_passed_over(tmp_path):
    engine = opened(tmp_path)
    engine.stores.log.append(EVENTS[:800])
    engine.catch_up()
    engine._snapshot()
    decision = engine.recommend(asks("u5"))
    engine.stores.log.append(EVENTS[800:])
    engine.catch_up()
    engine._snapshot()
    first, _ = sorted(tmp_path.rglob("*.snapshot"))
    body = bytearray(first.read_bytes())
    body[len(body) // 2] ^= 1
    first.write_bytes(body)
    assert replay_decision(engine, decision.id).verdict == "exact"
    assert not first.exists()
    engine.close()


def test_one_replay_at_a_time(engine):
    decision = engine.recommend(asks("u1", 3))
    engine.past._lock.acquire()
    try:
        with pytest.raises(Busy, match="another decision is being replayed"), engine.past.held(0.01):
            pass
    finally:
        engine.past._lock.release()
    assert engine.replay(decision.id).verdict == "exact"


def test_what_nobody_uses_is_let_go(engine):
    decision = engine.recommend(asks("u1", 3))
    gone = threading.Event()

    class Watched(Past):
        def _tidy(self):
            super()._tidy()
            gone.set()

    engine.past = Watched(engine, keep=0.01)
    engine.replay(decision.id)
    assert gone.wait(10)
    assert engine.past._state is None
    engine.past = Past(engine, keep=3600)
    engine.replay(decision.id)
    timer = engine.past._timer
    assert engine.past._state is not None
    engine.close()
    assert timer.finished.is_set()
    assert engine.past._state is None


def test_a_time_beyond_the_log_reads_it_to_its_end():
    engine = new_engine(EVENTS)
    decision = engine.recommend(asks("u5"))
    found = engine.replay(decision.id, Change(at=NOW + timedelta(days=365)))
    assert found.otherwise.decision.as_of == engine.state.position
