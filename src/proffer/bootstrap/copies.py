"""Whole workspaces, kept and moved: backup, restore, and copies from any store into any other."""

import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from proffer.app import App
from proffer.bootstrap import (
    PSEUDONYM_KEY,
    Workspace,
    application,
    check_name,
    check_store,
    open_stores,
    postgres_module,
    workspace,
    write_workspace,
)
from proffer.core.clock import Clock, RandomIds, SystemClock
from proffer.core.errors import CannotStart, Invalid, NotFound
from proffer.core.ports import Stores
from proffer.engine.engine import Engine
from proffer.engine.erase import reapply
from proffer.engine.erasures import FILE as ERASURES
from proffer.engine.erasures import read as read_erasures
from proffer.engine.provenance import code_version
from proffer.stores.backups import Backup, close_up, gather, reading, snapshot, told, unpack
from proffer.stores.copying import Inventory, Progress, copy, inventory
from proffer.stores.pseudonym_key import KEY_FILE, load_pseudonyms
from proffer.stores.sqlite import sqlite_stores
from proffer.stores.sqlite.backup import remove_database, rest
from proffer.stores.sqlite.tables import open_reader, version_of
from proffer.stores.versions import VERSION
from proffer.stores.whole import whole

__all__ = ["Backup", "Inventory", "Restored", "back_up", "check_backup", "copy_workspace", "restore", "told"]

BESIDE = (ERASURES, KEY_FILE)
"""Files of a workspace's folder that go along with its stores, where they are."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was restored: the backup, what the workspace holds now, and how many were erased again."""

    backup: Backup
    holds: Inventory
    erased: int = 0


def back_up(
    home: Path, name: str, folder: Path, *, clock: Clock | None = None, progress: Progress | None = None
) -> Backup:
    """Write a workspace as of this moment into a new folder, also while others write it, and return what it holds.

    The folder has the form of a workspace in SQLite, whatever keeps this one, and is sealed: see `restore`. Raises
    NotFound, Conflict when the folder is not empty or somebody was erased meanwhile, StorageFull when the disk is full.
    """
    found, root = workspace(home, name), home / name
    pipelines = _pipelines(found.app, needed=found.store is not None)
    with whole(folder.absolute()) as place:
        if found.store is None:
            holds = _snapshot(root, place, pipelines)
        else:
            holds = _gathered(root, place, pipelines, progress)
        _beside(root, place)
        write_workspace(place, msgspec.structs.replace(found, store=None))
        backup = Backup(
            workspace=found.name, app=found.app, created_at=found.created_at, code=code_version(),
            made_at=(clock or SystemClock()).now(), pipelines=pipelines, holds=holds,
        )  # fmt: skip
        close_up(place, backup)
    return backup


def check_backup(folder: Path) -> Backup:
    """Return what a backup holds after reading every byte of it. Raises NotFound, or Corrupt naming a damaged file."""
    return told(folder, whole=True)


def restore(
    folder: Path, home: Path, name: str, *, store: str | None = None, erasures: Path | None = None,
    clock: Clock | None = None, progress: Progress | None = None,
) -> Restored:  # fmt: skip
    """Make a workspace of a backup, whole or not at all, and return what it holds.

    Every file is compared with its hash and the log with the backup's; then whoever was erased since is erased again,
    by the list in the backup and a newer one where `erasures` names it. `store` is the address of a PostgreSQL database
    that keeps the workspace from now on, None: SQLite. Raises Conflict when there is such a workspace, or without the
    pseudonym key of the list; Corrupt naming a damaged file, NotFound without a backup, StorageFull when the disk is
    full.
    """
    app, address = application(told(folder).app), check_store(store)
    with whole(home / check_name(name)) as place:
        backup = unpack(folder, place)
        made = Workspace(name=name, app=backup.app, created_at=backup.created_at)
        erased = _erase_again(app, made, place, erasures, clock or SystemClock())
        with reading(place) as source:
            holds = inventory(source, backup.pipelines) if erased else backup.holds
            if address is not None:
                made, _ = _into_database(source, address, made, place, backup.pipelines, progress)
        if address is not None:
            remove_database(place)
        write_workspace(place, made)
    return Restored(backup=backup, holds=holds, erased=erased)


def copy_workspace(
    source: Path, target: Path, *, store: str | None = None, switch: bool = False, progress: Progress | None = None
) -> Inventory:  # fmt: skip
    """Copy the workspace in one folder into another, compare both, and return what they hold.

    `store` is the address of a PostgreSQL database that keeps the copy, None: SQLite. The source may be written
    meanwhile. `switch` is for a workspace in SQLite that goes on in the database under its own name and folder:
    nobody may write it meanwhile. Raises Conflict when there is something in the target, NotFound without a source,
    Corrupt when what arrived is not what was read.
    """
    found, address = workspace(source.parent, source.name), check_store(store)
    made = msgspec.structs.replace(found, name=check_name(target.name), store=None)
    pipelines = _pipelines(found.app, needed=True)
    if switch and (address is None or found.store is not None or source.resolve() != target.resolve()):
        message = "only a workspace in SQLite can go on in a database under its own name"
        raise Invalid(message, field="switch", remedy="Name the database alone as the target.")
    opened = open_stores(source, writable=switch)
    try:
        if switch and address is not None:
            made, holds = _into_database(opened, address, made, target, pipelines, progress)
            write_workspace(target, made)
            return holds
        with whole(target.absolute()) as place:
            if address is not None:
                made, holds = _into_database(opened, address, made, place, pipelines, progress)
            else:
                holds = gather(opened, place, pipelines, progress)
                rest(place)
            _beside(source, place)
            write_workspace(place, made)
        return holds
    finally:
        opened.log.close()


def _erase_again(app: App, made: Workspace, place: Path, newer: Path | None, clock: Clock) -> int:
    """Erase who is on the lists of erasures but not in the notes of the log; return how many were found."""
    if newer is not None and not newer.is_file():
        raise NotFound(f"there is no list {newer}", field="erasures", remedy="Name a file erasures.jsonl.")
    lists = [place / ERASURES, *([] if newer is None else [newer])]
    lines = [line for path in lists for line in read_erasures(path)]
    if not lines:
        return 0
    stores = sqlite_stores(place)
    try:
        names = load_pseudonyms(place, os.environ.get(PSEUDONYM_KEY) or None)
        engine = Engine(app, made.name, stores, clock=clock, ids=RandomIds(), pseudonyms=names)
    except BaseException:
        stores.log.close()
        raise
    try:
        return reapply(engine, lines)
    finally:
        engine.close()


def _into_database(
    source: Stores, address: str, made: Workspace, root: Path, pipelines: Sequence[str], progress: Progress | None
) -> tuple[Workspace, Inventory]:  # fmt: skip
    """Copy stores into a schema of a database; return the workspace that it keeps from now on, and what it holds."""
    postgres = postgres_module()
    from proffer.stores.postgres.whole import whole_schema

    with whole_schema(address, made.name, made.app, made.created_at, root) as target:
        holds = copy(source, target, pipelines, progress)
    return msgspec.structs.replace(made, store=postgres.without_password(address)), holds


def _snapshot(root: Path, place: Path, pipelines: tuple[str, ...]) -> Inventory:
    try:
        source: Stores | None = open_stores(root, writable=False)
    except CannotStart:
        # Tables of another version: those of an older one are copied and led on in the copy.
        with closing(open_reader(root, check=False)) as connection:
            if version_of(connection) > VERSION:
                raise
        source = None
    try:
        return snapshot(root, source, place, pipelines)
    finally:
        if source is not None:
            source.log.close()


def _gathered(root: Path, place: Path, pipelines: tuple[str, ...], progress: Progress | None) -> Inventory:
    source = open_stores(root, writable=False)
    try:
        return gather(source, place, pipelines, progress)
    finally:
        source.log.close()


def _pipelines(app: str, *, needed: bool) -> tuple[str, ...]:
    try:
        return tuple(pipeline.name for pipeline in application(app).pipelines)
    except (NotFound, CannotStart):
        if needed:
            raise
        # A database is copied page by page, also where the application is not installed.
        return ()


def _beside(root: Path, place: Path) -> None:
    for name in BESIDE:
        if (root / name).is_file():
            shutil.copyfile(root / name, place / name)
            (place / name).chmod(0o600)
