"""What an error of SQLite means."""

import os
import sqlite3
from pathlib import Path

from proffer.core.errors import Busy, CannotStart, Corrupt, ProfferError, StorageFull

SPARE_BYTES = 1 << 20

_STORAGE = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip


def code(error: BaseException) -> int:
    """Return the primary code of an error of SQLite, 0 for any other: the low byte; the rest says where it was."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_storage(error: BaseException) -> bool:
    """Tell whether the storage failed, rather than one statement."""
    return code(error) in _STORAGE


def meaning(error: sqlite3.Error, root: Path) -> ProfferError:
    """Return the error to raise for one of SQLite on the database of a workspace; none of them left rows behind."""
    if code(error) == sqlite3.SQLITE_FULL or (is_storage(error) and _is_full(root)):
        return StorageFull("the disk is full; nothing was written", remedy="Free space, then send it again.")
    if code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Corrupt(f"the log in {root} is damaged: {error}", remedy="Restore it from a backup.")
    if code(error) in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
        return CannotStart(f"the log in {root} cannot be opened: {error}", remedy="See the rights of its folder.")
    if code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy(f"the log in {root} is held: {error}; nothing was written", remedy="Try again.")
    return ProfferError(f"the disk failed, nothing was written: {error}", remedy="Send it again; see the disk.")


def _is_full(root: Path) -> bool:
    disk = os.statvfs(root)
    return disk.f_bavail * disk.f_frsize < SPARE_BYTES
