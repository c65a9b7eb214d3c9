"""Schemas that hold a whole workspace or do not exist: filled under another name, then renamed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from proffer.core.errors import Busy, CannotStart, Conflict
from proffer.core.ports import Stores
from proffer.stores.postgres import join, postgres_stores
from proffer.stores.postgres.address import schema_name
from proffer.stores.postgres.database import Connection, Database
from proffer.stores.postgres.failures import meaning


@contextmanager
def whole_schema(url: str, workspace: str, app: str, at: datetime, root: Path) -> Iterator[Stores]:
    """Give empty stores to fill; afterwards they are the workspace's, or are gone.

    What a killed process left half filled is thrown away. Raises Conflict when the workspace's schema holds something,
    Busy while another process fills it, CannotStart without the right to make schemas in the database.
    """
    final, name = schema_name(workspace), f"{workspace}.copy"
    scratch = schema_name(name)
    database = Database(url, final)
    try:
        with closing(database.connect()) as connection:
            _check_rights(connection)
            _alone(connection, scratch)
            _check_free(connection, final)
            _drop(connection, scratch)
            try:
                join(url, name, app, at)
                stores = postgres_stores(url, name, root, app=app)
                try:
                    yield stores
                finally:
                    stores.log.close()
                _rename(connection, scratch, final)
            finally:
                # Nothing is there any more where it was renamed.
                _drop(connection, scratch)
    except psycopg.Error as error:
        raise meaning(error) from error
    finally:
        database.close()


def _check_rights(connection: Connection) -> None:
    sql = "SELECT has_database_privilege(current_database(), 'CREATE'), current_user, current_database()"
    row = connection.execute(sql).fetchone()
    if row is not None and not row[0]:
        message = f"{row[1]} may not make schemas in the database {row[2]}, which a copy needs while it is made"
        remedy = f'Let an administrator run: GRANT CREATE ON DATABASE "{row[2]}" TO "{row[1]}".'
        raise CannotStart(message, field="store", remedy=remedy)


def _alone(connection: Connection, scratch: str) -> None:
    # Held until the connection ends, however that comes about.
    row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 1))", (scratch,)).fetchone()
    if row is None or not row[0]:
        message = "another process is copying into this workspace of the database"
        raise Busy(message, field="target", remedy="Wait until it is done.")


def _check_free(connection: Connection, schema: str) -> None:
    sql = "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s LIMIT 1"
    if connection.execute(sql, (schema,)).fetchone() is not None:
        message = f"the schema {schema} of the database holds something already"
        raise Conflict(message, field="target", remedy="Choose another name or database, or join it: proffer init.")


def _drop(connection: Connection, schema: str) -> None:
    connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(schema)))


def _rename(connection: Connection, scratch: str, final: str) -> None:
    with connection.transaction():
        # An empty one may have been made for it.
        connection.execute(SQL("DROP SCHEMA IF EXISTS {}").format(Identifier(final)))
        connection.execute(SQL("ALTER SCHEMA {} RENAME TO {}").format(Identifier(scratch), Identifier(final)))
