"""Trainings as jobs, with children that do what a trainer could do at its worst."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from proffer.core.errors import CannotTrain, Conflict, Invalid, NotFound
from proffer.core.jobs import Job, Progress
from proffer.engine import trainer
from proffer.engine.engine import Engine
from proffer.engine.jobs import Jobs, command
from proffer.stores.memory import memory_stores
from proffer.stores.sqlite import sqlite_stores
from proffer.testing.job_contract import sample_job
from tests.engine.worlds import champion, few_posts, new_engine

PRINT = "import json, sys, time, os, signal\nsay = lambda **told: print(json.dumps(told), flush=True)\n"
SLOW = "say(what='Fitting', done=3, total=9); print('a word aside', file=sys.stderr, flush=True); time.sleep(60)"


def jobs_of(engine: Engine, script: str) -> Jobs:
    """Return jobs whose trainer is a script of our own."""
    return Jobs(engine, lambda _: [sys.executable, "-c", PRINT + script])


def ran(engine: Engine, script: str, **asked: object) -> Job:
    """Return the job of such a script, once it is over."""
    jobs = jobs_of(engine, script)
    return jobs.wait(jobs.start(**asked).id, 30)


def until(found, seconds: float = 20):
    """Wait until something is so, and return it."""
    patience = time.monotonic() + seconds
    while not (got := found()):
        assert time.monotonic() < patience
        time.sleep(0.02)
    return got


def saved(engine: Engine, **gate: object) -> str:
    """Return a version in the registry whose report has a gate."""
    metrics = {"gate": gate} if gate else {}
    _, revision = engine.stores.registry.champion("home")
    found = engine.stores.registry.save(
        "home", f"toy{revision}", schema=engine.app.view.version, position=engine.stores.log.last(),
        parameters={"retrievers": {}, "weights": {}}, metrics=metrics, arrays={}, at=engine.clock.now(),
    )  # fmt: skip
    return found.id


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_job_that_wins_is_put_in_charge():
    engine = new_engine()
    few_posts(engine)
    version = saved(engine, wins=True, serves="champion", why="it leads")
    job = ran(engine, f"say(what='Judging', done=2, total=2); say(version='{version}')")
    assert (job.state, job.version, job.released, job.why) == ("succeeded", version, True, "it leads")
    assert job.progress == Progress("Judging", 2, 2)
    assert job.position == engine.stores.log.last()
    assert engine.stores.registry.champion("home")[0].id == version
    assert engine.fitted["home"].version == version


def test_a_job_that_does_not_win_leaves_what_served_and_says_why():
    engine = new_engine()
    few_posts(engine)
    before = champion(engine, {"newest": 1.0})
    version = saved(engine, wins=False, serves="previous", why="no lead over newest")
    job = ran(engine, f"say(version='{version}')")
    assert (job.state, job.released, job.why) == ("succeeded", False, "no lead over newest")
    assert engine.fitted["home"].version == before


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sys.exit(3)", "status 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("os.abort()", "SIGABRT"),
        ("raise MemoryError('no room')", "status 1"),
        ("say(error='cannot train', remedy='log more'); sys.exit(1)", "cannot train"),
        ("pass", "gave no version"),
        ("say(found={'checked': 1})", "gave no version"),
        ("print('{\"version\": 7}'); print('x' * 10_000_000)", "gave no version"),
        ("sys.stdout.buffer.write(bytes(range(256)) * 40)", "gave no version"),
        ("say(version='m_none')", "no model version"),
        ("say(version='../../etc')", "no model version"),
    ],
)
def test_a_child_that_fails_keeps_the_model_of_before(script: str, said: str):
    engine = new_engine()
    few_posts(engine)
    before = champion(engine, {"newest": 1.0})
    job = ran(engine, script)
    assert (job.state, job.version, job.released) == ("failed", None, None)
    assert said in job.error
    assert job.remedy
    assert engine.fitted["home"].version == before
    assert engine.stores.registry.champion("home")[0].id == before
    assert len(job.log) <= trainer.LOG_LINES
    assert all(len(line) <= trainer.LINE_BYTES for line in job.log)


def test_a_damaged_artefact_is_not_adopted(tmp_path: Path):
    engine = new_engine(stores=sqlite_stores(tmp_path / "feed"))
    try:
        few_posts(engine)
        before = champion(engine, {"newest": 1.0})
        version = saved(engine, wins=True, serves="champion", why="it leads")
        arrays = tmp_path / "feed" / "models" / version / "arrays.npz"
        arrays.write_bytes(arrays.read_bytes()[:-1])
        job = ran(engine, f"say(version='{version}')")
        assert job.state == "failed"
        assert "does not match its hash" in job.error
        assert engine.fitted["home"].version == before
        assert engine.jobs.get(job.id) == job
    finally:
        engine.close()


def test_a_promotion_meanwhile_is_not_undone():
    engine = new_engine()
    few_posts(engine)
    version = saved(engine, wins=True, serves="champion", why="it leads")
    slow = jobs_of(engine, f"say(what='Fitting', done=0, total=0); time.sleep(1.5); say(version='{version}')")
    job = slow.start()
    until(lambda: slow.get(job.id).progress)
    meanwhile = champion(engine, {"newest": 1.0})
    over = slow.wait(job.id)
    assert (over.state, over.released) == ("succeeded", False)
    assert "revision" in over.why
    assert engine.fitted["home"].version == meanwhile


def test_a_limit_of_time_ends_the_child_and_names_the_limit():
    engine = new_engine()
    job = ran(engine, SLOW, seconds=1.0)
    assert job.state == "failed"
    assert "longer than its limit of 1 s" in job.error
    assert "seconds" in job.remedy
    assert (job.progress, job.log) == (Progress("Fitting", 3, 9), ("a word aside",))


@pytest.mark.skipif(trainer.resident_mb(os.getpid()) is None, reason="this system does not tell resident memory")
def test_a_limit_of_memory_ends_the_child_and_names_the_limit():
    job = ran(new_engine(), "room = bytearray(200_000_000); room[::4096] = b'x' * len(room[::4096]); time.sleep(60)",
              memory_mb=100)  # fmt: skip
    assert job.state == "failed"
    assert "its limit is 100 MB" in job.error
    assert "memory_mb" in job.remedy


def test_a_child_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trainer, "GRACE_SECONDS", 0.3)
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN); say(what=str(os.getpid()), done=0, total=0)\n"
    engine = new_engine()
    jobs = jobs_of(engine, deaf + "while True: time.sleep(1)")
    job = jobs.start()
    pid = int(until(lambda: jobs.get(job.id).progress).what)
    jobs.cancel(job.id)
    assert jobs.wait(job.id, 20).state == "cancelled"
    assert not alive(pid)


def test_a_job_is_watched_and_cancelled():
    engine = new_engine()
    few_posts(engine)
    jobs = jobs_of(engine, SLOW)
    job = jobs.start()
    running = until(lambda: (now := jobs.get(job.id)).log and now)
    assert (running.state, running.progress) == ("running", Progress("Fitting", 3, 9))
    assert [each.id for each in jobs.find()] == [job.id]
    with pytest.raises(Conflict, match=job.id):
        jobs.start()
    jobs.cancel(job.id)
    over = jobs.wait(job.id)
    assert (over.state, over.error) == ("cancelled", None)
    assert over.position is None
    with pytest.raises(Conflict, match="over"):
        jobs.cancel(job.id)
    with pytest.raises(NotFound):
        jobs.cancel("j_none")
    assert jobs.start().id != job.id
    jobs.close()


def test_trainings_of_a_process_take_turns():
    engines = [new_engine(), new_engine()]
    runs = [jobs_of(engine, SLOW) for engine in engines]
    first = runs[0].start()
    until(lambda: runs[0].get(first.id).progress)
    second = runs[1].start()
    time.sleep(0.2)
    assert runs[1].get(second.id).state == "queued"
    runs[1].cancel(second.id)
    assert runs[1].wait(second.id).state == "cancelled"
    third = runs[1].start()
    runs[0].cancel(first.id)
    until(lambda: runs[1].get(third.id).progress)
    for run in runs:
        run.close()
    assert engines[1].stores.jobs.get(third.id).state == "cancelled"


def test_closing_the_engine_leaves_no_child():
    engine = new_engine()
    jobs = engine.jobs = jobs_of(engine, "say(what=str(os.getpid()), done=0, total=0); time.sleep(60)")
    job = jobs.start()
    pid = int(until(lambda: jobs.get(job.id).progress).what)
    engine.close()
    assert not alive(pid)
    assert engine.stores.jobs.get(job.id).state == "cancelled"
    with pytest.raises(Conflict, match="stop"):
        jobs.start()


def test_what_a_dead_process_left_running_is_noted_at_the_next_start():
    stores = memory_stores()
    stores.jobs.add(sample_job("j_1", state="failed", error="earlier"))
    stores.jobs.add(sample_job("j_2", state="running"))
    engine = new_engine(stores=stores)
    job = engine.jobs.get("j_2")
    assert (job.state, job.error) == ("failed", "the server ended while it ran")
    assert job.ended_at == engine.clock.now()
    assert engine.jobs.get("j_1").error == "earlier"


def test_a_process_that_reads_leaves_the_jobs_of_the_one_that_writes():
    stores = memory_stores()
    stores.jobs.add(sample_job("j_1", state="running"))
    new_engine(stores=msgspec.structs.replace(stores, writable=False))
    assert stores.jobs.get("j_1").state == "running"


def test_a_key_gives_the_same_job_again():
    jobs = jobs_of(new_engine(), SLOW)
    job = jobs.start(key="k")
    assert jobs.start(key="k").id == job.id
    with pytest.raises(Conflict, match="another training"):
        jobs.start(key="k", search=False)
    jobs.close()
    assert jobs.get(job.id).state == "cancelled"


def test_of_many_at_once_one_starts():
    jobs, refused = jobs_of(new_engine(), SLOW), []

    def ask() -> None:
        try:
            jobs.start()
        except Conflict as error:
            refused.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(refused), jobs.active, len(jobs.find())) == (7, 1, 1)
    jobs.close()
    assert jobs.active == 0


def test_what_cannot_be_trained_is_refused_at_once():
    engine = new_engine()
    with pytest.raises(CannotTrain, match="no folder"):
        engine.jobs.start()
    with pytest.raises(CannotTrain, match="declares its weights"):
        engine.jobs.start("similar")
    with pytest.raises(Invalid):
        engine.jobs.start("nope")
    assert engine.jobs.find() == []


def test_limits_come_from_the_request_else_from_the_settings():
    engine = new_engine()
    assert limits(engine) == (3600.0, 4096)
    engine.configure({"training": {"seconds": 5, "memory_mb": 900}})
    assert limits(engine) == (5.0, 900)
    assert limits(engine, seconds=7.0, memory_mb=100) == (7.0, 100)


def limits(engine: Engine, **asked: float) -> tuple[float, int]:
    job = ran(engine, "pass", **asked)
    return job.seconds, job.memory_mb


def test_the_child_is_told_what_is_asked(tmp_path: Path):
    line = command(tmp_path, "w", sample_job("j", budget=2.5, search=False))
    assert line[1:7] == ["-m", "proffer", "--home", str(tmp_path.resolve()), "train", "w"]
    options = line[7:]
    assert options == ["--lines", "--pipeline", "home", "--seconds", "60", "--memory", "512", "--budget", "2.5",
                       "--retrain"]  # fmt: skip
    assert command(tmp_path, "w", sample_job("j"))[-2:] == ["--memory", "512"]


def test_the_child_leaves_a_core_to_others():
    names = ", ".join(f"os.environ['{name}']" for name in trainer.THREADS)
    job = ran(new_engine(), f"print({names}, file=sys.stderr); sys.exit(1)")
    cores = len(os.sched_getaffinity(0))
    assert job.log == (" ".join([str(max(cores - 1, 1))] * len(trainer.THREADS)),)


def test_jobs_are_counted():
    engine = new_engine()
    jobs = jobs_of(engine, "sys.exit(1)")
    jobs.wait(jobs.start().id)
    assert jobs.ended == {("home", "failed"): 1}
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
