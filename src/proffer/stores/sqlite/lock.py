"""One writing process per workspace, held by an exclusive lock that dies with the process."""

import fcntl
import os
import time
from pathlib import Path

import msgspec

from proffer.core.errors import Invalid, WorkspaceBusy

FILE = "writer.lock"


class Writing(msgspec.Struct, frozen=True):
    """The process that writes a workspace, and where it serves it (None: it does not)."""

    pid: int
    url: str | None = None


class Lock:
    """The exclusive right to write in a workspace folder, from making it until `release` or the process's end.

    Raises WorkspaceBusy naming the process, and the server's address where it told one with `announce`.
    """

    def __init__(self, root: Path) -> None:
        self._file = os.open(root / FILE, os.O_RDWR | os.O_CREAT, 0o644)
        # Another process that only asks who writes holds the lock for an instant: so ask again, briefly.
        for _ in range(3):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.01)
        else:
            os.close(self._file)
            raise busy(root, _read(root))
        _write(self._file, Writing(os.getpid()))

    def release(self) -> None:
        """Let another process write."""
        if self._file >= 0:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = -1


def announce(root: Path, url: str) -> None:
    """Tell other processes at which URL this process, which holds the lock, takes their writes."""
    written = _read(root)
    if written is None or written.pid != os.getpid():
        raise Invalid("this process does not write the workspace", remedy="Open it with writable=True first.")
    file = os.open(root / FILE, os.O_RDWR)
    try:
        _write(file, Writing(os.getpid(), url))
    finally:
        os.close(file)


def writing(root: Path) -> Writing | None:
    """Return the process that writes a workspace now, None when nobody does."""
    if not (root / FILE).is_file():
        return None
    file = os.open(root / FILE, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(root) or Writing(0)
    finally:
        os.close(file)
    return None


def busy(root: Path, by: Writing | None) -> WorkspaceBusy:
    """Return the error of a process that may not write because another does."""
    who = f"process {by.pid}" if by and by.pid else "another process"
    if by and by.url:
        remedy = f"Send it through the running server at {by.url}, or stop it."
    else:
        remedy = "Wait until it has ended, or stop it."
    return WorkspaceBusy(f"the workspace in {root} is being written by {who}", field="workspace", remedy=remedy)


def _read(root: Path) -> Writing | None:
    try:
        return msgspec.json.decode((root / FILE).read_bytes(), type=Writing)
    except (OSError, msgspec.DecodeError):
        return None


def _write(file: int, by: Writing) -> None:
    text = msgspec.json.encode(by)
    os.pwrite(file, text, 0)
    os.ftruncate(file, len(text))
