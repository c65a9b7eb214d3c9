"""`proffer evaluate`: which source of recommendations is best."""

from pathlib import Path
from typing import Annotated

import typer

import proffer.bootstrap as bootstrap
from proffer.cli import arguments, judged
from proffer.cli.opening import Home, Json, reading
from proffer.cli.plots import check_plot, plot
from proffer.cli.reports import show_evaluation
from proffer.cli.terminal import progress, show_json
from proffer.core.errors import Invalid
from proffer.engine.engine import Engine, Progress
from proffer.engine.evaluate import evaluate_split
from proffer.engine.options import Options
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
Lookback = Annotated[
    float | None,
    typer.Option("--lookback-days", min=0.01, metavar="DAYS", help="Judge and choose by nothing older [default: all]."),
]
Split = Annotated[
    float | None,
    typer.Option(
        "--validation-split",
        min=0.01,
        max=0.9,
        metavar="SHARE",
        help="The newest share is reported on [default: the settings', else the protocol's own].",
    ),
]
Rounds = Annotated[
    int | None,
    typer.Option(
        "--num-boost-round",
        min=1,
        max=10_000,
        metavar="N",
        help="Grow at most so many trees [default: the pipeline's own].",
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of what is drawn by chance.")]


def evaluate(
    name: Annotated[str | None, typer.Argument(metavar="[WORKSPACE]", help="Name of the workspace.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="First day to judge.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="The day after the last one.", show_default=False)
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help=f"How lists are made: {', '.join(PROTOCOLS)} [default: the pipeline's own].", show_default=False
        ),
    ] = None,
    train: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Fixed split: user, item, time to learn from.")
    ] = None,
    test: Annotated[Path | None, typer.Option(metavar="FILE", help="Fixed split: user, item to judge by.")] = None,
    app: Annotated[str, typer.Option(metavar="NAME", help="Application of a fixed split.")] = "feed",
    set_: Annotated[str | None, typer.Option("--set", metavar="NAME", help="Judge rankers on this judged set.")] = None,
    test_set: Annotated[
        str | None, typer.Option(metavar="NAME", help="Learn from --set, report on this one.", show_default=False)
    ] = None,
    folds: Annotated[
        int | None, typer.Option(help="Of --set, by list; each is reported on by what the others taught [default: 5].")
    ] = None,
    gain: Annotated[
        str | None,
        typer.Option(metavar="exponential|grade|binary", help="What a grade of --set adds [default: 2^grade - 1]."),
    ] = None,
    lists: Annotated[int, typer.Option(help="Judge at most this many lists, drawn by chance.")] = 20_000,
    seed: Seed = 0,
    budget: Seconds = None,
    memory: Memory = None,
    pipeline: Pipeline = None,
    lookback: Lookback = None,
    split: Split = None,
    rounds: Rounds = None,
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
        if set_ is not None:
            if train is not None or test is not None:
                raise Invalid("--train and --test are another way", field="--set", remedy="Leave them out.")
            report = judged.evaluate_set(home, name, set_, test_set, folds, gain, seed, lists, tell)
        elif test_set is not None or folds is not None or gain is not None:
            raise Invalid("missing", field="--set", remedy="Name the judged set to learn from.")
        elif train is not None or test is not None:
            report = _split(name, app, pipeline, train, test, lists, seed, limits, tell)
        else:
            options = Options(lookback_days=lookback, validation_split=split, num_boost_round=rounds)
            report = _workspace(name, home, from_, until, protocol, pipeline, lists, seed, limits, tell, options)
    if plot_ is not None:
        plot(report, plot_)
    if json:
        show_json(report)
    elif report.judged is not None:
        judged.show_judged(report)
    else:
        show_evaluation(report)


def _workspace(
    name: str | None, home: Path | None, from_: str | None, until: str | None, protocol: str | None,
    pipeline: str | None, lists: int, seed: int, budget: Budget, tell: Progress, options: Options,
) -> Report:  # fmt: skip
    if name is None:
        raise Invalid("missing", field="WORKSPACE", remedy="Name a workspace, or give --train and --test.")
    if protocol is not None and protocol not in PROTOCOLS:
        remedy = f"Use one of {', '.join(PROTOCOLS)}."
        raise Invalid(f"unknown protocol {protocol[:40]!r}", field="--protocol", remedy=remedy)
    since = arguments.moment(from_, "--from") if from_ is not None else None
    end = arguments.moment(until, "--until") if until is not None else None
    if since is not None and end is not None and since >= end:
        raise Invalid(f"--until {until} does not lie after --from {from_}", field="--until", remedy="Name a later day.")
    with reading(home, name) as engine:
        _check_log(engine)
        return engine.evaluate(
            since, end, pipeline=pipeline, protocol=protocol, lists=lists, seed=seed, budget=budget, progress=tell,
            options=options,
        )  # fmt: skip


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
