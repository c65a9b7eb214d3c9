"""`proffer simulate`: tables, JSON and a picture; what cannot be is refused."""

import json
from pathlib import Path

import pytest

from proffer.cli.simulating import change
from proffer.engine.metrics import Interval
from tests.cli.conftest import Run


def test_simulate_shows_tables_named_as_a_simulation_and_draws(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "rounds.svg"
    shown = run("simulate", "advisor", "--size", "tiny", "--rounds", "1", "--seeds", "2", "--plot", picture).stdout
    assert shown.count("Simulation: ") == 2
    assert "confidence (never trained)" in shown
    assert "best possible" in shown
    assert "<svg" in picture.read_text()


def test_simulate_tells_everything_as_json(run: Run) -> None:
    found = json.loads(run("simulate", "--size", "tiny", "--rounds", "1", "--seeds", "1", "--json").stdout)
    assert [row["arm"] for row in found["table"]] == ["before", "learnt", "best"]
    assert found["table"][2]["measures"]["ndcg@10"]["value"] == pytest.approx(1.0)
    assert found["changes"]["best"]["clicks a list"]["value"] > 0


def test_what_cannot_be_simulated_is_refused(run: Run) -> None:
    assert "unknown size" in run("simulate", "advisor", "--size", "huge", status=1).stderr
    assert "rounds: at least 1" in run("simulate", "advisor", "--rounds", "0", status=1).stderr
    assert "no application" in run("simulate", "ghost", status=1).stderr
    assert "is no picture" in run("simulate", "--plot", "a.txt", status=1).stderr


def test_a_change_is_told_with_its_interval() -> None:
    assert change(Interval(value=-0.031)) == "-3 %"
    assert change(Interval(value=0.5, low=0.4, high=0.61)) == "+50 % (+40 to +61)"
