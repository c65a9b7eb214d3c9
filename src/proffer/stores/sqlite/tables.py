"""The one database file of a workspace: its tables, how it is opened for writing, and how for reading."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from proffer.core.errors import CannotStart, NotFound
from proffer.stores.sqlite.failures import meaning
from proffer.stores.sqlite.steps import STEPS
from proffer.stores.versions import VERSION, check_version, steps_after

FILE = "log.db"


def open_writer(root: Path) -> sqlite3.Connection:
    """Return the connection that writes and checkpoints, with tables made where there are none.

    Raises CannotStart for a database of another version, Corrupt for a file that is none.
    """
    connection = _open(root)
    with _plain(root, connection):
        if not version_of(connection):
            _check_ours(connection, root)
            _make(connection)
        check_version(version_of(connection), str(root / FILE), root.name)
    return connection


def migrate(root: Path, *, steps: Mapping[int, str] = STEPS) -> Iterator[int]:
    """Lead the tables of a workspace on to this code's version; yield the number of each step once it is on disk.

    Each step is one transaction: killed anywhere, the same again goes on where it stood. Raises NotFound where there
    are no tables, CannotStart for a newer version.
    """
    open_reader(root, check=False).close()
    connection = _open(root)
    with _plain(root, connection):
        _check_ours(connection, root)
        found = version_of(connection)
        if found > max(steps):
            check_version(found, str(root / FILE), root.name)
        yield from _steps(connection, steps)
    connection.close()


def open_reader(root: Path, *, check: bool = True) -> sqlite3.Connection:
    """Return a connection that can neither write nor checkpoint: two that do can corrupt SQLite before 3.51.3.

    `check`: whether tables of another version than this code's raise CannotStart.
    """
    path = root / FILE
    if not path.is_file():
        raise NotFound(f"no workspace in {root}", field="workspace", remedy="Make one with proffer init.")
    with _plain(root):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=5
        )
    with _plain(root, connection):
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        found = version_of(connection)
        if found < 1:
            raise NotFound(f"{path} has no tables yet", field="workspace", remedy="Open it for writing first.")
        if check:
            check_version(found, str(path), root.name)
    return connection


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of the tables, 0 where there are none."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _open(root: Path) -> sqlite3.Connection:
    with _plain(root):
        connection = sqlite3.connect(root / FILE, isolation_level=None, check_same_thread=False, timeout=5)
    with _plain(root, connection):
        connection.execute("PRAGMA page_size = 2048")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 16000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA cache_size = -65536")
    return connection


def _make(connection: sqlite3.Connection) -> None:
    # In one piece: a killed process must not leave tables of an older version in a new workspace.
    every = " ".join(sql for _, sql in steps_after(0, STEPS))
    connection.executescript(f"BEGIN IMMEDIATE; {every} PRAGMA user_version = {VERSION}; COMMIT;")


def _steps(connection: sqlite3.Connection, steps: Mapping[int, str]) -> Iterator[int]:
    for number, sql in steps_after(version_of(connection), steps):
        connection.executescript(f"BEGIN IMMEDIATE; {sql} PRAGMA user_version = {number}; COMMIT;")
        yield number


def _check_ours(connection: sqlite3.Connection, root: Path) -> None:
    if not version_of(connection) and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise CannotStart(f"{root / FILE} is a database, but not of Proffer", remedy="Choose another folder.")


@contextmanager
def _plain(root: Path, connection: sqlite3.Connection | None = None) -> Iterator[None]:
    """Say what an error of SQLite means, and close a connection that met one."""
    try:
        yield
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise meaning(error, root) from error
        raise
