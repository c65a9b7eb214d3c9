"""Pictures: quality against cost, and the rounds of a simulation."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proffer.core.errors import CannotStart, Invalid
from proffer.engine.measure import TARGET
from proffer.engine.metrics import Interval
from proffer.engine.report import Report, Row
from proffer.engine.simulation import BEFORE, BEST, BY_MODEL, LEARNT, Simulated

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".svg", ".png")
LEAST = 1e-4
INK, OTHER = "#b3261e", "#5f6b7a"
LINES = {BEFORE: (OTHER, "--"), LEARNT: (INK, "-"), BEST: ("#1b6e3c", ":")}
LEFT_OUT = (BY_MODEL,)
COLUMNS = 3
"""Panels side by side."""


def check_plot(path: Path | None) -> None:
    """Raise Invalid for a file that is neither SVG nor PNG, CannotStart without the library that draws."""
    if path is None:
        return
    if path.suffix.lower() not in FORMATS:
        raise Invalid(f"{path.name} is no picture", field="--plot", remedy="Name a file ending in .svg or .png.")
    _pyplot()


def plot(report: Report, path: Path) -> None:
    """Draw NDCG@10 over milliseconds a list and seconds of a fit into an SVG or PNG file, the champion in red."""
    plt = _pyplot()
    # Text stays text in the file, and the same report gives the same file.
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "proffer", "font.size": 9}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5), sharey=True, layout="constrained")
        _scatter(left, report, {name: cost.list_ms for name, cost in report.costs.items()}, "ms to make one list")
        _scatter(right, report, {name: cost.fit_seconds for name, cost in report.costs.items()}, "seconds of one fit")
        left.set_ylabel(f"{TARGET} with its 95 % interval")
        figure.suptitle(f"{report.protocol}: {report.lists:,} lists of {report.users:,} users")
        figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None, dpi=150)
        plt.close(figure)


def plot_simulation(found: Simulated, path: Path) -> None:
    """Draw a simulation's rounds, a panel a measure, with intervals over worlds, into an SVG or PNG file."""
    plt = _pyplot()
    names = [name for name in found.table[0].measures if name not in LEFT_OUT]
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "proffer", "font.size": 9}):
        below = -(-len(names) // COLUMNS)
        figure, panels = plt.subplots(
            below, COLUMNS, squeeze=False, figsize=(3.4 * COLUMNS, 2.9 * below), layout="constrained"
        )
        for axes in panels.flat[len(names) :]:
            axes.remove()
        for axes, name in zip(panels.flat, names, strict=False):
            for arm, (color, style) in LINES.items():
                _line(
                    axes, [(row.round, row.measures[name]) for row in found.table if row.arm == arm], color, style, arm
                )
            axes.set_title(name)
            axes.set_xlabel("round")
            axes.set_xticks(range(1, found.rounds + 1))
            axes.set_ylim(bottom=0)
            axes.grid(visible=True, alpha=0.3)
        panels.flat[0].legend(fontsize=7)
        figure.suptitle(
            f"Simulation ({found.app}, {found.size}, {found.seeds} worlds): before = {found.fallback} order"
        )
        figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None, dpi=150)
        plt.close(figure)


def _line(axes: "Axes", points: Sequence[tuple[int, Interval]], color: str, style: str, label: str) -> None:
    if not points:
        return
    x, y = [place for place, _ in points], [one.value for _, one in points]
    axes.plot(x, y, style, color=color, label=label, linewidth=1.4)
    low = [one.value if one.low is None else one.low for _, one in points]
    high = [one.value if one.high is None else one.high for _, one in points]
    axes.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)


def _scatter(axes: "Axes", report: Report, cost: dict[str, float], title: str) -> None:
    for row in report.rows:
        _point(axes, row, max(cost.get(row.name, 0.0), LEAST), row.name == report.champion)
    axes.set_xscale("log")
    axes.set_xlabel(title)
    axes.grid(visible=True, alpha=0.3)


def _point(axes: "Axes", row: Row, x: float, champion: bool) -> None:
    found = row.metrics[TARGET]
    low = found.value if found.low is None else found.low
    high = found.value if found.high is None else found.high
    color = INK if champion else OTHER
    axes.errorbar(
        [x], [found.value], yerr=[[max(found.value - low, 0.0)], [max(high - found.value, 0.0)]],
        fmt="o", color=color, markersize=5, elinewidth=0.8,
    )  # fmt: skip
    axes.annotate(row.name, (x, found.value), xytext=(4, 3), textcoords="offset points", fontsize=7, color=color)


def _pyplot() -> Any:
    try:
        import matplotlib as mpl
    except ImportError:
        remedy = "Install it with: pip install 'proffer[plot]'."
        raise CannotStart("--plot needs matplotlib", field="--plot", remedy=remedy) from None
    mpl.use("agg")
    import matplotlib.pyplot as plt

    return plt
