"""Backups: a workspace as of one moment in SQLite's form, whatever its stores, sealed; and how it is unpacked."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import msgspec

from proffer.core.errors import Corrupt, NotFound
from proffer.core.ports import Stores
from proffer.stores.artifacts import Artifacts
from proffer.stores.copying import (
    Inventory,
    Progress,
    cancel_jobs,
    check_equal,
    check_unerased,
    copy,
    inventory,
    log_hash,
)
from proffer.stores.sealed import MANIFEST, REMEDY, carry, check, manifest, seal
from proffer.stores.sqlite import sqlite_stores
from proffer.stores.sqlite.backup import copy_database, rest
from proffer.stores.sqlite.tables import migrate


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself: which workspace it is of, when and by which code it was made, what it holds."""

    workspace: str
    app: str
    created_at: datetime
    made_at: datetime
    code: str
    pipelines: tuple[str, ...]
    holds: Inventory


def snapshot(root: Path, source: Stores | None, place: Path, pipelines: Sequence[str]) -> Inventory:
    """Copy a workspace in SQLite into an empty folder as of one moment, and return what the copy holds.

    `source` reads the workspace, to compare the copy's log with its own; None where its tables are too old for that.
    Raises Conflict when somebody was erased meanwhile.
    """
    copy_database(root, place)
    stores = sqlite_stores(place)
    cancel_jobs(stores)
    stores.log.close()
    _carry_models(root, place)
    with reading(place) as copied:
        found = inventory(copied, pipelines)
        if source is not None:
            _compare(source, found)
    return found


def gather(source: Stores, place: Path, pipelines: Sequence[str], progress: Progress | None = None) -> Inventory:
    """Copy a workspace from any stores into an empty folder in SQLite's form, and return what the copy holds."""
    target = sqlite_stores(place)
    try:
        found = copy(source, target, pipelines, progress)
    finally:
        target.log.close()
    return found


def close_up(place: Path, backup: Backup) -> None:
    """Seal a folder that holds a workspace in SQLite's form: nothing in it can change unnoticed from now on."""
    rest(place)
    with suppress(OSError):
        # Nothing was ever snapshot here.
        (place / "snapshots").rmdir()
    seal(place, msgspec.to_builtins({"backup": backup}))


def told(folder: Path, *, whole: bool = False) -> Backup:
    """Return what a backup says of itself; `whole`: after reading every file of it. Raises NotFound or Corrupt."""
    return _backup(folder, (check if whole else manifest)(folder).told)


def unpack(folder: Path, place: Path) -> Backup:
    """Unpack a backup into an empty folder, as tables of this code's version, and compare it with what it should hold.

    Raises Corrupt naming the file or figure that differs, CannotStart for a backup of a newer Proffer.
    """
    backup = _backup(folder, carry(folder, place).told)
    for _ in migrate(place):
        pass
    with reading(place) as stores:
        check_equal(backup.holds, inventory(stores, backup.pipelines))
    rest(place)
    return backup


@contextmanager
def reading(place: Path) -> Iterator[Stores]:
    """Open a folder in SQLite's form for reading only."""
    stores = sqlite_stores(place, writable=False)
    try:
        yield stores
    finally:
        stores.log.close()


def _carry_models(root: Path, place: Path) -> None:
    """Copy the files of every version that is sound, whatever its pipeline; the inventory names those that are not."""
    held, kept = Artifacts(root / "models"), Artifacts(place / "models")
    for folder in sorted((root / "models").glob("m_*")):
        try:
            kept.put(folder.name, held.files(folder.name))
        except (NotFound, Corrupt):
            continue


def _compare(source: Stores, found: Inventory) -> None:
    check_unerased(source.log, found.position)
    if log_hash(source.log, found.position, found.rows) != found.log:
        raise Corrupt("the copy of the log is not what the log holds", field="log", remedy="Repeat it; see the disk.")


def _backup(folder: Path, said: object) -> Backup:
    try:
        return msgspec.convert(said, dict[str, Backup])["backup"]
    except (msgspec.ValidationError, KeyError) as error:
        raise Corrupt(f"{folder / MANIFEST} cannot be read: {error}", field="backup", remedy=REMEDY) from error
