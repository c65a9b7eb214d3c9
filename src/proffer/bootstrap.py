"""The only place that picks adapters and loads applications: settings in, engines out."""

import os
import re
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path

import msgspec

from proffer.app import App
from proffer.core.clock import Clock, Ids, RandomIds, SystemClock
from proffer.core.errors import CannotStart, Conflict, Invalid, NotFound
from proffer.core.ports import Stores
from proffer.engine.engine import Engine

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
HOME, HOST, PORT = ".proffer", "127.0.0.1", 8750
LOG = "log.db"


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
    found = {}
    for point in entry_points(group="proffer.apps"):
        app = point.load()
        if not isinstance(app, App):
            raise CannotStart(f"the entry point {point.name} = {point.value} is not a proffer.app.App")
        if app.name in found:
            raise CannotStart(f"two installed applications are named {app.name}", remedy="Uninstall one of them.")
        found[app.name] = app
    return found


def application(name: str) -> App:
    """Return one application. Raises NotFound naming the installed ones."""
    found = applications()
    if name not in found:
        raise NotFound(f"no application {name[:40]!r} is installed", remedy=f"Use one of {', '.join(sorted(found))}.")
    return found[name]


def check_name(name: str) -> str:
    """Return a workspace name that is safe in a path and a URL. Raises Invalid."""
    if not NAME.fullmatch(name):
        remedy = "Use 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit."
        raise Invalid(f"{name[:40]!r} is not a workspace name", field="name", remedy=remedy)
    return name


def create(home: Path, name: str, app: str, *, clock: Clock | None = None) -> Path:
    """Make a workspace's directory and return it. Raises Conflict when it exists."""
    application(app)
    root = home / check_name(name)
    try:
        root.mkdir(parents=True)
    except FileExistsError:
        raise Conflict(f"workspace {name} exists", field="name", remedy=f"Use it, or remove {root}.") from None
    workspace = Workspace(name=name, app=app, created_at=(clock or SystemClock()).now())
    (root / "workspace.json").write_bytes(msgspec.json.format(msgspec.json.encode(workspace)))
    return root


def workspaces(home: Path) -> list[str]:
    """Return the names of the workspaces in a home, sorted."""
    return sorted(path.parent.name for path in home.glob("*/workspace.json"))


def workspace(home: Path, name: str) -> Workspace:
    """Return what a workspace says of itself. Raises NotFound with the remedy."""
    path = home / check_name(name) / "workspace.json"
    if not path.is_file():
        remedy = f"Make it with: proffer init {name} --app feed"
        raise NotFound(f"no workspace {name} in {home}", field="workspace", remedy=remedy)
    return msgspec.json.decode(path.read_bytes(), type=Workspace)


def open_engine(
    home: Path, name: str, *, writable: bool = True, clock: Clock | None = None, ids: Ids | None = None
) -> Engine:
    """Open a workspace over SQLite. Raises NotFound, WorkspaceBusy when another process writes it."""
    found = workspace(home, name)
    stores = open_stores(home / name, writable=writable)
    try:
        app = application(found.app)
        return Engine(app, name, stores, clock=clock or SystemClock(), ids=ids or RandomIds())
    except BaseException:
        stores.log.close()
        raise


def open_stores(root: Path, *, writable: bool = True) -> Stores:
    """Return the stores of a workspace directory; reading one that was never written needs it written first."""
    from proffer.stores.sqlite import sqlite_stores

    if not writable and not (root / LOG).exists():
        sqlite_stores(root, writable=True).log.close()
    return sqlite_stores(root, writable=writable)


def running(home: Path, name: str) -> Running | None:
    """Return the server that owns the workspace now, None when none lives."""
    path = home / check_name(name) / "server.json"
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Running)
        os.kill(found.pid, 0)
    except (FileNotFoundError, ProcessLookupError, PermissionError, msgspec.DecodeError):
        return None
    return found
