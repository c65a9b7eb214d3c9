"""Folders that are there whole or not at all: filled beside their place by one process, then renamed."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proffer.core.errors import Busy, Conflict
from proffer.stores.durable import PREFIX, flush_folder, refusal, remove


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill; afterwards it has this name, with every byte on disk, or does not exist.

    What a killed process left half filled is thrown away. Raises Conflict when there is something of this name,
    Busy while another process fills it, StorageFull when the disk refuses.
    """
    check_free(path)
    temporary = path.with_name(f"{PREFIX}{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _alone(temporary, path)
    except OSError as error:
        raise refusal(path, error) from error
    ours = temporary
    try:
        for left in temporary.iterdir():
            remove(left)
        check_free(path)
        yield temporary
        flush_tree(temporary)
        ours = temporary.rename(path)
        flush_folder(path.parent)
    except BaseException as error:
        # Once it is renamed, the next process may make one of the temporary name.
        remove(ours)
        if isinstance(error, OSError):
            raise refusal(path, error) from error
        raise
    finally:
        os.close(lock)


def check_free(path: Path) -> None:
    """Raise Conflict unless a folder does not exist, or is empty."""
    if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
        remedy = "Choose a place that is empty, or another name (of a copy into a database by --name)."
        raise Conflict(f"there is something in {path} already", field="target", remedy=remedy)


def flush_tree(folder: Path) -> None:
    """Bring every file and name below a folder to disk."""
    for place, _, names in os.walk(folder):
        for name in names:
            with Path(place, name).open("rb") as file:
                os.fsync(file.fileno())
        flush_folder(Path(place))


def _alone(temporary: Path, path: Path) -> int:
    """Make the folder and lock it, so that of two processes one goes on."""
    while True:
        temporary.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(temporary, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it may have renamed or removed the folder meanwhile.
            if os.path.samestat(os.fstat(lock), temporary.stat()):
                return lock
        except BlockingIOError:
            os.close(lock)
            raise Busy(f"another process is filling {path}", field="target", remedy="Wait until it is done.") from None
        except FileNotFoundError:
            pass
        os.close(lock)
