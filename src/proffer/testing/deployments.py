"""Proffer as it is run: its processes over SQLite or over PostgreSQL, to be killed and brought back by tests."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

import httpx

from proffer.testing.postgres_server import PostgresServer, free_port

Fault = Literal["api", "worker", "database", "restart"]
FAULTS: tuple[Fault, ...] = ("api", "worker", "database", "restart")
NAME = "feed"
PATIENCE, PAUSE = 60.0, 0.02


class Process:
    """One command of Proffer that runs until it is ended."""

    def __init__(self, home: Path, environment: Mapping[str, str], *arguments: str) -> None:
        self.log = home / f"{arguments[0]}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command(home, *arguments), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **environment},
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit status."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(30)

    def said(self) -> str:
        """Return the last words it wrote."""
        return self.log.read_text(errors="replace")[-2000:]

    def check(self) -> None:
        """Raise RuntimeError with its last words when it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"it ended with status {self._process.returncode}: {self.said()}")


class Deployment:
    """A workspace of the feed in a home of its own, on SQLite: one `proffer serve`.

    There a kill of the worker is one of the trainer's child, and one of the database one of the server together with
    that child: the database lives in the server's process.
    """

    store = "sqlite"

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment: dict[str, str] = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.ports = [free_port()]
        self.servers: list[Process] = []
        self.headers: dict[str, str] = {}

    @property
    def urls(self) -> list[str]:
        """Where it answers; the same after each restart."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def make(self, rows: Path, train: Mapping[str, str]) -> None:
        """Make the workspace, import a file of events, train a model with these options and start to serve."""
        self.run("init", NAME, "--app", NAME, *self.init_options())
        self.run("import", NAME, str(rows), "--json")
        self.run("train", NAME, "--json", *(word for pair in train.items() for word in pair))
        told = json.loads(self.run("token", NAME, "--scopes", "read,write,admin", "--json"))
        self.headers = {"Authorization": f"Bearer {told['token']}"}
        self.start()

    def init_options(self) -> list[str]:
        """Return what `proffer init` is told beside the name."""
        return []

    def run(self, *arguments: str) -> str:
        """Run a command to its end and return what it wrote. Raises RuntimeError with its errors."""
        done = subprocess.run(  # noqa: S603 - our own command
            command(self.home, *arguments), capture_output=True, text=True, check=False, timeout=1800,
            env={**os.environ, **self.environment},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"proffer {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def start(self) -> None:
        """Start every process that does not run, and wait until they are ready."""
        self.servers = [self._serve(port) for port in self.ports]
        for url, server in zip(self.urls, self.servers, strict=True):
            await_ready(url, server.check)

    def _serve(self, port: int) -> Process:
        return Process(self.home, self.environment, "serve", NAME, "--port", str(port))

    def strike(self, fault: Fault) -> Callable[[], None]:
        """Do what a fault does and return at once what brings back what it took, without waiting for readiness."""
        if fault == "worker":
            kill(self.trainers())
            return lambda: None
        if fault == "database":
            kill([*self.trainers(), self.servers[0].pid])
        self.servers[0].end(signal.SIGTERM if fault == "restart" else signal.SIGKILL)
        return self._bring_back

    def _bring_back(self) -> None:
        self.servers[0] = self._serve(self.ports[0])

    def mains(self) -> set[int]:
        """Return the processes that were started here and may start others."""
        return {server.pid for server in self.servers}

    def trainers(self) -> list[int]:
        """Return the processes that train."""
        return [pid for pid, words in self.processes().items() if "train" in words and "--lines" in words]

    def processes(self) -> dict[int, list[str]]:
        """Return every process of this home, with its command line."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = path.read_bytes().decode(errors="replace").split("\0")
                if str(self.home) in words:
                    found[int(path.parent.name)] = words
        return found

    def stop(self) -> list[int]:
        """End everything in order and return the exit statuses."""
        return [server.end() for server in self.servers]

    def close(self) -> None:
        """End whatever is left, by force."""
        for server in self.servers:
            server.end(signal.SIGKILL)
        kill(list(self.processes()))


class PostgresDeployment(Deployment):
    """The same workspace on a PostgreSQL server of its own: `proffer api`, so many of them, and `proffer worker`."""

    store = "postgres"

    def __init__(self, home: Path, apis: int = 1) -> None:
        super().__init__(home)
        self.ports = [free_port() for _ in range(apis)]
        self.database = PostgresServer().start()
        self.environment["PGPASSWORD"] = self.database.password
        self.worker: Process | None = None

    def init_options(self) -> list[str]:
        """Return the URL of the store, without its password."""
        return ["--store", self.database.url().replace(f":{self.database.password}@", "@")]

    def start(self) -> None:
        """Start every process, and wait until the answering ones are ready."""
        self.worker = self._work()
        super().start()

    def _serve(self, port: int) -> Process:
        return Process(self.home, self.environment, "api", NAME, "--port", str(port))

    def _work(self) -> Process:
        return Process(self.home, self.environment, "worker", NAME)

    def strike(self, fault: Fault) -> Callable[[], None]:
        """Do what a fault does and return at once what brings back what it took."""
        if fault == "api":
            return super().strike(fault)
        if fault == "worker":
            assert self.worker is not None
            self.worker.end(signal.SIGKILL)
            return self._hire
        if fault == "database":
            self.database.kill()
        else:
            self.database.stop()
        return self._start_database

    def mains(self) -> set[int]:
        """Return the processes that were started here and may start others."""
        assert self.worker is not None
        return super().mains() | {self.worker.pid}

    def _hire(self) -> None:
        self.worker = self._work()

    def _start_database(self) -> None:
        self.database.start()

    def stop(self) -> list[int]:
        """End everything in order and return the exit statuses."""
        assert self.worker is not None
        return [*super().stop(), self.worker.end()]

    def close(self) -> None:
        """End whatever is left, by force, the database too."""
        super().close()
        self.database.close()


def command(home: Path, *arguments: str) -> list[str]:
    """Return a command line of Proffer."""
    return [sys.executable, "-m", "proffer", "--home", str(home), *arguments]


def await_ready(url: str, check: Callable[[], None] = lambda: None) -> float:
    """Wait until a server takes work, and return the seconds that took. Raises RuntimeError."""
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE:
        check()
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health/ready", timeout=5, trust_env=False).is_success:
                return time.monotonic() - started
        time.sleep(PAUSE)
    raise RuntimeError(f"{url} was not ready within {PATIENCE:.0f} s")


def kill(pids: list[int]) -> None:
    """End processes by force."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
