"""`proffer train` and `proffer jobs`: trainings in a child process, here or by the server, and what became of them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer

import proffer.bootstrap as bootstrap
from proffer.cli.as_child import as_child, telling
from proffer.cli.evaluating import Lookback, Pipeline, Plot, Rounds, Seed, Split
from proffer.cli.opening import Home, Json, Name, home_of, reading, served, writing
from proffer.cli.plots import check_plot, plot
from proffer.cli.remote import Remote
from proffer.cli.reports import show_evaluation
from proffer.cli.terminal import Progress, progress, show, show_json, show_table
from proffer.core.errors import Busy, NotFound, ProfferError
from proffer.core.jobs import Job
from proffer.core.ports import ModelVersion
from proffer.engine.options import Options
from proffer.engine.plan import SECONDS as MOST_BUDGET
from proffer.engine.plan import Budget
from proffer.engine.report import Report
from proffer.engine.train import searched, wins

LOOK_SECONDS = 0.3


def train(
    name: Name,
    pipeline: Pipeline = None,
    retrain: Annotated[bool, typer.Option("--retrain", help="Fit the recipe that serves anew; try no other.")] = False,
    budget: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Try what costs so much by its own account [default: 600 at most]."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Wall clock it may take [default: the settings', else 3600].")
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option(min=64, metavar="MB", help="Memory it may use [default: the settings', else 4096]."),
    ] = None,
    seed: Seed = 0,
    least: Annotated[
        int | None,
        typer.Option(
            "--min-interactions",
            min=1,
            metavar="N",
            help="Need so many in the log [default: the settings', else 100 of lists that were shown, 20 else].",
        ),
    ] = None,
    lookback: Lookback = None,
    split: Split = None,
    rounds: Rounds = None,
    evaluate_only: Annotated[
        bool, typer.Option("--evaluate-only", help="Judge and report what would win; save nothing.")
    ] = False,
    lines: Annotated[
        bool, typer.Option("--lines", help="Be the child process: progress and result as JSON lines, low priority.")
    ] = False,
    plot_: Plot = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Compare every source, blend and ranker on the newest time, fit, and let the winner serve.

    A child process of low priority does the work; Ctrl-C ends it, and what served before serves on. While a server
    runs, the training is a job of the server.
    """
    check_plot(plot_)
    plan = plan_of(budget, seconds, memory)
    options = Options(
        min_interactions=least, lookback_days=lookback, validation_split=split, num_boost_round=rounds
    )  # fmt: skip
    if lines:
        _be_child(
            name, home, pipeline, budget=plan, seed=seed, search=not retrain, options=options,
            evaluate_only=evaluate_only,
        )  # fmt: skip
    asked = {
        "pipeline": pipeline, "seconds": seconds, "memory_mb": memory, "budget": budget, "seed": seed or None,
        "evaluate_only": evaluate_only or None, **msgspec.to_builtins(options),
    }  # fmt: skip
    asked = {member: value for member, value in asked.items() if value is not None}
    with served(home, name) as remote, progress(not json) as tell:
        if remote is None:
            job = _here(home, name, not retrain, asked, tell)
        else:
            job = _there(remote, "/retrain" if retrain else "/train", asked, tell)
    if evaluate_only:
        _show_report(job, json, plot_)
        return
    version = _trained(job, home_of(home) / name)
    if plot_ is not None:
        plot(msgspec.convert(version.metrics, Report), plot_)
    if json:
        show_json(version)
    else:
        _show_version(version, job)


def plan_of(budget: float | None, seconds: float | None, memory_mb: float | None) -> Budget:
    """Return what the trainer of a job plans with: half of its limits.

    The other half is for reading the log, judging and saving, which no source declares.
    """
    most = MOST_BUDGET if seconds is None else min(MOST_BUDGET, seconds / 2)
    return Budget.of(most if budget is None else budget, None if memory_mb is None else memory_mb / 2)


def jobs(
    name: Name,
    job: Annotated[str | None, typer.Option("--job", help="Show this one, with the last lines it wrote.")] = None,
    cancel: Annotated[str | None, typer.Option(metavar="JOB", help="End this one; what served serves on.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many: the newest.")] = 20,
    json: Json = False,
    home: Home = None,
) -> None:
    """List the trainings that were asked for, newest first; show one, or end one."""
    with served(home, name) as remote:
        if cancel is not None and remote is None:
            found = [_cancelled(home, name, cancel)]
        elif remote is not None and cancel is not None:
            found = [_job(remote.ask("POST", f"/jobs/{cancel}/cancel"))]
        elif remote is not None:
            found = [_job(remote.ask("GET", f"/jobs/{job}"))] if job else _listed(remote, limit)
        else:
            found = _kept(home, name, job, limit)
    if json:
        show_json(found[0] if job or cancel else found)
        return
    rows = [
        (one.id, one.pipeline, one.by, one.state, f"{one.created_at:%Y-%m-%d %H:%M}", _outcome(one)) for one in found
    ]
    show_table("Trainings", ["job", "pipeline", "asked by", "state", "when (UTC)", "outcome"], rows)
    if job:
        for line in found[0].log:
            show(line, "dim")


def _cancelled(home: Path | None, name: str, job: str) -> Job:
    """Cancel a job, whichever process runs it: where a database keeps the workspace, that one learns of it there."""
    if bootstrap.workspace(home_of(home), name).store is None:
        remedy = "End the command that runs it with Ctrl-C."
        raise Busy("no server runs whose training could be cancelled", field="--cancel", remedy=remedy)
    with writing(home, name) as engine:
        return engine.jobs.cancel(job)


def _here(home: Path | None, name: str, search: bool, asked: dict[str, Any], tell: Progress) -> Job:
    with writing(home, name) as engine:
        told = {member: asked.pop(member) for member in [*asked] if member in Options.__struct_fields__}
        started = engine.jobs.start(asked.pop("pipeline", None), search=search, options=Options(**told), **asked)
        job = follow(lambda: engine.jobs.get(started.id), lambda: engine.jobs.cancel(started.id), tell)
        return engine.jobs.wait(job.id)


def _there(remote: Remote, path: str, asked: dict[str, Any], tell: Progress) -> Job:
    started = _job(remote.ask("POST", path, asked))
    place = f"/jobs/{started.id}"
    return follow(lambda: _job(remote.ask("GET", place)), lambda: remote.ask("POST", f"{place}/cancel"), tell)


def follow(look: Callable[[], Job], cancel: Callable[[], object], tell: Progress) -> Job:
    """Show a job's progress until it is over and return it; an interrupt cancels it."""
    try:
        while (job := look()).active:
            if job.progress is not None:
                tell(job.progress.what, job.progress.done, job.progress.total)
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        cancel()
        raise
    return job


def _show_report(job: Job, json: bool, plot_: Path | None) -> None:
    _check_failed(job)
    if job.report is None:
        raise ProfferError("the training was cancelled", remedy="What served before serves on.")
    report = msgspec.convert(job.report, Report)
    if plot_ is not None:
        plot(report, plot_)
    if json:
        show_json(report)
        return
    show_evaluation(report)
    show("Nothing was saved: leave --evaluate-only out to train.", "bold")


def _check_failed(job: Job) -> None:
    if job.state == "failed":
        raise ProfferError(job.error or "the training failed", remedy=job.remedy)


def _trained(job: Job, root: Path) -> ModelVersion:
    """Return the version a job made. Raises ProfferError with its reason when it made none."""
    _check_failed(job)
    if job.version is None:
        raise ProfferError("the training was cancelled", remedy="What served before serves on.")
    stores = bootstrap.open_stores(root, writable=False)
    try:
        return stores.registry.load(job.version)[0]
    finally:
        stores.log.close()


def _show_version(version: ModelVersion, job: Job) -> None:
    show_evaluation(msgspec.convert(version.metrics, Report))
    fitted = f"fitted up to event {version.position:,}"
    if job.released:
        show(f"Version {version.id} ({version.name}) serves {version.pipeline}, {fitted}.", "bold")
        return
    # The table above has said what the report says; another reason is news.
    why = f": {job.why}" if wins(version) else ""
    show(f"Version {version.id} ({version.name}), {fitted}, is kept and does not serve{why}.", "bold")


def _listed(remote: Remote, limit: int) -> list[Job]:
    return [_job(one) for one in remote.ask("GET", f"/jobs?limit={limit}")["jobs"]]


def _kept(home: Path | None, name: str, id: str | None, limit: int) -> list[Job]:
    stores = bootstrap.open_stores(home_of(home) / name, writable=False)
    try:
        if id is None:
            return stores.jobs.find(limit=limit)
        found = stores.jobs.get(id)
    finally:
        stores.log.close()
    if found is None:
        raise NotFound(f"no job {id[:40]!r}", field="--job", remedy=f"See: proffer jobs {name}")
    return [found]


def _outcome(job: Job) -> str:
    if job.active and job.progress is not None:
        of = f" of {job.progress.total:,}" if job.progress.total else ""
        return f"{job.progress.what}: {job.progress.done:,}{of}"
    return job.error or " ".join(part for part in (job.version, job.why) if part)


def _job(value: Any) -> Job:
    return msgspec.convert(value, Job)


def _be_child(
    name: str, home: Path | None, pipeline: str | None, *, budget: Budget, seed: int, search: bool, options: Options,
    evaluate_only: bool,
) -> NoReturn:  # fmt: skip
    """Train beside the process that writes the workspace, which reads what this one tells and takes over the result."""

    def work() -> dict[str, Any]:
        with reading(home, name) as engine:
            if evaluate_only:
                chosen = engine.app.pipeline(pipeline) if pipeline else engine.app.pipelines[0]
                found = searched(
                    engine, chosen, budget=budget, seed=seed, search=search, progress=telling(), options=options
                )
                return {"found": msgspec.to_builtins(found.report)}
            version = engine.train(
                pipeline, budget=budget, seed=seed, search=search, progress=telling(), options=options
            )
        return {"version": version.id}

    as_child(work)
