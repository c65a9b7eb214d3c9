"""Release: only what is sound and what it was when it was made may serve; what served goes on, and can return."""

import os
import random
import shutil
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proffer import bootstrap
from proffer.apps.feed.app import HOME
from proffer.apps.feed.app import app as feed
from proffer.core.errors import CannotServe, Conflict, Corrupt, NotFound
from proffer.core.ports import Promotion
from proffer.engine import golden, provenance, release
from proffer.engine.provenance import code_version
from proffer.models.rankers.boosted import LambdaRank
from proffer.models.rankers.linear import LinearRanker
from proffer.models.retrievers.newest import Newest
from proffer.models.retrievers.popularity import DecayedPopularity
from tests.engine.releases import EVENTS, FIRST, SECOND, opened, ranker_of, saved
from tests.engine.worlds import NOW, asks


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A workspace with a model that serves, one that waits, and their ids."""
    root = tmp_path_factory.mktemp("built") / "feed"
    engine = opened(root)
    engine.stores.log.append(EVENTS)
    engine.catch_up()
    first = saved(engine, FIRST)
    engine.release(first.id, 0)
    second = saved(engine, SECOND, ranker_of(engine, SECOND))
    engine.close()
    return root, first.id, second.id


@pytest.fixture
def house(built, tmp_path):
    """A copy of it, open for writing."""
    shutil.copytree(built[0], tmp_path / "feed")
    engine = opened(tmp_path / "feed")
    yield engine, tmp_path / "feed" / "models", built[1], built[2]
    engine.close()


def serving(engine):
    decision = engine.recommend(asks("u5"))
    assert decision.fallback is None
    return decision.model


def refused(engine, id, match=None):
    """Expect that a version is refused, and that what served goes on at the same revision."""
    before, revision = serving(engine), engine.stores.registry.champion("home")[1]
    with pytest.raises(CannotServe, match=match):
        engine.release(id, revision)
    assert (serving(engine), engine.stores.registry.champion("home")[1]) == (before, revision)


def test_a_sound_version_serves(house):
    engine, _, first, second = house
    assert serving(engine) == first
    assert engine.release(second, 1) == 2
    assert serving(engine) == second
    version = engine.stores.registry.champion("home")[0]
    assert (version.code, version.events) == (code_version(), len(engine.state.interactions().at))
    assert EVENTS[0].at <= version.since < version.until <= EVENTS[-1].at


@pytest.mark.parametrize("kind", [None, LinearRanker, LambdaRank])
def test_golden_rows_are_answered_again_bit_for_bit(house, kind):
    engine = house[0]
    version = saved(engine, SECOND, kind and ranker_of(engine, SECOND, kind))
    assert release.check_here(engine.app, engine.stores.registry, version.id) >= 32
    assert ("golden/matrix" in engine.stores.registry.load(version.id)[1]) == (kind is not None)
    assert saved(engine, SECOND, kind and ranker_of(engine, SECOND, kind)).id == version.id


def test_a_model_without_golden_rows_is_loaded_all_the_same(house):
    engine = house[0]

    def strip(parameters, arrays):
        del parameters["golden"]
        for name in [name for name in arrays if name.startswith("golden/")]:
            del arrays[name]

    version = saved(engine, SECOND, altered=strip)
    assert release.check_here(engine.app, engine.stores.registry, version.id) == 0
    assert engine.release(version.id, 1) == 2


def test_a_blend_that_answers_otherwise_is_refused(house):
    def alter(parameters, arrays):
        parameters["weights"] = {"newest": 0.5 + 1e-6, "popularity": 0.5}

    refused(house[0], saved(house[0], SECOND, altered=alter).id, "the blend of .* golden rows in another way")


@pytest.mark.parametrize("kind", [LinearRanker, LambdaRank])
def test_a_ranker_that_answers_otherwise_is_refused(house, kind):
    engine = house[0]
    other, weights = ranker_of(engine, SECOND, kind, seed=1), SECOND

    def alter(parameters, arrays):
        values, found = other.parameters()
        parameters["ranker"]["values"] = values
        for name in [name for name in arrays if name.startswith("ranker/")]:
            del arrays[name]
        arrays |= {f"ranker/{name}": array for name, array in found.items()}

    version = saved(engine, weights, ranker_of(engine, weights, kind), altered=alter)
    refused(engine, version.id, f"the ranker {other.name} of .* in another way")


def test_a_ranker_that_is_missing_is_refused(house):
    engine = house[0]
    version = saved(engine, SECOND, ranker_of(engine, SECOND), altered=lambda told, _: told.pop("ranker"))
    refused(engine, version.id, "and no ranker")


class Forgetful(DecayedPopularity):
    """Takes over nothing of what another one learned."""

    def restore(self, values, arrays):
        return self


def test_a_retriever_that_forgets_is_refused(built, tmp_path):
    shutil.copytree(built[0], tmp_path / "feed")
    home = replace(HOME, retrievers=(Forgetful, Newest), templates=())
    engine = opened(tmp_path / "feed", replace(feed, pipelines=(home,)))
    version = saved(engine, {"popularity": 1.0})
    assert version.parameters["retrievers"]["popularity"] != Forgetful().parameters()[0]
    refused(engine, version.id, "popularity of .* is not what it was")
    engine.close()


def test_what_the_application_cannot_serve_is_refused_by_name(house):
    engine = house[0]
    refused(engine, saved(engine, SECOND, schema="other").id, "feature view other, this server has")
    refused(engine, saved(engine, SECOND, pipeline="nowhere").id, "unknown pipeline 'nowhere'")
    refused(engine, saved(engine, SECOND, pipeline="similar").id, "similar declares its weights")

    def rename(parameters, arrays):
        parameters["ranker"]["name"] = "oracle"

    version = saved(engine, SECOND, ranker_of(engine, SECOND), altered=rename)
    refused(engine, version.id, "needs oracle, now gone")
    version = saved(engine, SECOND, altered=lambda told, _: told.update(weights={"crystal ball": 1.0}))
    refused(engine, version.id, "needs crystal ball, now gone")
    version = saved(engine, SECOND, altered=lambda told, _: told.pop("retrievers"))
    refused(engine, version.id, "cannot be loaded")


def test_a_version_that_lost_to_the_fallback_is_refused(house):
    engine = house[0]
    gate = {"wins": False, "serves": "fallback", "why": "blend does not lead personal"}
    lost = saved(engine, SECOND, metrics={"gate": gate})
    refused(engine, lost.id, "did not beat the fallback .* blend does not lead personal")
    # Settling the training does as its report says: nothing fitted is better than the fallback, so that serves.
    assert engine.settle(lost.id, 1) == (False, "blend does not lead personal")
    decision = engine.recommend(asks("u5"))
    assert decision.model == HOME.ladder[0]
    assert decision.fallback == f"model {lost.id} was trained and does not serve: blend does not lead personal"
    assert engine.stores.registry.promotions("home")[0].how == "retire"


def test_a_version_that_lost_to_what_serves_changes_nothing(house):
    engine, _, first, _ = house
    gate = {"wins": False, "serves": "previous", "why": "the model that serves leads"}
    assert engine.settle(saved(engine, SECOND, metrics={"gate": gate}).id, 1) == (False, "the model that serves leads")
    assert serving(engine) == first
    assert engine.stores.registry.champion("home")[1] == 1


def test_a_version_that_won_serves_when_settled(house):
    engine = house[0]
    version = saved(engine, SECOND, metrics={"gate": {"wins": True, "serves": "champion", "why": "it leads"}})
    assert engine.settle(version.id, 1) == (True, "it leads")
    assert serving(engine) == version.id


def cuts(size, seed):
    chance = random.Random(seed)
    places = {0, 1, size - 1, *(size * part // 47 for part in range(47))}
    while len(places) < 50:
        places.add(chance.randrange(size))
    return sorted(places)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256", "arrays.npz"])
def test_a_model_cut_at_50_places_is_refused_and_the_old_one_serves(house, name):
    engine, models, first, second = house
    path = models / second / name
    whole = path.read_bytes()
    places = cuts(len(whole), 1)
    assert len(places) >= 50
    for place in places:
        path.write_bytes(whole[:place])
        with pytest.raises(CannotServe):
            engine.release(second, 1)
        assert engine.stores.registry.champion("home")[0].id == first
    assert serving(engine) == first
    path.write_bytes(whole)
    assert engine.release(second, 1) == 2


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256", "arrays.npz"])
def test_an_edited_model_is_refused_and_the_old_one_serves(house, name):
    engine, models, first, second = house
    path = models / second / name
    whole = path.read_bytes()
    chance = random.Random(name)
    for _ in range(50):
        edited = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3])):
            place = chance.randrange(len(whole))
            edited[place] ^= chance.randrange(1, 256)
        path.write_bytes(edited)
        with pytest.raises(CannotServe):
            engine.release(second, 1)
    for longer in (whole + b"\n", b" " + whole, whole + whole):
        path.write_bytes(longer)
        with pytest.raises(CannotServe):
            engine.release(second, 1)
    assert serving(engine) == first
    assert engine.stores.registry.champion("home")[1] == 1


def half_written(models, second):
    (models / second).rename(models / ".tmp-half")
    (models / ".tmp-half" / "manifest.json").unlink()
    shutil.copytree(models / ".tmp-half", models / second)


def extra_file(models, second):
    (models / second / "model.pkl").write_bytes(b"\x80\x04K\x01.")


def extra_folder(models, second):
    (models / second / "more").mkdir()


def link_to_the_file(models, second):
    (models / second / "arrays.npz").rename(models / "elsewhere")
    (models / second / "arrays.npz").symlink_to(models / "elsewhere")


def link_to_the_folder(models, second):
    (models / second).rename(models / "elsewhere")
    (models / second).symlink_to(models / "elsewhere")


def pipe(models, second):
    (models / second / "arrays.npz").unlink()
    os.mkfifo(models / second / "arrays.npz")


def folder_for_a_file(models, second):
    (models / second / "arrays.npz").unlink()
    (models / second / "arrays.npz").mkdir()


WAYS = [half_written, extra_file, extra_folder, link_to_the_file, link_to_the_folder, pipe, folder_for_a_file]


@pytest.mark.parametrize("damage", WAYS, ids=lambda way: way.__name__)
def test_a_folder_that_is_not_as_it_was_written_is_refused(house, damage):
    engine, models, _, second = house
    damage(models, second)
    refused(engine, second)


def test_a_folder_that_is_gone_is_not_found(house):
    engine, models, first, second = house
    shutil.rmtree(models / second)
    with pytest.raises(NotFound):
        engine.release(second, 1)
    assert serving(engine) == first


def test_a_champion_that_is_damaged_hands_over_to_the_ladder_at_the_next_start(house):
    engine, models, first, _ = house
    (models / first / "arrays.npz").write_bytes(b"PK")
    assert serving(engine) == first
    engine._refresh("home")
    decision = engine.recommend(asks("u5"))
    assert decision.model == HOME.ladder[0]
    assert f"model {first} cannot be loaded" in decision.fallback


def test_a_check_is_made_once_for_each_code(house, monkeypatch):
    engine, _, first, _ = house
    asked = []
    monkeypatch.setattr(golden, "check", lambda fitted, version, arrays: asked.append(version.id))
    engine._refresh("home")
    assert asked == []
    monkeypatch.setattr(release, "code_version", lambda: "another")
    engine._refresh("home")
    engine._refresh("home")
    assert asked == [first]


def test_a_champion_that_new_code_answers_otherwise_does_not_serve(house, monkeypatch):
    engine, _, first, _ = house

    def differ(*_):
        raise CannotServe("the blend answers otherwise")

    monkeypatch.setattr(golden, "check", differ)
    monkeypatch.setattr(release, "code_version", lambda: "another")
    engine._refresh("home")
    decision = engine.recommend(asks("u5"))
    assert decision.model == HOME.ladder[0]
    assert decision.fallback.startswith(f"model {first} does not serve: the blend answers otherwise")
    assert not engine.stores.registry.vouched(first, "another")


def test_who_only_reads_checks_and_notes_nothing(built, tmp_path, monkeypatch):
    shutil.copytree(built[0], tmp_path / "feed")
    monkeypatch.setattr(release, "code_version", lambda: "another")
    engine = opened(tmp_path / "feed", writable=False)
    assert engine.fitted["home"].version == built[1]
    assert not engine.stores.registry.vouched(built[1], "another")
    engine.close()


def test_the_same_code_says_the_same_of_itself_and_other_code_another(tmp_path, monkeypatch):
    def told():
        return code_version.__wrapped__()

    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    (tmp_path / "inner").mkdir()
    for name in ("a.py", "inner/b.py"):
        (tmp_path / name).write_text("x = 1\n")
    first = told()
    assert told() == first
    (tmp_path / "notes.txt").write_text("not code")
    assert told() == first
    (tmp_path / "inner" / "b.py").rename(tmp_path / "inner" / "c.py")
    renamed = told()
    (tmp_path / "a.py").write_text("x = 2\n")
    assert len({first, renamed, told()}) == 3


def test_rolling_back_brings_back_what_served_before(house):
    engine, _, first, second = house
    third = saved(engine, {"popularity": 1.0}).id
    engine.release(second, 1)
    engine.release(third, 2)
    with pytest.raises(Conflict, match="does not serve"):
        engine.rollback(second)
    with pytest.raises(NotFound):
        engine.rollback("m_nothing")
    assert engine.rollback(third) == ("home", second, 4)
    assert serving(engine) == second
    # Not back to what was taken out a moment ago.
    assert engine.rollback(second) == ("home", first, 5)
    assert engine.rollback(first) == ("home", None, 6)
    decision = engine.recommend(asks("u5"))
    assert (decision.model, decision.fallback) == (HOME.ladder[0], "every model was taken out of service")
    with pytest.raises(Conflict):
        engine.rollback(first)
    assert engine.release(third, 6) == 7
    assert serving(engine) == third
    assert [change.how for change in engine.stores.registry.promotions("home")] == [
        "promote", "rollback", "rollback", "rollback", "promote", "promote", "promote",
    ]  # fmt: skip


def test_rolling_back_passes_over_a_damaged_version(house):
    engine, models, first, second = house
    third = saved(engine, {"popularity": 1.0}).id
    engine.release(second, 1)
    engine.release(third, 2)
    (models / second / "manifest.json").write_bytes(b"{}")
    assert engine.rollback(third) == ("home", first, 4)
    assert serving(engine) == first


def test_a_damaged_champion_can_be_rolled_back(house):
    engine, models, first, second = house
    engine.release(second, 1)
    (models / second / "arrays.npz").write_bytes(b"")
    assert engine.rollback(second) == ("home", first, 3)
    assert serving(engine) == first


@given(st.lists(st.one_of(st.sampled_from("abc"), st.sampled_from(["back", "retire"])), max_size=12))
def test_what_served_before_is_a_pile(moves):
    """Every promotion lays a version on the pile and every rollback takes one off; retiring lays nothing at all."""
    pile, told = [], []
    for move in moves:
        if move == "back":
            if not pile or pile[-1] is None:
                continue
            before = release.earlier(told[::-1])
            pile.pop()
            assert before[:1] == [version for version in pile[-1:] if version is not None]
            now, how = before[0] if before else None, "rollback"
        elif move == "retire":
            pile, now, how = [], None, "retire"
        else:
            now, how = move, "promote"
            if pile[-1:] != [move]:
                pile.append(move)
        told.append(Promotion(pipeline="home", revision=len(told) + 1, version=now, at=NOW, how=how))


def test_of_concurrent_releases_one_wins_and_serves(house):
    engine, _, _, second = house
    versions = [second, *(saved(engine, {"popularity": 1.0, "newest": share}).id for share in (0.1, 0.2, 0.3))]

    def attempt(id):
        try:
            return engine.release(id, 1)
        except Conflict:
            return None

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(attempt, versions))
    assert Counter(won) == {2: 1, None: 3}
    assert serving(engine) == versions[won.index(2)]


PROMOTE = """
import sys, pathlib, time
from datetime import UTC, datetime
from proffer.core.errors import Conflict, WorkspaceBusy
from proffer.stores.sqlite import sqlite_stores
root, version = pathlib.Path(sys.argv[1]), sys.argv[2]
while True:
    try:
        stores = sqlite_stores(root)
        break
    except WorkspaceBusy:
        time.sleep(0.02)
try:
    print(stores.registry.promote(version, expected_revision=1, at=datetime(2026, 1, 1, tzinfo=UTC)))
except Conflict:
    print("conflict")
finally:
    stores.log.close()
"""


def test_of_concurrent_promotions_by_processes_one_wins(built, tmp_path):
    root = tmp_path / "feed"
    shutil.copytree(built[0], root)
    command = [sys.executable, "-c", PROMOTE, str(root), built[2]]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=60)[0].strip() for process in running]
    assert Counter(said) == {"2": 1, "conflict": 3}
    engine = opened(root)
    assert serving(engine) == built[2]
    assert len(engine.stores.registry.promotions("home")) == 2
    engine.close()


@pytest.fixture
def home(built, tmp_path):
    """A home with the workspace in it, as the command line makes one."""
    bootstrap.create(tmp_path, "feed", "feed")
    shutil.copytree(built[0], tmp_path / "feed", dirs_exist_ok=True)
    return tmp_path


def test_a_child_process_says_what_is_wrong(home, built):
    release.check_in_child(home, "feed", built[2])
    arrays = home / "feed" / "models" / built[2] / "arrays.npz"
    arrays.write_bytes(arrays.read_bytes()[:-1])
    with pytest.raises(CannotServe, match=r"arrays.npz does not match its hash"):
        release.check_in_child(home, "feed", built[2])
    with pytest.raises(CannotServe, match="no model version 'm_nothing'"):
        release.check_in_child(home, "feed", "m_nothing")


def test_a_child_process_that_hangs_or_dies_harms_nobody(home, built, tmp_path, monkeypatch):
    with pytest.raises(CannotServe, match="not loaded and answered within 0 s"):
        release.check_in_child(home, "feed", built[2], seconds=0.01)
    script = tmp_path / "dies"
    script.write_text("#!/bin/sh\necho about to >&2\nkill -SEGV $$\n")
    script.chmod(0o700)
    monkeypatch.setattr(release.sys, "executable", str(script))
    with pytest.raises(CannotServe, match="ended by signal 11: about to"):
        release.check_in_child(home, "feed", built[2])


def test_a_workspace_opened_by_name_checks_in_a_child(home, built, monkeypatch):
    asked = []
    monkeypatch.setattr(release, "check_in_child", lambda *told: asked.append(told))
    engine = bootstrap.open_engine(home, "feed")
    try:
        engine.release(built[2], 1)
        assert asked == [(home, "feed", built[2])]
        assert engine.stores.registry.vouched(built[2], code_version())
    finally:
        engine.close()


def test_a_damaged_version_cannot_be_adopted_either(house):
    engine, models, _, second = house
    (models / second / "arrays.npz").write_bytes(b"")
    with pytest.raises(Corrupt):
        engine.stores.registry.adopt(second)


def test_a_decision_is_all_of_one_version_while_versions_change(house):
    engine, _, first, second = house
    slates = {}
    for version, revision in ((first, None), (second, 1)):
        if revision:
            engine.release(version, revision)
        slates[version] = [placed.id for placed in engine.recommend(asks("u5")).slate]
    assert slates[first] != slates[second]
    seen, wrong, over = set(), [], threading.Event()

    def watch():
        while not over.is_set():
            decision = engine.recommend(asks("u5"))
            seen.add(decision.model)
            if [placed.id for placed in decision.slate] != slates[decision.model] or decision.fallback:
                wrong.append(decision)

    watchers = [threading.Thread(target=watch) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    for revision in range(2, 12):
        engine.release((first, second)[revision % 2], revision)
    over.set()
    for watcher in watchers:
        watcher.join()
    assert wrong == []
    assert seen <= {first, second}
