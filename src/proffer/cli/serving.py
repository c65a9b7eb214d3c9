"""`proffer serve`, `api` and `worker`: workspaces over HTTP, and the processes that do the rest."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

import proffer.bootstrap as bootstrap
from proffer.cli.opening import Home, home_of

Names = Annotated[list[str] | None, typer.Argument(metavar="[WORKSPACE]...", help="Which [default: all].")]
Host = Annotated[str | None, typer.Option(help="Address to listen on [default: PROFFER_HOST, else loopback].")]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="[default: PROFFER_PORT, else 8750; 0: any free].")]


def serve(
    names: Names = None,
    host: Host = None,
    port: Port = None,
    page: Annotated[bool, typer.Option("--page", help="Show the advisor's demo page at /demo.")] = False,
    home: Home = None,
) -> None:
    """Serve workspaces over HTTP until Ctrl-C; at its first start a workspace's token is shown, this once."""
    from proffer.api.serve import serve as run

    raise typer.Exit(run(_environment(home), names or (), host=host, port=port, tell=typer.echo, page=page))


def api(names: Names = None, host: Host = None, port: Port = None, home: Home = None) -> None:
    """Answer over HTTP and no more: one of several processes on a PostgreSQL database; workers run the jobs."""
    from proffer.api.serve import chosen_workspaces
    from proffer.api.serve import serve as run

    environment = _environment(home)
    chosen = chosen_workspaces(environment, names or (), shared="api")
    raise typer.Exit(run(environment, chosen, host=host, port=port, tell=typer.echo, jobs=False))


def worker(names: Names = None, home: Home = None) -> None:
    """Run trainings, their schedule and the skew watch of workspaces in a PostgreSQL database until Ctrl-C."""
    from proffer.api.work import work

    raise typer.Exit(work(_environment(home), names or (), tell=typer.echo))


def _environment(home: Path | None) -> bootstrap.Environment:
    return msgspec.structs.replace(bootstrap.environment(), home=home_of(home))
