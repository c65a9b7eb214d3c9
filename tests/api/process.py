"""A real server process on loopback, and what to ask it with."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from proffer.bootstrap import create

START = (
    "import sys; from pathlib import Path; from proffer.api.serve import serve; "
    "from proffer.bootstrap import Environment; "
    "sys.exit(serve(Environment(home=Path(sys.argv[1]), port=0)))"
)


class ServerProcess:
    """A server over a home with a workspace of an application; `token` is what it showed at its first start."""

    def __init__(self, home: Path, token: str | None = None, app: str = "feed") -> None:
        if not (home / app).exists():
            create(home, app, app)
        self.home = home
        self.log = (home / "server.log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, str(home)],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        self.told = self._told()
        self.url = re.search(rf"at (http://\S+)/api/v1/{app}", self.told)[1]
        shown = re.search(r"shown this once: (\S+)", self.told)
        self.token = shown[1] if shown else token
        self.headers = {"Authorization": f"Bearer {self.token}"}

    def _told(self) -> str:
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("Operations:"):
                return "".join(lines)
        raise AssertionError(f"the server ended: {''.join(lines)}{(self.home / 'server.log').read_text()}")

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """Hold a client with the token, once the server is ready."""
        with httpx.Client(base_url=self.url, headers=self.headers, timeout=20) as client:
            assert any(client.get("/health/ready").status_code == 200 or time.sleep(0.05) for _ in range(100))
            yield client

    def kill(self) -> None:
        """End the process whatever it is doing; for when a test fails half way."""
        if not self.log.closed:
            self.stop(signal.SIGKILL)

    def stop(self, sent: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(sent)
        status = self.process.wait(20)
        self.process.stdout.close()
        self.log.close()
        return status
