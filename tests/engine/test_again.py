"""Live traffic, replayed: every decision comes out again bit for bit, whatever it was made under."""

import logging
import random
import threading
import time
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.apps.feed.app import app as feed
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.entities import EntityRef
from proffer.engine.engine import Engine
from proffer.engine.replay import Past, make_again, replay_decision
from proffer.stores.postgres import join, postgres_stores
from tests.engine.releases import EVENTS, FIRST, SECOND, opened, ranker_of, saved
from tests.engine.test_replay import logs, replace_id, users
from tests.engine.traffic import Broken, Traffic
from tests.engine.worlds import NOW, accepted, asks, champion, new_engine, post, toy


@pytest.fixture(autouse=True)
def quiet():
    """Sources fail on purpose here, hundreds of times."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def wrong(engine, decisions, past=None):
    """Return what did not come out again, with what differs."""
    replays = [replay_decision(engine, one.id, past=past) for one in decisions]
    return {one.logged.id: one.text for one in replays if one.verdict != "exact" or not one.ground.same}


@pytest.mark.parametrize("seed", range(6))
def test_live_traffic_comes_out_again_bit_for_bit(tmp_path, seed):
    engine = opened(tmp_path)
    engine.stores.log.append(EVENTS[:300])
    engine.catch_up()
    traffic = Traffic(engine, seed)
    traffic.run(60)
    engine._snapshot()
    traffic.run(90)
    made = traffic.decisions
    assert len({one.version for one in made}) > 2
    assert {one.model[:2] for one in made} > {"m_", "de"}
    assert wrong(engine, made, Past(engine)) == {}
    random.Random(seed).shuffle(made)
    assert wrong(engine, made[:15]) == {}
    engine.close()
    reopened = opened(tmp_path)
    assert wrong(reopened, made[:15]) == {}
    reopened.close()


def test_another_process_over_postgresql_makes_them_again(postgres, tmp_path):
    def joined(folder):
        stores = postgres_stores(postgres.url(), "again", tmp_path / folder, app="feed")
        return Engine(feed, "again", stores, clock=FixedClock(NOW), ids=CountingIds(), deadline_ms=60_000)

    join(postgres.url(), "again", "feed", NOW)
    engine = joined("one")
    engine.stores.log.append(EVENTS[:300])
    engine.catch_up()
    traffic = Traffic(engine, 2)
    traffic.run(80)
    engine.stores.decisions.flush()
    other = joined("other")
    assert wrong(other, traffic.decisions, Past(other)) == {}
    assert wrong(engine, traffic.decisions[::-5]) == {}
    for one in (other, engine):
        one.close()


def test_every_kind_of_answer_was_among_them():
    """The traffic above would prove little if it did not lead down every way an answer can come about."""
    engine = new_engine(EVENTS[:300])
    traffic = Traffic(engine, 0)
    traffic.run(300)
    made = traffic.decisions
    kinds = {
        "a model": lambda one: one.model == one.version and one.fallback is None,
        "its blend, the ranker failing": lambda one: one.model == one.version and one.fallback,
        "the ladder, late": lambda one: "DeadlineError" in (one.fallback or ""),
        "the ladder, a source failing": lambda one: "out of order" in (one.fallback or ""),
        "a rung below fewer sources": lambda one: one.fallback and 1 < len(one.asked) < 17,
        "no model": lambda one: one.version == "untrained",
        "declared weights": lambda one: one.version == "declared",
        "given candidates": lambda one: one.query.candidates,
        "a later page": lambda one: one.query.after,
        "drawn places": lambda one: any(placed.explored for placed in one.slate),
    }
    assert [name for name, holds in kinds.items() if not any(holds(one) for one in made)] == []


@given(logs, logs, users, st.integers(1, 6), st.sampled_from([None, 0.2, 0.9]))
@settings(max_examples=20, deadline=None)
def test_any_log_any_query(before, after, user, n, diversity):
    before, after = ([replace_id(event, f"{part}{place}") for place, event in enumerate(rows)]
                     for part, rows in (("a", before), ("b", after)))  # fmt: skip
    engine = new_engine(before)
    made = [engine.recommend(asks(user, n, diversity=diversity))]
    engine._snapshot()
    engine.stores.log.append(after)
    engine.catch_up()
    made.append(engine.recommend(asks(user, n, diversity=diversity, after=made[0].id)))
    assert wrong(engine, made) == {}
    assert wrong(engine, made, Past(engine)) == {}


def test_replays_beside_live_traffic_disturb_neither(tmp_path):
    engine = opened(tmp_path)
    engine.stores.log.append(EVENTS[:300])
    engine.catch_up()
    traffic = Traffic(engine, 11)
    traffic.run(40)
    first, found, over = list(traffic.decisions), [], threading.Event()

    def look_back():
        while not over.is_set():
            found.append(wrong(engine, random.Random(len(found)).sample(first, 5)))

    thread = threading.Thread(target=look_back)
    thread.start()
    try:
        traffic.run(80)
    finally:
        over.set()
        thread.join()
    assert found
    assert not any(found)
    assert wrong(engine, traffic.decisions, Past(engine)) == {}
    engine.close()


def test_models_that_change_between_fold_and_answer():
    """Whichever version was loaded under the lock is the one that is logged."""
    engine = new_engine(EVENTS)
    versions = [saved(engine, weights).id for weights in (FIRST, SECOND)]
    made, over = [], threading.Event()

    def ask(user):
        while not over.is_set():
            made.append(engine.recommend(asks(user)))

    threads = [threading.Thread(target=ask, args=(user,)) for user in ("u1", "u5")]
    for thread in threads:
        thread.start()
    for turn in range(12):
        engine.release(versions[turn % 2], turn)
        accepted(engine, post(f"new{turn}"))
        # On a busy machine nobody may have asked meanwhile.
        until = time.monotonic() + 20
        while turn >= 10 and all(one.version != versions[turn % 2] for one in [*made]) and time.monotonic() < until:
            time.sleep(0.01)
    over.set()
    for thread in threads:
        thread.join()
    assert {one.version for one in made} >= set(versions)
    assert wrong(engine, made, Past(engine)) == {}


def test_diversity_goes_by_the_settings_of_now_also_where_content_proposes_nothing():
    engine = new_engine(EVENTS)
    champion(engine, {"newest": 1.0})
    before = engine.recommend(asks("u1", 20, diversity=0.3))
    engine.configure({"content": {"title": 0.0, "category": 5.0}})
    after = engine.recommend(asks("u1", 20, diversity=0.3))
    assert [one.id for one in before.slate] != [one.id for one in after.slate]
    assert wrong(engine, [before, after]) == {}


def test_the_rest_of_the_ladder_is_late_and_the_ranker_fails():
    engine = new_engine(EVENTS)
    engine.release(saved(engine, SECOND, ranker_of(engine, SECOND)).id, 0)
    ranked = engine.recommend(asks("u5"))
    home = engine.fitted["home"]
    engine.fitted["home"] = replace(home, ranker=Broken(home.ranker))
    blend = engine.recommend(asks("u5"))
    assert (blend.model, ranked.model) == (home.version, home.version)
    assert blend.fallback.startswith("ranker linear")
    engine.fitted["home"] = home
    engine.deadline_ms = -1
    late = engine.recommend(asks("u5"))
    assert (late.model, late.version, late.asked) == ("personal", home.version, ("newest",))
    assert len({one.considered.scores for one in (ranked, blend, late)}) == 3
    assert wrong(engine, [ranked, blend, late]) == {}


def test_nothing_that_serves_is_touched():
    engine = new_engine(EVENTS)
    champion(engine, {"content": 1.0, "covisits": 0.5})
    decision = engine.recommend(asks("u5"))
    accepted(engine, post("new"))
    state, fitted = engine.state, engine.fitted["home"]
    with engine.past.held() as past:
        again = make_again(past, decision)
        assert again.asked.state is not state
        assert again.asked.state.position == decision.as_of < state.position
        mine = [id(one) for one in fitted.retrievers.values()]
        assert not [one for one in again.asked.fitted.retrievers.values() if id(one) in mine]
    assert (engine.state, engine.fitted["home"]) == (state, fitted)
    assert engine.stores.decisions.find() == [decision]


def test_a_past_walks_forward_and_begins_anew_to_go_back():
    engine = new_engine()
    made = []
    for turn in range(8):
        accepted(engine, post(f"p{turn}"))
        made.append(engine.recommend(asks("u1", 5)))
    past = Past(engine)
    forward = [id(past.at(one.as_of)) for one in made]
    assert len(set(forward)) == 1
    assert past.at(made[2].as_of).position == made[2].as_of
    assert wrong(engine, made[::-1], past) == {}


def test_what_is_decided_after_an_erasure_comes_out_again_and_what_was_decided_before_says_why_not():
    engine = new_engine(EVENTS[:600])
    traffic = Traffic(engine, 5)
    traffic.run(60)
    before = list(traffic.decisions)
    for kind, id in (("user", "u7"), ("post", "p3"), ("user", "u12")):
        engine.erase([EntityRef(kind, id)])
    engine.clock.move(3600)
    traffic.decisions.clear()
    traffic.posts.remove("p3")
    traffic.run(60)
    assert wrong(engine, traffic.decisions, Past(engine)) == {}
    left = [one for one in before if engine.stores.decisions.get(one.id) is not None]
    replays = [replay_decision(engine, one.id) for one in left if one.query.after is None]
    assert {one.since for one in replays} == {("3 erasures since changed the log it was made from",)}
    assert {one.verdict for one in replays} >= {"differs"}


def test_a_merge_between_two_replays():
    engine = new_engine(EVENTS)
    champion(engine, {"als": 0.6, "content": 0.4})
    made = []
    for turn in range(6):
        visitor = f"visitor{turn}"
        accepted(engine, *({"type": "like", "actor": visitor, "target": f"fresh{turn}", "at": NOW.isoformat()}
                           for _ in range(1)))  # fmt: skip
        made.append(engine.recommend(asks(visitor, 20)))
        accepted(engine, {"type": "entity.merge", "actor": {"kind": "user", "id": "u5"},
                          "target": {"kind": "user", "id": visitor}, "at": NOW.isoformat()})  # fmt: skip
        made.append(engine.recommend(asks("u5", 20)))
    assert wrong(engine, made, Past(engine)) == {}
    assert wrong(engine, made[::-1]) == {}


def test_a_decision_of_before_versions_were_noted():
    engine = new_engine(toy().events[:1500])
    untrained = engine.recommend(asks("u5"))
    champion(engine, {"content": 1.0, "newest": 0.5})
    model, declared = engine.recommend(asks("u5")), engine.recommend(asks("u5", pipeline="similar"))
    for decision in (untrained, model, declared):
        old = msgspec.structs.replace(decision, version="", asked=(), made="")
        replayed = replay_decision(engine, old)
        assert replayed.verdict == "exact"
        assert replayed.ground.differs == ("code", "packages", "processor")
        assert "earlier release" in replayed.since[0]
        assert "before code, packages and processor were noted" in replayed.text
