"""No byte of the erased is left in any file: planted wherever data can be, searched wherever it could stay."""

import signal
import sqlite3
import subprocess
import sys
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest

from proffer.apps.feed.app import app as feed
from proffer.core.clock import FixedClock, RandomIds
from proffer.core.entities import EntityRef
from proffer.core.jobs import Job
from proffer.core.pseudonyms import Pseudonyms
from proffer.engine import erase as erasing
from proffer.engine import erasures
from proffer.engine.engine import Engine
from proffer.engine.skew import Mismatch, Skew, keep, kept
from proffer.features.replay import replay
from proffer.stores.sqlite import sqlite_stores
from tests.engine.releases import EVENTS, saved
from tests.engine.worlds import NOW, asks, did, few_posts, follow, post, shown

PLANTED = "quagga-7f3a91"
VISITOR = "quagga-visitor-0c2"
QUAGGA = EntityRef("user", PLANTED)
KEY = Pseudonyms({1: b"k" * 32})


def opened(root):
    stores = sqlite_stores(root, clock=FixedClock(NOW))
    clock = FixedClock(NOW)
    return Engine(feed, "feed", stores, clock=clock, ids=RandomIds(), deadline_ms=60_000, pseudonyms=KEY)


def plant(engine):
    """Put a string wherever data of somebody can be; return the rows that were recorded."""
    engine.stores.log.append(EVENTS)
    engine.catch_up()
    few_posts(engine)
    rows = [
        {"type": "entity.set", "id": f"{PLANTED}:profile", "actor": {"kind": "user", "id": PLANTED},
         "fields": {"language": "sv", "extra": {"name": f"the {PLANTED}", PLANTED: [PLANTED]}}},
        {"id": f"{PLANTED}:1", **did(PLANTED, "like", "a", context={"page": f"/of/{PLANTED}"})},
        {"id": "2", **did(VISITOR, "view", "b")},
        {"id": "3", "type": "entity.merge", "actor": PLANTED, "target": VISITOR},
        {"id": "4", **did(PLANTED, "view", f"only-{PLANTED}-saw-this".replace(PLANTED, "x"))},
        {"id": "5", **follow("u2", PLANTED)},
        {"id": "6", **did("u2", "view", "a", context={"from": PLANTED})},
        {"id": "7", **post("by", title="Stripes", author=PLANTED)},
    ]  # fmt: skip
    # Many index pages are split, so that copies of what is planted stay in their free parts.
    rows += [{"id": f"{PLANTED}.{n}", **did(PLANTED, "view", f"p{n % 50}")} for n in range(300)]
    engine.record(rows)
    bad = [{"type": "nope", "actor": PLANTED, "note": "å"}, {"type": "nope", "actor": "u2"}]
    engine.record([*bad, f"{PLANTED},like,p1"], source=f"import users-{PLANTED}.csv")
    number = engine.record([{"type": "lik", "target": "a"}], source="import")[0].quarantine
    engine.record([{"id": f"mended-{PLANTED}", **did(PLANTED, "like", "a")}], repairs=number)
    engine.configure({"rules": {"home": [{"do": "filter", "where": {"author": {"not_in": [PLANTED]}}}]}})
    for user in (PLANTED, VISITOR, "u1"):
        engine.recommend(asks(user, context={"device": f"{PLANTED}'s phone"} if user == PLANTED else {}))
    engine.recommend(asks("u3", context={"friend": PLANTED}))
    engine.release(saved(engine, {"newest": 0.5, "popularity": 0.5}).id, 0)
    job = Job(
        id="j_1", pipeline="home", search=True, by="request", seconds=1, memory_mb=1, state="queued", created_at=NOW
    )  # fmt: skip
    engine.stores.jobs.add(job)
    engine.stores.jobs.put(
        Job(
            id="j_1",
            pipeline="home",
            search=True,
            by="request",
            seconds=1,
            memory_mb=1,
            state="failed",
            created_at=NOW,
            error=f"KeyError: '{PLANTED}'",
            log=("fitting", f"row {PLANTED} is odd"),
        )
    )
    told = [Mismatch(decision=f"d_{n}", seen_at=NOW, text=text) for n, text in enumerate(("order", f"gone: {PLANTED}"))]
    keep(engine.stores.root, Skew(checked=9, mismatches=tuple(told), failed=f"KeyError: {PLANTED}"))
    engine._snapshot()
    engine.stores.decisions.flush()
    return rows


def found_in(root):
    """Return every file, and what it holds, in which a planted byte is found; compressed parts are opened."""
    found = []
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        blob = path.read_bytes()
        if any(word.encode() in blob for word in (PLANTED, VISITOR)):
            found.append(str(path.relative_to(root)))
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                found += [
                    f"{path.name}:{name}" for name in archive.namelist() if PLANTED.encode() in archive.read(name)
                ]
    base = sqlite3.connect(f"file:{root / 'log.db'}?mode=ro", uri=True)
    for (table,) in base.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        for row in base.execute(f"SELECT * FROM {table}"):
            for cell in row:
                text = plain(cell)
                if any(word in text for word in (PLANTED, VISITOR)):
                    found.append(f"{table}: {text[:80]}")
    base.close()
    return found


def plain(cell):
    """Return a cell as text, unpacked."""
    if not isinstance(cell, bytes):
        return str(cell)
    with suppress(zlib.error):
        cell = zlib.decompress(cell)
    return cell.decode(errors="replace")


def test_the_search_finds_what_is_planted(tmp_path):
    engine = opened(tmp_path / "feed")
    plant(engine)
    found = found_in(tmp_path / "feed")
    parts = [part.split(":")[0] for part in found]
    for part in ("events", "quarantine", "decisions", "jobs"):
        assert part in parts, part
    assert any(part.startswith("snapshots/") for part in parts)
    assert {"log.db", "log.db-wal"} & set(parts)
    engine.close()


def test_no_byte_is_left_and_it_stays_so(tmp_path):
    root = tmp_path / "feed"
    engine = opened(root)
    rows = plant(engine)
    ids, version = list(engine.state.ids), engine.fitted["home"].version
    found = engine.erase([QUAGGA])
    assert found_in(root) == []
    assert (found.names, found.decisions, found.changed_decisions, found.jobs, found.quarantined) == (2, 2, 1, 1, 4)
    assert list(engine.state.ids) == ids
    assert engine.fitted["home"].version == version
    assert [one.text for one in kept(root).mismatches] == ["order"]
    engine.recommend(asks("u1"))
    engine.close()
    assert found_in(root) == []
    # A restart, a replay, and the same rows sent again.
    engine = opened(root)
    assert engine.fitted["home"].version == version
    assert list(engine.state.ids) == ids
    assert {receipt.verdict.value for receipt in engine.record(rows)} == {"duplicate"}
    assert engine.record([{"type": "nope", "actor": PLANTED}])[0].verdict == "quarantined"
    replay(engine.stores.log, feed.view, feed.schema, subject="user", item="post")
    assert len(shown(engine, "u1")) == 10
    engine.close()
    assert found_in(root) == []


class Killed(BaseException):
    """Stands for a process that ends at once."""


STEPS = ("rewrite", "purge", "rebuild", "jobs", "sweep", "replace", "list")


def cut(engine, step, monkeypatch, end):
    """Let an erasure end at a step, after the step before it."""
    log, decisions = engine.stores.log, engine.stores.decisions
    where = {
        "rewrite": (type(log), "rewrite"), "rebuild": (type(engine), "rebuild"), "sweep": (erasing, "sweep"),
        "replace": (type(decisions), "replace"), "jobs": (erasing, "_from_jobs"), "list": (erasures, "write"),
        "purge": (type(log._writer()), "alone"),
    }  # fmt: skip
    monkeypatch.setattr(*where[step], end)


@pytest.mark.parametrize("step", STEPS)
def test_an_erasure_that_was_cut_off_is_ended_by_asking_again(tmp_path, monkeypatch, step):
    def end(*_, **__):
        raise Killed

    root = tmp_path / "feed"
    engine = opened(root)
    plant(engine)
    with monkeypatch.context() as patched:
        cut(engine, step, patched, end)
        with pytest.raises(Killed):
            engine.erase([QUAGGA])
    # No snapshot at closing: what is killed writes none.
    monkeypatch.setattr(engine, "_snapshot", lambda: None)
    engine.close()
    engine = opened(root)
    found = engine.erase([QUAGGA])
    assert found.again == (step != "rewrite")
    assert found_in(root) == []
    assert erasures.read(root / erasures.FILE)
    engine.close()
    assert found_in(root) == []


CHILD = """
import os, signal, sys
from pathlib import Path
import tests.engine.test_erased_bytes as own

engine = own.opened(Path(sys.argv[1]))
class Patch:
    def setattr(self, place, name, value): setattr(place, name, value)
own.cut(engine, sys.argv[2], Patch(), lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
engine.erase([own.QUAGGA])
"""


@pytest.mark.parametrize("step", ["purge", "replace"])
def test_an_erasure_is_ended_after_kill_9(tmp_path, step):
    root = tmp_path / "feed"
    engine = opened(root)
    plant(engine)
    engine.close()
    ended = subprocess.run([sys.executable, "-c", CHILD, str(root), step], cwd=Path.cwd(), timeout=120)
    assert ended.returncode == -signal.SIGKILL
    engine = opened(root)
    assert engine.state.attributes(QUAGGA) is None
    assert engine.erase([QUAGGA]).again
    assert found_in(root) == []
    engine.close()
    assert found_in(root) == []
