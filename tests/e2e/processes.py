"""Real processes over one PostgreSQL server: `proffer api`, `proffer worker`, and commands beside them."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

BASE = "/api/v1/feed"


class Started:
    """A Python process over a home, begun; `up` waits until it has said that it works. It tells a file in the home."""

    def __init__(self, home: Path, database: str, *line: str) -> None:
        self.log = home / f"{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *line], env=environment(database), stdout=log, stderr=log, start_new_session=True
            )
        self.told = ""

    def up(self) -> "Started":
        """Wait until it has said that it works."""
        self.told = until(self._told, 120)
        return self

    def _told(self) -> str | None:
        said = self.log.read_text()
        assert self.process.poll() is None, said
        return said if re.search(r"^(Operations:|Stop with)", said, re.MULTILINE) else None

    @property
    def token(self) -> str | None:
        """The workspace's first token, where this process showed it."""
        shown = re.search(r"shown this once: (\S+)", self.told)
        return shown[1] if shown else None

    def client(self, token: str) -> httpx.Client:
        """Return a client of this process."""
        url = re.search(r"at (http://\S+)/api/v1/feed", self.told)
        assert url
        return httpx.Client(
            base_url=url[1], headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
        )  # fmt: skip

    def send(self, number: int) -> None:
        """Send a signal to the process alone, not to its children."""
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the status the process ends with."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)

    def kill(self) -> None:
        """Make sure that nothing of it is left."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


def command(home: Path, *words: str) -> list[str]:
    """Return what follows the interpreter in a command line of `proffer`."""
    return ["-m", "proffer", "--home", str(home), *words]


def environment(database: str) -> dict[str, str]:
    """Return the environment of a process that finds its database."""
    return {
        **os.environ, "PROFFER_DATABASE": database, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip


def proffer(home: Path, database: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    line = [sys.executable, *command(home, *words)]
    return subprocess.run(line, env=environment(database), capture_output=True, text=True, timeout=120, check=False)


def ready(client: httpx.Client) -> str:
    """Return what a process says of itself."""
    return client.get("/health/ready").json()["status"]


def until(found: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait until something is so, and return it."""
    patience = time.monotonic() + seconds
    while not (got := found()):
        assert time.monotonic() < patience
        time.sleep(0.02)
    return got
