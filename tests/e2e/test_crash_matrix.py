"""The crash matrix in short: every fault on every store under load, two rounds each, and nothing told is lost."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from proffer.testing import crashes
from proffer.testing.crashes import crash
from proffer.testing.deployments import FAULTS, Deployment, Fault, PostgresDeployment
from tests.engine.worlds import NOW, toy

ROUNDS = 2
SEED = 40


def write_world(path: Path) -> Path:
    """Write the toy world as a file of events."""
    with path.open("wb") as file:
        for event in toy().events:
            assert event.at <= NOW
            row = msgspec.to_builtins(event) | {
                "actor": event.actor._asdict(), "target": event.target and event.target._asdict()
            }  # fmt: skip
            kept = {name: row[name] for name in ("id", "type", "at", "actor", "target", "fields") if row[name]}
            file.write(msgspec.json.encode(kept) + b"\n")
    return path


def deployed(folder: Path, kind: type[Deployment]) -> Iterator[Deployment]:
    """Hold a deployment that serves a trained model of the toy world, and end whatever it started."""
    (folder / "home").mkdir()
    deployment = kind(folder / "home")
    try:
        deployment.make(write_world(folder / "world.jsonl"), {"--budget": "1"})
        yield deployment
        assert set(deployment.stop()) == {0}
        assert deployment.processes() == {}
    finally:
        deployment.close()


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """`proffer serve` over SQLite."""
    yield from deployed(tmp_path_factory.mktemp("sqlite"), Deployment)


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """`proffer api` and `proffer worker` over a PostgreSQL server of their own."""
    yield from deployed(tmp_path_factory.mktemp("postgres"), PostgresDeployment)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_nothing_told_is_lost_or_doubled(store: str, fault: Fault, request: pytest.FixtureRequest) -> None:
    deployment = request.getfixturevalue(store)
    for seed in range(SEED, SEED + ROUNDS):
        outcome = crash(deployment, fault, seed, replays=5)
        assert outcome.wrong == ()
        assert (outcome.lost, outcome.doubled, outcome.orphans) == (0, 0, 0)
        assert (outcome.equal, outcome.replayed) == (5, 5)
        # How soon is for the benchmark to judge: here a dozen tests share the processors.
        assert outcome.ready_s < 30


@pytest.mark.timeout(300)
def test_what_is_lost_or_doubled_is_found(sqlite: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    read = crashes._events

    def careless(*asked: object) -> Iterator[tuple[str, int]]:
        events = read(*asked)
        next(events)
        first = next(events)
        yield from (first, first, *events)

    monkeypatch.setattr(crashes, "_events", careless)
    outcome = crash(sqlite, "restart", SEED + ROUNDS, replays=1)
    assert (outcome.lost, outcome.doubled) == (1, 1)
    assert not outcome.sound
