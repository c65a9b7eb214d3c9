"""Workspaces, environment and applications: the composition root."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proffer.app import App
from proffer.bootstrap import (
    applications,
    check_name,
    create,
    environment,
    open_engine,
    open_stores,
    running,
    workspace,
    workspaces,
)  # fmt: skip
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.errors import CannotStart, Conflict, Corrupt, Invalid, NotFound, WorkspaceBusy
from tests.engine.worlds import NOW, accepted, did, post, shown

STRANGER = '''
"""A stranger's shop."""

from proffer.app import App, Pipeline
from proffer.core.schema import Attribute, EntityKind, EventType
from proffer.features.base import Scope
from proffer.features.recency import Freshness
from proffer.features.view import FeatureView
from proffer.models.retrievers.newest import Newest

app = App(
    name="shop",
    doc="Things for people.",
    entities=(EntityKind("person"), EntityKind("thing", (Attribute("title", "text"),))),
    events=(EventType("bought", "person", ("thing",), weight=1.0),),
    subject="person",
    item="thing",
    view=FeatureView("shop", (Scope("person", ("actor",)),), (Freshness("fresh"),)),
    pipelines=(Pipeline(name="home", retrievers=(Newest,)),),
)
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that installs a module with entry points into a folder on the path."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(module: str, source: str, *points: str) -> None:
        (site / f"{module}.py").write_text(source)
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[proffer.apps]\n" + "\n".join(points))

    yield install
    for name in [name for name in sys.modules if name.startswith("stranger_")]:
        del sys.modules[name]


def test_the_feed_is_installed_like_a_strangers():
    assert isinstance(applications()["feed"], App)


def test_a_strangers_application_serves(installed, tmp_path):
    installed("stranger_shop", STRANGER, "shop = stranger_shop:app")
    assert {"feed", "shop"} <= {*applications()}
    create(tmp_path / "home", "corner", "shop")
    engine = open_engine(tmp_path / "home", "corner", clock=FixedClock(NOW), ids=CountingIds())
    try:
        rows = [
            {"type": "entity.set", "actor": {"kind": "thing", "id": name}, "fields": {"title": name}} for name in "ab"
        ]
        accepted(engine, *rows)
        from proffer.core.entities import EntityRef
        from proffer.core.queries import Query

        query = Query(id="q", pipeline="home", subject=EntityRef("person", "p"), at=NOW, n=5)
        assert [placed.id for placed in engine.recommend(query).slate] == ["a", "b"]
        accepted(engine, {"type": "bought", "actor": "p", "target": "a"})
        assert [placed.id for placed in engine.recommend(query).slate] == ["b"]
    finally:
        engine.close()


def test_a_broken_application_does_not_stop_the_others(installed, tmp_path):
    installed("stranger_broken", "raise ImportError('no such library')", "broken = stranger_broken:app")
    create(tmp_path / "home", "feed", "feed")
    with pytest.raises(CannotStart, match="broken = stranger_broken:app cannot be loaded: ImportError: no such lib"):
        create(tmp_path / "home", "mine", "broken")
    assert workspaces(tmp_path / "home") == ["feed"]


def test_what_is_no_application_is_named(installed):
    installed("stranger_text", "app = 'text'", "text = stranger_text:app")
    with pytest.raises(CannotStart, match=r"text = stranger_text:app is not a proffer\.app\.App"):
        applications()


def test_two_of_one_name_are_named(installed, tmp_path):
    installed(
        "stranger_feed", STRANGER.replace('name="shop",\n    doc', 'name="feed",\n    doc'), "other = stranger_feed:app"
    )
    with pytest.raises(CannotStart, match="two installed applications are named feed"):
        applications()


@pytest.mark.parametrize("name", ["feed", "a", "0", "a-b_c", "x" * 64])
def test_names(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "_a", "Feed", "a b", "a/b", "..", ".", "å", "x" * 65, "feed\n", "a\x00"])
def test_no_names(name, tmp_path):
    with pytest.raises(Invalid, match="is not a workspace name") as caught:
        create(tmp_path, name, "feed")
    assert caught.value.field == "name"
    assert [*tmp_path.iterdir()] == []


def test_create_and_list(tmp_path):
    assert workspaces(tmp_path / "home") == []
    root = create(tmp_path / "home", "feed", "feed", clock=FixedClock(NOW))
    create(tmp_path / "home", "another", "feed")
    assert workspaces(tmp_path / "home") == ["another", "feed"]
    found = workspace(tmp_path / "home", "feed")
    assert (found.name, found.app, found.created_at) == ("feed", "feed", NOW)
    assert root == tmp_path / "home" / "feed"


def test_create_twice(tmp_path):
    create(tmp_path, "feed", "feed")
    with pytest.raises(Conflict, match="workspace feed exists") as caught:
        create(tmp_path, "feed", "feed")
    assert str(tmp_path / "feed") in caught.value.remedy


def test_what_is_there_already_is_never_taken_over(tmp_path):
    (tmp_path / "feed").mkdir()
    (tmp_path / "feed" / "letters.txt").write_text("dear")
    with pytest.raises(Conflict):
        create(tmp_path, "feed", "feed")


def test_an_empty_folder_left_by_a_killed_start_is_used(tmp_path):
    (tmp_path / "feed").mkdir()
    (tmp_path / "feed" / ".tmp-workspace.json").write_text("{")
    create(tmp_path, "feed", "feed")
    assert workspace(tmp_path, "feed").app == "feed"


def test_a_home_that_is_a_file(tmp_path):
    (tmp_path / "home").write_text("")
    with pytest.raises(CannotStart, match="cannot be made"):
        create(tmp_path / "home", "feed", "feed")


def test_an_unknown_application(tmp_path):
    with pytest.raises(NotFound, match="no application 'nope' is installed") as caught:
        create(tmp_path, "mine", "nope")
    assert "feed" in caught.value.remedy
    assert workspaces(tmp_path) == []


def test_a_missing_workspace_says_how_to_make_it(tmp_path):
    with pytest.raises(NotFound, match="no workspace feed") as caught:
        open_engine(tmp_path, "feed")
    assert caught.value.remedy == "Make it with: proffer init feed --app feed"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "feed"}'])
def test_a_damaged_workspace_file(tmp_path, text):
    root = create(tmp_path, "feed", "feed")
    (root / "workspace.json").write_text(text)
    with pytest.raises(Corrupt, match=r"workspace\.json cannot be read"):
        open_engine(tmp_path, "feed")


def test_a_second_writer_is_told_who_writes(tmp_path):
    create(tmp_path, "feed", "feed")
    engine = open_engine(tmp_path, "feed", clock=FixedClock(NOW))
    with pytest.raises(WorkspaceBusy, match=f"process {os.getpid()}"):
        open_engine(tmp_path, "feed")
    accepted(engine, post("a", title="a"))
    reader = open_engine(tmp_path, "feed", writable=False, clock=FixedClock(NOW))
    assert reader.state.ids == ["a"]
    with pytest.raises(WorkspaceBusy):
        reader.record([did("u1", "view", "a")])
    reader.close()
    engine.close()
    again = open_engine(tmp_path, "feed", clock=FixedClock(NOW))
    assert shown(again) == ["a"]
    again.close()


def test_another_process_is_kept_out_too(tmp_path):
    create(tmp_path, "feed", "feed")
    engine = open_engine(tmp_path, "feed")
    code = "import sys, pathlib, proffer.bootstrap as b; b.open_stores(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "feed")], capture_output=True, text=True)
    assert "WorkspaceBusy" in done.stderr
    engine.close()
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "feed")], capture_output=True, text=True)
    assert done.stderr == ""


def test_an_application_that_is_gone_lets_go_of_the_lock(tmp_path):
    root = create(tmp_path, "feed", "feed")
    (root / "workspace.json").write_text('{"name": "feed", "app": "gone", "created_at": "2026-01-01T00:00:00Z"}')
    with pytest.raises(NotFound, match="no application 'gone'"):
        open_engine(tmp_path, "feed")
    open_stores(root).log.close()


def test_reading_what_was_never_written(tmp_path):
    create(tmp_path, "feed", "feed")
    engine = open_engine(tmp_path, "feed", writable=False, clock=FixedClock(NOW))
    assert engine.state.position == 0
    engine.close()


def test_environment_variables(monkeypatch):
    assert environment({}) == environment({"PROFFER_HOME": "", "PROFFER_HOST": ""})
    found = environment({})
    assert (found.home, found.host, found.port) == (Path(".proffer"), "127.0.0.1", 8750)
    found = environment({"PROFFER_HOME": "/x", "PROFFER_HOST": "::1", "PROFFER_PORT": "0"})
    assert (found.home, found.host, found.port) == (Path("/x"), "::1", 0)
    found = environment({"PROFFER_DATABASE": "postgresql://me:canary@host/shop"})
    assert found.database == "postgresql://me:canary@host/shop"
    assert "canary" not in f"{found} {found!r}"
    assert environment({"PROFFER_DATABASE": ""}).database is None
    monkeypatch.setenv("PROFFER_PORT", "9001")
    assert environment().port == 9001


@pytest.mark.parametrize("port", ["", "-1", "65536", "http", "8750.0", " 1"])
def test_a_port_that_is_none(port):
    with pytest.raises(CannotStart, match="PROFFER_PORT is") as caught:
        environment({"PROFFER_PORT": port})
    assert "65535" in caught.value.remedy


def announce(root: Path, pid: int) -> None:
    (root / "server.json").write_text(f'{{"url": "http://127.0.0.1:1", "pid": {pid}, "token": "t"}}')


def test_a_server_runs_only_while_its_process_holds_the_lock(tmp_path):
    root = create(tmp_path, "feed", "feed")
    assert running(tmp_path, "feed") is None
    engine = open_engine(tmp_path, "feed")
    assert running(tmp_path, "feed") is None
    announce(root, os.getpid())
    assert running(tmp_path, "feed").url == "http://127.0.0.1:1"
    # The number of a server that was killed may be another process's by now.
    announce(root, os.getppid())
    assert running(tmp_path, "feed") is None
    announce(root, os.getpid())
    engine.close()
    assert running(tmp_path, "feed") is None
    (root / "server.json").write_text("{")
    assert running(tmp_path, "feed") is None
