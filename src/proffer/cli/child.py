"""A server in a child process, for as long as it is needed."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

import proffer.bootstrap as bootstrap
from proffer.core.errors import CannotStart

PATIENCE = 60.0
PAUSE = 0.05


class Child:
    """A server of a workspace, and of others `also`, on loopback; entering waits until it is ready, leaving stops it.

    Raises CannotStart with its own words when it does not come up.
    """

    def __init__(self, home: Path, name: str, port: int, *options: str, also: tuple[str, ...] = ()) -> None:
        self.home, self.name = home, name
        self._command = [
            sys.executable, "-m", "proffer", "--home", str(home.resolve()), "serve", name, *also,
            "--host", "127.0.0.1", "--port", str(port), *options,
        ]  # fmt: skip
        self.url = ""

    def __enter__(self) -> "Child":
        self._before = signal.signal(signal.SIGTERM, _leave)
        with (self.home / "server.log").open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)  # noqa: S603 - our own command
        try:
            self._await_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def wait(self) -> None:
        """Wait until the server ends or the user interrupts."""
        try:
            self._process.wait()
        except KeyboardInterrupt:
            return

    def _await_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            server = bootstrap.running(self.home, self.name)
            if server is not None and server.pid == self._process.pid and _ready(server.url):
                self.url = server.url
                return
            time.sleep(PAUSE)
        said = (self.home / "server.log").read_text(errors="backslashreplace").strip()[-1000:]
        raise CannotStart("the server did not come up", remedy=f"It said: {said or 'nothing'}")

    def _stop(self) -> None:
        signal.signal(signal.SIGTERM, self._before)
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _leave(number: int, _: object) -> None:
    """End as an interrupt does, so that the child is stopped as well."""
    raise SystemExit(128 + number)


def free_port(wanted: int) -> int:
    """Return the port when nobody has it on this machine, else 0: any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
    return wanted


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False
