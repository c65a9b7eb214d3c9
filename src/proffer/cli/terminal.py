"""What the terminal shows: tables, progress, messages; errors are a message and a remedy on standard error."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from proffer.core.errors import ProfferError

if TYPE_CHECKING:
    from rich.console import Console

Progress = Callable[[str, int, int], None]
PIPE_WIDTH = 160
BAR = 60
BLOCKS = " ▁▂▃▄▅▆▇█"


def console(stderr: bool = False) -> "Console":
    """Return the terminal, which prints text as it is: no markup in data is obeyed."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=width)


def show(text: str = "", style: str | None = None) -> None:
    """Write a line to standard output."""
    console().print(clean(text), style=style, soft_wrap=True)


def note(text: str) -> None:
    """Write a line to standard error, beside the result."""
    console(stderr=True).print(clean(text), style="dim", soft_wrap=True)


def show_error(error: ProfferError) -> None:
    """Write what went wrong and what to do about it to standard error."""
    screen = console(stderr=True)
    where = f"{error.field}: " if error.field else ""
    screen.print(f"Error: {clean(where + error.message)}", style="bold red", soft_wrap=True)
    if error.remedy:
        screen.print(clean(error.remedy), soft_wrap=True)


def show_json(value: Any, *, lines: bool = False) -> None:
    """Write JSON to standard output: indented, or on one line of many."""
    encoded = msgspec.json.encode(value)
    text = encoded if lines else msgspec.json.format(encoded, indent=2)
    sys.stdout.write(text.decode() + "\n")


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, marked: int | None = None) -> None:
    """Write a table; numbers stand right, the marked row is bold."""
    from rich.table import Table

    if title:
        show(title, "bold")
    grid = Table(header_style="bold")
    for place, name in enumerate(columns):
        right = bool(rows) and all(isinstance(row[place], int | float | None) for row in rows)
        grid.add_column(clean(name), justify="right" if right else "left", overflow="fold")
    for number, row in enumerate(rows):
        grid.add_row(*(cell(value) for value in row), style="bold" if number == marked else None)
    console().print(grid)


def show_bars(title: str, values: Sequence[tuple[str, float]]) -> None:
    """Write values of at least 0 as bars, the highest one 60 blocks long."""
    highest = max((value for _, value in values), default=0.0) or 1.0
    width = max((len(name) for name, _ in values), default=0)
    show(title, "bold")
    for name, value in values:
        show(f"{name:<{width}} {'█' * round(BAR * value / highest)} {value:.3f}")


def cell(value: Any) -> str:
    """Return a value as a table shows it.

    >>> cell(1234), cell(0.123456), cell(None), cell(True)
    ('1,234', '0.1235', '', 'yes')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else clean(str(value))


def clean(text: str) -> str:
    """Return text in which nothing steers the terminal.

    >>> clean("a\\x1b[2Jb")
    'a\ufffd[2Jb'
    """
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def spark(values: Sequence[float]) -> str:
    """Return a line of blocks, one for each value, the highest one full.

    >>> spark([0, 1, 2])
    ' ▄█'
    """
    highest = max(values, default=0) or 1
    return "".join(BLOCKS[round(8 * value / highest)] for value in values)


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody of progress."""


@contextmanager
def progress(shown: bool = True) -> Iterator[Progress]:
    """Give what tells a progress bar on standard error how far things are; silent where nobody watches."""
    if not shown or not sys.stderr.isatty():
        yield silent
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(), console=console(stderr=True), transient=True,
    )  # fmt: skip
    tasks: dict[str, Any] = {}
    with bar:

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total or None)
            bar.update(tasks[what], completed=done, total=total or None)

        yield tell
