"""The tables of a workspace in its schema: how they are made, checked and migrated."""

from collections.abc import Iterator, Mapping
from contextlib import closing

import psycopg
from psycopg.sql import SQL, Identifier

from proffer.core.errors import Busy, CannotStart, NotFound
from proffer.stores.postgres.database import Connection, Database
from proffer.stores.postgres.failures import meaning
from proffer.stores.versions import check_version, steps_after

# Text is compared byte by byte, whatever the database's language: ids sort alike in every store.
_TABLES = """
CREATE TABLE workspace (
  single boolean PRIMARY KEY DEFAULT true CHECK (single), app text NOT NULL, created_at bigint NOT NULL);
CREATE TABLE events (
  sequence bigint PRIMARY KEY, id text COLLATE "C" NOT NULL, type text COLLATE "C" NOT NULL, at bigint NOT NULL,
  actor_kind text COLLATE "C" NOT NULL, actor_id text COLLATE "C" NOT NULL, target_kind text COLLATE "C",
  target_id text COLLATE "C", query_id text COLLATE "C", fields text, digest bytea NOT NULL);
CREATE UNIQUE INDEX events_id ON events (id);
CREATE INDEX events_actor ON events (actor_id, actor_kind, sequence);
CREATE INDEX events_target ON events (target_id, target_kind, sequence) WHERE target_id IS NOT NULL;
CREATE INDEX events_query ON events (query_id, sequence) WHERE query_id IS NOT NULL;
CREATE INDEX events_type ON events (type, sequence);
CREATE INDEX events_at ON events (at, sequence);
CREATE TABLE quarantine (
  number bigint PRIMARY KEY, received_at bigint NOT NULL, raw bytea NOT NULL, reason bytea NOT NULL, field bytea,
  event_id bytea, source bytea NOT NULL, repaired_by text);
CREATE INDEX quarantine_open ON quarantine (number) WHERE repaired_by IS NULL;
CREATE TABLE counts (
  accepted bigint NOT NULL, duplicates bigint NOT NULL, conflicts bigint NOT NULL, quarantined bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO counts VALUES (0, 0, 0, 0);
CREATE TABLE writers (id text PRIMARY KEY, done bigint NOT NULL, at timestamptz NOT NULL DEFAULT now())
  WITH (fillfactor = 10);
CREATE TABLE decisions (
  id text COLLATE "C" PRIMARY KEY, subject_kind text COLLATE "C" NOT NULL, subject_id text COLLATE "C" NOT NULL,
  body bytea NOT NULL);
CREATE INDEX decisions_subject ON decisions (subject_id, subject_kind, id);
CREATE TABLE versions (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text COLLATE "C" NOT NULL UNIQUE,
  pipeline text COLLATE "C" NOT NULL, body bytea NOT NULL);
CREATE INDEX versions_pipeline ON versions (pipeline);
CREATE TABLE artifacts (
  version text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, part integer NOT NULL, body bytea NOT NULL,
  PRIMARY KEY (version, name, part));
ALTER TABLE artifacts ALTER body SET STORAGE EXTERNAL;
CREATE TABLE champions (
  pipeline text COLLATE "C" PRIMARY KEY, version text COLLATE "C" NOT NULL, revision bigint NOT NULL);
CREATE TABLE promotions (
  pipeline text COLLATE "C" NOT NULL, revision bigint NOT NULL, version text COLLATE "C" NOT NULL, at bigint NOT NULL,
  how text NOT NULL, PRIMARY KEY (pipeline, revision));
CREATE TABLE vouched (
  version text COLLATE "C" NOT NULL, code text COLLATE "C" NOT NULL, at bigint NOT NULL, PRIMARY KEY (version, code));
CREATE TABLE reviews (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, version text COLLATE "C" NOT NULL, body bytea NOT NULL);
CREATE INDEX reviews_version ON reviews (version);
CREATE TABLE tokens (name text COLLATE "C" PRIMARY KEY, digest text COLLATE "C" NOT NULL, body bytea NOT NULL);
CREATE INDEX tokens_digest ON tokens (digest);
CREATE TABLE jobs (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text COLLATE "C" NOT NULL UNIQUE,
  pipeline text COLLATE "C" NOT NULL, key text COLLATE "C" UNIQUE, active boolean NOT NULL, body bytea NOT NULL);
CREATE INDEX jobs_pipeline ON jobs (pipeline);
CREATE UNIQUE INDEX jobs_active ON jobs (pipeline) WHERE active;
CREATE TABLE leases (job text COLLATE "C" PRIMARY KEY, until timestamptz NOT NULL);
"""

STEPS: Mapping[int, str] = {2: _TABLES}
"""What leads to each version from the one before; each is one transaction. The first that PostgreSQL had is 2."""

_FIND = """
SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = %s),
       (SELECT count(*) FROM pg_tables WHERE schemaname = %s AND tablename = 'proffer_version')
"""


def version_of(database: Database) -> int:
    """Return the version of the tables, 0 where the schema has none of Proffer's, or is not there."""
    schema, table = database.all(_FIND, (database.schema, database.schema))[0]
    if not (schema and table):
        return 0
    if not database.all("SELECT has_schema_privilege(%s, 'USAGE')", (database.schema,))[0][0]:
        message = f"the user may not use the schema {database.schema}, which is somebody else's"
        raise CannotStart(message, field="store", remedy="Connect as its owner, or use another name.")
    row = database.first("SELECT number FROM proffer_version")
    return int(row[0]) if row else 0


def check_tables(database: Database, name: str) -> None:
    """Raise NotFound where the workspace has no tables, CannotStart where they are older or newer than this code."""
    found = version_of(database)
    if not found:
        message = f"the database has no workspace {name}: there is no schema {database.schema} with tables of Proffer"
        raise NotFound(
            message, field="workspace", remedy="Make it with proffer init, or see the name and the database."
        )
    check_version(found, f"the schema {database.schema}", name)


def make_tables(database: Database, name: str) -> bool:
    """Make the schema and its tables where there are none; return whether it did.

    Of several processes that try at once one does. Raises CannotStart without the rights, or for tables of another
    version, or for a schema that holds something else.
    """
    if version_of(database):
        check_tables(database, name)
        return False
    return bool([*migrate(database, new=True)])


def migrate(database: Database, *, new: bool = False, steps: Mapping[int, str] = STEPS) -> Iterator[int]:
    """Lead the tables on to this code's version, one step a transaction; yield each step's number once it is on disk.

    Killed anywhere, the same again goes on where it stood. `new`: from nothing. Raises NotFound where there are no
    tables, CannotStart for a newer version or without the rights, Busy while others are connected to the workspace.
    """
    with closing(database.connect()) as connection:
        try:
            connection.execute("SELECT set_config('lock_timeout', '60s', false)")
            while True:
                with connection.transaction():
                    done = _step(connection, database.schema, new, steps)
                if done is None:
                    return
                yield done
        except psycopg.Error as error:
            raise meaning(error) from error


def _step(connection: Connection, schema: str, new: bool, steps: Mapping[int, str]) -> int | None:
    # Whoever comes second waits here, and finds the step done.
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (schema,))
    found = _found(connection, schema)
    if found is None:
        if not new:
            remedy = "See its name and the database."
            raise NotFound(f"there is no schema {schema} with tables of Proffer", field="workspace", remedy=remedy)
        _begin(connection, schema)
        found = 0
    elif found > max(steps):
        check_version(found, f"the schema {schema}", schema)
    left = steps_after(found, steps)
    if not left:
        return None
    if not new:
        _check_alone(connection)
    number, sql = left[0]
    connection.execute(sql)
    connection.execute("UPDATE proffer_version SET number = %s", (number,))
    return number


def _found(connection: Connection, schema: str) -> int | None:
    row = connection.execute(_FIND, (schema, schema)).fetchone()
    if row is None or not row[1]:
        return None
    number = connection.execute("SELECT number FROM proffer_version").fetchone()
    return number[0] if number else None


def _check_alone(connection: Connection) -> None:
    # Code of before would read tables of after.
    sql = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database() AND "
    others = connection.execute(sql + "application_name = current_setting('application_name')").fetchone()
    if others is not None and others[0]:
        message = f"{others[0]} connections of other processes to the workspace are open"
        raise Busy(message, field="workspace", remedy="Stop every server and worker of it first.")


def _begin(connection: Connection, schema: str) -> None:
    there = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone()
    if there is None:
        # Only then: even with IF NOT EXISTS it would ask for a right that a schema made by an administrator spares.
        connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
    held = connection.execute("SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                              "WHERE n.nspname = %s", (schema,)).fetchone()  # fmt: skip
    if held is not None and held[0]:
        message = f"the schema {schema} holds tables, but none of Proffer"
        raise CannotStart(message, field="store", remedy="Choose another name or database.")
    connection.execute("CREATE TABLE proffer_version (number integer NOT NULL)")
    connection.execute("INSERT INTO proffer_version VALUES (0)")
