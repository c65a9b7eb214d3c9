"""Trainings that nobody planned: the first one, one after bad answers; and planned ones that can wait."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from proffer.apps.feed.app import app as feed
from proffer.core.clock import FixedClock, first_id
from proffer.core.decisions import Considered, Decision, Placed, TradeOff
from proffer.core.entities import EntityRef
from proffer.core.queries import Query
from proffer.engine.engine import Engine
from proffer.engine.live_quality import live_quality
from proffer.engine.retraining import quiet
from proffer.engine.schedule import Schedule
from proffer.stores.memory import memory_stores
from proffer.testing.job_contract import sample_job
from tests.engine.worlds import accepted, did, few_posts, new_engine

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
DAY = 86_400.0


class Asked:
    """Takes the place of an engine's jobs: keeps what is asked, and ends it at once."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.live, self.causes = engine, {}, []

    def start(self, pipeline: str, *, by: str, key: str):
        """Keep a job that ended in a certain way."""
        self.causes.append(by)
        stores = self.engine.stores
        return stores.jobs.add(
            sample_job(f"j_{len(self.causes)}", pipeline=pipeline, by=by, key=key, state="failed",
                       position=stores.log.last(), created_at=self.engine.clock.now())
        )  # fmt: skip


def new_world(**changes) -> Engine:
    """Return an engine whose first pipeline is declared with some changes."""
    home = replace(feed.pipelines[0], **changes)
    engine = new_engine(app=replace(feed, pipelines=(home, *feed.pipelines[1:])), stores=memory_stores())
    few_posts(engine)
    engine.clock = FixedClock(NOW)
    engine.jobs = Asked(engine)
    return engine


def act(engine: Engine, count: int, type: str = "view") -> None:
    """Let so many users do something with a post."""
    for number in range(count):
        accepted(engine, did(f"u{engine.stores.log.last()}", type, "a", engine.clock.now() - timedelta(seconds=number)))


def plan(engine: Engine) -> Schedule:
    return Schedule({"feed": engine}, clock=engine.clock, zone=UTC)


def saved(engine: Engine, name: str = "blend", schema: str | None = None, **report):
    """Save a version with this report, and put it in charge."""
    version = engine.stores.registry.save(
        "home", name, schema=schema or engine.app.view.version, position=engine.stores.log.last(), parameters={},
        arrays={}, metrics=report, at=engine.clock.now(),
    )  # fmt: skip
    revision = engine.stores.registry.champion("home")[1]
    engine.stores.registry.promote(version.id, expected_revision=revision, at=engine.clock.now())
    return version


def test_enough_interactions_are_trained_on_at_once_and_again_when_they_doubled():
    engine = new_world()
    schedule = plan(engine)
    act(engine, 99)
    assert schedule.look() == []
    act(engine, 1)
    view = engine.app.view.version
    assert [job.key for job in schedule.look()] == [f"first home {view} 0"]
    act(engine, 50)
    assert schedule.look() == []
    assert plan(engine).look() == []
    act(engine, 50)
    assert [job.key for job in schedule.look()] == [f"first home {view} 1"]
    assert engine.jobs.causes == ["first", "first"]


def test_how_many_are_enough_is_a_setting_and_off_is_off():
    engine = new_world()
    engine.configure({"training": {"min_interactions": 10}})
    act(engine, 10)
    engine.configure({"schedule": {"home": "off"}})
    assert plan(engine).look() == []
    engine.configure({"schedule": {"home": "0 2 * * *"}})
    assert len(plan(engine).look()) == 1


def test_a_trained_pipeline_has_no_first_training():
    engine = new_world()
    saved(engine)
    act(engine, 500)
    assert plan(engine).look() == []


def test_a_version_of_other_features_is_as_good_as_none():
    engine = new_world()
    saved(engine, schema="of before")
    act(engine, 500)
    assert [job.by for job in plan(engine).look()] == ["first"]


def test_a_quiet_workspace_waits_for_its_month():
    engine = new_world(schedule="0 3 * * 0", quiet=timedelta(days=28))
    saved(engine)
    schedule, weeks = plan(engine), []
    for week in range(5):
        act(engine, 1)
        engine.clock.move(7 * DAY)
        weeks.append(len(schedule.look()))
        if week == 0:
            assert "1 interactions since the last training" in schedule.planned("feed", "home").skipped
    assert weeks == [0, 0, 0, 1, 1]


def test_a_busy_one_is_trained_each_week_and_so_is_one_whose_owner_says_when():
    engine = new_world(schedule="0 3 * * 0", quiet=timedelta(days=28))
    saved(engine)
    schedule = plan(engine)
    engine.clock.move(7 * DAY)
    act(engine, 100)
    assert [job.by for job in schedule.look()] == ["schedule"]
    home = engine.app.pipelines[0]
    engine.clock.move(DAY)
    saved(engine, "linear")
    assert quiet(engine, home, engine.clock.now()) is not None
    engine.configure({"schedule": {"home": "0 3 * * 0"}})
    assert quiet(engine, home, engine.clock.now()) is None


def promised(low: float, high: float) -> dict:
    """Return a report whose champion has an NDCG@10 between these."""
    ndcg = {"value": (low + high) / 2, "low": low, "high": high}
    return {"protocol": "lists", "champion": "blend", "rows": [{"name": "blend", "metrics": {"ndcg@10": ndcg}}]}


def serve(engine: Engine, version: str, count: int, wanted: int, **told) -> None:
    """Log slates of posts a to f for so many users, each of whom likes the one at a place from 1."""
    for number in range(count):
        at = engine.clock.now() + timedelta(seconds=number)
        user, ids = f"v{number}", tuple("abcdef")
        query = Query(id=f"q_{version}_{number}", pipeline="home", subject=EntityRef("user", user), at=at, n=6)
        slate = tuple(Placed(id=id, rank=place, score=1.0 / place) for place, id in enumerate(ids, 1))
        decision = Decision(
            id=f"{first_id('d', at)}{number:016x}", query=query, as_of=engine.stores.log.last(),
            considered=Considered(ids=ids, scores=tuple(1.0 / place for place in range(1, 7))), slate=slate,
            model=version, schema=engine.app.view.version, **told,
        )  # fmt: skip
        engine.stores.decisions.put(decision)
        like = did(user, "like", ids[wanted - 1], at + timedelta(seconds=1)) | {"query_id": query.id}
        accepted(engine, like)
    engine.stores.decisions.flush()


@pytest.mark.parametrize(("wanted", "causes"), [(1, []), (6, ["drift"])])
def test_answers_worse_than_promised_are_a_cause_and_good_ones_are_none(wanted: int, causes: list[str]):
    engine = new_world(schedule="0 3 1 * *")
    version = saved(engine, **promised(0.7, 0.8))
    serve(engine, version.id, 40, wanted)
    engine.clock.move(2 * DAY)
    schedule = plan(engine)
    schedule.look()
    assert engine.jobs.causes == causes
    assert engine.jobs.live["home"].lists == 40
    engine.clock.move(2 * 3600)
    act(engine, 1)
    schedule.look()
    assert engine.jobs.causes == causes


def test_few_answers_say_nothing_and_neither_does_another_measure():
    engine = new_world()
    version = saved(engine, **promised(0.7, 0.8))
    serve(engine, version.id, 29, 6)
    engine.clock.move(2 * DAY)
    told = live_quality(engine, engine.app.pipelines[0])
    assert (told.lists, told.ndcg) == (29, None)
    other = new_world()
    saved(other, **{**promised(0.7, 0.8), "protocol": "daily"})
    assert live_quality(other, other.app.pipelines[0]) is None


def test_lists_that_may_still_be_answered_and_those_of_weighed_objectives_do_not_count():
    engine = new_world()
    version = saved(engine, **promised(0.7, 0.8))
    serve(engine, version.id, 40, 6)
    assert live_quality(engine, engine.app.pipelines[0]).lists == 0
    weighed = new_world()
    version = saved(weighed, **promised(0.7, 0.8))
    serve(weighed, version.id, 40, 6, tradeoff=TradeOff(relevance=1.0, entered=0, aims=()))
    weighed.clock.move(2 * DAY)
    assert live_quality(weighed, weighed.app.pipelines[0]).lists == 0
