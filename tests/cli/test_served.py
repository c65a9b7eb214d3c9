"""Commands beside a running server: writes go through it, reads stay beside it, the demo from end to end."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from proffer.cli.remote import Remote
from proffer.core.errors import Busy, ProfferError

from .conftest import Run, counts, parsed, served


def test_commands_beside_a_server(filled: Run, home: Path, tmp_path: Path, events: Path) -> None:
    with served(home) as child:
        (tmp_path / "more.csv").write_text(
            "ts,user,item,event\n1700900000,u9,p1,view\nx,u9,p2,view\n1700900002,u9,p3,fly\n"
        )
        report = filled("import", "feed", tmp_path / "more.csv", "--json")
        assert f"Through the server at {child.url}" in report.stderr
        assert parsed(report)["counts"] == {"accepted": 1, "duplicates": 0, "conflicts": 0, "quarantined": 2}
        again = parsed(filled("import", "feed", tmp_path / "more.csv", "--json"))
        assert again["counts"] == {"accepted": 0, "duplicates": 3, "conflicts": 0, "quarantined": 0}
        assert parsed(filled("import", "feed", events, "--json"))["counts"]["duplicates"] == 120
        shown = filled("recommend", "feed", "u9", "--json")
        assert f"beside the server at {child.url}" in shown.stderr
        assert "p1" not in [placed["id"] for placed in parsed(shown)["items"]]
        number = json.loads(filled("events", "feed", "--quarantine", "--json").stdout.splitlines()[0])["number"]
        mended = '{"type": "like", "actor": "u9", "target": "p1", "at": "2023-11-25T00:00:00Z"}'
        filled("events", "feed", "--repair", number, "--with", mended)
        assert "repaired" in filled("events", "feed", "--repair", number, "--with", mended, status=1).stderr
        settings = {"diversity": {"home": 0.5}, "schedule": {"home": "off"}}
        (tmp_path / "new.json").write_text(json.dumps(settings))
        assert parsed(filled("settings", "feed", "--set", tmp_path / "new.json")) == settings
        assert "Stop it, make the token" in filled("token", "feed", status=1).stderr
        version = parsed(filled("train", "feed", "--budget", 1, "--json"))
        status = parsed(filled("status", "feed", "--json"))
        wins = version["metrics"]["gate"]["wins"]
        assert (status["champions"]["home"]["version"] == version["id"]) == wins
        assert status["server"] == child.url
    assert counts(home) == {"accepted": 129, "duplicates": 121, "conflicts": 0, "quarantined": 1}


def token_of(home: Path) -> str:
    """Return the token of the run, from the file only this user can read."""
    path = home / "feed" / "server.json"
    assert path.stat().st_mode & 0o077 == 0
    return str(json.loads(path.read_text())["token"])


def test_serve_shows_a_token_that_works_and_ends_on_a_signal(filled: Run, home: Path) -> None:
    command = [sys.executable, "-m", "proffer", "serve", "feed", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            said = ""
            while "Operations" not in said:
                line = server.stdout.readline()
                assert line, said
                said += line
            url = re.search(r"http://\S+?(?=/api)", said)
            token = re.search(r"pf_\S+", said)
            assert url is not None
            assert token is not None
            answer = httpx.post(
                f"{url[0]}/api/v1/feed/recommend", json={"subject": "u1", "n": 2}, trust_env=False, timeout=30,
                headers={"Authorization": f"Bearer {token[0]}"},
            )  # fmt: skip
            assert answer.status_code == 200
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    assert not (home / "feed" / "server.json").exists()


def test_a_server_that_does_not_answer_is_named() -> None:
    with Remote("http://127.0.0.1:9", "feed", "x") as remote, pytest.raises(Busy, match="9 does not answer"):
        remote.send([])


def test_the_words_of_the_server_are_passed_on(filled: Run, home: Path) -> None:
    with served(home) as child:
        with Remote(child.url, "feed", "nonsense") as stranger, pytest.raises(ProfferError, match="token"):
            stranger.ask("GET", "/settings")
        with Remote(child.url, "feed", token_of(home)) as remote, pytest.raises(ProfferError, match="1001") as caught:
            remote.send([{"type": "view"}] * 1001)
        assert caught.value.remedy


def test_an_interrupted_import_says_so_and_a_repeat_completes_it(run: Run, home: Path, tmp_path: Path) -> None:
    run("init", "feed")
    rows = "\n".join(f"{1_600_000_000 + n},u{n % 50},p{n % 70},view,{n}" for n in range(40_000))
    (tmp_path / "many.csv").write_text(f"ts,user,item,event,n\n{rows}\n")
    command = [sys.executable, "-m", "proffer", "import", "feed", str(tmp_path / "many.csv"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as importing:
        log = home / "feed" / "log.db-wal"
        while importing.poll() is None and not (log.exists() and log.stat().st_size > 1_000_000):
            time.sleep(0.01)
        importing.send_signal(signal.SIGINT)
        out, said = importing.communicate(timeout=60)
    report = json.loads(out)
    if report["interrupted"]:
        assert importing.returncode == 130
        assert "Repeat the same command" in said
        assert report["unsent"] == 40_000 - sum(report["counts"].values())
    whole = parsed(run("import", "feed", tmp_path / "many.csv", "--json"))
    assert whole["counts"]["accepted"] + report["counts"]["accepted"] == 40_000
    assert counts(home)["accepted"] == 40_000


@pytest.mark.timeout(330)
def test_the_demo_from_end_to_end(run: Run, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "proffer", "demo"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for text in (
        "imported",
        "trained",
        "serving at http://127.0.0.1",
        "in Swedish",
        "gone from the next slate",
        "advisor: trained",
        "advisor: recommendations of assessment",
        "/demo#workspace=advisor&read=pf_",
        "curl",
    ):
        assert text in done.stdout
    shares = dict(re.findall(r"│ (Proffer|most popular first)\s+│\s+(\d+)%", done.stdout))
    assert int(shares["Proffer"]) > int(shares["most popular first"])
    assert "the first slate again, from the log as of event" in done.stdout
    assert "equal bit for bit, on the same code, packages and processor" in done.stdout
    assert (tmp_path / ".demo" / "feed").is_dir()
    assert not (tmp_path / ".demo" / "feed" / "server.json").exists()


def test_the_demo_does_not_touch_a_folder_of_somebody_else(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".demo").mkdir()
    (tmp_path / ".demo" / "mine.txt").write_text("keep")
    assert "not a demo's" in run("demo", "--no-serve", status=1).stderr
    assert (tmp_path / ".demo" / "mine.txt").read_text() == "keep"
