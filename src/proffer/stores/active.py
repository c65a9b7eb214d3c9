"""At most one training of a pipeline at a time, whatever keeps the jobs."""

from collections.abc import Iterable

from proffer.core.errors import Conflict, NotFound
from proffer.core.jobs import Job


def check_free(job: Job, others: Iterable[Job]) -> None:
    """Raise Conflict when one of the others is an active training of the same pipeline."""
    for other in others:
        if other.active and other.pipeline == job.pipeline:
            message = f"a training of {job.pipeline} is {other.state}: {other.id}"
            raise Conflict(message, field="pipeline", remedy=f"Wait for it, or cancel it: POST jobs/{other.id}/cancel.")


def no_job(id: str) -> NotFound:
    """Return the error of a job nobody added."""
    return NotFound(f"no job {id[:40]!r}", field="id", remedy="See the list of jobs.")
