"""The skew watch: what is drawn, what a look found, children at their worst, and what is told of it."""

import logging
import random
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proffer.api.metrics import engine_metrics
from proffer.core.clock import FixedClock, first_id
from proffer.core.errors import Invalid
from proffer.engine import skew, watch
from proffer.engine.engine import Engine
from proffer.engine.skew import Found, Mismatch, Skew
from proffer.engine.watch import Watch
from proffer.stores.memory import memory_stores
from proffer.stores.sqlite import sqlite_stores
from proffer.testing import sample_decision
from tests.engine.worlds import NOW, new_engine

SAY = "import json, sys, time\nsay = lambda **told: print(json.dumps(told), flush=True)\n"
MINUTE = timedelta(minutes=1)


def decided(at: datetime, number: int = 0) -> str:
    """Return the id that a decision of a moment has."""
    return f"{first_id('d', at)}{number:016x}"


@pytest.fixture
def watched(tmp_path: Path) -> Engine:
    """An engine whose workspace has a folder."""
    (tmp_path / "feed").mkdir()
    engine = new_engine(stores=memory_stores(FixedClock(NOW)))
    engine.home = tmp_path
    for minute in (-1, 11):
        engine.stores.decisions.put(sample_decision(decided(NOW + minute * MINUTE)))
    return engine


def watching(engine: Engine, script: str, **rest: object) -> Watch:
    """Return a watch whose child is a script of our own."""
    return Watch({"feed": engine}, clock=engine.clock, command=lambda *_: [sys.executable, "-c", SAY + script], **rest)


@given(st.lists(st.integers(0, 3600), max_size=60), st.integers(1, 40), st.integers(0, 9))
def test_of_few_decisions_each_is_drawn_once_and_only_of_the_period(seconds: list[int], size: int, seed: int) -> None:
    log = memory_stores(FixedClock(NOW)).decisions
    ids = [decided(NOW + timedelta(seconds=second), number) for number, second in enumerate(seconds)]
    for id in ids:
        log.put(sample_decision(id))
    since, until = NOW + 10 * MINUTE, NOW + 50 * MINUTE
    inside = {id for id in ids if first_id("d", since) < id < first_id("d", until)}
    found = skew.drawn(log, since, until, size, random.Random(seed))
    assert found == skew.drawn(log, since, until, size, random.Random(seed))
    assert len(found) == len(set(found)) == min(size, len(inside))
    assert set(found) <= inside


def test_of_many_decisions_moments_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skew, "FEW", 50)
    monkeypatch.setattr(skew, "PAGE", 20)
    log = memory_stores(FixedClock(NOW)).decisions
    for number in range(500):
        log.put(sample_decision(decided(NOW + timedelta(seconds=number), number)))
    found = skew.drawn(log, NOW, NOW + timedelta(seconds=500), 20, random.Random(1))
    places = [int(id[-16:], 16) for id in found]
    assert len(set(places)) == 20
    assert min(places) < 150 < 350 < max(places)


def test_totals_grow_and_only_the_newest_mismatches_are_kept() -> None:
    known = Skew()
    for number in range(15):
        found = Found(checked=2, mismatched={f"d_{number}": "other scores"}, incomparable={"other code": 1})
        known = known.plus(found, until=NOW, now=NOW + number * MINUTE)
    assert (known.looks, known.checked, known.mismatched, known.incomparable) == (15, 30, 15, {"other code": 15})
    assert [one.decision for one in known.mismatches] == [f"d_{number}" for number in range(14, 4, -1)]
    assert len(known.recent(NOW + timedelta(days=1, minutes=12))) == 3


def test_what_is_kept_survives_and_a_damaged_file_counts_as_none(tmp_path: Path) -> None:
    known = Skew(looked_at=NOW, until=NOW, mismatches=(Mismatch(decision="d_1", seen_at=NOW, text="order"),))
    skew.keep(tmp_path, known)
    assert skew.kept(tmp_path) == known
    assert [path.name for path in tmp_path.iterdir()] == [skew.FILE]
    (tmp_path / skew.FILE).write_text('{"checked": "x"')
    assert skew.kept(tmp_path) == Skew()


def test_a_look_that_finds_nothing_wrong(watched: Engine) -> None:
    known = watching(watched, "say(found={'checked': 20, 'incomparable': {'other code': 2}})").look("feed")
    assert (known.checked, known.mismatched, known.failed) == (20, 0, None)
    part = watched.reader.health().parts["skew"]
    assert (part.status, part.figures["checked"], part.figures["incomparable"]) == ("ok", 20, 2)


def test_a_mismatch_is_told_everywhere(watched: Engine, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "proffer.watch"):
        watching(watched, "say(found={'checked': 20, 'mismatched': {'d_7': 'scores'}})").look("feed")
    assert "d_7" in caplog.text
    part = watched.reader.health().parts["skew"]
    assert part.status == "degraded"
    assert "d_7 (scores)" in part.text
    samples = {one.name: one.samples[0].value for one in engine_metrics({"feed": watched}) if "_skew_" in one.name
               and one.samples}  # fmt: skip
    assert (samples["proffer_skew_checked"], samples["proffer_skew_mismatches"]) == (20, 1)
    assert samples["proffer_skew_last_look_timestamp_seconds"] == NOW.timestamp()
    assert isinstance(watched.clock, FixedClock)
    watched.clock.move(90_000)
    assert watched.reader.health().parts["skew"].status == "ok"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sys.exit(3)", "the look ended with status 3 and found nothing"),
        ("say(version='m_1')", "found nothing"),
        ("say(error='no such workspace', remedy='make it')", "no such workspace make it"),
        (
            "room = bytearray(300_000_000); room[::4096] = b'x' * len(room[::4096]); time.sleep(60)",
            "its limit is 64 MB",
        ),
    ],
)
def test_a_child_that_fails_is_told_and_loses_nothing(watched: Engine, script: str, said: str) -> None:
    watched.configure({"watch": {"memory_mb": 64 if "room" in script else 4096}})
    skew.keep(watch.root_of(watched), Skew(checked=7, until=NOW - MINUTE))
    known = watching(watched, script).look("feed")
    assert said in (known.failed or "")
    assert (known.checked, known.until, known.looked_at) == (7, NOW - MINUTE, NOW)
    part = watched.reader.health().parts["skew"]
    assert (part.status, said in part.text) == ("degraded", True)


def test_the_next_look_begins_where_the_last_one_ended(watched: Engine) -> None:
    taken: list[watch.Look] = []

    def command(_: Engine, look: watch.Look) -> list[str]:
        taken.append(look)
        return [sys.executable, "-c", SAY + "say(found={'checked': 1})"]

    looking = Watch({"feed": watched}, clock=watched.clock, command=command)
    watched.configure({"watch": {"seconds": 600, "sample": 5}})
    looking.look("feed")
    assert isinstance(watched.clock, FixedClock)
    watched.clock.move(700)
    looking.look("feed")
    assert [(look.since - NOW, look.until - NOW, look.sample) for look in taken] == [
        (-10 * MINUTE, 0 * MINUTE, 5), (0 * MINUTE, timedelta(seconds=700), 5)
    ]  # fmt: skip
    assert taken[0].seed != taken[1].seed
    watched.clock.move(-3600)
    assert looking.due("feed") <= watched.clock.now() + 70 * MINUTE


def test_where_nobody_asked_for_anything_no_child_is_started(watched: Engine) -> None:
    assert isinstance(watched.clock, FixedClock)
    watched.clock.move(3600)
    skew.keep(watch.root_of(watched), Skew(checked=7, until=NOW + 12 * MINUTE, failed="no memory"))
    known = watching(watched, "sys.exit(3)").look("feed")
    assert (known.checked, known.failed, known.until) == (7, None, NOW + 60 * MINUTE)


def test_the_settings_say_how_often_and_zero_is_never(watched: Engine) -> None:
    looking = watching(watched, "")
    assert looking.due("feed") == NOW + timedelta(seconds=900)
    watched.configure({"watch": {"seconds": 60}})
    assert looking.due("feed") == NOW + MINUTE
    watched.configure({"watch": {"seconds": 0}})
    assert looking.due("feed") is None
    for wrong in ({"seconds": -1}, {"sample": 0}, {"memory_mb": 1}, {"hours": 1}):
        with pytest.raises(Invalid, match="watch"):
            watched.configure({"watch": wrong})


def test_a_workspace_without_a_folder_or_opened_for_reading_is_not_watched(watched: Engine) -> None:
    reading = new_engine(stores=msgspec.structs.replace(memory_stores(), writable=False))
    reading.home = watched.home
    for engine in (new_engine(), reading):
        looking = Watch({"feed": engine}, clock=engine.clock).start()
        assert looking._thread is None
        looking.close()
    assert new_engine().reader.health().parts["skew"].status == "ok"


def test_it_looks_by_itself_and_closing_leaves_no_child(tmp_path: Path) -> None:
    (tmp_path / "feed").mkdir()
    engine = new_engine(stores=sqlite_stores(tmp_path / "feed"))
    engine.home, engine.clock = tmp_path, Now()
    engine.stores.decisions.put(sample_decision(decided(datetime.now(UTC) + timedelta(hours=1))))
    try:
        quick = watching(engine, "say(found={'checked': 1})", every=0.05).start()
        until(lambda: skew.kept(tmp_path / "feed").looks >= 2)
        quick.close()
        slow = watching(engine, "print('up', file=sys.stderr, flush=True); time.sleep(60)", every=0.05).start()
        until(lambda: slow._running is not None and slow._running.log)
        before = skew.kept(tmp_path / "feed")
        slow.close()
        assert skew.kept(tmp_path / "feed") == before
    finally:
        engine.close()


class Now:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def until(so: object, seconds: float = 20) -> None:
    patience = time.monotonic() + seconds
    while not so():  # type: ignore[operator]
        assert time.monotonic() < patience
        time.sleep(0.01)


def test_one_workspace_that_fails_keeps_the_watch_from_no_other(watched: Engine) -> None:
    lost = new_engine(stores=memory_stores(FixedClock(NOW)))
    lost.home, lost.workspace = watched.home, "lost"
    lost.stores.decisions.flush = lambda: 1 / 0  # type: ignore[attr-defined, method-assign]

    def command(*_: object) -> list[str]:
        return [sys.executable, "-c", SAY + "say(found={'checked': 1})"]

    engines = {"lost": lost, "feed": watched}
    looking = Watch(engines, clock=watched.clock, command=command, every=1.0)
    assert isinstance(watched.clock, FixedClock)
    watched.clock.move(2)
    looking.start()
    try:
        until(lambda: skew.kept(watch.root_of(watched)).looks >= 1)
    finally:
        looking.close()


def test_what_is_erased_while_a_look_goes_on_does_not_come_back_with_it(watched: Engine) -> None:
    root = watch.root_of(watched)
    gone = Mismatch(decision="d_gone", seen_at=NOW, text="order")
    skew.keep(root, Skew(checked=7, mismatched=1, mismatches=(gone,)))

    def command(*_: object) -> list[str]:
        skew.keep(root, Skew(checked=7, mismatched=1))
        return [sys.executable, "-c", SAY + "say(found={'checked': 1})"]

    known = Watch({"feed": watched}, clock=watched.clock, command=command).look("feed")
    assert (known.checked, known.mismatches) == (8, ())
