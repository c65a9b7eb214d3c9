"""What is recorded: counts that add up, quarantine and repair, folding at once, threads, snapshots."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.core.errors import Busy, Corrupt, NotFound, StorageFull
from proffer.engine.engine import Engine
from proffer.stores.memory import memory_stores
from proffer.stores.sqlite import sqlite_stores
from tests.engine.worlds import DAY, NOW, accepted, asks, did, few_posts, new_engine, post, shown, toy

good = st.builds(
    lambda number, user, item: {"id": f"e{number}", **did(f"u{user}", "view", f"p{item}")},
    st.integers(0, 8), st.integers(0, 2), st.integers(0, 2),
)  # fmt: skip
bad = st.one_of(
    st.sampled_from(
        [{}, None, 7, "text", [], {"type": "nope"}, {"type": "view", "actor": "u1"}, {"type": 5},
         {"type": "view", "actor": "u1", "target": "p1", "extra": 1}, {"type": "view", "actor": "", "target": "p1"},
         {"type": "view", "actor": "u1", "target": "p1", "at": "yesterday"}, {"type": "settings.set", "actor": "u1"},
         {"type": "view", "actor": "u1", "target": "p1", "fields": {"seconds": float("nan")}},
         {"type": "view", "actor": "u\x00", "target": "p1"}]
    ),
    st.dictionaries(st.text(max_size=5), st.one_of(st.none(), st.integers(), st.text(max_size=5)), max_size=3),
)  # fmt: skip


@given(st.lists(st.lists(st.one_of(good, good, bad), max_size=12), max_size=4))
@settings(max_examples=40, deadline=None)
def test_counts_add_up_for_any_mixture(batches):
    engine = new_engine()
    for rows in batches:
        receipts = engine.record(rows)
        assert len(receipts) == len(rows)
    counts = engine.stores.log.counts()
    assert counts.received == sum(map(len, batches))
    assert counts == engine.counters.received
    assert counts.accepted == engine.stores.log.last() == engine.state.position
    assert counts.quarantined == len(engine.stores.log.quarantined(limit=1000))


def test_verdicts_in_order():
    engine = new_engine()
    row = {"id": "e1", **did("u1", "view", "a")}
    rows = [row, row, {**row, "type": "like"}, {"id": "e2", "type": "nope"}]
    assert [receipt.verdict.value for receipt in engine.record(rows)] == [
        "accepted", "duplicate", "conflict", "quarantined",
    ]  # fmt: skip


def test_quarantine_keeps_the_row_as_it_came_and_a_repair_closes_it():
    engine = new_engine()
    row = {"id": "e1", "type": "viewed", "actor": "u1", "target": "a", "note": "å\ud800"}
    receipt = engine.record([row], source="import")[0]
    assert (receipt.verdict, receipt.field) == ("quarantined", "note")
    kept = engine.stores.log.quarantined()[0]
    assert kept.reject.source == "import"
    assert kept.reject.event_id == "e1"
    assert '"viewed"' in kept.reject.raw
    assert "\\ud800" in kept.reject.raw
    mended = {"id": "e1", **did("u1", "view", "a")}
    assert engine.record([mended], repairs=receipt.quarantine)[0].verdict == "accepted"
    assert engine.stores.log.quarantined() == []
    assert engine.stores.log.counts().quarantined == 0
    assert len(engine.state.touched(asks("u1").subject)) == 1


def test_a_repair_of_nothing_is_not_found():
    engine = new_engine()
    with pytest.raises(NotFound):
        engine.record([did("u1", "view", "a")], repairs=9)
    assert engine.stores.log.last() == 0


def nested(depth):
    row = {"type": "view"}
    for _ in range(depth):
        row = {"fields": row}
    return row


@pytest.mark.parametrize(
    "row",
    [
        {"id": "\ud800", "type": "view"}, {"id": "\x00", "type": "view"}, {"\ud800": 1, "type": "view"},
        {"type": "\ud800"}, "\ud800\x00", {"type": "view", "actor": {"kind": "\ud800", "id": "x"}, "target": "a"},
        {"type": "view", "actor": "u1", "target": "p1", "fields": {"\ud800": 1}}, nested(5000), {("a", "b"): 1},
        {"type": "view", "actor": "u1", "target": "p1", "fields": {"seconds": 1e999}}, {1: 2}, object(),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stores", ["memory", "disk"])
def test_no_row_breaks_its_batch(row, stores, tmp_path):
    held = memory_stores() if stores == "memory" else sqlite_stores(tmp_path / "feed")
    engine = new_engine(stores=held)
    try:
        verdicts = [receipt.verdict.value for receipt in engine.record([did("u1", "view", "a"), row])]
        assert verdicts == ["accepted", "quarantined"]
        assert engine.stores.log.quarantined()[0].reject.raw
    finally:
        engine.close()


def test_what_is_accepted_is_folded_when_record_returns():
    engine = new_engine()
    few_posts(engine)
    for place, name in enumerate("abc"):
        accepted(engine, did("u1", "view", name))
        assert engine.state.position == engine.stores.log.last() == 7 + place
        assert name not in shown(engine)


def test_events_of_another_writer_are_caught_up():
    stores = memory_stores()
    one, other = new_engine(stores=stores), new_engine(stores=stores)
    few_posts(one)
    assert shown(other) == []
    assert other.reader.health().parts["state"].figures["behind"] == 6
    other.catch_up()
    assert other.state.position == 6
    assert len(shown(other)) == 6


def test_a_fold_that_fails_while_the_log_is_away_counts_nothing_twice(monkeypatch):
    engine = new_engine()
    few_posts(engine)
    fold, replayed = engine.state.fold, engine._replayed

    def half(events):
        fold(events[:1])
        raise MemoryError

    def away():
        monkeypatch.setattr(engine, "_replayed", replayed)
        raise Busy("the database cannot be reached")

    monkeypatch.setattr(engine.state, "fold", half)
    monkeypatch.setattr(engine, "_replayed", away)
    broken = engine.state
    with pytest.raises(Busy):
        engine.record([did("u1", "like", "a"), did("u1", "like", "b")])
    monkeypatch.setattr(engine.state, "fold", fold)
    engine.catch_up()
    assert engine.state is not broken
    assert engine.state.position == engine.stores.log.last() == 8


def test_threads_record_and_ask_at_once():
    engine = new_engine()
    few_posts(engine)
    failures, stop = [], threading.Event()

    def run(work):
        try:
            work()
        except Exception as error:
            failures.append(error)

    def record(number):
        for step in range(40):
            accepted(
                engine, post(f"p{number}_{step}", NOW - DAY / 2, title="t", author=f"w{number}"),
                did(f"w{number}", "view", f"p{number}_{step}"),
            )  # fmt: skip

    def ask(number):
        while not stop.is_set():
            found = engine.recommend(asks(f"w{number}", 20))
            assert found.fallback is None or "error" not in found.fallback.lower(), found.fallback
            newest = engine.state.ids[-1]
            engine.recommend(asks(f"w{number}", 20, candidates=("a", newest)))
            engine.explain(asks(f"w{number}"), newest)
            engine.predict([(f"w{number}", newest)])

    def steer():
        for step in range(20):
            engine.configure({"diversity": {"home": step / 20}})
            engine._refresh("home")
            engine._snapshot()

    writers = [threading.Thread(target=run, args=(lambda n=n: record(n),)) for n in range(3)]
    readers = [threading.Thread(target=run, args=(lambda n=n: ask(n),)) for n in range(3)]
    for thread in (*writers, *readers, steering := threading.Thread(target=run, args=(steer,))):
        thread.start()
    for thread in (*writers, steering):
        thread.join(60)
    stop.set()
    for thread in readers:
        thread.join(60)
    assert failures == []
    assert engine.stores.log.last() == engine.state.position == 6 + 3 * 40 * 2 + 20
    fresh = new_engine(stores=engine.stores)
    assert [*fresh.recommend(asks("w1", 30)).slate] == [*engine.recommend(asks("w1", 30)).slate]


def same_bits(one: Engine, other: Engine) -> bool:
    mine, theirs = one.state.snapshot(), other.state.snapshot()
    return mine.keys() == theirs.keys() and all(
        np.array_equal(mine[k], theirs[k], equal_nan=mine[k].dtype.kind == "f") for k in mine
    )


def test_a_snapshot_and_what_came_after_are_a_full_replay(tmp_path):
    events = toy().events[:3000]
    engine = new_engine(events[:2000], stores=sqlite_stores(tmp_path / "feed"))
    engine.close()
    again = sqlite_stores(tmp_path / "feed")
    assert again.snapshots.positions(engine.state.version) == [2000]
    again.log.append(events[2000:])
    resumed = new_engine(stores=again)
    try:
        assert resumed.snapshot_at == 2000
        assert same_bits(resumed, new_engine(events))
    finally:
        resumed.close()


def test_a_state_that_was_replayed_without_a_snapshot_leaves_one():
    stores = memory_stores()
    stores.log.append(toy().events[:50])
    engine = new_engine(stores=stores)
    engine.close()
    assert stores.snapshots.positions(engine.state.version) == [50]
    engine._snapshot()
    assert stores.snapshots.positions(engine.state.version) == [50]


def test_a_disk_too_full_for_a_snapshot_does_not_fail_what_was_recorded(monkeypatch):
    monkeypatch.setattr("proffer.engine.live.SNAPSHOT_EVERY", 3)
    engine = new_engine()

    def full(*_):
        raise StorageFull("no room")

    engine.stores.snapshots.save = full
    few_posts(engine)
    assert engine.state.position == 6


def test_a_damaged_snapshot_is_passed_over(tmp_path):
    engine = new_engine(toy().events[:500], stores=sqlite_stores(tmp_path / "feed"))
    engine.close()
    path = next((tmp_path / "feed" / "snapshots").iterdir())
    path.write_bytes(path.read_bytes()[:-100])
    again = new_engine(stores=sqlite_stores(tmp_path / "feed"))
    try:
        assert again.state.position == 500
        assert same_bits(again, new_engine(toy().events[:500]))
    finally:
        again.close()


def test_health_tells_each_part_and_one_that_fails_does_not_hide_the_others():
    engine = new_engine()
    few_posts(engine)
    found = engine.reader.health()
    assert {*found.parts} == {"log", "state", "models", "decisions", "skew"}
    assert found.parts["log"].figures["last"] == 6

    def broken():
        raise Corrupt("the log is gone")

    engine.stores.log.counts = broken
    found = engine.reader.health()
    assert (found.status, found.parts["log"].status, found.parts["state"].status) == ("down", "down", "ok")
    assert "the log is gone" in found.parts["log"].text
