"""The crash matrix: each store and each fault, seeded rounds under load, and whether everything told still holds.

A workspace of the feed with a toy world and a trained model. Four clients write events with ids of their own, two ask
for slates; at a drawn moment something is killed and brought back. Afterwards every acknowledged event must be in the
log once, in its place; sampled decisions must replay bit for bit; no process may be left over; each server must
acknowledge an event within 5 s of the new start of what died. The gap is counted from the fault itself. `--events`
makes the log larger before.

    .venv/bin/python bench/crash.py [--rounds 10] [--store sqlite|postgres] [--fault api] [--events N] [--small]
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from proffer.apps.feed.app import app as feed
from proffer.testing.crashes import Outcome, crash
from proffer.testing.deployments import FAULTS, Deployment, PostgresDeployment

STORES = ("sqlite", "postgres")
COLUMNS = (
    "store", "fault", "rounds", "acknowledged", "sent again", "lost", "doubled", "decisions", "of them lost",
    "replayed", "equal", "ready again, median s", "most s", "gap, most s", "left over", "sound",
)  # fmt: skip


def write_world(path: Path, more: int = 0) -> Path:
    """Write the toy world as a file of events that ends now, with so many views more before its last hour."""
    assert feed.simulate is not None
    events = feed.simulate(0, "small").events
    shift = datetime.now(UTC) - events[-1].at
    seen = [event for event in events if event.type == "view"]
    with path.open("wb") as file:
        for event in events:
            row = {
                "id": event.id, "type": event.type, "at": event.at + shift, "actor": event.actor._asdict(),
                "target": event.target and event.target._asdict(), "fields": dict(event.fields),
            }  # fmt: skip
            file.write(msgspec.json.encode({name: value for name, value in row.items() if value}) + b"\n")
        for number in range(more):
            again = seen[number * 7919 % len(seen)]
            row = {"id": f"more{number}", "type": "view", "at": again.at + shift, "actor": again.actor._asdict()}
            file.write(msgspec.json.encode({**row, "target": again.target._asdict()}) + b"\n")
    return path


def rounds(store: str, faults: Sequence[str], times: int, events: int) -> list[Outcome]:
    """Run the rounds of one store, one after another over one workspace."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        deployment = Deployment(home) if store == "sqlite" else PostgresDeployment(home, apis=2)
        try:
            deployment.make(write_world(Path(folder) / "world.jsonl", events), {"--budget": "2"})
            for fault in faults:
                for seed in range(times):
                    found.append(crash(deployment, fault, seed))
                    print(f"# {found[-1]}", flush=True)
            statuses = deployment.stop()
            if any(statuses):
                print(f"# ended with {statuses}", flush=True)
        finally:
            deployment.close()
    return found


def row(outcomes: list[Outcome]) -> str:
    """Return a line of the table for one cell."""
    ready = sorted(one.ready_s for one in outcomes)
    total = {name: sum(getattr(one, name) for one in outcomes) for name in (
        "acknowledged", "resent", "lost", "doubled", "decided", "decisions_lost", "replayed", "equal",
        "orphans",
    )}  # fmt: skip
    orphans = total.pop("orphans")
    cells = [
        outcomes[0].store, outcomes[0].fault, len(outcomes), *(f"{value:,}" for value in total.values()),
        ready[len(ready) // 2], ready[-1], max(one.gap_s for one in outcomes), orphans,
        sum(one.sound for one in outcomes),
    ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--rounds", type=int, default=10)
    asked.add_argument("--store", choices=STORES)
    asked.add_argument("--fault", choices=FAULTS)
    asked.add_argument("--events", type=int, default=0)
    asked.add_argument("--small", action="store_true", help="two rounds each")
    given = asked.parse_args()
    started, lines = time.monotonic(), []
    for store in [given.store] if given.store else STORES:
        faults = [given.fault] if given.fault else FAULTS
        found = rounds(store, faults, 2 if given.small else given.rounds, given.events)
        lines += [row([one for one in found if one.fault == fault]) for fault in faults]
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    print(*lines, sep="\n")
    print(f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
