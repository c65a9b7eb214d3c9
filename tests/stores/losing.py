"""Connections that are lost at the end of a transaction: before its commit, or just after it."""

import psycopg

from proffer.stores.postgres.database import Database

LOST = "server closed the connection unexpectedly"


def lose_connections(monkeypatch, losses):
    """Let the next transactions end as `losses` says, each "at once", "before", "after" or "" (well), and forget it."""
    tried = Database._tried

    def with_losses(self, work, safe, pauses=()):
        if not pauses:
            # A question or a notification, no transaction.
            return tried(self, work, safe)

        def once(connection):
            when = losses.pop(0) if losses else ""
            if when == "at once":
                lose(connection)
            if when == "before":
                transaction, execute = connection.transaction, connection.execute
                connection.transaction = lambda: _Losing(transaction(), connection)
                connection.execute = lambda sql, *rest, **named: (
                    lose(connection) if sql == "COMMIT" else execute(sql, *rest, **named)
                )
            result = work(connection)
            if when == "after":
                lose(connection)
            return result

        return tried(self, once, safe, pauses)

    monkeypatch.setattr(Database, "_tried", with_losses)


def lose(connection):
    connection.close()
    raise psycopg.OperationalError(LOST)


class _Losing:
    def __init__(self, transaction, connection):
        self.transaction, self.connection = transaction, connection

    def __enter__(self):
        return self.transaction.__enter__()

    def __exit__(self, *error):
        lose(self.connection)
