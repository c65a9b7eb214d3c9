"""The database of a workspace as of one moment, copied while another process writes it."""

import sqlite3
from pathlib import Path

from proffer.core.errors import Corrupt, StorageFull
from proffer.stores.sqlite.failures import meaning
from proffer.stores.sqlite.lock import FILE as LOCK
from proffer.stores.sqlite.tables import FILE, migrate, open_reader

HERE = ("vouched", "leases")
"""Tables that say something of one machine and its processes, and nothing in a copy."""


def copy_database(root: Path, target: Path) -> None:
    """Copy the database in one folder into another that has none, as tables of this code's version.

    It is read in one transaction by a connection that can neither write nor checkpoint. Raises NotFound where there is
    no database, Corrupt for a damaged one, StorageFull when the disk of the copy is full.
    """
    source = open_reader(root, check=False)
    try:
        copy = sqlite3.connect(target / FILE, isolation_level=None)
        try:
            source.backup(copy)
            _check(copy, root)
        finally:
            copy.close()
        for _ in migrate(target):
            pass
        rest(target)
    except sqlite3.Error as error:
        told = meaning(error, target)
        raise (told if isinstance(told, StorageFull) else meaning(error, root)) from error
    finally:
        source.close()


def rest(root: Path) -> None:
    """Leave a database that nobody has open as one file, which can be read where nothing can be written."""
    connection = sqlite3.connect(root / FILE, isolation_level=None)
    try:
        for table in HERE:
            connection.execute(f"DELETE FROM {table}")
        connection.execute("PRAGMA journal_mode = DELETE")
    finally:
        connection.close()
    (root / LOCK).unlink(missing_ok=True)


def remove_database(root: Path) -> None:
    """Remove a database that nobody has open, with what SQLite keeps beside it."""
    for name in (FILE, f"{FILE}-wal", f"{FILE}-shm", LOCK):
        (root / name).unlink(missing_ok=True)


def _check(copy: sqlite3.Connection, root: Path) -> None:
    [[found]] = copy.execute("PRAGMA quick_check(1)")
    if found != "ok":
        raise Corrupt(f"the log in {root} is damaged: {found}", remedy="Restore it from an earlier backup.")
