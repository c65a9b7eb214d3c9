"""Erasing: nothing names the erased any more, others are decided for as before, and it stays so."""

import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.apps.feed.app import app as feed
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.entities import EntityRef
from proffer.core.errors import Conflict, Invalid, NotFound
from proffer.core.pseudonyms import Pseudonyms
from proffer.engine import serve
from proffer.engine.engine import Engine
from proffer.engine.erase import reapply
from proffer.engine.erasures import FILE, notes, read
from proffer.features.replay import replay
from proffer.stores.memory import memory_stores
from proffer.stores.sqlite import sqlite_stores
from tests.engine.worlds import NOW, asks, champion, did, few_posts, follow, new_engine, post, shown, toy

USER = EntityRef("user", "zebra-77")
KEY = Pseudonyms({1: b"k" * 32})


def engine_of(stores=None):
    clock = FixedClock(NOW)
    stores = stores or memory_stores(clock)
    return Engine(feed, "feed", stores, clock=clock, ids=CountingIds(), deadline_ms=60_000, pseudonyms=KEY)


def lived(engine):
    """Let a subject do all that leaves traces."""
    few_posts(engine)
    rows = [
        {"type": "entity.set", "id": "zebra-77.1", "actor": {"kind": "user", "id": "zebra-77"},
         "fields": {"language": "sv", "extra": {"mail": "zebra-77@example.org"}}},
        {"id": "v1", **did("visitor-77", "view", "a")},
        {"id": "m1", "type": "entity.merge", "actor": "zebra-77", "target": "visitor-77"},
        {"id": "l1", **did("zebra-77", "like", "a")},
        {"id": "l2", **did("zebra-77", "view", "first-seen-by-zebra")},
        {"id": "f1", **follow("u2", "zebra-77")},
        {"id": "o1", **did("u2", "view", "a", context={"from": "zebra-77", "page": "start"})},
        {"id": "p1", **post("by-zebra", title="Stripes", author="zebra-77", extra={"editor": "zebra-77"})},
        {"id": "bad", "type": "nope", "actor": "zebra-77"},
        {"id": "bad2", "type": "nope", "actor": "u2"},
    ]  # fmt: skip
    receipts = engine.record(rows)
    engine.recommend(asks("zebra-77"))
    engine.recommend(asks("visitor-77"))
    engine.recommend(asks("u2", context={"friend": "zebra-77"}))
    return rows, receipts


def everything(engine):
    """Return all that the stores hold as one text."""
    stores = engine.stores
    held = [
        [event for chunk in stores.log.scan() for event in chunk],
        stores.log.quarantined(open_only=False), stores.decisions.find(limit=1000), stores.jobs.find(),
        [stores.snapshots.load(engine.state.version) is None],
        [str(engine.state.registry.refs), str(engine.state.registry.attributes)],
    ]  # fmt: skip
    return repr(held)


def test_nothing_names_the_erased_any_more():
    engine = engine_of()
    lived(engine)
    found = engine.erase([USER])
    text = everything(engine)
    assert "zebra-77" not in text
    assert "visitor-77" not in text
    assert (found.kind, found.names, found.quarantined, found.decisions, found.changed_decisions) == (
        "user",
        2,
        1,
        2,
        1,
    )
    assert found.events == 8
    assert found.pseudonyms == (KEY.of(USER),)
    assert KEY.of(USER) in text
    assert engine.state.attributes(USER) is None
    assert engine.state.attributes(EntityRef("post", "by-zebra"))["title"] == "Stripes"
    assert "author" not in engine.state.attributes(EntityRef("post", "by-zebra"))
    assert engine.stores.log.quarantined()[0].reject.raw == ""
    assert json.loads(engine.stores.log.quarantined()[1].reject.raw)["actor"] == "u2"


def test_ordinals_and_first_mentions_stay():
    engine = engine_of()
    lived(engine)
    ids, published = list(engine.state.ids), engine.state.published().tolist()
    engine.erase([USER])
    assert list(engine.state.ids) == ids
    assert engine.state.published().tolist() == published
    again = replay(engine.stores.log, feed.view, feed.schema, subject="user", item="post")
    assert list(again.ids) == ids


def test_the_live_state_is_that_of_a_replay():
    engine = engine_of()
    lived(engine)
    engine.erase([USER])
    again = replay(engine.stores.log, feed.view, feed.schema, subject="user", item="post")
    live, fresh = engine.state.snapshot(), again.snapshot()
    assert live.keys() == fresh.keys()
    assert all(live[name].tobytes() == fresh[name].tobytes() for name in live)


def test_counts_stay_and_what_is_sent_again_is_a_duplicate():
    engine = engine_of()
    rows, receipts = lived(engine)
    counts, last = engine.stores.log.counts(), engine.stores.log.last()
    engine.erase([USER])
    assert engine.stores.log.counts() == counts
    assert engine.stores.log.last() == last + 1
    again = engine.record(rows)
    verdicts = [receipt.verdict.value for receipt in again]
    assert verdicts == ["duplicate"] * 8 + ["quarantined"] * 2
    assert [(r.id, r.sequence) for r in again[:8]] == [(r.id, r.sequence) for r in receipts[:8]]
    assert "zebra-77" not in everything(engine)
    assert engine.record([{"id": "new", **did("zebra-77", "like", "b")}])[0].verdict == "accepted"
    assert engine.state.touched(USER).tolist() == engine.state.ordinals(["b"]).tolist()


def test_others_are_decided_for_as_if_the_erased_had_never_been():
    toyed = toy().events
    engine, other = engine_of(), engine_of()
    authors = {event.fields.get("author") for event in toyed}
    gone = next(event.actor for event in toyed if event.type == "like" and event.actor.id not in authors)
    engine.stores.log.append(toyed)
    engine.catch_up()
    engine.erase([gone])
    # The same world without what u5 did; posts that only u5 touched are there all the same.
    kept = [event for event in toyed if gone not in (event.actor, event.target)]
    other.stores.log.append(kept)
    other.catch_up()
    users = sorted({event.actor.id for event in kept if event.actor.kind == "user"})[::10]
    assert len(users) > 3
    for user in (*users, "stranger"):
        assert shown(engine, user, 20) == shown(other, user, 20)
    assert not engine.state.touched(gone).size


def test_a_model_keeps_serving_with_its_ordinals():
    engine = new_engine(toy().events)
    version = champion(engine, {"covisits": 1.0, "content": 0.5})
    before = engine.recommend(asks("u1", 30))
    engine.erase([EntityRef("user", "u5")])
    after = engine.recommend(asks("u1", 30))
    assert (before.model, after.model, after.fallback) == (version, version, None)
    assert len(set(after.considered.ids) & set(before.considered.ids)) > 0.9 * len(before.considered.ids)
    assert engine.fitted["home"].version == version


def test_an_erased_item_goes_by_a_random_name():
    engine = engine_of()
    few_posts(engine, author="u9")
    item = EntityRef("post", "okapi-article")
    engine.record([{"id": "i1", **post("okapi-article", title="An okapi", category="zoo")}])
    engine.record([{"id": f"e{n}", **did(f"u{n}", "like", "okapi-article")} for n in range(4)])
    engine.record([{"id": "e9", **did("u9", "view", "a", context={"item": "okapi-article"})}])
    ids = list(engine.state.ids)
    decision = engine.recommend(asks("u77", candidates=("okapi-article", "a")))
    place = ids.index("okapi-article")
    found = engine.erase([item])
    assert (found.events, found.changed_decisions, found.decisions) == (6, 1, 0)
    text = everything(engine)
    assert "okapi" not in text
    token = engine.state.ids[place]
    assert token.startswith("erased_")
    assert [one for one in engine.state.ids if one != token] == [one for one in ids if one != "okapi-article"]
    assert not engine.state.available()[place]
    assert token not in shown(engine, "u77", 50)
    changed = engine.stores.decisions.get(decision.id)
    assert {placed.id for placed in changed.slate} == {token, "a"}
    assert token in changed.query.candidates
    # Who liked it did like something: that stays theirs.
    assert engine.state.touched(EntityRef("user", "u1")).tolist() == [place]
    assert engine.record([{"id": "e1", **did("u1", "like", "okapi-article")}])[0].verdict == "duplicate"


def test_settings_that_name_the_erased_mean_no_more_than_before():
    engine = engine_of()
    few_posts(engine, author="zebra-77")
    rule = {"do": "filter", "name": "not hers", "where": {"author": {"not_in": ["zebra-77"]}}}
    engine.configure({"rules": {"home": [rule]}})
    engine.erase([USER])
    assert "zebra-77" not in everything(engine) + repr(engine.settings)
    assert engine.settings.rules["home"][0].name == "not hers"


def test_short_ids_are_words_of_others_too():
    engine = engine_of()
    few_posts(engine, category="1")
    engine.record([
        {"id": "x1", **did("1", "like", "a")},
        {"id": "x2", **did("u2", "view", "a", context={"page": "1"})},
        {"id": "x3", **post("mine", author="1", category="1")},
    ])  # fmt: skip
    found = engine.erase([EntityRef("user", "1")])
    assert found.events == 2
    assert engine.stores.log.get("x2").fields == {"context": {"page": "1"}}
    assert engine.state.attributes(EntityRef("post", "mine")) == {"category": "1"}


def test_texts_of_others_are_told_and_blanked_on_demand():
    engine = engine_of()
    few_posts(engine)
    engine.record([did("zebra-77", "like", "a"), post("news", title="A talk with zebra-77, today")])
    assert engine.erase([USER]).mentions == 1
    assert "zebra-77" in everything(engine)
    assert engine.erase([USER], texts=True).mentions == 0
    assert "zebra-77" not in everything(engine)
    assert engine.state.attributes(EntityRef("post", "news"))["title"] == "A talk with \u2026, today"


def test_many_at_once_and_none():
    engine = engine_of()
    few_posts(engine)
    engine.record([did(user, "like", "a") for user in ("ann-1", "bob-1", "eve-1")])
    found = engine.erase([EntityRef("user", name) for name in ("ann-1", "bob-1", "nobody-1")])
    assert (found.events, found.unknown, len(found.pseudonyms)) == (2, ("nobody-1",), 3)
    last = engine.stores.log.last()
    with pytest.raises(NotFound):
        engine.erase([EntityRef("user", "nobody-2")])
    for refs in ([], [EntityRef("tree", "x")], [EntityRef("user", "x"), EntityRef("post", "x")]):
        with pytest.raises(Invalid):
            engine.erase(refs)
    assert engine.stores.log.last() == last


def test_whom_only_decisions_or_quarantine_know_can_be_erased():
    engine = engine_of()
    few_posts(engine)
    engine.recommend(asks("zebra-77"))
    engine.record([{"type": "nope", "who": "zebra-78"}])
    assert engine.erase([USER]).decisions == 1
    assert engine.erase([EntityRef("user", "zebra-78")]).quarantined == 1
    assert "zebra" not in everything(engine)


def test_another_key_is_refused(tmp_path):
    stores = memory_stores()
    engine = engine_of(stores)
    lived(engine)
    engine.erase([USER])
    other = Engine(feed, "feed", stores, clock=FixedClock(NOW), ids=CountingIds(), pseudonyms=Pseudonyms.fresh())
    with pytest.raises(Conflict, match="key"):
        other.erase([EntityRef("user", "u2")])
    both = Pseudonyms.read(f"{KEY.text()},2:{'ab' * 32}")
    assert both.marks[1:] == KEY.marks
    later = Engine(feed, "feed", stores, clock=FixedClock(NOW), ids=CountingIds(), pseudonyms=both)
    assert later.record([{"id": "l1", **did("zebra-77", "like", "a")}])[0].verdict == "duplicate"


def test_a_list_is_applied_again_to_an_older_log(tmp_path):
    stores = sqlite_stores(tmp_path / "now")
    engine = engine_of(stores)
    lived(engine)
    engine.erase([USER])
    lines = read(tmp_path / "now" / FILE)
    assert [line.at for line in lines] == [NOW]
    assert "zebra" not in (tmp_path / "now" / FILE).read_text()
    engine.close()
    old = engine_of()
    lived(old)
    assert reapply(old, lines) == 2
    assert "zebra-77" not in everything(old)
    last = old.stores.log.last()
    assert reapply(old, lines) == 0
    # Who came back after that stays.
    old.record([did("zebra-77", "like", "b")])
    assert reapply(old, lines) == 0
    assert old.stores.log.last() == last + 1
    with pytest.raises(Conflict):
        reapply(new_engine(), lines)


def test_a_snapshot_of_before_is_not_used(tmp_path):
    stores = memory_stores()
    engine = engine_of(stores)
    lived(engine)
    state = engine.state
    engine.erase([USER])
    stores.snapshots.drop()
    stores.snapshots.save(state.version, state.position, state.snapshot())
    late = engine_of(stores)
    assert late.state.attributes(USER) is None
    assert stores.snapshots.positions(state.version) == []
    past = replay(stores.log, feed.view, feed.schema, subject="user", item="post", until=state.position - 1)
    assert past.attributes(USER) is None


def test_a_decision_made_meanwhile_is_answered_and_not_kept(monkeypatch):
    engine = engine_of()
    lived(engine)
    engine.configure({"assume_seen": {"home": 2}})
    decide = serve.recommend

    def slow(*arguments, **rest):
        decision = decide(*arguments, **rest)
        engine.erase([USER])
        return decision

    monkeypatch.setattr(serve, "recommend", slow)
    assert engine.recommend(asks("zebra-77")).slate
    monkeypatch.undo()
    assert "zebra-77" not in everything(engine)
    engine.recommend(asks("zebra-77"))
    assert len(engine.stores.decisions.find(subject=USER)) == 1


def test_a_past_decision_of_another_is_made_again_and_says_who_is_gone():
    engine = new_engine(toy().events)
    champion(engine, {"covisits": 1.0, "content": 0.5})
    before, gone = engine.recommend(asks("u1")), engine.recommend(asks("u5"))
    assert engine.replay(before).verdict == "exact"
    engine.erase([EntityRef("user", "u5")])
    again = engine.replay(before)
    assert any("erasure" in text for text in again.since)
    assert set(again.again.considered.ids) & set(before.considered.ids)
    assert engine.replay(engine.recommend(asks("u1"))).verdict == "exact"
    with pytest.raises(NotFound):
        engine.replay(gone.id)


def test_what_came_once_more_can_be_erased_once_more():
    engine = engine_of()
    lived(engine)
    engine.erase([USER])
    # As if it had been on its way when the erasure was noted: the log itself knows the id no more.
    engine.stores.log.append([engine.app.schema.read(did("zebra-77", "like", "b"), id="l1", latest=NOW, now=NOW)])
    engine.catch_up()
    assert engine.erase([USER]).events == 1
    assert "zebra-77" not in everything(engine)
    assert engine.record([{"id": "l1", **did("zebra-77", "like", "b")}])[0].verdict == "duplicate"


def test_others_go_on_while_somebody_is_erased(tmp_path):
    engine = engine_of(sqlite_stores(tmp_path / "feed"))
    rows, _ = lived(engine)
    ended, counted, failed = threading.Event(), [], []

    def go_on(act):
        try:
            while not ended.is_set():
                counted.append(act(len(counted)))
        except BaseException as error:
            failed.append(error)

    acts = [
        lambda n: engine.record([{"id": f"w{n}-{threading.get_ident()}", **did(f"w{n % 7}", "view", "a")}]),
        lambda n: engine.recommend(asks(f"w{n % 7}")),
        # What is sent again all the while stays a duplicate from the note on, and is erased where it came before it.
        lambda n: engine.record(rows[:8]),
    ]
    threads = [threading.Thread(target=go_on, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    found = [engine.erase([USER]) for _ in range(3)]
    ended.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(counted) > 3
    assert [one.again for one in found] == [False, True, True]
    assert "zebra-77" not in everything(engine)
    again = replay(engine.stores.log, feed.view, feed.schema, subject="user", item="post").snapshot()
    live = engine.state.snapshot()
    assert all(live[name].tobytes() == part.tobytes() for name, part in again.items() if name != "state")
    counts = engine.stores.log.counts()
    assert counts.accepted + len(list(notes(engine.stores.log))) == engine.stores.log.last()
    engine.close()


users = st.sampled_from(["ann-1", "bob-1", "eve-1"])
rows = st.lists(
    st.one_of(
        st.builds(lambda user, item: did(user, "like", item), users, st.sampled_from(["a", "b", "c"])),
        st.builds(lambda user, other: follow(user, other), users, users),
        st.builds(lambda user, item: post(item, author=user, title=f"by {item}"), users, st.sampled_from(["a", "d"])),
        st.builds(
            lambda one, two: {"type": "entity.merge", "actor": one, "target": two}, users, st.sampled_from(["v-11"])
        ),
        st.builds(lambda user: {"type": "nope", "actor": user}, users),
    ),
    max_size=20,
)


@given(rows, users)
@settings(max_examples=60, deadline=None)
def test_any_log_forgets_anybody_and_replays_the_same(log, gone):
    engine = engine_of()
    engine.record([{"id": f"e{n}", **row} for n, row in enumerate(log)])
    ids, counts = list(engine.state.ids), engine.stores.log.counts()
    try:
        engine.erase([EntityRef("user", gone)])
    except NotFound:
        assert gone not in repr(log)
        return
    assert gone not in everything(engine)
    assert (list(engine.state.ids), engine.stores.log.counts()) == (ids, counts)
    again = replay(engine.stores.log, feed.view, feed.schema, subject="user", item="post").snapshot()
    assert all(again[name].tobytes() == part.tobytes() for name, part in engine.state.snapshot().items())
    assert {r.verdict.value for r in engine.record([{"id": f"e{n}", **row} for n, row in enumerate(log)])} <= {
        "duplicate", "quarantined",
    }  # fmt: skip


def test_who_was_erased_and_came_back_stays_when_somebody_else_is_erased():
    engine = engine_of()
    lived(engine)
    engine.erase([USER])
    engine.record([{"id": "back", **did("zebra-77", "like", "b")}, {"id": "both", **did("zebra-77", "like", "c")}])
    first = engine.erase([EntityRef("post", "b")])
    assert engine.stores.log.get("both") is not None
    assert len(list(notes(engine.stores.log))) == 2
    assert first.sequence == engine.stores.log.last()
    assert {"b", "zebra-77"} & {event.actor.id for event in engine.stores.log.find(entity=USER)} == {"zebra-77"}
