"""What every JobStore must do."""

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


def sample_job(id: str, **members: Any) -> Job:
    """Return a queued training of the pipeline home, with members replaced."""
    first: dict[str, Any] = {
        "pipeline": "home", "search": True, "by": "request", "seconds": 60.0, "memory_mb": 512, "state": "queued",
        "created_at": START,
    }  # fmt: skip
    return Job(id=id, **{**first, **members})
