"""`proffer backup`, `restore` and `copy`: whole workspaces, kept and moved."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

import proffer.bootstrap as bootstrap
import proffer.bootstrap.copies as copies
from proffer.cli.opening import Home, Json, Name, home_of
from proffer.cli.terminal import progress, show, show_json, show_table
from proffer.core.errors import Invalid

SQLITE, POSTGRES = "sqlite:", ("postgres:", "postgresql:")


def backup(
    name: Name,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder for it.", show_default=False)],
    json: Json = False,
    home: Home = None,
) -> None:
    """Write a workspace as of now into a sealed folder, also while it is served."""
    with progress(not json) as tell:
        made = copies.back_up(home_of(home), name, folder, progress=tell)
    _show(made, made.holds, f"Backed up {name} as of event {made.holds.position:,} in {folder}.", json)
    if not json:
        show(f"Restore it with: proffer restore {folder}", "dim")


def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the backup.", show_default=False)],
    name: Annotated[
        str | None, typer.Argument(metavar="[WORKSPACE]", help="What to call it [default: as it was called].")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="URL", help="postgresql://user@host/database [default: PROFFER_DATABASE, else sqlite]."),
    ] = None,
    erasures: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A newer erasures.jsonl than the backup's: whom to erase again."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only read every byte of it, and say what it holds.")] = False,
    json: Json = False,
    home: Home = None,
) -> None:
    """Make a workspace of a backup, after comparing every file with its hash and the log with the backup's."""
    if check:
        found = copies.check_backup(folder)
        what = f"Every file matches its hash: {found.workspace} ({found.app}) as of {found.made_at:%Y-%m-%d %H:%M:%S}."
        _show(found, found.holds, what, json)
        return
    called = name or copies.told(folder).workspace
    where = store or bootstrap.environment().database
    with progress(not json) as tell:
        made = copies.restore(folder, home_of(home), called, store=where, erasures=erasures, progress=tell)
    _show(made, made.holds, f"Restored {called} as of event {made.backup.holds.position:,}.", json)
    if not json:
        if made.erased:
            show(f"Erased again: {made.erased} who were erased after the backup was made.")
        show(f"Next: proffer serve {called}", "dim")


def copy(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A workspace by name, or sqlite:FOLDER.", show_default=False)
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", show_default=False,
            help="A new workspace by name, sqlite:FOLDER, or postgresql://user@host/database.",
        ),
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it in a database [default: as the source].")
    ] = None,
    switch: Annotated[
        bool, typer.Option("--switch", help="From now on the workspace of this name is the one in the database.")
    ] = False,
    json: Json = False,
    home: Home = None,
) -> None:  # fmt: skip
    """Copy a workspace into other stores and compare both before it is there at all."""
    place = home_of(home)
    if source.startswith(POSTGRES):
        remedy = "Join it first, then name it: proffer init NAME --app APP --store URL."
        raise Invalid("a source is a workspace, not a database", field="SOURCE", remedy=remedy)
    root = Path(source.removeprefix(SQLITE)).absolute() if source.startswith(SQLITE) else place / source
    bootstrap.workspace(root.parent, root.name)
    into, store = _target(target, name or root.name, place)
    with progress(not json) as tell:
        holds = copies.copy_workspace(root, into, store=store, switch=switch, progress=tell)
    kept = bootstrap.workspace(into.parent, into.name).store
    _show(holds, holds, f"Copied {root.name} as of event {holds.position:,} to {kept or into}; both are equal.", json)
    if kept and not json:
        show("A password is never kept: commands take it from PROFFER_DATABASE, PGPASSWORD or a passfile.", "dim")
    if switch and not json:
        show(f"The log of before stays in {into}/log.db, and no erasure reaches it: remove it soon.", "bold")


def _target(text: str, name: str, home: Path) -> tuple[Path, str | None]:
    """Return the folder of the copy, and the address of the database that keeps it."""
    if text.startswith(SQLITE):
        return Path(text.removeprefix(SQLITE)).absolute(), None
    if not text.startswith(POSTGRES):
        return home / bootstrap.check_name(text), None
    store = bootstrap.environment().database if text in POSTGRES else text
    if store is None:
        remedy = "Write postgresql://user@host/database, or set PROFFER_DATABASE."
        raise Invalid("it names no database", field="TARGET", remedy=remedy)
    return home / bootstrap.check_name(name), store


def _show(whole: Any, holds: copies.Inventory, text: str, json: bool) -> None:
    if json:
        show_json(whole)
        return
    show(text)
    counts = msgspec.structs.asdict(holds.counts)
    rows = [(name, value) for name, value in {"received": holds.counts.received, **counts}.items()]
    rows += [(name, getattr(holds, name)) for name in ("decisions", "versions", "reviews", "jobs", "tokens")]
    show_table("", ["what", "how many"], rows)
    show(f"SHA-256 of the log: {holds.log}")
    for version in holds.absent:
        show(f"The files of model version {version} were missing or damaged: it is listed without them.", "bold")
