"""Bearer tokens in PostgreSQL."""

import msgspec

from proffer.core.errors import Conflict, NotFound
from proffer.core.ports import Token
from proffer.stores.postgres.database import Connection, Database
from proffer.stores.postgres.texts import can_hold
from proffer.stores.read_only import read_only

_decode = msgspec.json.Decoder(Token).decode


class PostgresTokens:
    """A TokenStore in the workspace's schema."""

    def __init__(self, database: Database, *, writable: bool = True) -> None:
        self._database = database
        self._writable = writable

    def add(self, token: Token) -> None:
        """Keep a token. Raises Conflict when the name is taken."""
        self._check_writable()
        body = msgspec.json.encode(token)

        def insert(connection: Connection) -> None:
            sql = "INSERT INTO tokens (name, digest, body) VALUES (%s, %s, %s) ON CONFLICT (name) DO NOTHING"
            if connection.execute(sql, (token.name, token.digest, body)).rowcount:
                return
            kept = connection.execute("SELECT body FROM tokens WHERE name = %s", (token.name,)).fetchone()
            # The very same: this is the second attempt, after a connection was lost that had done it.
            if kept is None or kept[0] != body:
                raise Conflict(f"there is a token named {token.name!r}", field="name", remedy="Choose another name.")

        self._database.run(insert)

    def by_digest(self, digest: str) -> Token | None:
        """Return the token whose secret has this hash."""
        row = self._database.first("SELECT body FROM tokens WHERE digest = %s", (digest,))
        return None if row is None else _decode(row[0])

    def all(self) -> list[Token]:
        """Return every token, by name."""
        return [_decode(body) for (body,) in self._database.all("SELECT body FROM tokens ORDER BY name")]

    def remove(self, name: str) -> None:
        """Forget a token. Raises NotFound."""
        self._check_writable()
        attempts = 0

        def delete(connection: Connection) -> bool:
            nonlocal attempts
            attempts += 1
            return bool(connection.execute("DELETE FROM tokens WHERE name = %s", (name,)).rowcount) or attempts > 1

        if not can_hold(name) or not self._database.run(delete):
            raise NotFound(f"no token named {name!r}", field="name", remedy="See the list of tokens.")

    def _check_writable(self) -> None:
        if not self._writable:
            raise read_only()
