"""Files to import, and an engine in memory to import them into."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from proffer.apps.feed.app import app as feed
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.events import Event
from proffer.engine.engine import Engine
from proffer.engine.imports.forms import open_table
from proffer.engine.imports.report import Report
from proffer.engine.imports.run import Import
from proffer.engine.imports.targets import Direct, Dry, Known
from proffer.stores.memory import memory_stores

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEADER = "timestamp,eventType,contentId,personId"


class Desk:
    """An engine in memory with what a test does to it by files."""

    def __init__(self, folder: Path) -> None:
        clock = FixedClock(NOW)
        self.engine = Engine(feed, "feed", memory_stores(clock), clock=clock, ids=CountingIds())
        self.folder = folder

    def file(self, content: str | bytes, name: str = "rows.csv") -> Path:
        path = self.folder / name
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    def bring(
        self, content: str | bytes | Path, *, name: str = "rows.csv", dry: bool = False,
        stop: Callable[[], bool] = lambda: False, encoding: str | None = None, **given: Any,
    ) -> Report:  # fmt: skip
        path = content if isinstance(content, Path) else self.file(content, name)
        known = Known.by(self.engine)
        run = Import(open_table(path, encoding=encoding), given, known, NOW, stop=stop)
        run.read()
        run.send(Dry(known, NOW) if dry else Direct(self.engine))
        return run.report(dry_run=dry)

    def events(self, type: str | None = None) -> list[Event]:
        found = [event for chunk in self.engine.stores.log.scan() for event in chunk]
        return [event for event in found if type is None or event.type == type]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def four(report: Report) -> tuple[int, int, int, int]:
    """Return accepted, duplicates, conflicts, quarantined, after checking that they are all rows."""
    counts = report.counts
    assert counts.received + report.unsent == report.rows
    return counts.accepted, counts.duplicates, counts.conflicts, counts.quarantined
