"""Connections that read: as many as read at once, kept for the next reader."""

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from proffer.core.errors import Invalid, ProfferError
from proffer.stores.sqlite.failures import meaning
from proffer.stores.sqlite.tables import open_reader

KEPT = 8


class Readers:
    """A pool of read-only connections; any number of threads may ask at once."""

    mark = "?"

    def __init__(self, root: Path) -> None:
        self._root = root
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False

    def all(self, sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
        """Return every row of a query."""
        with self._one() as connection:
            return connection.execute(sql, values).fetchall()

    def first(self, sql: str, values: Any = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query, None when there is none."""
        rows = self.all(sql, values)
        return rows[0] if rows else None

    def close(self) -> None:
        """Close every connection; one that is reading closes when it is done."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _one(self) -> Iterator[sqlite3.Connection]:
        if self._closed:
            raise ProfferError("the workspace is closed", remedy="Open it again.")
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = open_reader(self._root)
        sound = True
        try:
            yield connection
        except sqlite3.Error as error:
            sound = False
            raise meaning(error, self._root) from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise Invalid(f"not a value a log can hold: {error}", remedy="Check it first.") from error
        finally:
            if self._closed or not sound or len(self._idle) >= KEPT:
                connection.close()
            else:
                self._idle.append(connection)
