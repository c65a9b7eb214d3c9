"""`proffer backup`, `restore` and `copy`, as they are typed."""

import proffer.bootstrap as bootstrap
from tests.cli.conftest import counts, parsed, served


def test_backed_up_beside_a_server_and_restored(filled, home, tmp_path):
    with served(home):
        made = parsed(filled("backup", "feed", tmp_path / "kept", "--json"))
    assert made["workspace"] == "feed"
    assert made["holds"]["counts"] == counts(home)
    assert made["holds"]["counts"]["accepted"] == made["holds"]["position"] > 100
    filled("restore", tmp_path / "kept", "again")
    assert bootstrap.workspaces(home) == ["again", "feed"]
    shown = parsed(filled("status", "again", "--json"))
    assert (shown["workspace"], shown["counts"]) == ("again", counts(home))
    assert parsed(filled("restore", tmp_path / "kept", "third", "--json"))["backup"] == made
    told = filled("restore", "--check", tmp_path / "kept")
    assert "Every file matches its hash: feed (feed) as of" in told.output
    assert made["holds"]["log"] in told.output


def test_what_cannot_be_is_said_in_one_line(filled, home, tmp_path, monkeypatch):
    filled("backup", "feed", tmp_path / "kept")
    for arguments, said in (
        (("backup", "feed", tmp_path / "kept"), "already"),
        (("backup", "unknown", tmp_path / "other"), "no workspace unknown"),
        (("restore", tmp_path / "kept"), "already"),
        (("restore", tmp_path / "nowhere"), "no backup in"),
        (("restore", tmp_path / "kept", "a/b"), "not a workspace name"),
        (("restore", tmp_path / "kept", "x", "--store", "mysql://u:secret@h/d"), "neither an address"),
        (("restore", tmp_path / "kept", "x", "--erasures", tmp_path / "none"), "no list"),
        (("copy", "feed", "feed"), "already"),
        (("copy", "unknown", "x"), "no workspace unknown"),
        (("copy", "feed", "postgres:"), "names no database"),
        (("copy", "feed", "postgres:secret"), "neither an address"),
        (("copy", "postgresql://u:secret@h/feed", "x"), "not a database"),
        (("copy", "feed", "postgresql://u:sec/ret@h/feed", "--name", "x"), "cannot be read"),
        (("copy", "feed", "x", "--switch"), "only a workspace in SQLite"),
        (("copy", f"sqlite:{tmp_path}", "x"), "workspace"),
        (("copy", "feed", f"sqlite:{tmp_path}/A B"), "not a workspace name"),
    ):
        result = filled(*arguments, status=1)
        assert said in result.output
        assert "secret" not in result.output
        assert "Traceback" not in result.output
    (tmp_path / "kept" / "log.db").write_bytes(b"x")
    assert "log.db has 1 bytes" in filled("restore", tmp_path / "kept", "x", status=1).output
    assert "log.db has 1 bytes" in filled("restore", "--check", tmp_path / "kept", status=1).output
    assert bootstrap.workspaces(home) == ["feed"]


def test_copied_by_name_and_by_folder(filled, home, tmp_path):
    assert "both are equal" in filled("copy", "feed", "second").output
    one = parsed(filled("copy", "sqlite:home/second", f"sqlite:{tmp_path}/elsewhere/third", "--json"))
    two = parsed(filled("copy", f"sqlite:{tmp_path}/elsewhere/third", "fourth", "--json"))
    assert one == two
    assert bootstrap.workspaces(home) == ["feed", "fourth", "second"]
    assert bootstrap.workspaces(tmp_path / "elsewhere") == ["third"]


def test_moved_into_a_database_under_its_name(filled, home, postgres, monkeypatch):
    monkeypatch.setenv("PROFFER_DATABASE", postgres.url(database="postgres"))
    with served(home):
        assert "is being written" in filled("copy", "feed", "postgres:", "--switch", status=1).output
    before = counts(home)
    moved = filled("copy", "feed", "postgres:", "--switch")
    assert "to postgresql://" in moved.output
    assert postgres.password not in moved.output
    assert counts(home) == before
    assert parsed(filled("status", "feed", "--json"))["store"].startswith("postgresql://")
    filled("copy", "feed", "back")
    monkeypatch.delenv("PROFFER_DATABASE")
    assert parsed(filled("status", "back", "--json"))["counts"] == before
