"""The one database file of a workspace: its tables, how it is opened for writing, and how for reading."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proffer.core.errors import CannotStart, NotFound
from proffer.stores.sqlite.failures import meaning

FILE = "log.db"
VERSION = 1

_TABLES = """
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL, at INTEGER NOT NULL,
  actor_kind TEXT NOT NULL, actor_id TEXT NOT NULL, target_kind TEXT, target_id TEXT, query_id TEXT,
  fields TEXT, digest BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX events_id ON events (id);
CREATE INDEX events_actor ON events (actor_id, actor_kind);
CREATE INDEX events_target ON events (target_id, target_kind) WHERE target_id IS NOT NULL;
CREATE INDEX events_query ON events (query_id) WHERE query_id IS NOT NULL;
CREATE INDEX events_type ON events (type);
CREATE INDEX events_at ON events (at);
CREATE TABLE quarantine (
  number INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, raw BLOB NOT NULL, reason BLOB NOT NULL, field BLOB,
  event_id BLOB, source BLOB NOT NULL, repaired_by TEXT) STRICT;
CREATE INDEX quarantine_open ON quarantine (number) WHERE repaired_by IS NULL;
CREATE TABLE counts (
  accepted INTEGER NOT NULL, duplicates INTEGER NOT NULL, conflicts INTEGER NOT NULL, quarantined INTEGER NOT NULL
) STRICT;
INSERT INTO counts VALUES (0, 0, 0, 0);
CREATE TABLE decisions (id TEXT PRIMARY KEY, subject_kind TEXT NOT NULL, subject_id TEXT NOT NULL, body BLOB NOT NULL)
  STRICT;
CREATE INDEX decisions_subject ON decisions (subject_id, subject_kind, id);
CREATE TABLE versions (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, pipeline TEXT NOT NULL, body BLOB NOT NULL)
  STRICT;
CREATE INDEX versions_pipeline ON versions (pipeline);
CREATE TABLE champions (pipeline TEXT PRIMARY KEY, version TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;
CREATE TABLE tokens (name TEXT PRIMARY KEY, digest TEXT NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX tokens_digest ON tokens (digest);
"""
# Tables that came later: made where they are missing, whenever a workspace is opened for writing. What served when
# there was no list of promotions yet begins it.
_LATER = """
CREATE TABLE IF NOT EXISTS promotions (
  pipeline TEXT NOT NULL, revision INTEGER NOT NULL, version TEXT NOT NULL, at INTEGER NOT NULL, how TEXT NOT NULL,
  PRIMARY KEY (pipeline, revision)) STRICT;
CREATE TABLE IF NOT EXISTS vouched (
  version TEXT NOT NULL, code TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (version, code)) STRICT;
CREATE TABLE IF NOT EXISTS jobs (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, pipeline TEXT NOT NULL, key TEXT UNIQUE, active INTEGER NOT NULL,
  body BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS jobs_pipeline ON jobs (pipeline);
CREATE UNIQUE INDEX IF NOT EXISTS jobs_active ON jobs (pipeline) WHERE active;
INSERT OR IGNORE INTO promotions
  SELECT c.pipeline, c.revision, c.version,
         coalesce(strftime('%s', json_extract(CAST(v.body AS TEXT), '$.created_at')), 0) * 1000000, 'promote'
  FROM champions c JOIN versions v ON v.id = c.version;
"""


def open_writer(root: Path) -> sqlite3.Connection:
    """Return the connection that writes and checkpoints, with tables made where there are none.

    Raises CannotStart for a database of a newer version, Corrupt for a file that is none.
    """
    with _plain(root):
        connection = sqlite3.connect(root / FILE, isolation_level=None, check_same_thread=False, timeout=5)
        try:
            connection.execute("PRAGMA page_size = 2048")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA wal_autocheckpoint = 16000")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            connection.execute("PRAGMA cache_size = -65536")
            _make(connection, root)
        except BaseException:
            connection.close()
            raise
    return connection


def open_reader(root: Path) -> sqlite3.Connection:
    """Return a connection that can neither write nor checkpoint: two that do can corrupt SQLite before 3.51.3."""
    path = root / FILE
    if not path.is_file():
        raise NotFound(f"no workspace in {root}", field="workspace", remedy="Make one with proffer init.")
    with _plain(root):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=5
        )
        try:
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            _check_version(connection, root)
        except BaseException:
            connection.close()
            raise
    return connection


def _make(connection: sqlite3.Connection, root: Path) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0]:
        _check_version(connection, root)
        connection.executescript(f"BEGIN IMMEDIATE; {_LATER} COMMIT;")
        return
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise CannotStart(f"{root / FILE} is a database, but not of Proffer", remedy="Choose another folder.")
    connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} {_LATER} PRAGMA user_version = {VERSION}; COMMIT;")


def _check_version(connection: sqlite3.Connection, root: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        message = f"{root / FILE} has tables of version {version}, this Proffer knows versions up to {VERSION}"
        raise CannotStart(message, remedy="Start the newer Proffer that wrote it.")
    if version < 1:
        raise NotFound(f"{root / FILE} has no tables yet", field="workspace", remedy="Open it for writing first.")


@contextmanager
def _plain(root: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise meaning(error, root) from error
