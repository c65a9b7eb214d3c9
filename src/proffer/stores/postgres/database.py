"""Connections to one workspace's schema in a PostgreSQL database."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.sql import SQL, Identifier

from proffer.core.errors import Busy, CannotStart, Invalid, ProfferError
from proffer.stores.postgres import failures
from proffer.stores.postgres.address import parameters
from proffer.stores.postgres.failures import is_clash, is_lost, meaning

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

MOST = 16
PATIENCE = 1.0
PAUSES = (0.02, 0.15, 0.4)
"""Seconds before each further try; each is cut by chance, at most to a half."""

# Plans are made for the values and the sizes of the moment: one kept from when a table was empty reads all of it.
_SESSION = """SELECT set_config('search_path', %s, false), set_config('lock_timeout', '5s', false),
set_config('idle_in_transaction_session_timeout', '60s', false),
set_config('plan_cache_mode', 'force_custom_plan', false)"""


class Database:
    """Connections to the schema of a workspace; any number of threads may ask at once.

    `url` is libpq's (postgresql://user@host/database, or key=value); what it leaves out comes from PGPASSWORD, a
    passfile or a service. A lost connection is replaced, and what was under way is done again on the fresh one where
    that is safe. At most 16 connections; who finds none within a second gets Busy.
    """

    mark = "%s"

    def __init__(self, url: str, schema: str) -> None:
        self.schema = schema
        self._parameters = parameters(url) | {
            "client_encoding": "utf8", "fallback_application_name": f"proffer {schema}"[:63],
        }  # fmt: skip
        self._idle: deque[Connection] = deque()
        self._free = threading.BoundedSemaphore(MOST)
        self._chance = random.Random()
        self._met = False
        self._closed = False

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return every row of a query with %s for its values; asked again on a fresh connection after a loss."""
        return self._tried(lambda one: one.execute(sql, values or None, binary=True).fetchall(), lambda: True)

    def first(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query, None when there is none."""
        rows = self.all(sql, values)
        return rows[0] if rows else None

    def run(self, work: Callable[[Connection], T], *, again: bool = True, once: bool = False) -> T:
        """Do the work in one transaction and return its result, on disk.

        `again` says that it may be repeated after a loss whose outcome is unknown, because it is idempotent; without,
        such a loss raises Busy, and only a loss before the commit is repeated. A clash with others is always repeated.
        `once`: never is anything repeated, since the work uses up what it is given.
        """
        committing = False

        def whole(connection: Connection) -> T:
            nonlocal committing
            committing = False
            with connection.transaction():
                result = work(connection)
                committing = True
            return result

        return self._tried(whole, lambda: again or not committing, () if once else PAUSES)

    def rewrite(self, table: str) -> None:
        """Write a table's files anew, without what was removed or replaced; nobody reads it meanwhile."""
        self._tried(lambda one: one.execute(SQL("VACUUM (FULL, ANALYZE) {}").format(Identifier(table))), lambda: True)

    def session(self, work: Callable[[Connection], T]) -> T:
        """Do work that begins and ends a transaction of its own, and knows by itself what of it was done before a loss.

        For who must spare turns on the line; everybody else has `run`.
        """
        return self._tried(work, lambda: True, PAUSES)

    def notify(self) -> None:
        """Wake whoever listens to the workspace's channel, which has the schema's name."""
        self._tried(lambda one: one.execute(SQL("NOTIFY {}").format(Identifier(self.schema))), lambda: True, ())

    def connect(self) -> Connection:
        """Return a fresh connection in autocommit that the caller closes, outside the count.

        Raises CannotStart for a server that is too old, a wrong password or an unknown database; Busy for none at all.
        """
        try:
            return self._fresh()
        except psycopg.Error as error:
            raise self._told(error) from error

    def close(self) -> None:
        """Close every connection; one that is at work closes when it is done."""
        self._closed = True
        self._forget()

    def _tried(self, work: Callable[[Connection], T], safe: Callable[[], bool], pauses: Sequence[float] = PAUSES) -> T:
        for pause in (*pauses, None):
            try:
                with self._one() as connection:
                    return work(connection)
            except psycopg.Error as error:
                told = self._told(error)
                lost = is_lost(error)
                if lost:
                    self._forget()
                if pause is None or not isinstance(told, Busy) or not (is_clash(error) or (lost and safe())):
                    raise told from error
                time.sleep(pause * self._chance.uniform(0.5, 1))
        raise AssertionError

    @contextmanager
    def _one(self) -> Iterator[Connection]:
        if self._closed:
            raise ProfferError("the workspace is closed", remedy="Open it again.")
        if not self._free.acquire(timeout=PATIENCE):
            raise Busy("every connection to the database is at work", remedy="Try again.")
        try:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._fresh()
            try:
                yield connection
            except (OverflowError, UnicodeEncodeError) as error:
                raise Invalid(f"not a value a log can hold: {error}", remedy="Check it first.") from error
            finally:
                if self._closed or connection.closed or connection.info.transaction_status != 0:
                    connection.close()
                else:
                    self._idle.append(connection)
        finally:
            self._free.release()

    def _fresh(self) -> Connection:
        connection: Connection = psycopg.connect(autocommit=True, **self._parameters)  # type: ignore[arg-type]
        try:
            _check_server(connection)
            connection.execute(_SESSION, (f'"{self.schema}"',))
        except BaseException:
            connection.close()
            raise
        self._met = True
        return connection

    def _told(self, error: psycopg.Error) -> ProfferError:
        told = meaning(error)
        if self._met and isinstance(told, CannotStart) and is_lost(error):
            # It worked before: whoever serves goes on, and waits until somebody has mended it.
            return Busy(told.message, field=told.field, remedy=told.remedy)
        return told

    def _forget(self) -> None:
        # After one loss the others are most likely dead as well.
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return


def _check_server(connection: Connection) -> None:
    version = connection.info.server_version
    if version < failures.OLDEST:
        message = f"the server is PostgreSQL {version // 10000}, Proffer needs {failures.OLDEST // 10000} or newer"
        raise CannotStart(message, field="store", remedy="Use a newer server.")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        message = f"the database keeps text as {encoding}, Proffer needs UTF8"
        raise CannotStart(message, field="store", remedy="Create one with ENCODING 'UTF8'.")
