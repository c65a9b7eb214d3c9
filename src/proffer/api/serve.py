"""The server process: opens workspaces, announces itself, serves until a signal, and leaves nothing behind."""

import gc
import ipaddress
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from types import FrameType

import msgspec
import uvicorn
from starlette.applications import Starlette

from proffer.api.app import create_app
from proffer.api.auth import first_token, mint
from proffer.api.discreet import Discreet
from proffer.api.limits import Limits
from proffer.bootstrap import Environment, Running, announce, open_engine, workspace, workspaces
from proffer.core.errors import CannotStart, NotFound
from proffer.engine.engine import Engine
from proffer.engine.schedule import Schedule
from proffer.engine.warm import warm
from proffer.engine.watch import Watch

GRACE_SECONDS = 5
KEEP_ALIVE_SECONDS = 30
BACKLOG = 2048
ANNOUNCED = "server.json"


def serve(
    environment: Environment,
    names: Sequence[str] = (),
    *,
    host: str | None = None,
    port: int | None = None,
    limits: Limits | None = None,
    tell: Callable[[str], None] = print,
    jobs: bool = True,
    page: bool = False,
) -> int:
    """Serve the named workspaces, or every one of the home, until SIGTERM or SIGINT; return the exit status.

    Without `jobs` it answers requests and no more: trainings, their schedule and the skew watch are left to workers.
    With `page` it shows the demo's page.

    The first signal lets running requests finish, then snapshots and flushes; a second one ends at once. `tell` gets
    the lines for the person at the terminal, among them a workspace's first token. Raises CannotStart, NotFound,
    WorkspaceBusy.
    """
    at = check_host(environment.host, host)
    chosen = chosen_workspaces(environment, names)
    with ExitStack() as open_things:
        listening = open_things.enter_context(listen(at, environment.port if port is None else port))
        engines: dict[str, Engine] = {}
        for name in chosen:
            engines[name] = open_engine(environment.home, name)
            open_things.callback(engines[name].close)
            engines[name].jobs.here = jobs
            if engines[name].stores.shared:
                engines[name].tail.start()
        url = url_of(listening)
        local = {name: mint() for name in engines}
        app = create_app(engines, local=local, limits=limits, page=page)
        for name in engines:
            announce(environment.home, name, url)
            open_things.enter_context(announced(environment.home / name, url, local[name]))
            warm(engines[name])
        introduce(engines, url, tell)
        log_to_stderr()
        # What start-up made stays: looking through it again and again is what slows single requests down.
        gc.collect()
        gc.freeze()
        if jobs:
            open_things.enter_context(working(engines, app.state.site.schedule, app.state.site.watch))
        run(app, listening)
    return 0


def chosen_workspaces(environment: Environment, names: Sequence[str], *, shared: str | None = None) -> list[str]:
    """Return the named workspaces, or every one of the home. Raises NotFound where there is none.

    `shared` is the command that needs them all in PostgreSQL; CannotStart names one that is not.
    """
    chosen = list(names) or workspaces(environment.home)
    if not chosen:
        message = f"there is no workspace in {environment.home}"
        raise NotFound(message, field="workspace", remedy="Make one with: proffer init feed --app feed")
    for name in chosen:
        if shared is not None and workspace(environment.home, name).store is None:
            message = f"SQLite keeps {name}, and there one process does everything"
            remedy = f"Use `proffer serve {name}`; `proffer {shared}` is for workspaces in PostgreSQL."
            raise CannotStart(message, field="workspace", remedy=remedy)
    return chosen


@contextmanager
def working(engines: Mapping[str, Engine], schedule: Schedule, watch: Watch) -> Iterator[None]:
    """Run jobs while inside: trainings that anybody asks for, those of the schedule, and the skew watch."""
    for engine in engines.values():
        if engine.stores.shared:
            engine.jobs.work()
    with closing(schedule.start()), closing(watch.start()):
        yield


def run(app: Starlette, listening: socket.socket) -> None:
    """Answer requests on a listening socket until a signal."""
    config = uvicorn.Config(
        app,
        loop="auto" if sys.platform == "win32" else "uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=BACKLOG,
    )
    Server(config, app).run(sockets=[listening])


class Server(uvicorn.Server):
    """uvicorn's server, ended by a signal with status 0, and by a second one at once."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self.site = app.state.site

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 (as the signal module calls it)
        """Stop accepting; on a second signal stop waiting, too."""
        if self.should_exit:
            self.force_exit = True
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)
        self.site.stopping = True
        self.should_exit = True


def check_host(default: str, named: str | None) -> str:
    """Return the address to listen on; one that others can reach must have been named for this start.

    >>> check_host("127.0.0.1", None)
    '127.0.0.1'
    """
    host = default if named is None else named
    if named is None and not is_loopback(host):
        message = f"{host} can be reached from other machines"
        raise CannotStart(message, field="host", remedy=f"If that is meant, start with: --host {host}")
    return host


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """Hold a listening socket; port 0 takes any free one. Raises CannotStart when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, port))
            found.listen(BACKLOG)
        except OSError as error:
            message = f"cannot listen on {host} port {port}: {error.strerror or error}"
            raise CannotStart(message, field="port", remedy="Choose another with --port; 0 takes a free one.") from None
        yield found
    finally:
        found.close()


def url_of(listening: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def announced(root: Path, url: str, token: str) -> Iterator[None]:
    """Hold the file that tells commands of this machine's user where the server is and how to enter it."""
    path, part = root / ANNOUNCED, root / f"{ANNOUNCED}.part"
    part.unlink(missing_ok=True)
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as opened:
        opened.write(msgspec.json.encode(Running(url=url, pid=os.getpid(), token=token)))
    part.replace(path)
    try:
        yield
    finally:
        # Of several servers in one home the last to start has announced itself.
        with suppress(OSError, msgspec.DecodeError):
            if msgspec.json.decode(path.read_bytes(), type=Running).pid == os.getpid():
                path.unlink(missing_ok=True)


def introduce(engines: Mapping[str, Engine], url: str, tell: Callable[[str], None]) -> None:
    """Tell where the server is, and a workspace's first token, which nobody can show again."""
    for name, engine in engines.items():
        tell(f"Serving {name} ({engine.app.name}) at {url}/api/v1/{name}")
        secret = first_token(engine.stores.tokens, engine.clock)
        if secret is not None:
            body = json.dumps({"subject": "u1", "n": 5})
            tell(f"Its token, shown this once: {secret}")
            tell(
                f"Try: curl -s {url}/api/v1/{name}/recommend -H 'Authorization: Bearer {secret}' "
                f"-H 'Content-Type: application/json' -d '{body}'"
            )
    tell(f"Operations: {url}/api/docs. Stop with Ctrl-C.")
    sys.stdout.flush()


def log_to_stderr() -> None:
    """Write the server's own log, one terse line a request, to stderr."""
    logger = logging.getLogger("proffer")
    if not logger.handlers:
        shown = logging.StreamHandler()
        shown.setFormatter(Discreet("%(asctime)s %(message)s"))
        logger.addHandler(shown)
        logger.setLevel(logging.INFO)
        logger.propagate = False
