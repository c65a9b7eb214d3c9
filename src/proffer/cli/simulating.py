"""`proffer simulate`: the loop of serving, tracking and training in a toy world, beside the best possible."""

from pathlib import Path
from typing import Annotated

import typer

import proffer.bootstrap as bootstrap
from proffer.cli.opening import Json
from proffer.cli.plots import check_plot, plot_simulation
from proffer.cli.terminal import progress, show, show_json, show_table
from proffer.core.errors import Invalid
from proffer.engine.metrics import Interval
from proffer.engine.simulation import ARMS, BEST, BY_MODEL, LEARNT, Simulated, living
from proffer.engine.simulation import simulate as run


def simulate(
    app: Annotated[str, typer.Argument(metavar="APP", help="Application whose toy world is lived in.")] = "advisor",
    rounds: Annotated[int, typer.Option(help="Of serving, tracking, training.")] = 6,
    seeds: Annotated[int, typer.Option(help="Worlds, each drawn by a seed of its own; intervals are over them.")] = 3,
    first_seed: Annotated[int, typer.Option(help="Seed of the first world.")] = 0,
    size: Annotated[str, typer.Option(help="Of a world: tiny, small or medium.")] = "small",
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw the rounds: .svg or .png.")] = None,
    json: Json = False,
) -> None:
    """Simulate people who look at, click and do what is shown to them, in a toy world whose right answers are known.

    The same visitors get the fallback order that is never trained, what is learnt from round to round, and the best
    possible order. All are served by the real engine, in memory. The figures are of a simulation, not of people.
    """
    check_plot(plot)
    if first_seed < 0:
        raise Invalid("at least 0", field="--first-seed", remedy="Give 0 or more.")
    declared = bootstrap.application(app)
    living(declared, first_seed, size)
    with progress(not json) as tell:
        found = run(
            declared, bootstrap.in_memory, size=size, rounds=rounds, seeds=seeds, first_seed=first_seed, tell=tell
        )
    if plot is not None:
        plot_simulation(found, plot)
    if json:
        show_json(found)
    else:
        show_simulation(found)


def show_simulation(found: Simulated) -> None:
    """Write a simulation as tables."""
    names = [*found.table[0].measures]
    arms = {arm: label(arm, found) for arm in ARMS}
    what = f"{found.seeds} worlds" if found.seeds > 1 else "one world"
    show_table(
        f"Simulation: {found.rounds} rounds in {what} of {found.app} ({found.size}), means over worlds",
        ["order", "round", "lists", *names],
        [(arms[row.arm], row.round, row.lists, *(one.value for one in row.measures.values())) for row in found.table],
    )
    show_table(
        f"Simulation: the last round against {found.fallback} order, the same visitors",
        ["order", *(name for name in names if name != BY_MODEL)],
        [(arms[arm], *(change(one) for one in row.values())) for arm, row in found.changes.items()],
    )
    rows = [
        (seed, one.round + 1, one.champion, one.wins, one.why)
        for seed, trained in enumerate(found.trainings)
        for one in trained
    ]
    if rows:
        show_table("What each training came to", ["world", "after round", "champion", "serves", "why"], rows)
    show("These are figures of a simulation: people drawn by chance from a world described in docs/simulation.md.")


def label(arm: str, found: Simulated) -> str:
    """Return what an arm is called."""
    return {LEARNT: "learnt", BEST: "best possible"}.get(arm, f"{found.fallback} (never trained)")


def change(found: Interval) -> str:
    """Return a ratio minus 1 as percent with its interval.

    >>> change(Interval(value=0.5, low=0.4, high=0.61))
    '+50 % (+40 to +61)'
    """
    text = f"{found.value:+.0%}".replace("%", " %")
    if found.low is None or found.high is None:
        return text
    return f"{text} ({100 * found.low:+.0f} to {100 * found.high:+.0f})"
