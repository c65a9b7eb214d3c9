"""`proffer models`: listing, showing, promoting and going back, here and through a server."""

import pytest

from proffer import bootstrap
from tests.engine.releases import FIRST, SECOND, saved

from .conftest import parsed, served


@pytest.fixture
def stocked(filled, home):
    """Run commands over a workspace with two versions, neither of which serves."""
    engine = bootstrap.open_engine(home, "feed")
    try:
        gate = {"wins": True, "serves": "champion", "why": "it leads", "lead": {"value": 0.1, "low": 0.05, "high": 0.2}}
        report = {"champion": "blend", "fallback": "personal", "gate": gate}
        versions = saved(engine, FIRST, metrics=report).id, saved(engine, SECOND).id
    finally:
        engine.close()
    return filled, *versions


def test_nothing_to_list(filled):
    assert "no model has been trained yet" in filled("models", "feed").output
    assert "Use one of home, similar" in filled("models", "feed", "--pipeline", "nowhere", status=1).output


def test_versions_are_listed_promoted_and_rolled_back(stocked):
    run, first, second = stocked
    listed = run("models", "feed", "--pipeline", "home").output
    assert first in listed
    assert "+0.100 (+0.050 to +0.200)" in listed
    assert f"home: personal serves, revision 0: model {second} was trained and waits to be promoted." in listed
    assert f"{first} serves home from now on, revision 1." in run("models", "feed", "--promote", first).output
    assert parsed(run("models", "feed", "--promote", second, "--json")) == {
        "pipeline": "home", "champion": second, "revision": 2,
    }  # fmt: skip
    assert f"home: {second} serves, revision 2." in run("models", "feed").output
    assert f"{first} does not serve" in run("models", "feed", "--rollback", first, status=1).output
    assert f"{first} serves home" in run("models", "feed", "--rollback", second).output
    assert "the ladder serves home from now on, revision 4." in run("models", "feed", "--rollback", first).output
    told = parsed(run("models", "feed", "--json"))
    assert told[0]["status"]["why"] == "every model was taken out of service"
    assert [each["model"]["id"] for each in told[0]["versions"]] == [second, first]


def test_one_is_shown_whole(stocked):
    run, first, _ = stocked
    assert parsed(run("models", "feed", "--version", first, "--json"))["id"] == first
    assert f"{first} (blend) of home" in run("models", "feed", "--version", first).output
    assert "no model version 'm_nothing'" in run("models", "feed", "--version", "m_nothing", status=1).output
    assert "only one at a time" in run("models", "feed", "--version", first, "--promote", first, status=1).output


def test_a_damaged_one_is_refused_with_a_remedy(stocked, home):
    run, first, _ = stocked
    (home / "feed" / "models" / first / "more").write_bytes(b"")
    refused = run("models", "feed", "--promote", first, status=1).output
    assert "does not belong there" in refused
    assert "Train again" in refused


def test_beside_a_server_it_promotes(stocked, home):
    run, first, second = stocked
    with served(home):
        assert f"{first} serves home" in run("models", "feed", "--promote", first).output
        assert parsed(run("models", "feed", "--promote", second, "--json"))["revision"] == 2
        assert f"home: {second} serves, revision 2." in run("models", "feed").output
        assert parsed(run("models", "feed", "--rollback", second, "--json"))["champion"] == first
        assert "does not serve" in run("models", "feed", "--rollback", second, status=1).output


def test_what_a_release_runs(stocked):
    run, first, _ = stocked
    assert parsed(run("check-model", "feed", first))["golden_rows"] > 0
    assert "no model version" in parsed(run("check-model", "feed", "m_nothing", status=1))["error"]
    assert "check-model" not in run("--help").output
