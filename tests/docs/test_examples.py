"""Every example on a page runs, in the order it stands there, in a directory and a PROFFER_HOME of the page's own.

A `python` block is executed; the blocks of a page share their names. In a `console` block each line that starts with
`$ ` is run by the shell and must succeed. A command that ends in `&` is a server: it is awaited and left running until
the page ends. A block of any language with a `title="..."` is a file, written before what follows runs. Other blocks
(`sh`, `json`, `text`) are only read. Port 8750 is read as one that is free, and what a page installs is found by that
page alone.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PORT = "8750"
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="([^"]+)"')


class Block(NamedTuple):
    """A fenced block: its language, the file it makes (if it has a title), its text and its line on the page."""

    language: str
    title: str | None
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    for match in BLOCK.finditer(page):
        title = TITLE.search(match[2])
        yield Block(match[1], title and title[1], match[3], page.count("\n", 0, match.start()) + 2)


def commands(text: str) -> list[str]:
    joined = text.replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ ")]


class Shell:
    """Runs commands with `proffer` on the path; remembers the servers it left running."""

    def __init__(self, port: str) -> None:
        self.port = port
        self.left: list[subprocess.Popen[bytes]] = []

    def run(self, command: str) -> None:
        if command.endswith("&"):
            self.left.append(subprocess.Popen(command.removesuffix("&"), shell=True, start_new_session=True))
            self._await_ready()
            return
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"

    def _await_ready(self) -> None:
        for _ in range(600):
            assert self.left[-1].poll() is None, "the server ended"
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/health/ready", trust_env=False).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        pytest.fail("the server did not become ready")

    def close(self) -> None:
        for process in self.left:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    place = str(tmp_path)
    found = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": place,
        "PROFFER_HOME": f"{place}/.proffer", "PROFFER_PORT": port,
        "PIP_TARGET": place, "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0",
    }  # fmt: skip
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    shell = Shell(port)
    yield shell
    shell.close()


def test_examples_run(page: Path, shell: Shell) -> None:
    names: dict[str, object] = {"__name__": "__page__"}
    for block in blocks(page.read_text().replace(PORT, shell.port)):
        if block.title:
            Path(block.title).write_text(block.text)
        elif block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
        elif block.language == "console":
            for command in commands(block.text):
                shell.run(command)


def test_a_strangers_application_has_under_forty_lines() -> None:
    page = (ROOT / "docs" / "applications" / "your-own.md").read_text()
    application = next(block for block in blocks(page) if block.title == "bookshop.py")
    assert len(application.text.splitlines()) < 40


def test_a_wrong_example_is_found() -> None:
    page = 'Text\n```python\nassert 1 == 2\n```\n```json title="a.json"\n{}\n```\n```console\n$ a \\\n  b\nout\n```\n'
    assert [(block.language, block.title, block.line) for block in blocks(page)] == [
        ("python", None, 3),
        ("json", "a.json", 6),
        ("console", None, 9),
    ]
    assert commands(list(blocks(page))[2].text) == ["a    b"]
    with pytest.raises(AssertionError):
        exec(next(blocks(page)).text, {})
