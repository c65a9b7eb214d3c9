"""Bearer tokens in SQLite."""

import sqlite3
from collections.abc import Callable

import msgspec

from proffer.core.errors import Conflict, NotFound
from proffer.core.ports import Token
from proffer.stores.sqlite.readers import Readers
from proffer.stores.sqlite.writer import Writer

_decode = msgspec.json.Decoder(Token).decode


class SqliteTokens:
    """A TokenStore in the workspace's database."""

    def __init__(self, readers: Readers, writer: Callable[[], Writer]) -> None:
        self._readers = readers
        self._writer = writer

    def add(self, token: Token) -> None:
        """Keep a token. Raises Conflict when the name is taken."""

        def insert(connection: sqlite3.Connection) -> None:
            row = (token.name, token.digest, msgspec.json.encode(token))
            if not connection.execute("INSERT OR IGNORE INTO tokens VALUES (?, ?, ?)", row).rowcount:
                raise Conflict(f"there is a token named {token.name!r}", field="name", remedy="Choose another name.")

        self._writer().run(insert)

    def by_digest(self, digest: str) -> Token | None:
        """Return the token whose secret has this hash."""
        row = self._readers.first("SELECT body FROM tokens WHERE digest = ?", (digest,))
        return None if row is None else _decode(row[0])

    def all(self) -> list[Token]:
        """Return every token, by name."""
        return [_decode(body) for (body,) in self._readers.all("SELECT body FROM tokens ORDER BY name")]

    def remove(self, name: str) -> None:
        """Forget a token. Raises NotFound."""

        def delete(connection: sqlite3.Connection) -> None:
            if not connection.execute("DELETE FROM tokens WHERE name = ?", (name,)).rowcount:
                raise NotFound(f"no token named {name!r}", field="name", remedy="See the list of tokens.")

        self._writer().run(delete)
