"""`proffer replay WORKSPACE`: a period under another model, here and through a server, and what is kept of it."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from proffer import bootstrap
from proffer.core.clock import FixedClock
from tests.engine.releases import FIRST, SECOND, saved
from tests.engine.worlds import asks

from .conftest import parsed, served

AT = datetime(2023, 12, 1, tzinfo=UTC)
EXPLORING = {"home": {"policy": "plackett_luce", "temperature": 2.0}}


@pytest.fixture
def shadowed(filled, home):
    """Run commands over a workspace with forty logged decisions and two versions, of which the first served."""
    engine = bootstrap.open_engine(home, "feed")
    engine.clock = FixedClock(AT)
    try:
        first, second = saved(engine, FIRST), saved(engine, SECOND)
        engine.release(first.id, 0)
        engine.configure({"exploration": EXPLORING})
        for number in range(40):
            at = AT + timedelta(minutes=number)
            engine.recommend(replace(asks(f"u{number % 5}", 5, at=at), id=f"q{number}"))
    finally:
        engine.close()
    return filled, first.id, second.id


def test_a_period_under_another_model(shadowed):
    run, _, second = shadowed
    told = run("replay", "feed", "--model", second).output
    assert f"40 of 40 decisions of home, 2023-12-01 00:00 to 2023-12-01 00:39, as they were and under {second}" in told
    assert "Came out again: 40 exact." in told
    assert "overlap@10" in told
    assert "No expected clicks: 40 of 40 decisions can be used and 50 are needed." in told
    some = parsed(run("replay", "feed", "--model", second, "--from", "2023-12-01T00:10:00Z", "--until",
                      "2023-12-01T00:20:00Z", "--sample", 4, "--seed", 3, "--json"))  # fmt: skip
    assert (some["decisions"], some["replayed"], some["seed"], some["version"]) == (10, 4, 3, second)
    assert some["logged"]["p99_ms"] > 0
    kept = parsed(run("models", "feed", "--version", second, "--json"))["reviews"]
    assert [each["body"]["replayed"] for each in kept] == [4, 40]
    shown = run("models", "feed", "--version", second).output
    assert "Past decisions under it" in shown
    assert "cannot be told" in shown


def test_what_cannot_be_is_refused(shadowed):
    run, first, second = shadowed
    assert "a period is replayed under a model" in run("replay", "feed", status=1).output
    assert "proffer models feed" in run("replay", "feed", status=1).output
    assert "no model version 'm_nothing'" in run("replay", "feed", "--model", "m_nothing", status=1).output
    asked = ("replay", "feed", "--model", second)
    assert "no decisions of home" in run(*asked, "--from", "2024-01-01", status=1).output
    assert "ends before it begins" in run(*asked, "--from", "2024-01-01", "--until", "2023-01-01", status=1).output
    assert "a sample holds" in run(*asked, "--sample", 0, status=1).output
    assert "Give a date" in run(*asked, "--from", "soon", status=1).output
    assert parsed(run("models", "feed", "--version", first, "--json"))["reviews"] == []


def test_beside_a_server_it_goes_through_it(shadowed, home):
    run, _, second = shadowed
    with served(home):
        told = run("replay", "feed", "--model", second, "--sample", 10)
        assert "Through the server" in told.stderr
        assert "10 of 40 decisions of home" in told.stdout
        assert "Past decisions under it" in run("models", "feed", "--version", second).output
        assert "no decisions of home" in run(
            "replay", "feed", "--model", second, "--from", "2024-01-01", status=1
        ).output  # fmt: skip
