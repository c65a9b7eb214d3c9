"""How commands reach a workspace: read-only beside anybody, for writing alone, or through its running server."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

import proffer.bootstrap as bootstrap
from proffer.cli.remote import Remote
from proffer.cli.terminal import note
from proffer.engine.engine import Engine

Name = Annotated[str, typer.Argument(metavar="WORKSPACE", help="Name of the workspace.", show_default=False)]
Home = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of the workspaces [default: PROFFER_HOME, else .proffer].", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON for machines.")]


def home_of(given: Path | None) -> Path:
    """Return the folder of the workspaces: the option, else what the environment says."""
    return given or bootstrap.environment().home


@contextmanager
def reading(home: Path | None, name: str) -> Iterator[Engine]:
    """Open a workspace for reading only; beside a server, say so."""
    place = home_of(home)
    server = bootstrap.running(place, name)
    engine = bootstrap.open_engine(place, name, writable=False)
    # Nobody waits for a page here: the same question gets the same answer on a slow machine.
    engine.deadline_ms = math.inf
    if server is not None:
        note(f"Reading up to event {engine.state.position:,}, beside the server at {server.url}.")
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def writing(home: Path | None, name: str) -> Iterator[Engine]:
    """Open a workspace for writing. Raises WorkspaceBusy when another process has one that SQLite keeps."""
    engine = bootstrap.open_engine(home_of(home), name)
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def served(home: Path | None, name: str) -> Iterator[Remote | None]:
    """Give a line to the workspace's server, None when none runs, or when a database lets everybody write."""
    place = home_of(home)
    found = bootstrap.workspace(place, name)
    server = bootstrap.running(place, name)
    if server is None or found.store is not None:
        yield None
        return
    with Remote(server.url, name, server.token) as remote:
        note(f"Through the server at {server.url}.")
        yield remote
