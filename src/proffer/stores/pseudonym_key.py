"""The file that holds a workspace's pseudonym key."""

import os
from pathlib import Path

from proffer.core.errors import CannotStart
from proffer.core.pseudonyms import Pseudonyms
from proffer.stores.durable import flush_folder

KEY_FILE = "pseudonym.key"


def load_pseudonyms(root: Path, given: str | None = None, *, writable: bool = True) -> Pseudonyms:
    """Return the pseudonyms of the keys given, else of the workspace's key file, made where there is none.

    Without a file, a process that only reads has a key of its own until it ends. Raises CannotStart for a key that
    cannot be read or is too short.
    """
    if given:
        return Pseudonyms.read(given)
    path = root / KEY_FILE
    try:
        if not path.exists() and not writable:
            return Pseudonyms.fresh()
        if not path.exists():
            _write(path, Pseudonyms.fresh().text())
        return Pseudonyms.read(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        message = f"the pseudonym key {path} cannot be read: {error}"
        raise CannotStart(message, field="pseudonym.key", remedy="See its rights, or put the file back.") from error


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w") as opened:
        opened.write(f"{text}\n")
        opened.flush()
        os.fsync(opened.fileno())
    try:
        # The first of two processes to give it its name has made the key.
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
    flush_folder(path.parent)
