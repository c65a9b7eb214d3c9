"""The same log and the same query, the same slate; what was decided can be made again."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.apps.feed.app import app
from proffer.core.clock import FixedClock
from proffer.core.entities import EntityRef
from proffer.core.errors import NotFound
from proffer.core.events import Event
from proffer.engine.engine import Engine
from proffer.engine.serve import Asked, by_model
from proffer.engine.slate import line_up, make_slate
from proffer.features.replay import decision_matrix, matrix_at, replay
from proffer.stores.memory import memory_stores
from tests.engine.worlds import DAY, NOW, START, accepted, asks, champion, did, new_engine, post, toy

HALF = len(toy().events) // 2
KINDS = {"subject": "user", "item": "post"}


def same(one, other):
    """Return whether two decisions agree in all but who made them when."""
    return (one.slate, one.considered, one.as_of, one.model, one.schema, one.fallback) == (
        other.slate, other.considered, other.as_of, other.model, other.schema, other.fallback,
    )  # fmt: skip


@pytest.mark.parametrize("trained", [False, True])
def test_two_engines_decide_alike(trained):
    one, other = new_engine(toy().events), new_engine(toy().events)
    if trained:
        sources = one.fitted["home"].sources
        assert champion(one, dict.fromkeys(sources, 1.0)) == champion(other, dict.fromkeys(sources, 1.0))
    for user in ("u1", "u5", "u77", "stranger"):
        assert same(one.recommend(asks(user, 30)), other.recommend(asks(user, 30)))
    assert same(one.recommend(asks("u5")), one.recommend(asks("u5")))


def test_an_engine_that_folded_bit_by_bit_decides_like_one_that_replayed_at_once():
    stores = memory_stores()
    live = new_engine(stores=stores)
    for start in range(0, len(toy().events), 1000):
        stores.log.append(toy().events[start : start + 1000])
        live.catch_up()
        live.recommend(asks("u5"))
    champion(live, {"content": 0.4, "covisits": 0.3, "personal": 0.3})
    late = new_engine(stores=stores)
    assert same(live.recommend(asks("u5", 30)), late.recommend(asks("u5", 30)))


def test_a_decision_is_made_again_after_much_has_happened():
    stores = memory_stores()
    stores.log.append(toy().events[:HALF])
    engine = new_engine(stores=stores)
    champion(engine, {"newest": 0.4, "content": 0.2, "personal": 0.4})
    at = START + 7 * DAY
    decision = engine.recommend(asks("u5", 10, at=at))
    live = decision_matrix(engine.state, decision)
    engine._snapshot()
    stores.log.append(toy().events[HALF:])
    engine.catch_up()
    engine._snapshot()
    for snapshots in (None, stores.snapshots):
        again = matrix_at(decision, stores.log, app.view, app.schema, **KINDS, snapshots=snapshots)
        assert again.tobytes() == live.tobytes()
    changed = decision_matrix(engine.state, decision)
    assert changed.tobytes() != live.tobytes()


def test_the_slate_follows_from_the_log_at_its_position():
    stores = memory_stores()
    stores.log.append(toy().events[:HALF])
    engine = new_engine(stores=stores)
    champion(engine, {"newest": 0.4, "content": 0.2, "personal": 0.2, "covisits": 0.2})
    engine.configure({"rules": {"home": [{"do": "seen_out"}, {"do": "cap", "per": "category", "at_most": 2}]}})
    decision = engine.recommend(asks("u5", 10, at=START + 7 * DAY, diversity=0.6))
    held = engine.settings
    engine.configure({"rules": {"home": []}})
    stores.log.append(toy().events[HALF:])
    engine.catch_up()
    then = replay(stores.log, app.view, app.schema, **KINDS, until=decision.as_of)
    settings_then = app.settings(then.settings)
    assert settings_then == held
    asked = Asked.of(decision.query, engine.fitted["home"], settings_then, then)
    ranked = by_model(asked)
    lineup = line_up(ranked, asked.fitted, asked.settings, asked.rules, decision.query)
    assert make_slate(lineup, ranked, asked.fitted, then, decision.query) == decision.slate


users, posts = st.sampled_from(["u1", "u2", "u3", "u4"]), st.sampled_from([f"p{n}" for n in range(6)])
hours = st.floats(-200, 0).map(lambda back: NOW + timedelta(hours=back))


def happened(kind, name, user, other, at):
    return Event(id="", type=name, at=at, actor=EntityRef("user", user), target=EntityRef(kind, other))


names = st.sampled_from(["impression", "view", "like", "share", "hide", "follow"])
acts = st.builds(happened, st.just("post"), names, users, posts, hours)
edges = st.sampled_from(["follow", "unfollow", "block", "entity.merge"])
ties = st.builds(happened, st.just("user"), edges, users, users, hours)
facts = st.builds(
    lambda item, at, fields: Event(id="", type="entity.set", at=at, actor=EntityRef("post", item), fields=fields),
    posts, hours,
    st.fixed_dictionaries(
        {"title": st.sampled_from(["red fox", "blue sea", "red sea"])},
        optional={"author": users, "category": st.sampled_from(["food", "music"]),
                  "visibility": st.sampled_from(["public", "followers", "private"])},
    ),
)  # fmt: skip
logs = st.lists(st.one_of(acts, acts, facts, ties), min_size=1, max_size=40)


@given(logs, logs, users, st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_any_decision_can_be_made_again(before, after, user, n):
    before, after = ([replace_id(event, f"{part}{place}") for place, event in enumerate(rows)]
                     for part, rows in (("a", before), ("b", after)))  # fmt: skip
    engine = new_engine(before)
    decision = engine.recommend(asks(user, n))
    live = decision_matrix(engine.state, decision)
    engine._snapshot()
    engine.stores.log.append(after)
    engine.catch_up()
    again = matrix_at(decision, engine.stores.log, app.view, app.schema, **KINDS, snapshots=engine.stores.snapshots)
    assert again.tobytes() == live.tobytes()
    fresh = new_engine(before)
    assert same(fresh.recommend(asks(user, n)), decision)


def replace_id(event, id):
    from msgspec.structs import replace as changed

    return changed(event, id=id)


def test_a_restart_from_a_snapshot_decides_like_a_full_replay():
    stores = memory_stores()
    engine = new_engine(toy().events[:HALF], stores=stores)
    champion(engine, {"newest": 0.5, "content": 0.5})
    engine._snapshot()
    stores.log.append(toy().events[HALF:])
    resumed = new_engine(stores=stores)
    whole = Engine(app, "feed", memory_stores(), clock=FixedClock(NOW), ids=resumed.ids, deadline_ms=60_000)
    whole.stores.log.append(toy().events)
    whole.catch_up()
    champion_of(whole, resumed)
    assert resumed.state.position == whole.state.position == len(toy().events)
    for user in ("u2", "u9", "nobody"):
        assert same(resumed.recommend(asks(user, 20)), whole.recommend(asks(user, 20)))


def champion_of(engine, other):
    """Let one engine serve what another does."""
    engine.fitted["home"] = replace(other.fitted["home"])


def test_decisions_are_logged_whole_and_found_again():
    engine = new_engine()
    accepted(engine, *(post(f"p{n}", title=f"t{n}") for n in range(4)), did("u1", "view", "p1"))
    made = [engine.recommend(asks(user, 2, context={"place": "top"})) for user in ("u1", "u2")]
    for decision in made:
        assert engine.reader.decision(decision.id) == decision
        assert decision.as_of == engine.state.position == 5
        assert decision.schema == app.view.version
    assert set(made[0].considered.ids) == {"p0", "p2", "p3"}
    assert np.all(np.diff(made[0].considered.scores) <= 0)
    with pytest.raises(NotFound):
        engine.reader.decision("d_nope")
