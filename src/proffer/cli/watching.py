"""`proffer check-decisions`: the child process of the skew watch, which replays a sample of decisions."""

from typing import Annotated, Any

import msgspec
import typer

from proffer.cli import arguments
from proffer.cli.as_child import as_child
from proffer.cli.evaluating import Seed
from proffer.cli.opening import Home, Name, reading
from proffer.cli.terminal import show_json
from proffer.engine.watch import SAMPLE


def check_decisions(
    name: Name,
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help="Decisions made from this time on.")],
    until: Annotated[str, typer.Option(metavar="TIME", help="Decisions made before this time.")],
    sample: Annotated[int, typer.Option(min=1, help="How many of them, drawn by chance.")] = SAMPLE,
    seed: Seed = 0,
    lines: Annotated[
        bool, typer.Option("--lines", help="Be the child process: the result as a JSON line, low priority.")
    ] = False,
    home: Home = None,
) -> None:
    """Replay a sample of past decisions and tell which do not come out equal; the skew watch runs this."""
    from proffer.engine.looking import look

    since, end = arguments.moment(from_, "--from"), arguments.moment(until, "--until")

    def work() -> dict[str, Any]:
        with reading(home, name) as engine:
            found = look(engine, since, end, sample, seed)
        return {"found": msgspec.to_builtins(found)}

    if lines:
        as_child(work)
    found = work()["found"]
    show_json(found)
    if found["mismatched"]:
        raise typer.Exit(1)
