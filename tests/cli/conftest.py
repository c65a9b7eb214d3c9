"""Commands run in this process, over a home of their own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

import proffer.bootstrap as bootstrap
from proffer.cli.child import Child
from proffer.cli.commands import app

Run = Callable[..., Result]
ROWS = ["timestamp,eventType,contentId,personId,userCountry"]
for number in range(120):
    at, kind = 1_700_000_000 + number * 7_000, "LIKE" if number % 3 == 0 else "VIEW"
    ROWS.append(f"{at},{kind},p{number % 41},u{number * 7 % 5},SE")
EVENTS = "\n".join(ROWS) + "\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "home"
    monkeypatch.setenv("PROFFER_HOME", str(place))
    monkeypatch.chdir(tmp_path)
    return place


@pytest.fixture
def run(home: Path) -> Run:
    def call(*arguments: object, status: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == status, f"{result.output}\n{result.exception!r}"
        return result

    return call


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.csv"
    path.write_text(EVENTS)
    return path


@pytest.fixture
def filled(run: Run, events: Path) -> Run:
    """A workspace `feed` with events; returns what runs commands."""
    run("init", "feed")
    run("import", "feed", events, "--json")
    return run


@contextmanager
def served(home: Path) -> Iterator[Child]:
    """Hold a server of the workspace `feed`, which trains when it is asked to alone."""
    engine = bootstrap.open_engine(home, "feed")
    if "home" not in engine.settings.schedule:
        engine.configure({"schedule": {"home": "off"}})
    engine.close()
    with Child(home, "feed", 0) as child:
        yield child


def parsed(result: Result) -> Any:
    """Return the JSON a command wrote."""
    return msgspec.json.decode(result.stdout)


def counts(home: Path) -> dict[str, int]:
    """Return what the log of `feed` received."""
    engine = bootstrap.open_engine(home, "feed", writable=False)
    try:
        return dict(msgspec.structs.asdict(engine.stores.log.counts()))
    finally:
        engine.close()
