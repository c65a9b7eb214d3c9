"""Several processes over one set of stores, as engines over one memory: each sees what another did."""

import sys
import threading
import time

import msgspec
import pytest

from proffer.core.clock import FixedClock, RandomIds
from proffer.core.entities import EntityRef
from proffer.core.errors import Busy, Conflict, NotFound
from proffer.core.jobs import Job
from proffer.core.ports import Stores
from proffer.engine import erasures, tail
from proffer.engine.engine import Engine
from proffer.engine.jobs import Jobs
from proffer.engine.leases import MOST_LEASES, Lease
from proffer.engine.schedule import Schedule
from proffer.stores.memory import memory_stores
from proffer.testing.job_contract import sample_job
from tests.engine.test_jobs import PRINT, SLOW, alive, saved, until
from tests.engine.worlds import DAY, NOW, accepted, asks, champion, did, few_posts, new_engine, post, shown

LEASE = 0.5


class Cut:
    """Stores' log or jobs that can be cut off, as a database is; counts what was asked meanwhile."""

    def __init__(self, inner: object) -> None:
        self._inner, self.off = inner, False

    def __getattr__(self, name: str):
        if self.off and name not in ("close",):
            raise Busy("the database cannot be reached", remedy="Try again.")
        return getattr(self._inner, name)


@pytest.fixture
def pair():
    """Two engines over one set of stores that tail it."""
    stores = shared()
    engines = [new_engine(stores=stores) for _ in range(2)]
    for engine in engines:
        engine.ids = RandomIds()
        engine.tail.start()
    yield engines
    for engine in engines:
        engine.tail.close()


def shared(**replaced: object) -> Stores:
    return msgspec.structs.replace(memory_stores(), shared=True, **replaced)


def at_once(found, seconds: float = 2.0):
    """Wait until something is so, which takes a second at most, and some more on a machine that is busy."""
    started = time.monotonic()
    got = until(found)
    assert time.monotonic() - started < seconds
    return got


def test_an_event_of_another_process_is_served_within_a_second(pair: list[Engine]):
    first, second = pair
    few_posts(first)
    at_once(lambda: second.state.position == 6)
    accepted(first, did("u1", "view", "a"))
    at_once(lambda: second.state.position == 7)
    assert shown(first) == shown(second)
    accepted(second, post("z"))
    at_once(lambda: "z" in shown(first))


def test_settings_of_another_process_are_in_force(pair: list[Engine]):
    first, second = pair
    first.configure({"diversity": {"home": 0.5}})
    at_once(lambda: second.settings.diversity == {"home": 0.5})


def test_a_promotion_of_another_process_is_loaded_and_a_rollback_too(pair: list[Engine]):
    first, second = pair
    few_posts(first)
    at_once(lambda: second.state.position == 6)
    versions = [champion(first, {"newest": 1.0}), champion(first, {"newest": 0.5, "trending": 0.5})]
    at_once(lambda: second.fitted["home"].version == versions[1], 5)
    first.rollback(versions[1])
    at_once(lambda: second.fitted["home"].version == versions[0], 5)
    first.rollback(versions[0])
    at_once(lambda: second.fitted["home"].why, 5)


def test_decisions_do_not_wait_while_the_log_of_another_is_read():
    stores = shared()
    engine, other = new_engine(stores=stores), new_engine(stores=stores)
    few_posts(engine)
    reading, go_on = threading.Event(), threading.Event()
    scan = stores.log.scan

    def slow(*places, **names):
        for events in scan(*places, **names):
            reading.set()
            assert go_on.wait(20)
            yield events

    other.stores.log.scan = slow
    following = threading.Thread(target=other._follow, args=(5.0,))
    following.start()
    assert reading.wait(20)
    started = time.monotonic()
    other.recommend(asks())
    assert time.monotonic() - started < 5
    go_on.set()
    following.join(20)
    assert other.state.position == 6


def test_a_lost_database_is_told_slates_go_on_and_it_heals(caplog: pytest.LogCaptureFixture):
    stores = memory_stores()
    log, registry = Cut(stores.log), Cut(stores.registry)
    engine = new_engine(stores=shared(log=log, registry=registry, jobs=stores.jobs))
    few_posts(engine)
    engine.configure({"assume_seen": {"home": 2}})
    engine.tail.start()
    try:
        before = shown(engine, "u1", 3)
        seen = log.last()
        log.off = registry.off = True
        with pytest.raises(Busy):
            engine.record([did("u1", "view", "a")])
        until(lambda: engine.tail.lost)
        assert engine.reader.health().parts["tail"].status == "degraded"
        assert engine.reader.health().status == "down"
        assert len(shown(engine, "u2", 3)) == len(before)
        log.off = registry.off = False
        started = time.monotonic()
        until(lambda: engine.tail.lost is None and not engine.seen.owed)
        assert time.monotonic() - started < 5
        assert engine.reader.health().parts["tail"].status == "ok"
        # What was assumed seen meanwhile is in the log once.
        assert log.last() == seen + 2
        assert {event.actor.id for events in log.scan(since=seen) for event in events} == {"u2"}
        said = [record.message for record in caplog.records if record.name == "proffer.tail"]
        assert len([line for line in said if "the log cannot be followed" in line]) == 1
    finally:
        engine.tail.close()


def test_a_model_that_cannot_be_loaded_for_a_moment_serves_on():
    stores = memory_stores()
    registry = Cut(stores.registry)
    engine = new_engine(stores=shared(log=stores.log, registry=registry))
    few_posts(engine)
    version = champion(engine, {"newest": 1.0})
    load, broken = stores.registry.load, [True]

    def lost(id: str):
        if broken[0]:
            raise Busy("the database cannot be reached")
        return load(id)

    second = saved(engine, wins=True, serves="champion", why="it leads")
    stores.registry.promote(second, expected_revision=1, at=NOW)
    stores.registry.load = lost
    with pytest.raises(Busy):
        engine._meet()
    assert engine.fitted["home"].version == version
    broken[0] = False
    engine._meet()
    assert engine.fitted["home"].version == second


def test_what_was_acknowledged_stays_so_where_the_database_goes_right_after():
    stores = memory_stores()
    log = Cut(stores.log)
    engine = new_engine(stores=shared(log=log))
    append = stores.log.append

    def then_lost(rows, *, repairs=None):
        receipts = append(rows, repairs=repairs)
        log.off = True
        return receipts

    stores.log.append = then_lost
    engine.tail.start()
    try:
        assert engine.record([post("a")])[0].verdict == "accepted"
        log.off = False
        until(lambda: engine.state.position == 1)
    finally:
        engine.tail.close()


def test_a_note_of_an_erasure_by_another_process_rebuilds_the_state():
    stores = shared()
    engine = new_engine(stores=stores)
    few_posts(engine)
    champion(engine, {"newest": 1.0})
    engine._snapshot()
    assert stores.snapshots.positions(engine.state.version)
    state, fitted = engine.state, engine.fitted["home"]
    stores.log.append([erasures.note("n1", NOW, "feed", [EntityRef("user", "u9")], engine.pseudonyms)])
    engine._follow(0.0)
    engine._meet()
    assert engine.state is not state
    assert engine.fitted["home"] is not fitted
    assert (engine.state.position, engine.fitted["home"].version) == (7, fitted.version)
    assert stores.snapshots.positions(engine.state.version) in ([], [7])


def test_a_decision_that_another_process_writes_behind_is_waited_for():
    stores = shared()
    engine = new_engine(stores=stores)
    few_posts(engine)
    engine.ids, engine.clock = RandomIds(), FixedClock(NOW)
    decision = engine.recommend(asks())
    put = msgspec.structs.replace(decision, id=RandomIds().new("d"))
    engine.clock = FixedClock(msgspec.convert(time.time(), type=type(NOW), strict=False))
    threading.Timer(0.2, stores.decisions.put, [put]).start()
    assert engine.reader.decision(put.id) == put
    for old in ("d_none", "d_" + "0" * 28):
        started = time.monotonic()
        with pytest.raises(NotFound):
            engine.reader.decision(old)
        assert time.monotonic() - started < 0.5


def worker(stores: Stores, script: str, **named: object) -> Jobs:
    """Return the jobs of a process of its own whose trainer is a script."""
    return Jobs(new_engine(stores=stores), lambda _: [sys.executable, "-c", PRINT + script], **named)


def test_what_one_process_asks_for_another_runs():
    stores = shared()
    asking, working = worker(stores, SLOW), worker(stores, "say(what='Fitting', done=1, total=2); sys.exit(3)")
    asking.here = False
    job = asking.start()
    assert (asking.active, asking.wait(job.id, 0.2).state) == (0, "queued")
    working.work()
    over = asking.wait(job.id, 30)
    working.close()
    assert (over.state, over.holder is not None, over.fence) == ("failed", True, 1)
    assert (asking.ended, working.ended) == ({}, {("home", "failed"): 1})


def test_the_progress_of_another_process_is_seen_and_it_can_be_cancelled_from_here():
    stores = shared()
    asking = worker(stores, SLOW)
    asking.here = False
    working = worker(stores, "say(what=str(os.getpid()), done=0, total=0); time.sleep(60)", lease=LEASE)
    working.work()
    job = asking.start()
    pid = int(until(lambda: asking.get(job.id).progress).what)
    assert asking.cancel(job.id).state == "cancelled"
    until(lambda: not alive(pid))
    until(lambda: working.active == 0)
    over = asking.get(job.id)
    assert (over.state, over.fence) == ("cancelled", 2)
    with pytest.raises(Conflict, match="over"):
        asking.cancel(job.id)
    working.close()
    assert stores.jobs.get(job.id) == over


def test_of_several_workers_one_runs_a_job():
    stores = shared()
    workers = [worker(stores, SLOW) for _ in range(3)]
    for each in workers:
        each.work()
    job = workers[0].start()
    until(lambda: workers[1].get(job.id).state == "running")
    time.sleep(0.3)
    assert sorted(each.active for each in workers[1:]).count(1) <= 1
    assert sum(each._current is not None for each in workers) == 1
    assert stores.jobs.get(job.id).fence == 1
    for each in workers:
        each.close()


def test_a_worker_that_stops_gives_its_job_back():
    stores = shared()
    first, second = worker(stores, SLOW), worker(stores, "sys.exit(1)")
    job = first.start()
    until(lambda: first.get(job.id).progress)
    first.close()
    kept = stores.jobs.get(job.id)
    assert (kept.state, kept.holder, kept.fence) == ("queued", None, 1)
    second.work()
    assert second.wait(job.id, 30).fence == 2
    second.close()


def test_the_late_result_of_a_worker_that_stood_still_is_refused():
    stores = shared()
    engine = new_engine(stores=stores)
    few_posts(engine)
    version = saved(engine, wins=True, serves="champion", why="it leads")
    late = worker(stores, f"time.sleep(1.5); say(version='{version}')", lease=3600.0)
    late.work()
    job = late.start()
    until(lambda: late.get(job.id).state == "running")
    # It stands still; by the store's clock its lease is long over.
    stores.jobs.renew(job.id, 1, seconds=-1)
    mine = stores.jobs.claim("other", seconds=3600)
    assert (mine.id, mine.fence) == (job.id, 2)
    until(lambda: late.active == 0)
    late.close()
    assert stores.jobs.get(job.id) == mine
    assert stores.registry.champion("home") == (None, 0)
    assert late.ended == {}


def test_a_lease_that_is_lost_while_a_model_is_put_in_charge_keeps_nothing():
    stores = shared()
    late = worker(stores, "say(version='m_none')", lease=3600.0)
    adopt = stores.registry.adopt

    def stalled(version: str):
        stores.jobs.renew("j_1", 1, seconds=-1)
        stores.jobs.claim("other", seconds=3600)
        return adopt(version)

    stores.registry.adopt = stalled
    stores.jobs.add(sample_job("j_1"))
    late.work()
    until(lambda: stores.jobs.get("j_1").holder == "other")
    until(lambda: late.active == 0)
    late.close()
    kept = stores.jobs.get("j_1")
    assert (kept.state, kept.holder, kept.error) == ("running", "other", None)


def test_a_job_whose_workers_die_again_and_again_is_given_up():
    stores = shared()
    stores.jobs.add(sample_job("j_1", state="running", fence=MOST_LEASES))
    working = worker(stores, "sys.exit(1)")
    working.work()
    over = working.wait("j_1", 30)
    working.close()
    assert (over.state, f"{MOST_LEASES} processes" in over.error) == ("failed", True)


def test_a_result_is_kept_until_the_database_is_back():
    stores = memory_stores()
    jobs, registry = Cut(stores.jobs), Cut(stores.registry)
    cut = shared(log=stores.log, jobs=jobs, registry=registry)
    engine = new_engine(stores=cut)
    few_posts(engine)
    version = saved(engine, wins=True, serves="champion", why="it leads")
    working = worker(cut, f"say(what='Fitting', done=0, total=0); time.sleep(0.7); say(version='{version}')")
    job = working.start()
    until(lambda: working.get(job.id).progress)
    jobs.off = registry.off = True
    time.sleep(1.5)
    jobs.off = registry.off = False
    over = working.wait(job.id, 30)
    working.close()
    assert (over.state, over.version, over.released) == ("succeeded", version, True)


def test_renewals_that_fail_for_a_while_lose_nothing():
    class Flaky:
        def __init__(self) -> None:
            self.asked = 0

        def renew(self, id: str, fence: int, *, seconds: float) -> bool:
            self.asked += 1
            if self.asked < 4:
                raise Busy("the database cannot be reached")
            return self.asked < 7

        def put(self, job: Job, *, fence: int | None = None) -> None: ...

    jobs, lost = Flaky(), threading.Event()
    job = sample_job("j_1", state="running", fence=1)
    with Lease(jobs, job, seconds=0.1, tell=lambda: job, lose=lost.set) as lease:
        assert lost.wait(20)
        assert lease.lost
        assert not lease.hold()
    assert jobs.asked == 7


def test_of_several_schedules_one_asks():
    stores = shared()
    clock = FixedClock(NOW)
    engines = [new_engine(stores=stores) for _ in range(3)]
    few_posts(engines[0])
    for engine in engines:
        engine.clock = clock
        engine.catch_up()
        engine.jobs = worker(stores, SLOW)
        engine.jobs.here = False
    plans = [Schedule({"feed": engine}, clock=clock) for engine in engines]
    clock.move(DAY.total_seconds())
    asked = [plan.look() for plan in plans]
    assert {job.id for jobs in asked for job in jobs} == {stores.jobs.find()[0].id}
    # Also where the first one is over by the time another one looks.
    late = Schedule({"feed": engines[0]}, clock=clock)
    late._seen[("feed", "home")] = NOW
    stores.jobs.put(msgspec.structs.replace(stores.jobs.find()[0], state="failed"))
    accepted(engines[0], did("u1", "view", "a"))
    late.look()
    assert len(stores.jobs.find()) == 1


def test_a_planned_training_waits_for_the_database():
    stores = memory_stores()
    jobs = Cut(stores.jobs)
    engine = new_engine(stores=shared(log=stores.log, jobs=jobs))
    few_posts(engine)
    engine.jobs = Jobs(engine, lambda _: [])
    engine.jobs.here = False
    plan = Schedule({"feed": engine}, clock=engine.clock)
    engine.clock.move(DAY.total_seconds())
    jobs.off = True
    with pytest.raises(Busy):
        plan.look()
    jobs.off = False
    assert len(plan.look()) == 1
    assert plan.look() == []


def test_the_threads_of_a_tail_end_with_it():
    engine = new_engine(stores=shared())
    assert not engine.tail.running
    engine.tail.start()
    assert engine.tail.running
    engine.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tail of")]
    assert tail.LOOK_SECONDS < 1
