"""`proffer serve`: workspaces over HTTP."""

from typing import Annotated

import msgspec
import typer

import proffer.bootstrap as bootstrap
from proffer.cli.opening import Home, home_of


def serve(
    names: Annotated[list[str] | None, typer.Argument(metavar="[WORKSPACE]...", help="Which [default: all].")] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on [default: PROFFER_HOST, else loopback].")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="[default: PROFFER_PORT, else 8750; 0: any free].")
    ] = None,
    home: Home = None,
) -> None:
    """Serve workspaces over HTTP until Ctrl-C; at its first start a workspace's token is shown, this once."""
    from proffer.api.serve import serve as run

    environment = msgspec.structs.replace(bootstrap.environment(), home=home_of(home))
    raise typer.Exit(run(environment, names or (), host=host, port=port, tell=typer.echo))
