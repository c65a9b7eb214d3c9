"""What every EventLog must do."""

import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proffer.core.entities import EntityRef
from proffer.core.errors import Conflict, Corrupt, Invalid, NotFound, StorageFull
from proffer.core.events import Counts, Event, Quarantined, Reject, Verdict
from proffer.core.ports import EventLog
from proffer.testing.samples import NAUGHTY, START, sample_event

REFS = st.builds(EntityRef, st.sampled_from(["user", "post"]), st.sampled_from(["1", "2", "3"]))
TIMES = st.one_of(st.none(), st.integers(0, 10).map(lambda seconds: START + timedelta(seconds=seconds)))
EVENTS: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        type=st.sampled_from(["like", "view"]),
        at=st.integers(0, 10).map(lambda seconds: START + timedelta(seconds=seconds)),
        actor=REFS,
        target=st.one_of(st.none(), REFS),
        query_id=st.sampled_from([None, "q1", "q2"]),
    ),
    max_size=30,
)
FILTERS = st.fixed_dictionaries(
    {"after": st.integers(0, 30), "limit": st.integers(1, 30)},
    optional={
        "entity": REFS,
        "query_id": st.sampled_from(["q1", "q2", "q3"]),
        "type": st.sampled_from(["like", "view", "share"]),
        "since": TIMES,
        "until": TIMES,
    },
)


class LogContract:
    """Subclass it and give `open`; set `durable` to False for a log that forgets at closing."""

    durable: ClassVar[bool] = True

    def open(self, folder: Path) -> AbstractContextManager[EventLog]:
        """Return the log in a folder, opened for writing; again on the same folder after it was closed."""
        raise NotImplementedError

    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[EventLog]:
        """An empty log."""
        with self.open(tmp_path / "log") as log:
            yield log

    def test_empty(self, log: EventLog) -> None:
        """Nothing is in a new log."""
        assert (log.last(), log.counts(), list(log.scan()), log.find(), log.get("e1")) == (0, Counts(), [], [], None)
        assert log.append([]) == []

    def test_events_come_back_as_they_were(self, log: EventLog) -> None:
        """All of an event is kept: microseconds, fields of every JSON type, what is missing."""
        full = sample_event("e1", query_id="q1", after=0.123457, dwell=1.5, n=3, ok=True, tags=["a"], deep={"b": None})
        bare = msgspec.structs.replace(sample_event("e2", post=None), at=datetime.fromisoformat("1970-01-01T00:00Z"))
        receipts = log.append([full, bare])
        assert [(r.verdict, r.id, r.sequence) for r in receipts] == [
            (Verdict.ACCEPTED, "e1", 1),
            (Verdict.ACCEPTED, "e2", 2),
        ]
        stored = [msgspec.structs.replace(event, sequence=n) for n, event in enumerate([full, bare], 1)]
        assert all_of(log) == stored
        assert [log.get("e1"), log.get("e2")] == stored
        assert {type(event.at.tzinfo) for event in all_of(log)} == {type(full.at.tzinfo)}

    def test_duplicate_and_conflict(self, log: EventLog) -> None:
        """The same again is a duplicate with the first sequence; another body is a conflict and the first stays."""
        first, other = sample_event("e1", n=1.0), sample_event("e1", n=2.0)
        assert verdicts(log.append([first, first, other])) == ["accepted", "duplicate", "conflict"]
        again = log.append([other, msgspec.structs.replace(first, sequence=9), sample_event("e2")])
        assert verdicts(again) == ["conflict", "duplicate", "accepted"]
        assert [receipt.sequence for receipt in again[1:]] == [1, 2]
        assert again[0].reason
        assert log.counts() == Counts(accepted=2, duplicates=2, conflicts=2)
        assert [event.fields for event in all_of(log)] == [{"n": 1.0}, {}]

    def test_a_call_is_whole_or_nothing(self, log: EventLog) -> None:
        """An event that cannot be stored takes the whole call with it."""
        for bad in (
            sample_event("e2", n=object()),
            sample_event("e\ud800"),
            sample_event("e2", user="\udfff"),
            msgspec.structs.replace(sample_event("e2"), at=datetime(2026, 1, 1)),  # noqa: DTZ001
        ):
            with pytest.raises(Invalid):
                log.append([sample_event("e1"), Reject(raw="x", reason="bad"), bad])
        assert (log.last(), log.counts(), log.quarantined()) == (0, Counts(), [])
        assert log.append([sample_event("e3")])[0].sequence == 1

    def test_quarantine_and_repair(self, log: EventLog) -> None:
        """A repaired row moves from quarantined to accepted once, and the counts still add up."""
        raw = '{"id": "e1", \ud800 \x00'
        bad = Reject(raw=raw, reason="no \udfff type", field="type", event_id="e1", source="import")
        receipts = log.append([sample_event("e0"), bad, Reject(raw="[]", reason="an event is an object")])
        assert [(r.quarantine, r.field, r.reason) for r in receipts[1:]] == [
            (1, "type", bad.reason),
            (2, None, "an event is an object"),
        ]
        assert log.quarantined()[0].reject == bad
        assert log.quarantined()[0].received_at.utcoffset() == timedelta(0)
        assert log.append([sample_event("e1")], repairs=1)[0].verdict is Verdict.ACCEPTED
        assert log.counts() == Counts(accepted=2, quarantined=1)
        assert [row.number for row in log.quarantined()] == [2]
        assert [(row.number, row.repaired_by) for row in log.quarantined(open_only=False)] == [(1, "e1"), (2, None)]
        assert [row.number for row in log.quarantined(after=1, open_only=False)] == [2]
        assert [row.number for row in log.quarantined(limit=1, open_only=False)] == [1]

    def test_repair_by_a_duplicate_closes_the_row(self, log: EventLog) -> None:
        """A row that turns out to be known already is closed as a duplicate; a conflict leaves it open."""
        log.append([sample_event("e1"), Reject(raw="", reason="bad")])
        assert log.append([sample_event("e1", n=1.0)], repairs=1)[0].verdict is Verdict.CONFLICT
        assert log.counts() == Counts(accepted=1, conflicts=1, quarantined=1)
        assert log.append([sample_event("e1")], repairs=1)[0].verdict is Verdict.DUPLICATE
        assert log.counts() == Counts(accepted=1, duplicates=1, conflicts=1)
        assert log.quarantined() == []

    def test_repairs_refused(self, log: EventLog) -> None:
        """What is not in quarantine, or mended by another event, cannot be repaired; the same repair again can."""
        log.append([Reject(raw="", reason="bad")])
        for number in (2, 0, -1, 2**70):
            with pytest.raises(NotFound):
                log.append([sample_event("e1")], repairs=number)
        with pytest.raises(Invalid):
            log.append([], repairs=1)
        log.append([sample_event("e1")], repairs=1)
        with pytest.raises(Conflict):
            log.append([sample_event("e2")], repairs=1)
        assert log.append([sample_event("e1")], repairs=1)[0].verdict is Verdict.DUPLICATE
        assert log.counts() == Counts(accepted=1, duplicates=1)
        assert log.last() == 1

    def test_a_repair_that_is_no_event_is_quarantined_again(self, log: EventLog) -> None:
        """A repair that is bad itself leaves the first row open and adds a second."""
        log.append([Reject(raw="", reason="bad")])
        assert log.append([Reject(raw="", reason="worse")], repairs=1)[0].quarantine == 2
        assert [row.number for row in log.quarantined()] == [1, 2]
        assert log.counts() == Counts(quarantined=2)

    def test_survives_closing(self, tmp_path: Path) -> None:
        """Events, counts, quarantine and the memory of every id are there after reopening."""
        if not self.durable:
            pytest.skip("this log forgets at closing")
        with self.open(tmp_path / "log") as log:
            log.append([sample_event("e1"), sample_event("e1"), Reject(raw="\x00", reason="bad")])
        with self.open(tmp_path / "log") as log:
            assert verdicts(log.append([sample_event("e1"), sample_event("e1", n=1.0)])) == ["duplicate", "conflict"]
            assert log.append([sample_event("e2"), Reject(raw="", reason="bad")])[0].sequence == 2
            assert log.counts() == Counts(accepted=2, duplicates=2, conflicts=1, quarantined=2)
            assert [row.number for row in log.quarantined()] == [1, 2]

    def test_scan(self, log: EventLog) -> None:
        """Bounds, types and chunks."""
        log.append([sample_event(f"e{n}", type=("like", "view", "share")[n % 3]) for n in range(1, 26)])
        assert [len(chunk) for chunk in log.scan(chunk=10)] == [10, 10, 5]
        assert sequences(log.scan(5, 9)) == [6, 7, 8, 9]
        assert sequences(log.scan(20, 1000)) == [21, 22, 23, 24, 25]
        assert sequences(log.scan(25)) == []
        assert sequences(log.scan(types=["view"], chunk=3)) == list(range(1, 26, 3))
        assert sequences(log.scan(types=["share", "view", "view"], chunk=4)) == [n for n in range(1, 26) if n % 3]
        assert sequences(log.scan(types=[])) == sequences(log.scan(types=["none"])) == []

    @pytest.mark.parametrize("until", [None, 1000])
    def test_scan_is_one_view(self, log: EventLog, until: int | None) -> None:
        """What is appended while a scan is under way is not in it, wherever the scan stands."""
        log.append([sample_event(f"a{n}") for n in range(30)])
        scan = log.scan(until=until, chunk=10)
        seen = list(next(scan))
        log.append([sample_event(f"b{n}") for n in range(30)])
        seen += [event for chunk in scan for event in chunk]
        assert [event.sequence for event in seen] == list(range(1, 31))
        assert log.last() == 60

    def test_waiting_ends_with_the_next_event(self, log: EventLog) -> None:
        """True at once where there is more already or soon as somebody appends; False after the time where nobody does.

        Rows that are no events do not count.
        """
        assert not log.wait(0, 0.0)
        log.append([Reject(raw="", reason="bad")])
        started = time.monotonic()
        assert not log.wait(0, 0.2)
        assert 0.15 < time.monotonic() - started < 5
        log.append([sample_event("e1")])
        assert log.wait(0, 30)
        with ThreadPoolExecutor(3) as pool:
            started = time.monotonic()
            waiting = [pool.submit(log.wait, 1, 30.0) for _ in range(3)]
            time.sleep(0.1)
            log.append([sample_event("e2")])
            assert all(each.result(timeout=30) for each in waiting)
        assert time.monotonic() - started < 10
        assert not log.wait(2, 0.0)

    def test_many_threads(self, log: EventLog) -> None:
        """Sequences are dense and each call's rows adjoin, and a tail that reads meanwhile skips nothing."""
        done = threading.Event()
        tail: list[int] = []

        def write(thread: int) -> list[list[int]]:
            calls = [[f"e{thread}.{call}.{row}" for row in range(3)] for call in range(15)]
            return [[r.sequence for r in log.append([sample_event(name) for name in call])] for call in calls]

        def follow() -> None:
            while not (done.is_set() and log.last() == len(tail)):
                tail.extend(sequences(log.scan(tail[-1] if tail else 0)))

        with ThreadPoolExecutor(9) as pool:
            following = pool.submit(follow)
            written = [call for calls in pool.map(write, range(8)) for call in calls]
            done.set()
            following.result(timeout=60)
        assert tail == sorted(sequence for call in written for sequence in call) == list(range(1, 361))
        assert all(call == list(range(call[0], call[0] + 3)) for call in written)
        assert log.counts() == Counts(accepted=360)

    def test_one_id_from_many_threads(self, log: EventLog) -> None:
        """Of equal events at the same instant exactly one is accepted."""
        with ThreadPoolExecutor(8) as pool:
            given_ = list(pool.map(lambda _: log.append([sample_event("e1")])[0].verdict.value, range(32)))
        assert sorted(given_) == ["accepted", *["duplicate"] * 31]
        assert (log.last(), log.counts()) == (1, Counts(accepted=1, duplicates=31))

    def test_naughty_ids(self, log: EventLog) -> None:
        """Ids are compared and returned byte by byte; forms that look alike are different ids."""
        events = [sample_event(name, user=name, post=name, query_id=name, text=name) for name in NAUGHTY]
        assert verdicts(log.append(events)) == ["accepted"] * len(NAUGHTY)
        for place, name in enumerate(NAUGHTY, 1):
            stored = msgspec.structs.replace(events[place - 1], sequence=place)
            assert log.get(name) == stored
            assert log.find(entity=EntityRef("post", name)) == log.find(query_id=name) == [stored]

    def test_big_fields(self, log: EventLog) -> None:
        """A text of a megabyte and lists of a thousand come back whole."""
        event = sample_event("e1", text="\u00e5\U0001f600" * 200_000, many=[str(n) for n in range(1000)])
        log.append([event])
        found = log.get("e1")
        assert found is not None
        assert found.fields == event.fields

    def test_rewriting_puts_events_in_the_places_of_others(self, log: EventLog) -> None:
        """Places, other events and counts stay; the old ids, entities and queries lead nowhere, the new ones do."""
        log.append([sample_event(f"e{n}", user=f"u{n}", query_id=f"q{n}", n=float(n)) for n in range(1, 5)])
        before, counts = all_of(log), log.counts()
        gone = msgspec.structs.replace(sample_event("gone", type="erased", user="nobody", post=None), sequence=2)
        other = msgspec.structs.replace(sample_event("other", user="u3", post="p9", n=9.0), sequence=3)
        note = sample_event("note", type="entity.erase", user="workspace", post=None, rows=2)
        assert log.rewrite([other, gone], [], note) == 5
        assert all_of(log) == [before[0], gone, other, before[3], msgspec.structs.replace(note, sequence=5)]
        assert (log.last(), log.counts()) == (5, counts)
        assert log.get("e2") is log.get("e3") is None
        assert (log.get("gone"), log.get("other")) == (gone, other)
        assert log.find(entity=EntityRef("user", "u2")) == log.find(query_id="q2") == []
        assert log.find(entity=EntityRef("post", "p9")) == [other]
        assert log.find(type="entity.erase")[0].fields == {"rows": 2}
        assert verdicts(log.append([gone, sample_event("e2"), sample_event("other")])) == [
            "duplicate", "accepted", "conflict",
        ]  # fmt: skip

    def test_rewriting_blanks_quarantined_rows(self, log: EventLog) -> None:
        """A blanked row keeps number and time; a row that a replaced event repaired names the new id."""
        bad = Reject(raw="u1 and more", reason="no type u1", field="u1", event_id="u1-7", source="import")
        log.append([bad, Reject(raw="u2", reason="bad"), Reject(raw="u3", reason="bad")])
        log.append([sample_event("e1")], repairs=2)
        counts, received = log.counts(), log.quarantined()[0].received_at
        gone = msgspec.structs.replace(sample_event("gone", type="erased"), sequence=1)
        log.rewrite([gone], [1], sample_event("note"))
        rows = log.quarantined(open_only=False)
        assert rows[0].reject == Reject(raw="", reason="erased", source="")
        assert (rows[0].received_at, rows[0].repaired_by) == (received, None)
        assert [(row.reject.raw, row.repaired_by) for row in rows[1:]] == [("u2", "gone"), ("u3", None)]
        assert log.counts() == counts

    def test_a_rewrite_is_whole_or_nothing(self, log: EventLog) -> None:
        """A place or number that there is not, or an id that is taken, leaves everything as it was, note included."""
        log.append([sample_event("e1"), sample_event("e2"), Reject(raw="", reason="bad")])
        before = all_of(log)
        new, note = sample_event("new"), sample_event("note")
        places = [msgspec.structs.replace(new, sequence=place) for place in (1, 0, 3, 2**40)]
        for events, blank in (*(([places[0], wrong], []) for wrong in places), ([places[0]], [2]), ([], [0])):
            with pytest.raises(Invalid):
                log.rewrite(events, blank, note)
        taken = msgspec.structs.replace(sample_event("e2"), sequence=1)
        with pytest.raises(Conflict):
            log.rewrite([taken], [1], note)
        with pytest.raises(Conflict):
            log.rewrite([places[0]], [1], sample_event("e2"))
        assert (all_of(log), [row.reject.reason for row in log.quarantined()]) == (before, ["bad"])
        assert log.rewrite([], [], note) == 3

    def test_a_rewrite_survives_closing(self, tmp_path: Path) -> None:
        """What was put in the place of another is there after reopening, and nothing else."""
        if not self.durable:
            pytest.skip("this log forgets at closing")
        gone = msgspec.structs.replace(sample_event("gone"), sequence=1)
        with self.open(tmp_path / "log") as log:
            log.append([sample_event("e1"), sample_event("e2")])
            log.rewrite([gone], [], sample_event("note"))
        with self.open(tmp_path / "log") as log:
            assert [event.id for event in all_of(log)] == ["gone", "e2", "note"]

    def test_a_caller_keeps_no_hand_in(self, log: EventLog) -> None:
        """Changing the fields of an appended event changes nothing in the log."""
        fields: dict[str, Any] = {"n": 1.0}
        log.append([msgspec.structs.replace(sample_event("e1"), fields=fields)])
        fields["n"] = 2.0
        assert all_of(log)[0].fields == {"n": 1.0}

    def test_fill(self, log: EventLog, tmp_path: Path) -> None:
        """A filled log is the other one again, in all it holds, remembers and does from then on."""
        rows = [sample_event(f"e{n}", type=("like", "view")[n % 2], query_id=f"q{n}", after=n) for n in range(25)]
        named = [sample_event(f"n{n}", user=name, text=name) for n, name in enumerate(NAUGHTY)]
        bad = [Reject(raw='{"id": \ud800 \x00', reason="no \udfff", field="f", event_id="e", source="import")]
        log.append([*rows, rows[3], sample_event("e3", n=1.0), *named, *bad, *bad])
        log.append([sample_event("mended")], repairs=1)
        with self.open(tmp_path / "other") as other:
            other.fill(log.scan(chunk=7), iter([log.quarantined(open_only=False)]), log.counts())
            assert (all_of(other), other.counts(), other.last()) == (all_of(log), log.counts(), log.last())
            assert other.quarantined(open_only=False) == log.quarantined(open_only=False)
            assert [row.number for row in other.quarantined()] == [2]
            for filters in ({"entity": EntityRef("user", "u1"), "limit": 50}, {"query_id": "q4"}, {"type": "view"}):
                assert other.find(**filters) == log.find(**filters)
            for again in (log, other):
                given_ = again.append([rows[0], sample_event("e1", n=2.0), sample_event("new"), *bad])
                assert [receipt.verdict.value for receipt in given_] == [
                    "duplicate", "conflict", "accepted", "quarantined",
                ]  # fmt: skip
                assert (given_[2].sequence, given_[3].quarantine) == (len(rows) + len(named) + 2, 3)
            assert other.counts() == log.counts()

    def test_only_an_empty_log_is_filled(self, log: EventLog, tmp_path: Path) -> None:
        """One that received anything at all is refused and stays as it is; nothing may fill with nothing."""
        events, counts = [msgspec.structs.replace(sample_event("e1"), sequence=1)], Counts(accepted=1)
        log.append([Reject(raw="x", reason="bad")])
        with pytest.raises(Conflict):
            log.fill([events], [], counts)
        assert (log.last(), log.counts()) == (0, Counts(quarantined=1))
        with self.open(tmp_path / "other") as other:
            other.fill([], [], Counts())
            other.fill([events], [], counts)
            with pytest.raises(Conflict):
                other.fill([events], [], counts)
            assert (other.counts(), all_of(other)) == (counts, events)

    def test_filled_whole_or_not_at_all(self, log: EventLog) -> None:
        """Rows with a gap, an id twice, a source that fails half way: the log is empty, and can be filled after."""
        sound = [msgspec.structs.replace(sample_event(f"e{n}"), sequence=n) for n in range(1, 9)]

        def failing() -> Iterator[list[Event]]:
            yield sound[:4]
            raise StorageFull("the source is gone")

        for bad, error in (
            ([sound[:3], sound[4:]], Corrupt), ([sound[1:]], Corrupt), (failing(), StorageFull),
            ([sound[:4], [msgspec.structs.replace(sound[0], sequence=5)]], Corrupt),
        ):  # fmt: skip
            with pytest.raises(error):
                log.fill(bad, [], Counts(accepted=8))
            assert (log.last(), log.counts(), list(log.scan())) == (0, Counts(), [])
        row = Quarantined(number=2, received_at=START, reject=Reject(raw="x", reason="bad"))
        with pytest.raises(Corrupt):
            log.fill([sound], [[row]], Counts(accepted=8, quarantined=1))
        assert (log.last(), log.get("e1"), log.quarantined()) == (0, None, [])
        log.fill([sound[:5], sound[5:]], [], Counts(accepted=8))
        assert all_of(log) == sound

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(bodies=EVENTS, asked=st.lists(FILTERS, min_size=1, max_size=8))
    def test_find_agrees_with_a_plain_search(self, bodies: list[dict[str, Any]], asked: list[dict[str, Any]]) -> None:
        """Every combination of filters gives what a loop over all events gives."""
        events = [Event(id=f"e{n}", sequence=n, **body) for n, body in enumerate(bodies, 1)]
        with tempfile.TemporaryDirectory() as folder, self.open(Path(folder) / "log") as log:
            log.append(events)
            for filters in asked:
                wanted = [event for event in events if matches(event, **filters)][: filters["limit"]]
                assert log.find(**filters) == wanted


def matches(
    event: Event, *, entity: EntityRef | None = None, query_id: str | None = None, type: str | None = None,
    since: datetime | None = None, until: datetime | None = None, after: int = 0, limit: int = 0,  # noqa: ARG001
) -> bool:  # fmt: skip
    """Tell whether an event passes every filter, one by one."""
    if event.sequence <= after:
        return False
    if entity is not None and event.actor != entity and event.target != entity:
        return False
    if query_id is not None and event.query_id != query_id:
        return False
    if type is not None and event.type != type:
        return False
    return (since is None or since <= event.at) and (until is None or event.at < until)


def all_of(log: EventLog) -> list[Event]:
    """Return every event of a log."""
    return [event for chunk in log.scan() for event in chunk]


def sequences(chunks: Iterator[list[Event]]) -> list[int]:
    """Return the sequences of scanned events."""
    return [event.sequence for chunk in chunks for event in chunk]


def verdicts(receipts: list[Any]) -> list[str]:
    """Return the verdicts of receipts as words."""
    return [receipt.verdict.value for receipt in receipts]
