"""`proffer import` of judged sets and of lists that were shown, and `proffer evaluate --set`."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from proffer.engine import set_judging
from proffer.engine.metrics import Gain
from proffer.engine.set_models import Contender, contenders

from .conftest import Run, parsed


def letor(lists: int, seed: int) -> str:
    rng = np.random.default_rng(seed)
    rows = []
    for query in range(lists):
        for _ in range(5):
            a, b = rng.normal(size=2)
            rows.append(f"{int(np.digitize(a + b, [0.5, 1.5]))} qid:{query} 1:{a:.4f} 2:{b:.4f} 4:{rng.random():.3f}")
    return "\n".join(rows) + "\n"


@pytest.fixture
def sets(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A workspace with a training set of 75 lists and a test set of 20; of each contender the declared way alone."""

    def declared(gain: Gain) -> list[Contender]:
        return [replace(one, variants=one.variants[:1]) for one in contenders(gain)]

    monkeypatch.setattr(set_judging, "contenders", declared)
    (tmp_path / "train.txt").write_text(letor(75, 0) + "damaged\n")
    (tmp_path / "test.svm").write_text(letor(20, 1))
    run("init", "advisor")
    assert parsed(run("import", "advisor", "train.txt", "--json"))["counts"]["quarantined"] == 1
    run("import", "advisor", "test.svm")
    return run


def test_a_set_is_imported_and_judged_in_folds_and_by_a_test_set(sets: Run, home: Path) -> None:
    shown = sets("evaluate", "advisor", "--set", "train", "--test-set", "test", "--folds", "3", status=1)
    assert "--folds" in shown.stderr
    report = parsed(sets("evaluate", "advisor", "--set", "train", "--folds", "3", "--json"))
    assert report["protocol"] == "set train, 3 folds"
    assert {"random", "best feature", "lightgbm lambdarank", "blend"} <= {row["name"] for row in report["rows"]}
    assert any("1 rows of train.txt are left out" in text for text in report["notes"])
    assert report["judged"]["over_peer"].keys() == {row["name"] for row in report["rows"]} - {"lightgbm lambdarank"}
    assert not (home / "advisor" / "log.db").exists()


def test_the_table_is_shown_and_drawn(sets: Run, tmp_path: Path) -> None:
    shown = sets("evaluate", "advisor", "--set", "train", "--test-set", "test", "--plot", "table.svg").stdout
    for text in ("best feature (fallback)", "Chosen inside", "Champion:", "lists with a grade above 0"):
        assert text in shown
    assert "lightgbm" in (tmp_path / "table.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "nope"), "train"), (("--set", "train", "--gain", "x"), "exponential"), (("--folds", "3"), "--set"),
        (("--set", "train", "--folds", "2"), "3 to 20"), (("--set", "train", "--train", "a"), "--train"),
        (("--set", "train", "--folds", "20"), "lists with a grade above 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(sets: Run, arguments: tuple[str, ...], said: str) -> None:
    assert said in sets("evaluate", "advisor", *arguments, status=1).stderr


def test_a_set_needs_neither_the_log_nor_its_database(run: Run, tmp_path: Path, home: Path) -> None:
    (tmp_path / "train.txt").write_text(letor(5, 0))
    (home / "far").mkdir(parents=True)
    kept = {
        "name": "far",
        "app": "advisor",
        "created_at": "2026-01-01T00:00:00Z",
        "store": "postgresql://u@127.0.0.1:1/x",
    }
    (home / "far" / "workspace.json").write_text(json.dumps(kept))
    assert parsed(run("import", "far", "train.txt", "--json"))["counts"]["accepted"] == 25
    assert parsed(run("import", "far", "train.txt", "--show-map")) == {"query": "qid", "grade": "first number"}
    assert "lists with a grade" in run("evaluate", "far", "--set", "train", status=1).stderr


def test_a_dry_run_writes_nothing(run: Run, tmp_path: Path, home: Path) -> None:
    (tmp_path / "train.txt").write_text(letor(5, 0))
    run("init", "advisor")
    report = parsed(run("import", "advisor", "train.txt", "--dry-run", "--json"))
    assert (report["counts"]["accepted"], report["dry_run"]) == (25, True)
    assert not (home / "advisor" / "sets").exists()


def test_options_of_a_set_need_a_file_of_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n')
    run("init", "advisor")
    assert "no file of judged rows" in run("import", "advisor", "x.jsonl", "--cuts", "0,1", status=1).stderr
    assert "no file" in run("import", "advisor", "gone", "--cuts", "0,1", status=1).stderr
    (tmp_path / "set.txt").write_text(letor(1, 0))
    assert "no workspace" in run("import", "nobody", "set.txt", status=1).stderr


def test_lists_that_were_shown_come_in_through_the_log(run: Run, tmp_path: Path) -> None:
    line = {"user": "u1", "at": "2026-05-01T08:00:00Z", "assessment": "a1", "items": ["r1", "r2"],
            "interactions": [{"item": "r2", "type": "view", "value": 3}]}  # fmt: skip
    (tmp_path / "shown.jsonl").write_text(json.dumps(line) + "\n")
    run("init", "advisor")
    report = parsed(run("import", "advisor", "shown.jsonl", "--json"))
    assert report["counts"] == {"accepted": 5, "duplicates": 0, "conflicts": 0, "quarantined": 0}
    assert report["format"] == "impressions"
    again = parsed(run("import", "advisor", "shown.jsonl", "--json"))
    assert again["counts"]["accepted"] == 0
