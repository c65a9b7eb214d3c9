"""What every DecisionLog must do."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from proffer.core.entities import EntityRef
from proffer.core.ports import DecisionLog
from proffer.testing.samples import NAUGHTY, sample_decision


class DecisionLogContract:
    """Subclass it and give `open`; set `durable` to False for a log that forgets at closing."""

    durable: ClassVar[bool] = True

    def open(self, folder: Path) -> AbstractContextManager[DecisionLog]:
        """Return the log in a folder, opened for writing; again on the same folder after it was closed."""
        raise NotImplementedError

    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[DecisionLog]:
        """An empty log."""
        with self.open(tmp_path / "log") as log:
            yield log

    def test_found_at_once_and_after_flush(self, log: DecisionLog) -> None:
        """A decision is found while it is queued and when it is on disk, equal to what was put."""
        decision = sample_decision("d1", items=500)
        assert log.put(decision)
        assert log.get("d1") == decision
        log.flush()
        assert log.get("d1") == decision
        assert (log.get("d2"), log.dropped()) == (None, 0)

    def test_unknown_scores(self, log: DecisionLog) -> None:
        """A score that is not known (NaN) is still that when it comes back."""
        decision = sample_decision("d1", items=1)
        considered = msgspec.structs.replace(decision.considered, scores=(math.nan,))
        log.put(msgspec.structs.replace(decision, considered=considered))
        log.flush()
        found = log.get("d1")
        assert found is not None
        assert math.isnan(found.considered.scores[0])

    def test_find(self, log: DecisionLog) -> None:
        """Decisions come in order of id, written and queued alike, of one subject or of all."""
        for number in (3, 1, 5):
            log.put(sample_decision(f"d{number}", user="odd"))
        log.flush()
        for number in (4, 2):
            log.put(sample_decision(f"d{number}", user="even"))
        assert [one.id for one in log.find()] == ["d1", "d2", "d3", "d4", "d5"]
        assert [one.id for one in log.find(after="d2", limit=2)] == ["d3", "d4"]
        assert [one.id for one in log.find(subject=EntityRef("user", "odd"), after="d1")] == ["d3", "d5"]
        assert [one.id for one in log.find(subject=EntityRef("user", "even"))] == ["d2", "d4"]
        assert log.find(subject=EntityRef("post", "odd")) == []

    def test_the_first_of_an_id_stays(self, log: DecisionLog) -> None:
        """A second decision with the id of another does not replace it."""
        log.put(sample_decision("d1", user="first"))
        log.flush()
        log.put(sample_decision("d1", user="second"))
        log.flush()
        assert [one.query.subject.id for one in log.find()] == ["first"]

    def test_replacing_and_removing(self, log: DecisionLog) -> None:
        """Decisions are replaced and removed by id, on disk and queued alike; ids that are not there change nothing."""
        for number in (1, 2, 3):
            log.put(sample_decision(f"d{number}", user="before"))
        log.flush()
        for number in (4, 5, 6):
            log.put(sample_decision(f"d{number}", user="before"))
        changed = [sample_decision(f"d{number}", user="after", items=1) for number in (2, 5, 9)]
        log.replace(changed, ["d3", "d6", "d7"])
        assert [(one.id, one.query.subject.id) for one in log.find()] == [
            ("d1", "before"), ("d2", "after"), ("d4", "before"), ("d5", "after"),
        ]  # fmt: skip
        assert (log.get("d2"), log.get("d5"), log.get("d6"), log.get("d9")) == (*changed[:2], None, None)
        assert [one.id for one in log.find(subject=EntityRef("user", "after"))] == ["d2", "d5"]
        log.flush()
        assert len(log.find()) == 4
        log.replace([], [])
        assert len(log.find()) == 4

    def test_naughty_ids(self, log: DecisionLog) -> None:
        """Ids are compared byte by byte and ordered by code point."""
        for name in NAUGHTY:
            log.put(sample_decision(name, user=name, items=0))
        log.flush()
        assert [one.id for one in log.find()] == sorted(NAUGHTY)
        assert [log.find(subject=EntityRef("user", name))[0].id for name in NAUGHTY] == list(NAUGHTY)

    def test_many_threads(self, log: DecisionLog) -> None:
        """Nothing is lost when many threads put at once."""

        def put(thread: int) -> bool:
            return all(log.put(sample_decision(f"d{thread}.{n}", items=2)) for n in range(50))

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(put, range(8)))
        log.flush()
        assert len(log.find(limit=1000)) == 400

    def test_survives_closing(self, tmp_path: Path) -> None:
        """What was put before an orderly closing is there after it, flushed or not."""
        if not self.durable:
            pytest.skip("this log forgets at closing")
        with self.open(tmp_path / "log") as log:
            log.put(sample_decision("d1"))
        with self.open(tmp_path / "log") as log:
            assert log.get("d1") == sample_decision("d1")
