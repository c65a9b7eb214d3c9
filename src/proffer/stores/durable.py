"""Files that are there whole or not at all, also after a power loss."""

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO

from proffer.core.errors import ProfferError, StorageFull

PREFIX = ".tmp-"


def write_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a temporary file, flush it, give it its name and flush the folder.

    Several processes may write the same name at once: the last one's file stays. Raises StorageFull when the disk
    refuses; then there is no such file.
    """
    # A process's number alone would not do: in two containers over one folder both may be number 1.
    temporary = path.with_name(f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise refusal(path, error) from error


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path, older_than: float = float("inf")) -> None:
    """Remove leftovers of writes that were cut off, last touched before these epoch seconds."""
    for path in folder.glob(f"{PREFIX}*"):
        try:
            if path.stat().st_mtime < older_than:
                remove(path)
        except FileNotFoundError:
            # Another process swept it, or finished it.
            continue


def remove(path: Path) -> None:
    """Remove a file or folder, also while another process removes it."""
    while path.is_dir() and not path.is_symlink():
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            continue
    path.unlink(missing_ok=True)


def refusal(path: Path, error: OSError) -> ProfferError:
    """Return what a failed write means."""
    message = f"{path} could not be written: {error.strerror}; nothing was kept"
    return StorageFull(message, remedy="Free space or mend the disk, then try again.")
