"""Judged sets in a folder: `sets/NAME-DIGEST.npz`, one file each, there whole or not at all."""

import re
import time
from pathlib import Path

from proffer.core.errors import Conflict, Corrupt, Invalid, NotFound
from proffer.stores.durable import refusal, sweep, write_file

LEFT_OVER_SECONDS = 3600
"""What a write left behind that was cut off so long ago is removed."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FILE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)-(?P<digest>[0-9a-f]{64})\.npz")


class FolderSets:
    """The sets of one workspace, beside its log and no part of it; any process may write while others read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sets = FolderSets(Path(folder) / "sets")
    ...     sets.put("letor", "0" * 64, b"bytes"), sets.put("letor", "0" * 64, b"bytes"), sets.names()
    (True, False, ['letor'])
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Return the names of all sets, sorted."""
        return sorted({name for name, _ in self._files()})

    def put(self, name: str, digest: str, packed: bytes) -> bool:
        """Keep a set, whole or not at all; False where this very one is kept already.

        Raises Invalid for a name that is none, Conflict where another set has it, StorageFull when the disk refuses.
        """
        if not _NAME.fullmatch(name):
            remedy = "Use up to 100 letters, digits, - . and _, beginning with a letter or digit: --as NAME."
            raise Invalid(f"{name[:40]!r} is no name of a set", field="--as", remedy=remedy)
        standing = {held for known, held in self._files() if known == name}
        if digest in standing:
            return False
        if standing:
            file = self._folder / f"{name}-{min(standing)}.npz"
            remedy = f"Give this one another name with --as NAME, or remove {file}."
            raise Conflict(f"another set is called {name}", field="--as", remedy=remedy)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            sweep(self._folder, time.time() - LEFT_OVER_SECONDS)
        except OSError as error:
            raise refusal(self._folder, error) from error
        write_file(self._folder / f"{name}-{digest}.npz", lambda file: file.write(packed))
        return True

    def get(self, name: str) -> tuple[str, bytes]:
        """Return a set's digest and bytes. Raises NotFound naming those there are, Corrupt for two of one name."""
        found = sorted(digest for known, digest in self._files() if known == name)
        if not found:
            known = ", ".join(self.names()) or "none yet"
            remedy = f"Import one: proffer import WORKSPACE FILE. Sets here: {known}."
            raise NotFound(f"no set {name[:100]!r}", field="--set", remedy=remedy)
        if len(found) > 1:
            raise Corrupt(f"two sets are called {name}", field="--set", remedy=f"Remove one from {self._folder}.")
        path = self._folder / f"{name}-{found[0]}.npz"
        try:
            return found[0], path.read_bytes()
        except OSError as error:
            raise Corrupt(
                f"{path} cannot be read: {error.strerror}", field="--set", remedy="Import it again."
            ) from error

    def _files(self) -> list[tuple[str, str]]:
        if not self._folder.is_dir():
            return []
        found = [_FILE.fullmatch(path.name) for path in self._folder.iterdir()]
        return [(match["name"], match["digest"]) for match in found if match]
