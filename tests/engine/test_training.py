"""Training: what is missing, what is saved, who serves it."""

import shutil
import time
from dataclasses import replace

import pytest

from proffer.apps.feed.app import HOME
from proffer.apps.feed.app import app as feed
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.errors import CannotTrain, Conflict, NotFound
from proffer.engine import serve
from proffer.engine.engine import Engine
from proffer.engine.plan import Budget
from proffer.models.retrievers.content import Content
from proffer.models.retrievers.covisits import Covisits
from proffer.models.retrievers.newest import Newest
from proffer.models.retrievers.popularity import DecayedPopularity
from proffer.stores.sqlite import sqlite_stores
from tests.engine.worlds import NOW, accepted, asks, champion, did, few_posts, new_engine, toy

EVENTS = toy().events
SOURCES = (Newest, DecayedPopularity, Covisits, Content)
BUDGET = Budget.of(3)
app = replace(
    feed, pipelines=(replace(HOME, retrievers=SOURCES, rankers=(), ladder=("content", "newest"), templates=()),)
)
"""What a model has to beat goes by content alone, and is easily beaten in the toy world."""


def test_nothing_to_train_on():
    with pytest.raises(
        CannotTrain, match=r"^cannot train because 0 interactions .* 20 are needed, serving personal instead"
    ) as caught:
        new_engine().train()
    assert caught.value.remedy


def test_five_events_are_too_few():
    engine = new_engine()
    few_posts(engine)
    accepted(engine, *(did("u1", "view", name) for name in "abcde"))
    with pytest.raises(
        CannotTrain, match=r"cannot train because 5 interactions .* 20 are needed, serving personal instead"
    ):
        engine.train()
    assert engine.fitted["home"].why == "no model has been trained yet"


def test_only_refusals_teach_nothing():
    engine = new_engine()
    few_posts(engine)
    accepted(engine, *(did(f"u{n}", "hide", name) for n in range(6) for name in "abcdef"))
    with pytest.raises(
        CannotTrain, match=r"cannot train because nobody wanted anything new .*, serving personal instead"
    ):
        engine.train()


def test_a_pipeline_that_declares_its_weights_has_nothing_to_train():
    with pytest.raises(CannotTrain, match="similar declares its weights"):
        new_engine(EVENTS).train("similar")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return stores on disk with a version trained on the first week, its id, and what it decides."""
    root = tmp_path_factory.mktemp("trained") / "feed"
    clock = FixedClock(NOW)
    engine = Engine(app, "feed", sqlite_stores(root), clock=clock, ids=CountingIds(), deadline_ms=60_000)
    engine.stores.log.append(EVENTS)
    engine.catch_up()
    told = []
    version = engine.train(budget=BUDGET, progress=lambda *step: told.append(step))
    decision = engine.recommend(asks("u5", 20))
    engine.close()
    return root, version, decision, told


def opened(root, **rest):
    return Engine(
        app, "feed", sqlite_stores(root, **rest), clock=FixedClock(NOW), ids=CountingIds(), deadline_ms=60_000
    )


def test_what_is_trained_is_saved_and_serves(trained):
    _, version, decision, told = trained
    assert (decision.model, decision.fallback) == (version.id, None)
    assert version.position == len(EVENTS)
    assert version.schema == app.view.version
    assert {"choice", "rows", "leads", "champion", "gate", "plan", "costs"} <= version.metrics.keys()
    assert version.metrics["gate"]["wins"]
    assert version.name == version.metrics["champion"]
    assert {"choosing", "judging"} <= {what for what, _, _ in told} <= {"tuning", "choosing", "judging"}
    assert all(done <= total for _, done, total in told)


def test_after_a_restart_the_same_version_decides_the_same(trained):
    root, version, decision, _ = trained
    engine = opened(root)
    try:
        assert engine.fitted["home"].version == version.id
        again = engine.recommend(asks("u5", 20))
        assert (again.slate, again.considered) == (decision.slate, decision.considered)
    finally:
        engine.close()


def test_training_on_the_same_log_gives_the_same_version(trained):
    _, version, _, _ = trained
    assert new_engine(EVENTS, app=app).train(budget=BUDGET).id == version.id


def test_retraining_takes_the_recipe_over_and_judges_it_anew(trained, tmp_path):
    root, version, _, _ = trained
    shutil.copytree(root, tmp_path / "feed")
    engine = opened(tmp_path / "feed")
    try:
        again = engine.train(budget=BUDGET, search=False)
        assert again.name == version.name
        assert again.parameters["weights"] == version.parameters["weights"]
        assert again.metrics["choice"]["why"] == "the recipe that serves, fitted anew"
        assert again.metrics["tried"] == again.metrics["choice"]["steps"] == []
        assert any("learned its weights on time" in note for note in again.metrics["notes"])
    finally:
        engine.close()


def test_a_damaged_model_is_not_served_and_the_ladder_says_so(trained, tmp_path):
    root, version, _, _ = trained
    shutil.copytree(root, tmp_path / "feed")
    arrays = tmp_path / "feed" / "models" / version.id / "arrays.npz"
    raw = bytearray(arrays.read_bytes())
    raw[len(raw) // 2] ^= 1
    arrays.write_bytes(raw)
    engine = opened(tmp_path / "feed")
    try:
        decision = engine.recommend(asks("u5"))
        assert decision.model == "content"
        assert f"model {version.id} cannot be loaded" in decision.fallback
        assert engine.reader.health().parts["models"].status == "degraded"
    finally:
        engine.close()


def test_who_only_reads_saves_and_who_writes_adopts(tmp_path):
    writer = opened(tmp_path / "feed")
    writer.stores.log.append(EVENTS)
    writer.catch_up()
    reader = opened(tmp_path / "feed", writable=False)
    try:
        version = reader.train(budget=BUDGET)
        assert reader.stores.registry.champion("home") == (None, 0)
        assert writer.recommend(asks("u5")).model == "content"
        assert writer.release(version.id, 0) == 1
        assert writer.recommend(asks("u5")).model == version.id
        assert reader.fitted["home"].version == "untrained"
        reader._refresh("home")
        slates = [serve.recommend(engine, asks("u5", 5), time.perf_counter()).slate for engine in (reader, writer)]
        assert slates[0] == slates[1] != ()
    finally:
        reader.close()
        writer.close()


def test_of_two_releases_against_one_revision_one_wins():
    engine = new_engine(EVENTS)
    first = champion(engine, {"newest": 1.0})
    second = champion(engine, {"popularity": 1.0})
    assert engine.stores.registry.champion("home")[1] == 2
    with pytest.raises(Conflict, match="revision 2, not 1"):
        engine.release(first, 1)
    assert engine.recommend(asks("u5")).model == second
    assert engine.release(first, 2) == 3
    assert engine.recommend(asks("u5")).model == first


def test_an_unknown_version_is_not_found():
    with pytest.raises(NotFound):
        new_engine().release("m_nope", 0)
