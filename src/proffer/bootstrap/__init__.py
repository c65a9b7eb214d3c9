"""The only place that picks adapters and loads applications: settings in, engines out."""

import os
import re
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import msgspec

from proffer.app import App
from proffer.core.clock import Clock, Ids, RandomIds, SystemClock
from proffer.core.errors import CannotStart, Conflict, Corrupt, Invalid, NotFound
from proffer.core.ports import Stores
from proffer.engine.engine import Engine
from proffer.stores.durable import PREFIX, write_file

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
HOME, HOST, PORT = ".proffer", "127.0.0.1", 8750
WORKSPACE = "workspace.json"
GROUP = "proffer.apps"


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where workspaces lie and where the server listens: PROFFER_HOME, PROFFER_HOST, PROFFER_PORT."""

    home: Path
    host: str = HOST
    port: int = PORT


class Workspace(msgspec.Struct, frozen=True, kw_only=True):
    """What a workspace's directory says of itself."""

    name: str
    app: str
    created_at: datetime


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
    return Environment(home=home, host=found.get("PROFFER_HOST") or HOST, port=int(port))


def applications() -> dict[str, App]:
    """Return every installed application by name, found through the entry points `proffer.apps`."""
    found: dict[str, App] = {}
    for point in entry_points(group=GROUP):
        app = _load(point)
        if app.name in found:
            raise CannotStart(f"two installed applications are named {app.name}", remedy="Uninstall one of them.")
        found[app.name] = app
    return found


def application(name: str) -> App:
    """Return one application. Raises NotFound naming the installed ones, CannotStart for one that cannot be loaded."""
    # The entry point of that name first, so that another's broken one does not stand in the way.
    points = [*entry_points(group=GROUP, name=name)]
    if len(points) == 1 and (app := _load(points[0])).name == name:
        return app
    found = applications()
    if name not in found:
        raise NotFound(f"no application {name[:40]!r} is installed", remedy=f"Use one of {', '.join(sorted(found))}.")
    return found[name]


def _load(point: EntryPoint) -> App:
    try:
        app = point.load()
    except Exception as error:
        message = f"the entry point {point.name} = {point.value} cannot be loaded: {type(error).__name__}: {error}"
        raise CannotStart(message, remedy="Mend or uninstall it.") from error
    if not isinstance(app, App):
        raise CannotStart(f"the entry point {point.name} = {point.value} is not a proffer.app.App")
    return app


def check_name(name: str) -> str:
    """Return a workspace name that is safe in a path and a URL. Raises Invalid."""
    if not NAME.fullmatch(name):
        remedy = "Use 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit."
        raise Invalid(f"{name[:40]!r} is not a workspace name", field="name", remedy=remedy)
    return name


def create(home: Path, name: str, app: str, *, clock: Clock | None = None) -> Path:
    """Make a workspace's directory and return it. Raises Conflict when it exists, CannotStart when that fails."""
    application(app)
    root = home / check_name(name)
    made = Workspace(name=name, app=app, created_at=(clock or SystemClock()).now())
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        # An empty one is what a process that was killed here left behind.
        if any(not path.name.startswith(PREFIX) for path in root.iterdir()):
            raise Conflict(f"workspace {name} exists", field="name", remedy=f"Use it, or remove {root}.")
        write_file(root / WORKSPACE, lambda file: file.write(msgspec.json.format(msgspec.json.encode(made))))
    except OSError as error:
        message = f"the folder {root} cannot be made: {error.strerror}"
        raise CannotStart(message, field="home", remedy="Choose another home, or see its rights.") from error
    return root


def workspaces(home: Path) -> list[str]:
    """Return the names of the workspaces in a home, sorted."""
    return sorted(path.parent.name for path in home.glob(f"*/{WORKSPACE}"))


def workspace(home: Path, name: str) -> Workspace:
    """Return what a workspace says of itself. Raises NotFound with the remedy, Corrupt when it cannot be read."""
    path = home / check_name(name) / WORKSPACE
    if not path.is_file():
        remedy = f"Make it with: proffer init {name} --app feed"
        raise NotFound(f"no workspace {name} in {home}", field="workspace", remedy=remedy)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Workspace)
    except (OSError, msgspec.DecodeError) as error:
        raise Corrupt(f"{path} cannot be read: {error}", remedy="Write {name, app, created_at} anew.") from error


def open_engine(
    home: Path, name: str, *, writable: bool = True, clock: Clock | None = None, ids: Ids | None = None
) -> Engine:
    """Open a workspace over SQLite. Raises NotFound, WorkspaceBusy when another process writes it."""
    found = workspace(home, name)
    stores = open_stores(home / name, writable=writable)
    try:
        app = application(found.app)
        return Engine(app, name, stores, clock=clock or SystemClock(), ids=ids or RandomIds(), home=home)
    except BaseException:
        stores.log.close()
        raise


def open_stores(root: Path, *, writable: bool = True) -> Stores:
    """Return the stores of a workspace directory; reading one that was never written needs it written first."""
    from proffer.stores.sqlite import sqlite_stores
    from proffer.stores.sqlite.tables import FILE

    if not writable and not (root / FILE).exists():
        sqlite_stores(root, writable=True).log.close()
    return sqlite_stores(root, writable=writable)


def announce(home: Path, name: str, url: str) -> None:
    """Let a second writer be told where this process serves the workspace it has open for writing."""
    from proffer.stores.sqlite import announce as announce_in

    announce_in(home / check_name(name), url)


def running(home: Path, name: str) -> Running | None:
    """Return the server that owns the workspace now, None when none lives."""
    from proffer.stores.sqlite import writing

    root = home / check_name(name)
    try:
        found = msgspec.json.decode((root / "server.json").read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError):
        return None
    # A killed server leaves its file behind, and its number may be another process's by now: the lock tells.
    by = writing(root)
    return found if by is not None and by.pid == found.pid else None
