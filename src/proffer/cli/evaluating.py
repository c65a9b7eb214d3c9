"""`proffer train` and `proffer evaluate`: which source of recommendations is best, and which one serves."""

from contextlib import ExitStack
from typing import Annotated

import msgspec
import typer

from proffer.cli import arguments
from proffer.cli.opening import Home, Json, Name, reading, served, writing
from proffer.cli.terminal import progress, show, show_bars, show_json, show_table
from proffer.core.errors import Invalid
from proffer.core.ports import ModelVersion
from proffer.engine.engine import Engine
from proffer.engine.evaluate import Report
from proffer.engine.metrics import Interval

SHOWN = ("ndcg@10", "ndcg@5", "ndcg@20", "recall@10", "recall@20", "hitrate@10", "mrr", "map", "coverage", "diversity",
         "novelty", "popularity_bias")  # fmt: skip

Pipeline = Annotated[str | None, typer.Option(help="Pipeline [default: the application's first].")]


def train(name: Name, pipeline: Pipeline = None, json: Json = False, home: Home = None) -> None:
    """Compare every source on the newest time, fit, and let the winner serve.

    While a server runs, this process computes beside it and the server takes over the result.
    """
    with ExitStack() as stack:
        remote = stack.enter_context(served(home, name))
        engine = stack.enter_context((reading if remote else writing)(home, name))
        tell = stack.enter_context(progress(not json))
        chosen = engine.app.pipeline(pipeline or engine.app.pipelines[0].name).name
        version = engine.train(chosen, progress=tell)
        if remote is not None:
            _, revision = engine.stores.registry.champion(chosen)
            remote.ask("POST", f"/models/{version.id}/promote", {"expected_revision": revision})
    if json:
        show_json(version)
    else:
        _show_version(version)


def evaluate(
    name: Name,
    from_: Annotated[str, typer.Option("--from", metavar="DATE", help="First day to judge.", show_default=False)],
    until: Annotated[str, typer.Option(metavar="DATE", help="The day after the last one.", show_default=False)],
    protocol: Annotated[str, typer.Option(help="How lists are made: daily.")] = "daily",
    lists: Annotated[int, typer.Option(help="Judge at most this many lists, drawn by chance.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Seed of that chance.")] = 0,
    pipeline: Pipeline = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Judge every source on a period of the log: one list for each user and day, made just before it began.

    Everything fitted is fitted on earlier time. Intervals are bootstrapped over users.
    """
    if protocol != "daily":
        raise Invalid(f"unknown protocol {protocol[:40]!r}", field="--protocol", remedy="Use daily.")
    if lists < 1:
        raise Invalid("at least 1", field="--lists", remedy="Give a larger number.")
    since, end = arguments.moment(from_, "--from"), arguments.moment(until, "--until")
    with reading(home, name) as engine, progress(not json) as tell:
        _check_period(engine, from_, until, since < end)
        report = engine.evaluate(since, end, pipeline=pipeline, lists=lists, seed=seed, progress=tell)
    show_json(report) if json else show_evaluation(report)


def show_evaluation(report: Report) -> None:
    """Show a judged period as a table, the champion marked, and a plot of NDCG@10."""
    title = f"{report.protocol}, {report.since:%Y-%m-%d} until {report.until:%Y-%m-%d}: {report.lists:,} lists of "
    title += f"{report.users:,} users, {report.wanted:,} wanted items, {report.unknown_share:.0%} of them not known yet"
    names = [name for name in SHOWN if report.rows and name in report.rows[0].metrics]
    rows = []
    for row in report.rows:
        label = f"{row.name} (champion)" if row.name == report.champion else row.name
        rows.append((label, row.family, *(_figure(row.metrics.get(name), name) for name in names)))
    marked = next((place for place, row in enumerate(report.rows) if row.name == report.champion), None)
    show_table(title, ["source", "family", *names], rows, marked=marked)
    show(f"Chosen on earlier time: {report.champion}; {report.choice.why}.")
    show_bars(SHOWN[0], [(row.name, row.metrics[SHOWN[0]].value) for row in report.rows])


def _figure(found: Interval | None, name: str) -> str:
    if found is None:
        return ""
    if name != SHOWN[0] or found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} ({found.low:.3f}-{found.high:.3f})"


def _show_version(version: ModelVersion) -> None:
    show_evaluation(msgspec.convert(version.metrics, Report))
    show(
        f"Version {version.id} ({version.name}) serves {version.pipeline}, fitted up to event {version.position:,}.",
        "bold",
    )


def _check_period(engine: Engine, since: str, until: str, forward: bool) -> None:
    if not forward:
        raise Invalid(f"--until {until} does not lie after --from {since}", field="--until", remedy="Name a later day.")
    if engine.stores.log.last() == 0:
        raise Invalid("the log is empty", field="WORKSPACE", remedy="Import events first: proffer import.")
