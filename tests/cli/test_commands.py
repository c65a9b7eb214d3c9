"""Each command over a workspace without a server."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from .conftest import Run, counts, parsed


def test_without_arguments_it_shows_what_it_can_do(run: Run) -> None:
    shown = run().stdout
    for command in ("init", "demo", "serve", "import", "train", "evaluate", "recommend", "batch-recommend", "events"):
        assert command in shown
    assert run("--version").stdout.startswith("proffer ")


def test_it_runs_as_a_module(home: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "proffer", "status", "nobody"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Error: workspace: no workspace nobody" in done.stderr
    assert "proffer init nobody" in done.stderr
    assert "Traceback" not in done.stderr


def test_init(run: Run, home: Path) -> None:
    assert (home / "feed").is_dir() is False
    assert parsed(run("init", "mine", "--app", "feed", "--json"))["app"] == "feed"
    assert "mine exists" in run("init", "mine", "--app", "feed", status=1).stderr
    assert "not a workspace name" in run("init", "../x", "--app", "feed", status=1).stderr
    assert "no application" in run("init", "other", "--app", "ghost", status=1).stderr


def test_home_is_an_option_before_and_after_the_command(run: Run, tmp_path: Path) -> None:
    run("--home", tmp_path / "a", "init", "feed")
    run("init", "feed", "--home", tmp_path / "b")
    assert (tmp_path / "a" / "feed" / "workspace.json").is_file()
    assert (tmp_path / "b" / "feed" / "workspace.json").is_file()


def test_import_reports_and_repeats_without_harm(run: Run, home: Path, events: Path) -> None:
    run("init", "feed")
    dry = parsed(run("import", "feed", events, "--dry-run", "--json"))
    assert (dry["dry_run"], dry["counts"]["accepted"]) == (True, 120)
    first = run("import", "feed", events)
    assert "accepted" in first.stdout
    assert "Mapping: actor=personId" in first.stderr
    again = parsed(run("import", "feed", events, "--json"))
    assert (again["counts"]["accepted"], again["counts"]["duplicates"]) == (0, 120)
    assert counts(home)["accepted"] == 125


def test_import_shows_a_mapping_that_can_be_given_back(run: Run, events: Path, tmp_path: Path) -> None:
    run("init", "feed")
    shown = run("import", "feed", events, "--show-map", "--field", "context.land=userCountry").stdout
    (tmp_path / "map.json").write_text(shown)
    report = parsed(run("import", "feed", events, "--map", tmp_path / "map.json", "--json"))
    assert report["counts"]["accepted"] == 120
    assert {**report["mapping"], "types": 0} == {**json.loads(shown), "types": 0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.csv"], "no file"),
        (["events.csv", "--actor", "ghost"], "no column 'ghost'"),
        (["events.csv", "--field", "nonsense"], "NAME=VALUE"),
        (["events.csv", "--types", "VIEW"], "NAME=VALUE"),
        (["events.csv", "--map", "nothing.json"], "no mapping file"),
        (["events.csv", "--time-unit", "weeks"], "Invalid enum value"),
        (["events.csv", "--delimiter", ",,"], "one character"),
    ],
)
def test_import_says_what_is_wrong(run: Run, events: Path, arguments: list[str], message: str) -> None:
    run("init", "feed")
    result = run("import", "feed", *arguments, status=1)
    assert message in result.stderr
    assert result.stdout == ""


def test_recommend(filled: Run) -> None:
    shown = filled(
        "recommend", "feed", "u1", "--n", 3, "--language", "sv", "--context", "device=phone", "--lambda", 0.7
    )
    assert "rank" in shown.stdout
    slate = parsed(filled("recommend", "feed", "newcomer", "--n", 3, "--json"))["items"]
    assert [placed["rank"] for placed in slate] == [1, 2, 3]
    explained = parsed(filled("recommend", "feed", "u1", "--explain", "p1", "--json"))
    assert explained["item"] == "p1"
    assert explained["steps"]
    assert "p1 is" in filled("recommend", "feed", "u1", "--explain", "p1").stdout
    assert "n lies in" in filled("recommend", "feed", "u1", "--n", 0, status=1).stderr
    assert "en or sv" in filled("recommend", "feed", "u1", "--language", "xx", status=1).stderr
    assert "unknown pipeline" in filled("recommend", "feed", "u1", "--pipeline", "ghost", status=1).stderr
    assert "no post of that id" in filled("recommend", "feed", "u1", "--explain", "ghost", status=1).stderr


def test_an_id_may_begin_with_a_minus(filled: Run) -> None:
    assert parsed(filled("recommend", "feed", "-123", "--json"))["subject"] == "-123"


def test_batch_recommend_writes_the_same_file_twice(filled: Run, tmp_path: Path) -> None:
    at = ("--at", "2023-11-25T00:00:00Z", "--n", 4)
    result = parsed(filled("batch-recommend", "feed", "--out", tmp_path / "a.csv", *at, "--json"))
    filled("batch-recommend", "feed", "--out", tmp_path / "b.csv", *at)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["user", "item", "score", "rank"]
    assert result["rows"] == len(rows)
    assert {row["user"] for row in rows} == {"u0", "u1", "u2", "u3", "u4"}
    filled("batch-recommend", "feed", "--out", tmp_path / "a.parquet", *at)
    kept = duckdb.sql(f"SELECT user, item, score, rank FROM '{tmp_path / 'a.parquet'}'").fetchall()
    assert kept == [(row["user"], row["item"], float(row["score"]), int(row["rank"])) for row in rows]
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_batch_recommend_for_listed_users(filled: Run, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("u3\nsomebody new\n\nu3\n")
    (tmp_path / "ids.csv").write_text("age,user\n1,u2\n")
    filled("batch-recommend", "feed", "--out", tmp_path / "x.csv", "--users", tmp_path / "ids.txt", "--n", 2)
    assert [line.split(",")[0] for line in (tmp_path / "x.csv").read_text().splitlines()] == (
        ["user"] + ["u3"] * 2 + ["somebody new"] * 2
    )
    filled("batch-recommend", "feed", "--out", tmp_path / "x.csv", "--users", tmp_path / "ids.csv", "--n", 1)
    assert (tmp_path / "x.csv").read_text().splitlines()[1].startswith("u2,")
    for out, message in (("x.txt", "neither .csv nor .parquet"), ("none/x.csv", "no folder")):
        assert message in filled("batch-recommend", "feed", "--out", tmp_path / out, status=1).stderr
    (tmp_path / "empty").write_text("\n")
    bad = filled("batch-recommend", "feed", "--out", tmp_path / "y.csv", "--users", tmp_path / "empty", status=1)
    assert "lists nobody" in bad.stderr
    assert not (tmp_path / "y.csv").exists()


def test_events(filled: Run, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in filled("events", "feed", "--limit", 4, "--json").stdout.splitlines()]
    assert [line["target"]["id"] for line in lines] == [f"p{n % 41}" for n in range(116, 120)]
    likes = filled("events", "feed", "--type", "like", "--entity", "user/u0", "--json").stdout.splitlines()
    assert likes
    assert {json.loads(line)["type"] for line in likes} == {"like"}
    assert "user/u" in filled("events", "feed").stdout
    assert "unknown event type" in filled("events", "feed", "--type", "fly", status=1).stderr
    assert "names no entity" in filled("events", "feed", "--entity", "u1", status=1).stderr


def test_events_written_can_be_imported_elsewhere(filled: Run, tmp_path: Path) -> None:
    (tmp_path / "all.jsonl").write_text(filled("events", "feed", "--limit", 10_000, "--json").stdout)
    filled("init", "copy", "--app", "feed")
    report = parsed(filled("import", "copy", tmp_path / "all.jsonl", "--json"))
    assert report["counts"] == {"accepted": 125, "duplicates": 0, "conflicts": 0, "quarantined": 0}


def test_quarantine_and_repair(filled: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("ts,user,item,event\n1,u1,p1,fly\n2,u1,p1,view\n")
    filled("import", "feed", tmp_path / "bad.csv", "--json")
    waiting = [json.loads(line) for line in filled("events", "feed", "--quarantine", "--json").stdout.splitlines()]
    assert len(waiting) == 1
    assert "fly" in filled("events", "feed", "--quarantine").stdout
    number = waiting[0]["number"]
    assert "JSON" in filled("events", "feed", "--repair", number, "--with", "{", status=1).stderr
    assert (
        "unknown event type" in filled("events", "feed", "--repair", number, "--with", '{"type":"x"}', status=1).stderr
    )
    mended = '{"type": "like", "actor": "u1", "target": "p1", "at": "1970-01-01T00:00:01Z"}'
    assert "go together" in filled("events", "feed", "--repair", number, status=1).stderr
    assert "mended" in filled("events", "feed", "--repair", number, "--with", mended).stdout
    assert "Nothing is in quarantine" in filled("events", "feed", "--quarantine").stdout
    assert "no row" in filled("events", "feed", "--repair", number, "--with", mended, status=1).stderr


def test_features(filled: Run) -> None:
    assert parsed(filled("features", "feed", "--user", "u1", "--item", "p1", "--json"))
    assert "column" in filled("features", "feed", "--item", "p1").stdout
    assert "no user" in filled("features", "feed", "--user", "ghost", status=1).stderr
    assert "nothing to show" in filled("features", "feed", status=1).stderr


def test_settings(filled: Run, tmp_path: Path) -> None:
    (tmp_path / "new.json").write_text('{"labels": {"like": 5.0}}')
    filled("settings", "feed", "--set", tmp_path / "new.json")
    assert parsed(filled("settings", "feed")) == {"labels": {"like": 5.0}}
    (tmp_path / "new.json").write_text('{"diversity": {"home": 0.5}}')
    filled("settings", "feed", "--set", tmp_path / "new.json")
    assert parsed(filled("settings", "feed")) == {"diversity": {"home": 0.5}}
    (tmp_path / "new.json").write_text('{"diversity": {"home": 7}}')
    assert "lambda" in filled("settings", "feed", "--set", tmp_path / "new.json", status=1).stderr


def test_token(run: Run) -> None:
    run("init", "feed")
    made = parsed(run("token", "feed", "--scopes", "read", "--name", "page", "--json"))
    assert made["token"].startswith("pf_")
    assert made["scopes"] == ["read"]
    assert run("token", "feed", "--name", "page", status=1).stderr.startswith("Error")
    assert "unknown scope" in run("token", "feed", "--scopes", "root", status=1).stderr
    assert parsed(run("token", "feed", "--scope", "track", "--json"))["scopes"] == ["track"]
    assert "shown this once" in run("token", "feed").stdout


def test_status(filled: Run) -> None:
    found = parsed(filled("status", "feed", "--json"))
    assert (found["app"], found["server"], found["counts"]["accepted"]) == ("feed", None, 125)
    assert "no server runs" in filled("status", "feed").stdout


def test_train_keeps_a_version_that_serves_only_if_it_won(filled: Run) -> None:
    version = parsed(filled("train", "feed", "--budget", 1, "--json"))
    gate = version["metrics"]["gate"]
    serving = parsed(filled("status", "feed", "--json"))["champions"]["home"]["version"]
    assert (serving == version["id"]) == gate["wins"]


def test_evaluate_shows_phases_table_and_verdict_and_draws(filled: Run, tmp_path: Path) -> None:
    period = ("--from", "2023-11-20", "--until", "2023-11-23T12:00:00Z", "--lists", 20, "--budget", 1)
    report = parsed(filled("evaluate", "feed", "--protocol", "daily", *period, "--json"))
    assert report["protocol"] == "daily"
    assert report["rows"]
    picture = tmp_path / "table.svg"
    text = filled("evaluate", "feed", *period, "--plot", picture).stdout
    assert all(word in text for word in ("ndcg@10", "champion", "Phases", "Regret", "Chosen before", "Planned for 1 s"))
    assert "Does not serve" in text or "Serves" in text
    assert "newest" in picture.read_text()


@pytest.mark.parametrize("protocol", ["temporal", "leave-last-out"])
def test_evaluate_by_another_protocol(filled: Run, protocol: str) -> None:
    report = parsed(filled("evaluate", "feed", "--protocol", protocol, "--budget", 1, "--json"))
    assert report["protocol"] == protocol
    assert [phase["name"] for phase in report["phases"]] == ["blend", "learn", "choose", "report"]
    assert report["gate"]["why"]


def test_a_fixed_split_needs_no_workspace(run: Run, tmp_path: Path) -> None:
    train, test = tmp_path / "train.tsv", tmp_path / "test.tsv"
    rows = [
        f"u{user}\tp{(user * 3 + step * 5) % 23}\t{1_700_000_000 + step * 3600}"
        for step in range(8)
        for user in range(12)
    ]
    train.write_text("\n".join(rows) + "\nbroken\n")
    test.write_text(
        "\n".join(f"u{user}\tp{(user + 11) % 23}\t1700090000" for user in range(12)) + "\nu0\tnew\t1700090001\n"
    )
    report = parsed(run("evaluate", "--train", train, "--test", test, "--app", "feed", "--budget", 1, "--json"))
    assert report["protocol"] == "split"
    assert report["split"]["train"]["damaged"] == 1
    assert any("1 damaged rows of train" in note for note in report["notes"])
    assert any("1 wanted items of the test are unknown" in note for note in report["notes"])
    assert "two files" in run("evaluate", "--train", train, status=1).stderr
    assert "needs no workspace" in run("evaluate", "feed", "--train", train, "--test", test, status=1).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "2023-11-20", "--until", "2023-11-20"], "does not lie after"),
        (["--from", "yesterday", "--until", "2023-11-20"], "a date like"),
        (["--from", "2030-01-01", "--until", "2030-02-01"], "The log covers 2023-11-14 to 2023-11-24"),
        (["--protocol", "weekly"], "Use one of daily, temporal, leave-last-out"),
        (["--from", "2023-11-01", "--until", "2023-11-30", "--lists", "0"], "at least 1"),
        (["--budget", "0"], "more than 0 seconds"),
        (["--memory", "-1"], "more than 0 MB"),
        (["--plot", "table.pdf"], "ending in .svg or .png"),
        (["--protocol", "leave-last-out", "--from", "2023-11-01"], "goes by no period"),
    ],
)
def test_evaluate_says_what_is_wrong(filled: Run, arguments: list[str], message: str) -> None:
    assert message in filled("evaluate", "feed", *arguments, status=1).stderr


def test_an_empty_log_cannot_be_judged_or_learned_from(run: Run) -> None:
    run("init", "feed")
    judged = run("evaluate", "feed", "--from", "2023-01-01", "--until", "2023-02-01", status=1)
    assert "Import events first" in judged.stderr
    assert "20 are needed" in run("train", "feed", status=1).stderr


@pytest.mark.parametrize("command", ["status", "train", "events", "features", "settings", "token"])
def test_a_workspace_that_does_not_exist(run: Run, command: str) -> None:
    extra = ["--user", "u1"] if command == "features" else []
    assert "proffer init ghost" in run(command, "ghost", *extra, status=1).stderr


def test_wrong_usage_ends_with_two(run: Run) -> None:
    assert run("recommend", status=2).stdout == ""
    assert "--nonsense" in run("status", "feed", "--nonsense", status=2).stderr
    run("fly", status=2)
