"""Copies from any stores into any other, while the source is written."""

import tempfile
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.core.clock import FixedClock
from proffer.core.errors import Conflict, Corrupt, NotFound
from proffer.core.events import ENTITY_ERASE, NO_FIELDS, Counts, Reject
from proffer.core.jobs import Job
from proffer.core.ports import Review, Token
from proffer.stores.copying import Inventory, check_equal, copy, inventory, log_hash
from proffer.stores.memory import MemoryLog, memory_stores
from proffer.stores.sqlite import sqlite_stores
from proffer.testing.samples import NAUGHTY, START, sample_decision, sample_event

PIPELINES = ("main",)


def fill_all(stores):
    """Put something into every store, and return the ids of the versions."""
    stores.log.append([sample_event(f"n{n}", user=name, text=name) for n, name in enumerate(NAUGHTY)])
    rows = [sample_event(f"e{n}", user=f"u{n % 7}", post=f"p{n % 5}", after=n) for n in range(300)]
    stores.log.append([*rows, rows[4], sample_event("e5", n=2.0), Reject(raw="\ud800\x00", reason="bad", field="f")])
    stores.log.append([sample_event("mended"), Reject(raw="", reason="again")], repairs=1)
    for n in range(40):
        stores.decisions.put(msgspec.structs.replace(sample_decision(f"d{n:03d}", user=f"u{n % 7}"), as_of=n))
    stores.decisions.flush()
    told = {"schema": "v1", "position": 9, "parameters": {}, "metrics": {}, "at": START}
    versions = [
        stores.registry.save(name, "x", arrays={"w": np.full(3, n)}, **told) for n, name in enumerate(("main", "old"))
    ]
    stores.registry.promote(versions[0].id, expected_revision=0, at=START)
    stores.registry.review(Review(version=versions[0].id, kind="shadow", at=START, body={"n": 1}))
    asked = {"search": True, "by": "request", "seconds": 9.0, "memory_mb": 100, "created_at": START}
    stores.jobs.add(Job(id="j1", pipeline="old", state="succeeded", key="k", **asked))
    stores.jobs.add(Job(id="j2", pipeline="main", state="running", **asked))
    stores.tokens.add(Token(name="t", digest="d", scopes=("read",), created_at=START))
    return [version.id for version in versions]


@pytest.fixture
def opened(tmp_path):
    """Opens stores in SQLite by name, and closes them."""
    found = {}

    def one(name):
        found[name] = sqlite_stores(tmp_path / name)
        return found[name]

    yield one
    for stores in found.values():
        stores.log.close()


def test_everything_arrives(opened):
    source, target = opened("a"), opened("b")
    versions = fill_all(source)
    holds = copy(source, target, PIPELINES)
    assert (holds.position, holds.rows, holds.decisions, holds.versions, holds.jobs) == (320, 2, 40, 2, 2)
    assert holds.counts == source.log.counts() == target.log.counts()
    assert holds.log == log_hash(source.log) == log_hash(target.log)
    assert [list(chunk) for chunk in target.log.scan()] == [list(chunk) for chunk in source.log.scan()]
    assert target.log.quarantined(open_only=False) == source.log.quarantined(open_only=False)
    assert target.decisions.find(limit=99) == source.decisions.find(limit=99)
    for version in versions:
        assert target.registry.load(version)[1]["w"].tolist() == source.registry.load(version)[1]["w"].tolist()
    assert target.registry.champion("main") == source.registry.champion("main")
    assert target.registry.history("old") == source.registry.history("old")
    assert target.registry.reviews(versions[0]) == source.registry.reviews(versions[0])
    assert target.tokens.all() == source.tokens.all()
    assert target.jobs.get("j1") == source.jobs.get("j1")
    left = target.jobs.get("j2")
    assert (left.state, left.why) == ("cancelled", "the workspace was copied before it ended")


def test_there_and_back_through_memory(opened):
    source, between, back = opened("a"), memory_stores(), opened("b")
    source.log.append([sample_event(name, user=name, text=name, deep={"z": 1, "a": [1.5, None]}) for name in NAUGHTY])
    assert copy(source, between, ()).log == copy(between, back, ()).log == log_hash(source.log)
    again = sample_event(NAUGHTY[0], user=NAUGHTY[0], text=NAUGHTY[0], deep={"a": [1.5, None], "z": 1})
    assert back.log.append([again])[0].verdict.value == "duplicate"


PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
)  # fmt: skip
FIELDS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner)),
    max_size=4,
)


@settings(max_examples=15, deadline=None)
@given(st.lists(FIELDS, max_size=5))
def test_whatever_an_event_holds_its_hash_and_digest_stay(fields):
    """The filled log knows each event again, as one that has been in it."""
    events = [msgspec.structs.replace(sample_event(f"e{n}"), fields=each) for n, each in enumerate(fields)]
    with tempfile.TemporaryDirectory() as folder:
        source, between = memory_stores(), sqlite_stores(Path(folder) / "a")
        source.log.append(events)
        back = memory_stores()
        assert copy(source, between, ()).log == copy(between, back, ()).log
        for stores in (between, back):
            assert {receipt.verdict.value for receipt in stores.log.append(events)} <= {"duplicate"}
        between.log.close()


def test_a_version_without_its_files_is_listed_and_named(opened, caplog):
    source, target = opened("a"), opened("b")
    versions = fill_all(source)
    (source.root / "models" / versions[0] / "arrays.npz").write_bytes(b"")
    assert copy(source, target, PIPELINES).absent == (versions[0],)
    assert versions[0] in caplog.text
    assert target.registry.champion("main")[0].id == versions[0]
    with pytest.raises(NotFound, match=versions[0]):
        target.registry.load(versions[0])


def test_only_into_empty_stores(opened):
    source, target = opened("a"), opened("b")
    fill_all(source)
    target.log.append([sample_event("e1")])
    with pytest.raises(Conflict):
        copy(source, target, PIPELINES)
    assert target.log.counts() == Counts(accepted=1)


class Busier(MemoryLog):
    """A log to which something is appended each time it is read."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps
        self.stepping = False

    def _step(self):
        if self.steps and not self.stepping:
            self.stepping = True
            self.steps.pop(0)()
            self.stepping = False

    def counts(self):
        self._step()
        return super().counts()

    def last(self):
        self._step()
        return super().last()

    def quarantined(self, **filters):
        self._step()
        found = super().quarantined(**filters)
        self._step()
        return found


WRITES = st.sampled_from(["event", "again", "conflict", "bad", "repair", "close"])


@settings(max_examples=150, deadline=None)
@given(st.lists(WRITES, max_size=12), st.lists(WRITES, max_size=12), st.integers(0, 12), st.lists(WRITES, max_size=9))
def test_counts_of_one_moment_add_up_whatever_is_written_meanwhile(before, meanwhile, pause, later):
    check_copy(before, [*meanwhile, *[None] * pause, *later])


@pytest.mark.parametrize("pause", range(16))
@pytest.mark.parametrize("kind", ["repair", "close"])
def test_a_row_may_be_mended_at_any_step(kind, pause):
    check_copy(["event", "bad", "bad"], [*[None] * pause, kind])


def check_copy(before, kinds):
    log = Busier([])
    writer = Writing()
    for kind in before:
        writer.write(MemoryLog, log, kind)
    log.steps = [lambda kind=kind: kind and writer.write(MemoryLog, log, kind) for kind in kinds]
    source, target = memory_stores(), memory_stores()
    source = msgspec.structs.replace(source, log=log)
    log.append([sample_event("last")])
    holds = copy(source, target, ())
    assert holds.counts.accepted == holds.position == target.log.last()
    assert holds.counts.quarantined == len(target.log.quarantined(limit=999))
    assert holds.counts.received == holds.position + holds.counts.duplicates + holds.counts.conflicts + (
        holds.counts.quarantined
    )
    assert holds.log == log_hash(log, holds.position, holds.rows)
    for row in target.log.quarantined(open_only=False, limit=999):
        assert row.repaired_by is None or target.log.get(row.repaired_by) is not None


class Writing:
    """Writes to a log without being interrupted itself."""

    def __init__(self):
        self.n = 0

    def write(self, plain, log, kind):
        self.n += 1
        events = [sample_event(f"w{self.n}")]
        known = plain.last(log)
        open_rows = plain.quarantined(log, limit=1)
        if kind == "bad":
            events = [Reject(raw="x", reason="bad")]
        elif kind in ("again", "conflict", "close") and known:
            first = next(plain.scan(log, 0, 1))[0]
            fields = {"other": 1} if kind == "conflict" else first.fields
            events = [msgspec.structs.replace(first, fields=fields)]
        number = open_rows[0].number if open_rows and kind in ("repair", "close") else None
        plain.append(log, events, repairs=number)


def test_copied_while_a_thread_writes(opened):
    source, target = opened("a"), opened("b")
    source.log.append([sample_event(f"e{n}") for n in range(500)])
    ended, acknowledged = threading.Event(), []

    def write():
        n = 0
        while not ended.is_set():
            n += 1
            row = Reject(raw=str(n), reason="bad") if n % 5 == 0 else sample_event(f"w{n}")
            acknowledged.append(source.log.append([row, sample_event("e1")])[0].sequence)
            source.decisions.put(
                msgspec.structs.replace(sample_decision(f"d{n:05d}", items=20), as_of=source.log.last())
            )

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while len(acknowledged) < 20:
            pass
        least = max(acknowledged)
        holds = copy(source, target, PIPELINES)
    finally:
        ended.set()
        thread.join()
    assert least <= holds.position < source.log.last()
    assert holds.log == log_hash(source.log, holds.position, holds.rows) == log_hash(target.log)
    assert holds.counts.received == holds.counts.accepted + holds.counts.duplicates + holds.counts.quarantined
    assert max(decision.as_of for decision in target.decisions.find(limit=9999)) <= holds.position


def test_nobody_is_erased_meanwhile(opened, monkeypatch):
    source, target = opened("a"), opened("b")
    source.log.append([sample_event(f"e{n}") for n in range(5)])
    flush = target.decisions.flush
    source.decisions.put(sample_decision("d1"))
    source.decisions.flush()
    note = sample_event("note", type=ENTITY_ERASE)
    monkeypatch.setattr(target.decisions, "flush", lambda: (source.log.append([note]), flush()))
    with pytest.raises(Conflict, match="erased"):
        copy(source, target, PIPELINES)


def test_what_arrives_otherwise_is_found(opened, monkeypatch):
    source, target = opened("a"), opened("b")
    fill_all(source)
    put = target.decisions.put
    other = sample_decision("d007", items=2)
    monkeypatch.setattr(target.decisions, "put", lambda decision: put(other if decision.id == "d007" else decision))
    with pytest.raises(Corrupt, match="slates"):
        copy(source, target, PIPELINES)


def test_the_hash_tells_every_change_of_the_log_but_a_repair():
    def made(**changes):
        log = MemoryLog(FixedClock(START))
        rows = [sample_event("e1", n=1.0), sample_event("e2", query_id="q"), Reject(raw="r", reason="x")]
        rows[1] = msgspec.structs.replace(rows[1], **changes)
        log.append(rows)
        return log

    plain = log_hash(made())
    assert plain == log_hash(made(fields=NO_FIELDS)) == log_hash(made(fields={}))
    changes = [
        {"id": "e3"}, {"type": "view"}, {"query_id": None}, {"target": None}, {"fields": {"n": 1}},
        {"at": START.replace(microsecond=1)}, {"actor": ("user", "u2")},
    ]  # fmt: skip
    assert len({plain, *(log_hash(made(**change)) for change in changes)}) == len(changes) + 1
    log = made()
    log.append([sample_event("e9")], repairs=1)
    assert log_hash(log) != plain
    assert log_hash(log, until=2) == plain
    log.append([Reject(raw="r", reason="y")])
    assert log_hash(log, 2) != plain
    assert log_hash(log, 2, 1) == plain


def test_two_inventories_that_differ_are_told_apart():
    stores = memory_stores()
    one = inventory(stores, ())
    for name, value in (("log", "x"), ("decisions", 1), ("counts", Counts(accepted=1)), ("absent", ("m",))):
        with pytest.raises(Corrupt, match=name):
            check_equal(one, msgspec.structs.replace(one, **{name: value}))
    check_equal(one, msgspec.convert(msgspec.to_builtins(one), Inventory))


def test_a_gap_in_the_source_is_no_copy(opened, tmp_path):
    source, target = opened("a"), opened("b")
    source.log.append([sample_event(f"e{n}") for n in range(5)])
    source.log._writer().run(lambda connection: connection.execute("DELETE FROM events WHERE sequence = 3"))
    with pytest.raises(Corrupt, match="event 3 is missing"):
        copy(source, target, PIPELINES)
    assert target.log.last() == 0
    assert Path(tmp_path / "b").exists()
