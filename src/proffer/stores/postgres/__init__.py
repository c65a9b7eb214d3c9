"""Every store of a workspace in a PostgreSQL schema; a local folder for snapshots and as a cache of models."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from psycopg.errors import InsufficientPrivilege

from proffer.core.clock import Clock, SystemClock
from proffer.core.errors import CannotStart, Conflict
from proffer.core.ports import Stores
from proffer.stores.artifacts import Artifacts
from proffer.stores.postgres.address import schema_name, without_password
from proffer.stores.postgres.database import Connection, Database
from proffer.stores.postgres.decisions import PostgresDecisions
from proffer.stores.postgres.jobs import PostgresJobs
from proffer.stores.postgres.log import PostgresLog
from proffer.stores.postgres.registry import PostgresRegistry
from proffer.stores.postgres.tables import check_tables, make_tables
from proffer.stores.postgres.tables import migrate as migrate_tables
from proffer.stores.postgres.tokens import PostgresTokens
from proffer.stores.rows import micros, moment
from proffer.stores.snapshots import FileSnapshots

__all__ = ["join", "migrate", "postgres_stores", "schema_name", "without_password"]


def postgres_stores(
    url: str, workspace: str, root: Path, *, app: str | None = None, writable: bool = True, clock: Clock | None = None
) -> Stores:
    """Open the stores of a workspace in a database; `stores.log.close()` closes all of them.

    Any number of processes may do so at once, for writing too. `root` is the folder of this machine for snapshots and
    the cache of models. Raises NotFound where the database has no such workspace, Conflict where it is one of another
    application than `app`, CannotStart for tables of another version, a wrong password or an unknown database, Busy
    when there is no server.
    """
    clock = clock or SystemClock()
    database = Database(url, schema_name(workspace))
    with ExitStack() as opened:
        opened.callback(database.close)
        check_tables(database, workspace)
        if app is not None:
            _check_app(database, app)
        artifacts = Artifacts(root / "models")
        if writable:
            artifacts.sweep(clock.now())
        decisions = PostgresDecisions(database, writable=writable)
        opened.callback(decisions.close)
        close = opened.pop_all().close
        return Stores(
            log=PostgresLog(database, clock, close, writable=writable),
            decisions=decisions,
            snapshots=FileSnapshots(root / "snapshots", writable=writable, shared=True),
            registry=PostgresRegistry(database, artifacts, writable=writable),
            tokens=PostgresTokens(database, writable=writable),
            jobs=PostgresJobs(database),
            root=root,
            writable=writable,
            shared=True,
        )


def join(url: str, workspace: str, app: str, at: datetime) -> datetime:
    """Make a workspace's schema in a database, or find it there; return when it was made.

    Of several processes that try at once each finds the same. Raises Conflict where the schema holds a workspace of
    another application, CannotStart where it holds something else, is of another version, or the rights are missing.
    """
    database = Database(url, schema_name(workspace))
    sql = "INSERT INTO workspace (app, created_at) VALUES (%s, %s) ON CONFLICT DO NOTHING"

    def note(connection: Connection) -> int:
        connection.execute(sql, (app, micros(at)))
        found = connection.execute("SELECT created_at FROM workspace").fetchone()
        return found[0] if found else micros(at)

    try:
        make_tables(database, workspace)
        made = database.run(note)
        _check_app(database, app)
    except CannotStart as error:
        if isinstance(error.__cause__, InsufficientPrivilege) and "for database" in error.message:
            remedy = f'Let an administrator run: CREATE SCHEMA "{database.schema}" AUTHORIZATION the_user;'
            raise CannotStart(error.message, field="store", remedy=remedy) from error
        raise
    finally:
        database.close()
    return moment(made)


def migrate(url: str, workspace: str) -> Iterator[int]:
    """Lead a workspace's tables on to this code's version; yield the number of each step once it is on disk."""
    database = Database(url, schema_name(workspace))
    try:
        yield from migrate_tables(database)
    finally:
        database.close()


def _check_app(database: Database, app: str) -> None:
    found = database.first("SELECT app FROM workspace")
    if found is not None and found[0] != app:
        message = f"the schema {database.schema} holds a workspace of the application {found[0]}, not of {app}"
        raise Conflict(message, field="app", remedy="Use another name, another database, or that application.")
