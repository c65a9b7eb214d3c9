"""Operations on trainings: asked for, watched, cancelled."""

import msgspec

from proffer.api import answers, messages
from proffer.api.operations import ADMIN, BASE, READ, WRITE, Call, Operation
from proffer.core.jobs import Job
from proffer.engine.options import Options


def train(call: Call) -> Job:
    """Compare everything in a child process; the winner serves where it beats what answers without a model."""
    return _start(call, search=True)


def retrain(call: Call) -> Job:
    """Fit the champion's recipe on all that is known by now, judge it and let it serve where it wins."""
    return _start(call, search=False)


def _start(call: Call, *, search: bool) -> Job:
    body: messages.Train = call.body
    return call.engine.jobs.start(
        body.pipeline, search=search, seconds=body.seconds, memory_mb=body.memory_mb, budget=body.budget,
        seed=body.seed, key=call.key, evaluate_only=body.evaluate_only,
        options=Options(
            min_interactions=body.min_interactions, lookback_days=body.lookback_days,
            validation_split=body.validation_split, num_boost_round=body.num_boost_round,
        ),
    )  # fmt: skip


def jobs(call: Call) -> answers.Jobs:
    """Return a page of the trainings asked for."""
    query: messages.JobsQuery = call.query
    if query.pipeline is not None:
        call.engine.app.pipeline(query.pipeline)
    found = call.engine.jobs.find(pipeline=query.pipeline, before=query.after, limit=query.limit)
    following = found[-1].id if len(found) == query.limit else None
    return answers.Jobs(jobs=[msgspec.structs.replace(job, log=(), report=None) for job in found], next=following)


def job(call: Call) -> Job:
    """Return a training with its progress, its last lines and what came of it."""
    return call.engine.jobs.get(call.path["id"])


def cancel(call: Call) -> Job:
    """Ask for the end of a training; its child process ends within seconds, and what served serves on."""
    return call.engine.jobs.cancel(call.path["id"])


EXAMPLE = {
    "id": "j_019a5f3c", "pipeline": "home", "search": True, "by": "request", "seconds": 3600.0, "memory_mb": 4096,
    "state": "queued", "created_at": "2026-01-31T12:00:00Z",
}  # fmt: skip
RUNNING = {
    **EXAMPLE, "state": "running", "started_at": "2026-01-31T12:00:00Z",
    "progress": {"what": "Judging", "done": 300, "total": 1500},
}  # fmt: skip
BUSY = {409: "A training of the pipeline is not over yet, or it has nothing to learn; the detail names the job."}

OPERATIONS = (
    Operation(
        name="train",
        method="POST",
        path=f"{BASE}/train",
        scope=ADMIN,
        summary="Train a pipeline in a child process: compare everything, fit, and let the winner serve.",
        body=messages.Train,
        returns=Job,
        status=202,
        examples={
            "default": {},
            "limited": {"pipeline": "home", "seconds": 600, "memory_mb": 2048},
            "told": {"min_interactions": 100, "lookback_days": 90, "validation_split": 0.2, "evaluate_only": True},
        },
        answer=EXAMPLE,
        also=BUSY,
        lane=WRITE,
        keyed=True,
        call=train,
    ),
    Operation(
        name="retrain",
        method="POST",
        path=f"{BASE}/retrain",
        scope=ADMIN,
        summary="Fit the champion's recipe again on all that is known by now, in a child process.",
        body=messages.Train,
        returns=Job,
        status=202,
        examples={"default": {}},
        answer={**EXAMPLE, "search": False},
        also=BUSY,
        lane=WRITE,
        keyed=True,
        call=retrain,
    ),
    Operation(
        name="listJobs",
        method="GET",
        path=f"{BASE}/jobs",
        scope=READ,
        summary="List the trainings asked for, newest first.",
        query=messages.JobsQuery,
        returns=answers.Jobs,
        answer={"jobs": [RUNNING], "next": None},
        call=jobs,
    ),
    Operation(
        name="getJob",
        method="GET",
        path=f"{BASE}/jobs/{{id}}",
        scope=READ,
        summary="Return a training: its state, its progress, its last lines, what came of it.",
        returns=Job,
        answer=RUNNING,
        call=job,
    ),
    Operation(
        name="cancelJob",
        method="POST",
        path=f"{BASE}/jobs/{{id}}/cancel",
        scope=ADMIN,
        summary="Ask for the end of a training; what served serves on.",
        returns=Job,
        answer=RUNNING,
        also={409: "The training is over."},
        lane=WRITE,
        call=cancel,
    ),
)
