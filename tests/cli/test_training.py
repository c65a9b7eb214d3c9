"""`proffer train` and `proffer jobs`: here, through a server, and as the child of either."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import proffer.bootstrap as bootstrap
from proffer.cli.remote import Remote
from proffer.cli.training import plan_of
from proffer.engine.plan import MEGABYTE

from .conftest import Run, parsed, served

COMMAND = [sys.executable, "-m", "proffer", "train", "feed"]


def jobs(run: Run) -> list[dict]:
    return parsed(run("jobs", "feed", "--json"))


def test_a_training_here_is_a_job_with_a_record(filled: Run) -> None:
    version = parsed(filled("train", "feed", "--json", "--budget", "1"))
    [job] = jobs(filled)
    assert (job["state"], job["version"], job["budget"]) == ("succeeded", version["id"], 1.0)
    assert job["released"] == version["metrics"]["gate"]["wins"]
    assert job["position"] == version["position"]
    shown = filled("jobs", "feed", "--job", job["id"]).stdout
    assert job["id"] in shown
    assert "no job" in filled("jobs", "feed", "--job", "j_none", status=1).stderr
    assert "no server runs" in filled("jobs", "feed", "--cancel", job["id"], status=1).stderr


def test_a_training_that_cannot_be_says_what_is_missing_and_keeps_its_record(run: Run) -> None:
    run("init", "feed")
    assert jobs(run) == []
    refused = run("train", "feed", status=1)
    assert "cannot train because 0 interactions" in refused.stderr
    assert "Import or record more events" in refused.stderr
    assert [job["state"] for job in jobs(run)] == ["failed"]
    assert "declares its weights" in run("train", "feed", "--pipeline", "similar", status=1).stderr
    assert len(jobs(run)) == 1


def test_evaluate_only_reports_and_saves_nothing(filled: Run) -> None:
    told = ("--budget", "1", "--evaluate-only", "--validation-split", "0.6", "--num-boost-round", "5")
    report = parsed(filled("train", "feed", *told, "--json"))
    usual = parsed(filled("evaluate", "feed", "--budget", "1", "--json"))
    assert report["protocol"] == usual["protocol"] == "daily"
    assert report["since"] < usual["since"]
    assert "Nothing was saved" in filled("train", "feed", *told).stdout
    assert all(not one["versions"] for one in parsed(filled("models", "feed", "--json")))
    newest, _ = jobs(filled)
    assert (newest["evaluate_only"], newest["state"], newest.get("version")) == (True, "succeeded", None)
    assert newest["options"] == {"validation_split": 0.6, "num_boost_round": 5}
    refused = filled("train", "feed", "--min-interactions", "1000000", status=1)
    assert "1000000 are needed" in refused.stderr


def test_limits_hold_here_too(filled: Run) -> None:
    assert "longer than its limit of 1 s" in filled("train", "feed", "--seconds", "1", status=1).stderr
    assert "its limit is 64 MB" in filled("train", "feed", "--memory", "64", status=1).stderr
    assert [job["state"] for job in jobs(filled)] == ["failed", "failed"]


def test_the_plan_has_half_of_the_limits() -> None:
    assert plan_of(None, 100.0, 2048).seconds == 50.0
    assert plan_of(None, 100.0, 2048).memory == 1024 * MEGABYTE
    assert plan_of(None, 86_400.0, None).seconds == plan_of(None, None, None).seconds == 600.0
    assert plan_of(2.0, 100.0, None).seconds == 2.0


@pytest.mark.timeout(200)
def test_through_a_server_it_is_followed_and_an_interrupt_cancels_it(filled: Run, home: Path, tmp_path: Path) -> None:
    with served(home) as child:
        with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
            patience = time.monotonic() + 60
            # Asked over HTTP: a command of its own would take longer than such a small training may.
            with Remote(child.url, "feed", bootstrap.running(home, "feed").token) as remote:
                while not remote.ask("GET", "/jobs")["jobs"] and time.monotonic() < patience:
                    time.sleep(0.01)
            time.sleep(0.1)
            following.send_signal(signal.SIGINT)
            _, said = following.communicate(timeout=60)
        assert (following.returncode, "interrupted" in said) == (130, True), said
        while (found := jobs(filled)) and found[0]["state"] in ("queued", "running"):
            time.sleep(0.1)
        assert [job["state"] for job in found] == ["cancelled"]
        assert "is over: cancelled" in filled("jobs", "feed", "--cancel", found[0]["id"], status=1).stderr
        done = filled("train", "feed", "--retrain", "--budget", "1", "--seed", "3")
        assert f"Through the server at {child.url}" in done.stderr
        newest = jobs(filled)[0]
        assert (newest["state"], newest["search"], newest["seed"]) == ("succeeded", False, 3)
        assert newest["version"] in done.stdout
        assert "limit of 1 s" in filled("train", "feed", "--seconds", "1", status=1).stderr
    assert len(jobs(filled)) == 3


@pytest.mark.timeout(100)
def test_the_child_ends_with_its_parent_and_speaks_in_lines(filled: Run, home: Path) -> None:
    alone = subprocess.run([*COMMAND, "--lines"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert alone.returncode == 143
    assert b"version" not in alone.stdout
    with subprocess.Popen(
        [*COMMAND, "--lines", "--budget", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as kept:
        told = [json.loads(line) for line in kept.stdout if line.strip()]
    assert kept.returncode == 0
    assert all({"what", "done", "total"} == each.keys() for each in told[:-1])
    assert len(told) > 1
    stores = bootstrap.open_stores(home / "feed", writable=False)
    assert stores.registry.load(told[-1]["version"])[0].pipeline == "home"
    assert stores.registry.history("home") == []
    stores.log.close()
