"""The only place that picks adapters and loads applications: settings in, engines out."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import ModuleType

import msgspec

from proffer.app import App
from proffer.bootstrap.installed import application, applications
from proffer.core.clock import Clock, CountingIds, Ids, RandomIds, SystemClock
from proffer.core.errors import CannotStart, Conflict, Corrupt, Invalid, NotFound, ProfferError
from proffer.core.ports import Stores
from proffer.engine.engine import Engine
from proffer.engine.judged_set import Sets
from proffer.stores.durable import PREFIX, write_file
from proffer.stores.pseudonym_key import load_pseudonyms
from proffer.stores.sets import FolderSets

__all__ = [
    "Environment", "Running", "Workspace", "address", "announce", "application", "applications", "check_name",
    "check_store", "create", "environment", "in_memory", "migrate", "open_engine", "open_sets", "open_stores",
    "postgres_module", "running", "workspace", "workspaces",
]  # fmt: skip

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
HOME, HOST, PORT = ".proffer", "127.0.0.1", 8750
WORKSPACE = "workspace.json"
DATABASE = "PROFFER_DATABASE"
PSEUDONYM_KEY = "PROFFER_PSEUDONYM_KEY"
SQLITE = "sqlite"
PASSWORD = re.compile(r"(//[^:/@]*):[^/]*@")


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where workspaces lie and where the server listens: PROFFER_HOME, PROFFER_HOST, PROFFER_PORT.

    PROFFER_DATABASE is the address, possibly with a password, of the PostgreSQL database that `init` uses where it is
    told none, and that is used in place of the address each workspace in PostgreSQL was made with.
    """

    home: Path
    host: str = HOST
    port: int = PORT
    database: str | None = None

    def __repr__(self) -> str:
        return f"Environment(home={self.home!r}, host={self.host!r}, port={self.port})"


class Workspace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a workspace's directory says of itself.

    `store` is the address, without a password, of the PostgreSQL database that keeps it; None: SQLite, in here.
    """

    name: str
    app: str
    created_at: datetime
    store: str | None = None

    @property
    def kept(self) -> str:
        """Return what keeps it, as it may be shown: somebody may have written a password into the file."""
        return SQLITE if self.store is None else PASSWORD.sub(r"\1@", self.store)


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A live server that writes the workspace: where it listens, its process, the token of this run."""

    url: str
    pid: int
    token: str


def environment(variables: Mapping[str, str] | None = None) -> Environment:
    """Return the settings found in environment variables.

    >>> environment({"PROFFER_PORT": "9000"}).port
    9000
    """
    found = os.environ if variables is None else variables
    port = found.get("PROFFER_PORT", str(PORT))
    if not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise CannotStart(f"PROFFER_PORT is {port!r}", remedy="Set a number from 0 (any free port) to 65535.")
    home = Path(found.get("PROFFER_HOME") or HOME)
    database = found.get(DATABASE) or None
    return Environment(home=home, host=found.get("PROFFER_HOST") or HOST, port=int(port), database=database)


def check_name(name: str) -> str:
    """Return a workspace name that is safe in a path and a URL. Raises Invalid."""
    if not NAME.fullmatch(name):
        remedy = "Use 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit."
        raise Invalid(f"{name[:40]!r} is not a workspace name", field="name", remedy=remedy)
    return name


def create(home: Path, name: str, app: str, *, store: str | None = None, clock: Clock | None = None) -> Path:
    """Make a workspace's directory, and its schema where a database keeps it; return the directory.

    `store` is the address of a PostgreSQL database, or "sqlite"; None: PROFFER_DATABASE, else SQLite. A schema of the
    same name and application is joined: the workspace is then shared with those who use it already. A password in the
    address is used and not kept. Raises Conflict when the directory exists, or the schema holds something else;
    CannotStart when either cannot be made.
    """
    application(app)
    root = home / check_name(name)
    address = check_store(store) if store is not None else check_store(os.environ.get(DATABASE) or None, DATABASE)
    made = Workspace(name=name, app=app, created_at=(clock or SystemClock()).now())
    try:
        # An empty one is what a process that was killed here left behind.
        if root.exists() and any(not path.name.startswith(PREFIX) for path in root.iterdir()):
            raise Conflict(f"workspace {name} exists", field="name", remedy=f"Use it, or remove {root}.")
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if address is not None:
            made = _joined(address, made, root)
        write_workspace(root, made)
    except OSError as error:
        message = f"the folder {root} cannot be made: {error.strerror}"
        raise CannotStart(message, field="home", remedy="Choose another home, or see its rights.") from error
    return root


def write_workspace(root: Path, made: Workspace) -> None:
    """Write what a workspace says of itself into its directory, whole or not at all."""
    write_file(root / WORKSPACE, lambda file: file.write(msgspec.json.format(msgspec.json.encode(made))))


def check_store(store: str | None, field: str = "store") -> str | None:
    """Return the address of a PostgreSQL database, None for SQLite.

    Raises Invalid, without quoting it, for what is neither: a password may be in it.
    """
    if store is None or store == SQLITE:
        return None
    if not store.startswith(("postgresql://", "postgres://")):
        remedy = "Write postgresql://user@host:5432/database, or sqlite."
        raise Invalid("it is neither an address of PostgreSQL nor sqlite", field=field, remedy=remedy)
    return store


def address(home: Path, name: str) -> str | None:
    """Return the address of the database that keeps a workspace, None for SQLite: never to be shown or written.

    PROFFER_DATABASE goes before the address that the workspace was made with.
    """
    store = workspace(home, name).store
    return None if store is None else check_store(os.environ.get(DATABASE) or None, DATABASE) or store


def _joined(address: str, made: Workspace, root: Path) -> Workspace:
    try:
        postgres = postgres_module()
        created_at = postgres.join(address, made.name, made.app, made.created_at)
    except ProfferError:
        with suppress(OSError):
            root.rmdir()
        raise
    return msgspec.structs.replace(made, created_at=created_at, store=postgres.without_password(address))


def postgres_module() -> ModuleType:
    """Return the stores on PostgreSQL. Raises CannotStart where their driver is not installed."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        remedy = "Install it: pip install 'proffer[postgres]'"
        raise CannotStart(f"PostgreSQL needs the extra postgres: {error}", field="store", remedy=remedy) from error
    from proffer.stores import postgres

    return postgres


def workspaces(home: Path) -> list[str]:
    """Return the names of the workspaces in a home, sorted."""
    return sorted(path.parent.name for path in home.glob(f"*/{WORKSPACE}") if NAME.fullmatch(path.parent.name))


def workspace(home: Path, name: str) -> Workspace:
    """Return what a workspace says of itself. Raises NotFound with the remedy, Corrupt when it cannot be read."""
    path = home / check_name(name) / WORKSPACE
    if not path.is_file():
        remedy = f"Make it with: proffer init {name} --app feed"
        raise NotFound(f"no workspace {name} in {home}", field="workspace", remedy=remedy)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Workspace)
    except (OSError, msgspec.DecodeError) as error:
        remedy = "Write {name, app, created_at} anew, and store where a database keeps it."
        raise Corrupt(f"{path} cannot be read: {error}", remedy=remedy) from error


def open_engine(
    home: Path, name: str, *, writable: bool = True, clock: Clock | None = None, ids: Ids | None = None
) -> Engine:
    """Open a workspace. Raises NotFound; WorkspaceBusy when another process writes one in SQLite; Busy when the
    database of another cannot be reached.
    """
    found = workspace(home, name)
    stores = open_stores(home / name, writable=writable)
    try:
        app = application(found.app)
        pseudonyms = load_pseudonyms(home / name, os.environ.get(PSEUDONYM_KEY) or None, writable=writable)
        return Engine(
            app, name, stores, clock=clock or SystemClock(), ids=ids or RandomIds(), home=home, pseudonyms=pseudonyms
        )
    except BaseException:
        stores.log.close()
        raise


def in_memory(app: App, clock: Clock) -> Engine:
    """Return an engine of an application whose stores live as long as it does, with ids that count: for simulations."""
    from proffer.stores.memory import memory_stores

    return Engine(app, app.name, memory_stores(clock), clock=clock, ids=CountingIds())


def open_stores(root: Path, *, writable: bool = True) -> Stores:
    """Return the stores of a workspace directory; reading one that was never written needs it written first."""
    from proffer.stores.sqlite import sqlite_stores
    from proffer.stores.sqlite.tables import FILE

    found = workspace(root.parent, root.name) if (root / WORKSPACE).is_file() else None
    if found is not None and (where := address(root.parent, root.name)) is not None:
        stores: Stores = postgres_module().postgres_stores(where, found.name, root, app=found.app, writable=writable)
        return stores
    if not writable and not (root / FILE).exists():
        sqlite_stores(root, writable=True).log.close()
    return sqlite_stores(root, writable=writable)


def open_sets(home: Path, name: str) -> Sets:
    """Return the judged sets of a workspace: files in its directory here, wherever its log is kept. Raises NotFound."""
    workspace(home, name)
    return FolderSets(home / name / "sets")


def migrate(home: Path, name: str) -> Iterator[int]:
    """Lead a workspace's tables on to this code's version; yield the number of each step once it is on disk.

    Killed anywhere, the same again goes on where it stood. Raises WorkspaceBusy or Busy when others use it, CannotStart
    for tables of a newer version.
    """
    where = address(home, name)
    if where is not None:
        yield from postgres_module().migrate(where, name)
        return
    from proffer.stores.sqlite import migrate as migrate_in
    from proffer.stores.sqlite.tables import FILE

    if (home / name / FILE).exists():
        yield from migrate_in(home / name)


def announce(home: Path, name: str, url: str) -> None:
    """Let a second writer be told where this process serves the workspace it has open for writing.

    There is nothing to tell where a database keeps it: everybody writes.
    """
    from proffer.stores.sqlite import announce as announce_in

    if workspace(home, name).store is None:
        announce_in(home / check_name(name), url)


def running(home: Path, name: str) -> Running | None:
    """Return the server that has the workspace now, None when none lives; of several in one home the last to start."""
    from proffer.stores.sqlite import writing

    root = home / check_name(name)
    try:
        found = msgspec.json.decode((root / "server.json").read_bytes(), type=Running)
        shared = workspace(home, name).store is not None
    except (OSError, msgspec.DecodeError, NotFound, Corrupt):
        return None
    if shared:
        return found if _lives(found.pid) else None
    # A killed server leaves its file behind, and its number may be another process's by now: the lock tells.
    by = writing(root)
    return found if by is not None and by.pid == found.pid else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True
