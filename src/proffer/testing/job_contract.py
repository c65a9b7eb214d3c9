"""What every JobStore must do."""

import time
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from proffer.core.errors import Conflict, NotFound
from proffer.core.jobs import Job, Progress
from proffer.core.ports import JobStore
from proffer.testing.samples import START

SHORT = 0.3
"""Seconds of a lease that a test lets run out."""


class JobStoreContract:
    """Subclass it and give `open`."""

    durable = True

    def open(self, folder: Path) -> AbstractContextManager[JobStore]:
        """Return the store in a folder, opened for writing."""
        raise NotImplementedError

    def test_a_job_is_kept_and_replaced(self, tmp_path: Path) -> None:
        """What is put is what is read, every member of it, also after the store was closed."""
        whole = sample_job(
            "j_1", state="succeeded", started_at=START, ended_at=START, progress=Progress("fit", 3, 0), position=7,
            version="m_1", released=False, why="no lead", error="none", remedy="none", log=("a", "b\u00e5"), key="k",
        )  # fmt: skip
        with self.open(tmp_path / "store") as jobs:
            assert jobs.get("j_1") is None
            assert jobs.add(sample_job("j_1")) == sample_job("j_1")
            jobs.put(whole)
            assert jobs.get("j_1") == whole
            with pytest.raises(NotFound):
                jobs.put(sample_job("j_2"))
        if self.durable:
            with self.open(tmp_path / "store") as jobs:
                assert jobs.find() == [whole]

    def test_one_active_job_a_pipeline(self, tmp_path: Path) -> None:
        """A second one is refused with the first one's id until the first has ended; another pipeline is free."""
        with self.open(tmp_path / "store") as jobs:
            for state in ("queued", "running"):
                first = jobs.add(sample_job(f"j_{state}", state=state))
                with pytest.raises(Conflict, match=first.id):
                    jobs.add(sample_job("j_other"))
                jobs.put(msgspec.structs.replace(first, state="running"))
                with pytest.raises(Conflict, match=first.id):
                    jobs.add(sample_job("j_other"))
                jobs.put(msgspec.structs.replace(first, state="failed"))
            jobs.add(sample_job("j_third"))
            jobs.add(sample_job("j_similar", pipeline="similar"))
            assert jobs.get("j_other") is None

    def test_of_many_at_once_one_is_added(self, tmp_path: Path) -> None:
        """Threads that ask at the same moment: one gets the pipeline."""
        with self.open(tmp_path / "store") as jobs:
            refused: list[str] = []

            def add(number: int) -> None:
                try:
                    jobs.add(sample_job(f"j_{number}"))
                except Conflict as error:
                    refused.append(error.message)

            threads = [Thread(target=add, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            [added] = jobs.find()
            assert len(refused) == 7
            assert all(added.id in message for message in refused)

    def test_a_key_is_one_job_for_ever(self, tmp_path: Path) -> None:
        """The same key again gives the job as it is by now, while it runs and after; without a key none is the same."""
        with self.open(tmp_path / "store") as jobs:
            first = jobs.add(sample_job("j_1", key="k"))
            assert jobs.add(sample_job("j_2", key="k")) == first
            ended = msgspec.structs.replace(first, state="cancelled")
            jobs.put(ended)
            assert jobs.add(sample_job("j_3", key="k")) == ended
            jobs.add(sample_job("j_4", state="failed"))
            jobs.add(sample_job("j_5", state="failed"))
            assert [job.id for job in jobs.find()] == ["j_5", "j_4", "j_1"]

    def test_jobs_are_found_newest_first_in_pages(self, tmp_path: Path) -> None:
        """In the order they were added, whatever their ids; by pipeline; page by page; nothing before a stranger."""
        with self.open(tmp_path / "store") as jobs:
            names = ["j_9", "j_10", "j_1", "j_5"]
            for place, name in enumerate(names):
                jobs.add(sample_job(name, state="failed", pipeline="home" if place % 2 else "similar"))
            assert [job.id for job in jobs.find()] == names[::-1]
            assert [job.id for job in jobs.find(limit=2)] == ["j_5", "j_1"]
            assert [job.id for job in jobs.find(before="j_1")] == ["j_10", "j_9"]
            assert [job.id for job in jobs.find(pipeline="home")] == ["j_5", "j_10"]
            assert [job.id for job in jobs.find(pipeline="home", before="j_5")] == ["j_10"]
            assert jobs.find(before="j_none") == []
            assert jobs.find(pipeline="none") == []

    def test_of_many_holders_one_gets_the_oldest_job(self, tmp_path: Path) -> None:
        """Each waiting job is leased once, in the order of adding, and comes back running with the first fence."""
        with self.open(tmp_path / "store") as jobs:
            assert jobs.claim("w", seconds=60) is None
            jobs.add(sample_job("j_0", state="failed"))
            for pipeline in ("home", "similar"):
                jobs.add(sample_job(f"j_{pipeline}", pipeline=pipeline))
            claimed: list[Job | None] = []
            threads = [Thread(target=lambda: claimed.append(jobs.claim("w", seconds=60))) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            mine = [job for job in claimed if job is not None]
            assert sorted(job.id for job in mine) == ["j_home", "j_similar"]
            assert {(job.state, job.holder, job.fence) for job in mine} == {("running", "w", 1)}
            assert [jobs.get(job.id) for job in mine] == mine
            assert jobs.claim("w", seconds=60) is None

    def test_only_the_named_pipelines_are_claimed(self, tmp_path: Path) -> None:
        """A process takes what it can run; the oldest first."""
        with self.open(tmp_path / "store") as jobs:
            for pipeline in ("home", "similar", "third"):
                jobs.add(sample_job(f"j_{pipeline}", pipeline=pipeline))
            assert jobs.claim("w", seconds=60, pipelines=[]) is None
            found = [jobs.claim("w", seconds=60, pipelines=["third", "similar"]) for _ in range(3)]
            assert [job.id if job else None for job in found] == ["j_similar", "j_third", None]

    def test_a_lease_that_ran_out_is_somebody_elses(self, tmp_path: Path) -> None:
        """The next holder gets a higher fence; the first can neither lengthen its lease nor put what came of it."""
        with self.open(tmp_path / "store") as jobs:
            asked = jobs.add(sample_job("j_1"))
            first = jobs.claim("first", seconds=60)
            assert first == msgspec.structs.replace(asked, state="running", holder="first", fence=1)
            assert jobs.claim("second", seconds=60) is None
            assert jobs.renew("j_1", 1, seconds=SHORT)
            second = self._claimed_at_last(jobs, "second")
            assert (second.id, second.holder, second.fence) == ("j_1", "second", 2)
            assert not jobs.renew("j_1", 1, seconds=60)
            late = msgspec.structs.replace(first, state="succeeded", version="m_late")
            with pytest.raises(Conflict, match="second"):
                jobs.put(late, fence=1)
            assert jobs.get("j_1") == second
            told = msgspec.structs.replace(second, state="succeeded", version="m_1")
            jobs.put(told, fence=2)
            assert jobs.get("j_1") == told
            assert not jobs.renew("j_1", 2, seconds=60)
            assert jobs.claim("third", seconds=60) is None

    def test_a_lease_is_kept_as_long_as_it_is_renewed(self, tmp_path: Path) -> None:
        """Nobody else gets a job whose lease is lengthened in time; one that ran out unnoticed can be lengthened."""
        with self.open(tmp_path / "store") as jobs:
            jobs.add(sample_job("j_1"))
            jobs.claim("w", seconds=SHORT)
            assert jobs.renew("j_1", 1, seconds=60)
            time.sleep(2 * SHORT)
            assert jobs.claim("other", seconds=60) is None
            assert jobs.renew("j_1", 1, seconds=SHORT)
            time.sleep(2 * SHORT)
            assert jobs.renew("j_1", 1, seconds=60)
            assert jobs.claim("other", seconds=60) is None
            assert not jobs.renew("j_1", 2, seconds=60)
            assert not jobs.renew("j_none", 1, seconds=60)

    def test_a_job_that_is_given_back_or_taken_away(self, tmp_path: Path) -> None:
        """Put back as queued it can be claimed at once; ended by another with a higher fence, its holder is out."""
        with self.open(tmp_path / "store") as jobs:
            jobs.add(sample_job("j_1"))
            mine = jobs.claim("w", seconds=60)
            assert mine is not None
            jobs.put(msgspec.structs.replace(mine, state="queued", holder=None), fence=1)
            again = jobs.claim("x", seconds=60)
            assert again is not None
            assert (again.holder, again.fence) == ("x", 2)
            jobs.put(msgspec.structs.replace(again, state="cancelled", fence=3), fence=2)
            assert not jobs.renew("j_1", 2, seconds=60)
            with pytest.raises(Conflict, match="cancelled"):
                jobs.put(msgspec.structs.replace(again, state="succeeded"), fence=2)
            with pytest.raises(NotFound):
                jobs.put(sample_job("j_none"), fence=0)

    def _claimed_at_last(self, jobs: JobStore, holder: str) -> Job:
        patience = time.monotonic() + 30
        while (job := jobs.claim(holder, seconds=60)) is None:
            assert time.monotonic() < patience
            time.sleep(SHORT / 5)
        return job


def sample_job(id: str, **members: Any) -> Job:
    """Return a queued training of the pipeline home, with members replaced."""
    first: dict[str, Any] = {
        "pipeline": "home", "search": True, "by": "request", "seconds": 60.0, "memory_mb": 512, "state": "queued",
        "created_at": START,
    }  # fmt: skip
    return Job(id=id, **{**first, **members})
