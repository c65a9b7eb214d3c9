"""Who waits for new events hears of them by LISTEN and NOTIFY, and looks now and then all the same."""

import threading
import time
from collections.abc import Callable

import psycopg
from psycopg.sql import SQL, Identifier

from proffer.core.errors import ProfferError
from proffer.stores.postgres.database import Connection, Database
from proffer.stores.postgres.failures import meaning

LOOK_SECONDS = 0.25
"""Between two looks at the log without any notification: one may be lost with a connection."""


class Bell:
    """Rings in every process that listens to the workspace's channel; one connection, made when somebody waits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listening: Connection | None = None
        self._turn = threading.Lock()
        self._heard = threading.Condition()
        self._closed = False

    def ring(self) -> None:
        """Tell every process that listens, this one too. A database that is away is told nothing, silently."""
        with self._heard:
            self._heard.notify_all()
        try:
            self._database.notify()
        except ProfferError:
            # They look by themselves soon.
            return

    def wait(self, grown: Callable[[], bool], seconds: float) -> bool:
        """Return whether `grown` comes true within so many seconds. Raises Busy when the database is away."""
        until = time.monotonic() + seconds
        while not self._closed:
            listening = self._listen()
            if grown():
                return True
            left = min(LOOK_SECONDS, until - time.monotonic())
            if left <= 0:
                return False
            if listening is None or not self._hear(listening, left):
                with self._heard:
                    self._heard.wait(left)
        return False

    def close(self) -> None:
        """Let go of the connection, and of whoever waits."""
        self._closed = True
        with self._heard:
            self._heard.notify_all()
        with self._turn:
            self._hang_up()

    def _listen(self) -> Connection | None:
        """Return the connection that listens, made where there is none; None while another thread has it."""
        if not self._turn.acquire(blocking=False):
            return None
        try:
            if self._listening is None and not self._closed:
                connection = self._database.connect()
                try:
                    connection.execute(SQL("LISTEN {}").format(Identifier(self._database.schema)))
                except psycopg.Error:
                    connection.close()
                    raise
                self._listening = connection
            return self._listening
        except psycopg.Error as error:
            raise meaning(error) from error
        finally:
            self._turn.release()

    def _hear(self, connection: Connection, seconds: float) -> bool:
        """Wait for a notification as the one thread that does; False at once where another one does."""
        if not self._turn.acquire(blocking=False):
            return False
        try:
            for _ in connection.notifies(timeout=seconds, stop_after=1):
                pass
        except psycopg.Error:
            self._hang_up()
        finally:
            self._turn.release()
        with self._heard:
            self._heard.notify_all()
        return True

    def _hang_up(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None
