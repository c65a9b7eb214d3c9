"""Planned trainings: the clock is ours, nothing sleeps."""

import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from proffer.core.clock import FixedClock
from proffer.core.errors import Conflict, Invalid
from proffer.engine.engine import Engine
from proffer.engine.schedule import LONGEST_WAIT, Schedule, local_zone
from proffer.stores.memory import memory_stores
from proffer.testing.job_contract import sample_job
from tests.engine.worlds import NOW, accepted, did, few_posts, new_engine

HOUR = timedelta(hours=1)
STOCKHOLM = ZoneInfo("Europe/Stockholm")


class Asked:
    """Takes the place of an engine's jobs: keeps what is asked, and ends it at once."""

    def __init__(self, engine: Engine, *, busy: bool = False) -> None:
        self.engine, self.busy, self.times = engine, busy, []

    def start(self, pipeline: str, *, by: str, key: str):
        """Keep a job that ended, and when it was asked for."""
        assert key.startswith(f"schedule {pipeline} 20")
        if self.busy:
            raise Conflict("a training of home is running: j_9", field="pipeline")
        self.times.append(self.engine.clock.now())
        position = self.engine.stores.log.last()
        return self.engine.stores.jobs.add(
            sample_job(f"j_{len(self.times)}", pipeline=pipeline, by=by, state="succeeded", position=position,
                       created_at=self.engine.clock.now())
        )  # fmt: skip


def new_world(at: datetime = NOW, *, last: datetime | None = None, busy: bool = False) -> Engine:
    """Return an engine with six posts at a time, trained before at `last`."""
    stores = memory_stores()
    if last is not None:
        stores.jobs.add(sample_job("j_0", state="succeeded", position=0, created_at=last))
    engine = new_engine(stores=stores)
    few_posts(engine)
    engine.clock = FixedClock(at)
    engine.jobs = Asked(engine, busy=busy)
    return engine


def plan(engine: Engine, zone=UTC) -> Schedule:
    return Schedule({"feed": engine}, clock=engine.clock, zone=zone)


def hours(engine: Engine, schedule: Schedule, count: int) -> list[str]:
    """Let hours pass, one event in each, and return when trainings were asked for, local time."""
    for number in range(count):
        accepted(engine, did(f"u{number}", "view", "a", engine.clock.now()))
        schedule.look()
        engine.clock.move(3600)
    return [at.astimezone(schedule.zone).strftime("%m-%d %H:%M") for at in engine.jobs.times]


def test_without_a_setting_the_first_pipeline_is_trained_each_night_at_two():
    engine = new_world(datetime(2026, 1, 10, 12, tzinfo=UTC))
    assert hours(engine, plan(engine), 50) == ["01-11 02:00", "01-12 02:00"]
    assert {job.pipeline for job in engine.stores.jobs.find()} == {"home"}
    assert {job.by for job in engine.stores.jobs.find()} == {"schedule"}


@pytest.mark.parametrize(("day", "expected"), [("2026-03-28", ["03-29 03:00", "03-30 02:00"]),
                                              ("2026-10-24", ["10-25 02:00", "10-26 02:00"])])  # fmt: skip
def test_a_day_on_which_the_clocks_are_set_has_one_run(day: str, expected: list[str]):
    engine = new_world(datetime.fromisoformat(f"{day}T12:00+02:00").astimezone(UTC))
    assert hours(engine, plan(engine, STOCKHOLM), 42) == expected


def test_settings_change_the_plan_and_end_it():
    engine = new_world(datetime(2026, 1, 10, 12, tzinfo=UTC))
    schedule = plan(engine)
    assert schedule.planned("feed", "home").expression == "0 2 * * *"
    engine.configure({"schedule": {"home": "0 */6 * * *"}})
    assert schedule.planned("feed", "home").next_run == datetime(2026, 1, 10, 18, tzinfo=UTC)
    assert hours(engine, schedule, 13) == ["01-10 18:00", "01-11 00:00"]
    engine.configure({"schedule": {"home": "off"}})
    assert len(hours(engine, schedule, 40)) == 2
    assert schedule.planned("feed", "home").next_run is None


def test_a_run_that_was_missed_is_made_up_for_once_at_the_start():
    now = datetime(2026, 1, 10, 12, tzinfo=UTC)
    engine = new_world(now, last=now - timedelta(days=4))
    schedule = plan(engine)
    assert len(schedule.look()) == 1
    assert schedule.look() == []
    assert plan(engine).look() == []


@pytest.mark.parametrize("last", [None, datetime(2026, 1, 10, 2, tzinfo=UTC), datetime(2026, 1, 10, 11, tzinfo=UTC)])
def test_a_start_makes_up_for_nothing_when_nothing_was_missed(last: datetime | None):
    engine = new_world(datetime(2026, 1, 10, 12, tzinfo=UTC), last=last)
    assert plan(engine).look() == []
    assert plan(engine).planned("feed", "home").skipped is None


def test_a_sleep_over_several_runs_gives_one():
    engine = new_world(datetime(2026, 1, 10, 12, tzinfo=UTC))
    schedule = plan(engine)
    schedule.look()
    engine.clock.move(5 * 86_400)
    assert len(schedule.look()) == 1
    assert schedule.look() == []


def test_nothing_new_is_left_out_with_the_reason():
    engine = new_world(datetime(2026, 1, 10, 1, tzinfo=UTC))
    schedule = plan(engine)
    engine.clock.move(3600)
    assert len(schedule.look()) == 1
    engine.clock.move(86_400)
    assert schedule.look() == []
    planned = schedule.planned("feed", "home")
    assert "nothing was logged since the last training, at event 6" in planned.skipped
    assert planned.skipped_at == engine.clock.now()
    accepted(engine, did("u1", "view", "a", engine.clock.now() - HOUR))
    engine.clock.move(86_400)
    assert len(schedule.look()) == 1
    assert schedule.planned("feed", "home").skipped is None


def test_an_empty_log_and_a_busy_pipeline_are_left_out_with_the_reason():
    empty = new_engine(stores=memory_stores())
    schedule = plan(empty)
    empty.clock.move(86_400)
    assert schedule.look() == []
    assert schedule.planned("feed", "home").skipped == "the log is empty"
    engine = new_world(busy=True)
    schedule = plan(engine)
    engine.clock.move(86_400)
    assert schedule.look() == []
    assert "j_9" in schedule.planned("feed", "home").skipped


def test_the_wait_ends_at_the_next_run_and_lasts_a_minute_at_most():
    engine = new_world(datetime(2026, 1, 10, 1, 59, 30, tzinfo=UTC))
    schedule = plan(engine)
    assert schedule.pause() == 30.0
    engine.clock.move(60)
    assert schedule.pause() == LONGEST_WAIT
    engine.configure({"schedule": {"home": "off"}})
    assert schedule.pause() == LONGEST_WAIT


def test_the_thread_looks_at_once_and_ends_when_told():
    now = datetime(2026, 1, 10, 12, tzinfo=UTC)
    engine, asked = new_world(now, last=now - timedelta(days=4)), threading.Event()
    start = engine.jobs.start
    engine.jobs.start = lambda *places, **names: (start(*places, **names), asked.set())[0]
    schedule = plan(engine).start()
    assert asked.wait(20)
    schedule.close()
    assert len(engine.jobs.times) == 1
    assert not any(thread.name == "schedule" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"schedule": {"home": "every day"}}, "schedule.home"),
        ({"schedule": {"home": "0 2 30 2 *"}}, "schedule.home"),
        ({"schedule": {"home": 2}}, "settings"),
        ({"schedule": {"nope": "off"}}, "schedule"),
        ({"schedule": {"similar": "0 2 * * *"}}, "schedule"),
        ({"training": {"nope": 1}}, "training"),
        ({"training": {"seconds": 0}}, "training.seconds"),
        ({"training": {"seconds": float("nan")}}, "training.seconds"),
        ({"training": {"memory_mb": 1}}, "training.memory_mb"),
        ({"training": {"memory_mb": float("inf")}}, "training.memory_mb"),
    ],
)
def test_wrong_settings_name_their_field(values: dict, field: str):
    engine = new_engine()
    with pytest.raises(Invalid) as caught:
        engine.configure(values)
    assert caught.value.field == field
    assert engine.stores.log.last() == 0


def test_the_machine_has_a_zone():
    assert datetime.now(local_zone()).utcoffset() is not None
