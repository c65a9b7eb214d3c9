"""What an error of PostgreSQL means."""

import psycopg

from proffer.core.errors import Busy, CannotStart, Invalid, ProfferError, StorageFull

OLDEST = 140000
"""The oldest server that is known to do, as PostgreSQL numbers versions: 14."""

_CLASHES = {"40001", "40P01", "53300", "57014"}
_HELD = "55P03"
"""A lock was waited for as long as `lock_timeout` says: long enough for the one who asked."""
_AWAY = {"57P01", "57P02", "57P03", "57P05"}

# Whether a connection could not be made is told in words alone: libpq gives no code for it.
_REFUSALS = (
    (("password authentication failed", "no password supplied"), "the password is wrong or missing",
     "Give the right one: in PROFFER_DATABASE, PGPASSWORD, a passfile or a service."),
    (("no pg_hba.conf entry", "authentication failed"), "the server lets nobody in from here like that",
     "See its pg_hba.conf."),
    (("permission denied for database",), "the user may not connect to the database",
     "Grant it: GRANT CONNECT ON DATABASE name TO user."),
)  # fmt: skip
_TAKEN = ("too many clients", "too many connections", "remaining connection slots")
_STARTING = ("starting up", "shutting down", "in recovery mode", "not yet accepting connections")


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection is gone or could not be made, so that a fresh one may do."""
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    state = error.sqlstate
    return state is None or state in _AWAY or state.startswith("08")


def is_clash(error: BaseException) -> bool:
    """Tell whether the server took the transaction back because of others: the same again may well succeed."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _CLASHES


def meaning(error: psycopg.Error) -> ProfferError:
    """Return the error to raise for one of PostgreSQL; no password is ever in its message."""
    state = error.sqlstate or ""
    said = first_line(error)
    if state.startswith("53") and state not in ("53300", "53200"):
        return StorageFull("the disk of the database is full; nothing was written", remedy="Free space there.")
    if is_clash(error) or state == _HELD:
        return Busy(f"the database is held by others: {said}; nothing was written", remedy="Try again.")
    if state in ("25006", "25P02"):
        return Busy(f"the database takes no writes now: {said}", remedy="See whether it is a standby, then try again.")
    if state in ("42501", "28000", "28P01"):
        remedy = "Connect as the schema's owner, or grant the user what it lacks."
        return CannotStart(f"the database does not allow it: {said}", remedy=remedy)
    if state in ("42P01", "3F000", "42703"):
        return CannotStart(f"the database lacks a table of this Proffer: {said}", remedy="Run proffer migrate.")
    if state.startswith(("22", "54")) or isinstance(error, psycopg.DataError):
        return Invalid(f"not a value a log can hold: {said}", remedy="Check it first.")
    if state in ("XX001", "XX002"):
        return ProfferError(f"the database is damaged: {said}", remedy="Restore it from a backup.")
    if is_lost(error):
        return _unreachable(error, said)
    return ProfferError(f"the database failed, nothing was written: {said}", remedy="See the server's log.")


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, without what libpq puts before it.

    >>> first_line(psycopg.OperationalError('connection failed: connection to server at "db", port 5432 failed: No'))
    'No'
    """
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    for before in ("connection failed: ", " failed: ", "FATAL:  "):
        line = line.split(before, 1)[-1]
    return line


def _unreachable(error: psycopg.Error, said: str) -> ProfferError:
    whole = str(error)
    if any(words in whole for words in _TAKEN):
        return Busy("the database has no connection left for this", remedy="Try again, or raise its max_connections.")
    if any(words in whole for words in _STARTING):
        return Busy("the database is starting or stopping", remedy="Try again.")
    for signs, meant, remedy in _REFUSALS:
        if any(sign in whole for sign in signs):
            return CannotStart(f"{meant}: {said}", field="store", remedy=remedy)
    if "FATAL" in whole and "does not exist" in whole:
        remedy = "Name one that exists, or create it: Proffer makes a schema in a database, never the database."
        return CannotStart(f"the server knows no such database or user: {said}", field="store", remedy=remedy)
    return Busy(f"the database cannot be reached: {said}", remedy="See host and port, and whether it runs.")
