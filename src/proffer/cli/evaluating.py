"""`proffer evaluate`: which source of recommendations is best."""

from pathlib import Path
from typing import Annotated

import typer

import proffer.bootstrap as bootstrap
from proffer.cli import arguments
from proffer.cli.opening import Home, Json, reading
from proffer.cli.plots import check_plot, plot
from proffer.cli.reports import show_evaluation
from proffer.cli.terminal import progress, show_json
from proffer.core.errors import Invalid
from proffer.engine.engine import Engine, Progress
from proffer.engine.evaluate import evaluate_split
from proffer.engine.plan import Budget
from proffer.engine.protocols import PROTOCOLS
from proffer.engine.report import Report

Pipeline = Annotated[str | None, typer.Option(help="Pipeline [default: the application's first].")]
Seconds = Annotated[
    float | None,
    typer.Option("--budget", metavar="SECONDS", help="Try what costs so much by its own account [default: 600]."),
]
Memory = Annotated[
    float | None,
    typer.Option("--memory", metavar="MB", help="Fit what needs no more [default: half of the machine's]."),
]
Plot = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Draw quality against cost: .svg or .png.")
]  # fmt: skip
Seed = Annotated[int, typer.Option(help="Seed of what is drawn by chance.")]


def evaluate(
    name: Annotated[str | None, typer.Argument(metavar="[WORKSPACE]", help="Name of the workspace.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="First day to judge.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="The day after the last one.", show_default=False)
    ] = None,
    protocol: Annotated[str, typer.Option(help=f"How lists are made: {', '.join(PROTOCOLS)}.")] = PROTOCOLS[0],
    train: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Fixed split: user, item, time to learn from.")
    ] = None,
    test: Annotated[Path | None, typer.Option(metavar="FILE", help="Fixed split: user, item to judge by.")] = None,
    app: Annotated[str, typer.Option(metavar="NAME", help="Application of a fixed split.")] = "feed",
    lists: Annotated[int, typer.Option(help="Judge at most this many lists, drawn by chance.")] = 20_000,
    seed: Seed = 0,
    budget: Seconds = None,
    memory: Memory = None,
    pipeline: Pipeline = None,
    plot_: Plot = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Judge every source, heuristic, blend and ranker on a part of the log that nothing was fitted or chosen on.

    Everything fitted is fitted on earlier phases. Intervals are bootstrapped over users.
    """
    check_plot(plot_)
    limits = Budget.of(budget, memory)
    if lists < 1:
        raise Invalid("at least 1", field="--lists", remedy="Give a larger number.")
    with progress(not json) as tell:
        if train is not None or test is not None:
            report = _split(name, app, pipeline, train, test, lists, seed, limits, tell)
        else:
            report = _workspace(name, home, from_, until, protocol, pipeline, lists, seed, limits, tell)
    if plot_ is not None:
        plot(report, plot_)
    if json:
        show_json(report)
    else:
        show_evaluation(report)


def _workspace(
    name: str | None, home: Path | None, from_: str | None, until: str | None, protocol: str, pipeline: str | None,
    lists: int, seed: int, budget: Budget, tell: Progress,
) -> Report:  # fmt: skip
    if name is None:
        raise Invalid("missing", field="WORKSPACE", remedy="Name a workspace, or give --train and --test.")
    if protocol not in PROTOCOLS:
        remedy = f"Use one of {', '.join(PROTOCOLS)}."
        raise Invalid(f"unknown protocol {protocol[:40]!r}", field="--protocol", remedy=remedy)
    since = arguments.moment(from_, "--from") if from_ is not None else None
    end = arguments.moment(until, "--until") if until is not None else None
    if since is not None and end is not None and since >= end:
        raise Invalid(f"--until {until} does not lie after --from {from_}", field="--until", remedy="Name a later day.")
    with reading(home, name) as engine:
        _check_log(engine)
        return engine.evaluate(
            since, end, pipeline=pipeline, protocol=protocol, lists=lists, seed=seed, budget=budget, progress=tell
        )


def _split(
    name: str | None, app: str, pipeline: str | None, train: Path | None, test: Path | None, lists: int, seed: int,
    budget: Budget, tell: Progress,
) -> Report:  # fmt: skip
    if train is None or test is None:
        missing = "--test" if test is None else "--train"
        raise Invalid("missing", field=missing, remedy="A fixed split is two files: --train and --test.")
    if name is not None:
        raise Invalid(
            "a fixed split needs no workspace", field="WORKSPACE", remedy="Leave the name out, or --train and --test."
        )
    declared = bootstrap.application(app)
    chosen = declared.pipeline(pipeline) if pipeline else declared.pipelines[0]
    return evaluate_split(declared, chosen, train, test, lists=lists, seed=seed, budget=budget, progress=tell)


def _check_log(engine: Engine) -> None:
    if engine.stores.log.last() == 0:
        raise Invalid("the log is empty", field="WORKSPACE", remedy="Import events first: proffer import.")
