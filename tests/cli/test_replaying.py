"""`proffer replay`: past decisions on the command line."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

import proffer.bootstrap as bootstrap
from proffer.core.entities import EntityRef
from proffer.core.queries import Query

from .conftest import Run, parsed, served

AT = datetime(2023, 11, 24, tzinfo=UTC)


@pytest.fixture
def decided(filled: Run, home: Path) -> str:
    """A decision of the workspace `feed`; beside it an empty one, `other`."""
    filled("init", "other", "--app", "feed")
    engine = bootstrap.open_engine(home, "feed")
    try:
        query = Query(id="q_1", pipeline="home", subject=EntityRef("user", "u1"), at=AT, n=5)
        return engine.recommend(query).id
    finally:
        engine.close()


def test_without_a_target_it_shows_what_it_can_do(run: Run) -> None:
    shown = run("replay").stdout
    for part in ("--model", "--at", "--lambda", "--rules", "--from", "--until"):
        assert part in shown


def test_a_decision_is_looked_for_in_every_workspace(run: Run, decided: str) -> None:
    told = run("replay", decided).stdout
    assert "u1 asked home at 2023-11-24 00:00:00, event 125; answered by personal" in told
    assert "Equal bit for bit, on the same code, packages and processor." in told
    found = parsed(run("replay", decided, "--json"))
    assert (found["verdict"], found["decision"], len(found["logged"]["items"])) == ("exact", decided, 5)
    assert parsed(run("replay", decided, "--workspace", "feed", "--json")) == found
    assert "no such decision" in run("replay", decided, "--workspace", "other", status=1).stderr


def test_what_would_have_been_shown(run: Run, decided: str, tmp_path: Path) -> None:
    first = parsed(run("replay", decided, "--json"))["logged"]["items"][0]["id"]
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps([{"do": "seen_out"}, {"do": "pin", "item": first, "position": 5}]))
    moves = parsed(run("replay", decided, "--rules", rules, "--json"))["otherwise"]["moves"]
    assert {"item": first, "before": 1, "after": 5} in [{k: v for k, v in m.items() if k != "why"} for m in moves]
    shown = run("replay", decided, "--rules", rules).stdout
    assert "With rules of 2: answered by personal" in shown
    assert "pinned to place 5; before, place 1 by score" in shown
    earlier = parsed(run("replay", decided, "--at", "2023-11-20", "--lambda", "0.5", "--json"))["otherwise"]
    assert earlier["slate"]["as_of"] < 125
    assert earlier["change"] == {"at": "2023-11-20T00:00:00Z", "diversity": 0.5}


def test_what_cannot_be(run: Run, decided: str, tmp_path: Path) -> None:
    def refused(*arguments: object) -> str:
        return run("replay", *arguments, status=1).stderr

    assert "no workspace or decision in feed, other named 'd_nope'" in refused("d_nope")
    assert "no model version 'm_nope'" in refused(decided, "--model", "m_nope")
    assert "lambda lies in 0..1" in refused(decided, "--lambda", 2)
    assert "--at: " in refused(decided, "--at", "soon")
    assert "--from: does not go with a decision" in refused(decided, "--from", "2023-11-01")
    assert "--lambda: does not go with a period" in refused("feed", "--lambda", 0.5)
    rules = tmp_path / "rules.json"
    assert "cannot read" in refused(decided, "--rules", rules)
    for text, why in (("[", "is not JSON"), ('[{"do": "zap"}]', "zap"), ('{"do": "cap"}', "Expected `array`"),
                      ('[{"do": "cap"}]', "rules.per")):  # fmt: skip
        rules.write_text(text)
        assert why in refused(decided, "--rules", rules)
    assert "no control characters" in refused("d_\x01")


def test_no_workspaces_at_all(run: Run) -> None:
    said = run("replay", "d_1", status=1).stderr
    assert "there are no workspaces in" in said
    assert "Take the id from a slate that a server gave" in said


def test_a_workspace_that_cannot_be_opened_is_named(run: Run, decided: str, home: Path) -> None:
    (home / "broken").mkdir()
    (home / "broken" / "workspace.json").write_text("{")
    assert parsed(run("replay", decided, "--json"))["verdict"] == "exact"
    said = run("replay", "d_nope", status=1).stderr
    assert "no workspace or decision in feed, other named 'd_nope'; broken could not be opened: " in said
    assert "workspace.json" in said  # why it could not


def test_beside_a_server(run: Run, decided: str, home: Path) -> None:
    with served(home):
        told = run("replay", decided)
        assert "Equal bit for bit" in told.stdout
        assert "beside the server" in told.stderr
