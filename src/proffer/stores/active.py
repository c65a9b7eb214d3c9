"""At most one training of a pipeline at a time, and each under one lease, whatever keeps the jobs."""

from collections.abc import Iterable

import msgspec

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


def check_fence(known: Job, fence: int | None) -> None:
    """Raise Conflict when a job that is to be replaced under a lease has been leased again, or taken away, since."""
    if fence is not None and known.fence != fence:
        by = f", by {known.holder}" if known.holder else ""
        message = f"the job {known.id} is {known.state}{by}: the lease of before is lost"
        raise Conflict(message, field="id", remedy="Let it be: what comes of it now is somebody else's to tell.")


def leased(job: Job, holder: str) -> Job:
    """Return a job as whoever leases it now runs it."""
    return msgspec.structs.replace(job, state="running", holder=holder, fence=job.fence + 1)
