"""Snapshots of state as files: one per snapshot, read whole, checked before use, never pickled.

A file is: 8 bytes of magic, 32 bytes SHA-256 of all that follows, 8 bytes length of the head (little endian), the
head (JSON: version, position, and for each array its name, dtype, shape and start), then the arrays, each C-ordered
at a multiple of 64 bytes.
"""

import math
import os
import threading
import time
from collections.abc import Mapping
from hashlib import blake2b, sha256
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Corrupt, Invalid
from proffer.stores.durable import PREFIX, flush_folder, remove, sweep, write_file
from proffer.stores.plain import check_plain
from proffer.stores.retention import NEWEST, OLDER, stale

MAGIC = b"PROFFER1"
ALIGNMENT = 64
PREAMBLE = 48
LEFT_OVER_SECONDS = 3600


class _Array(msgspec.Struct, frozen=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int


class _Head(msgspec.Struct, frozen=True):
    version: str
    position: int
    arrays: tuple[_Array, ...]


class FileSnapshots:
    """A StateStore in a folder; the newest snapshots stay, and of older ones those that `stale` leaves.

    `shared`: other processes may write into the folder at the same time, so only old leftovers of theirs are removed.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     snapshots = FileSnapshots(Path(folder))
    ...     snapshots.save("v1", 7, {"rows": np.arange(3)})
    ...     snapshots.load("v1")
    (7, {'rows': array([0, 1, 2])})
    """

    def __init__(
        self, folder: Path, *, writable: bool = True, newest: int = NEWEST, older: int = OLDER, shared: bool = False
    ) -> None:  # fmt: skip
        self._folder = folder
        self._writable = writable
        self._newest, self._older = newest, older
        self._lock = threading.Lock()
        if writable:
            folder.mkdir(parents=True, exist_ok=True)
            # What another process is writing at this moment must stay.
            sweep(folder, time.time() - LEFT_OVER_SECONDS if shared else math.inf)

    def save(self, version: str, position: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a snapshot whole or not at all, and drop those that need not stay."""
        if not self._writable:
            raise Invalid("snapshots were opened for reading only", remedy="Leave them to the writing process.")
        check_plain(arrays)
        with self._lock:
            before = self._files()
            number = int(before[-1].name.split("-")[0]) + 1 if before else 1
            path = self._folder / f"{number:08d}-{position:016d}-{_label(version)}.snapshot"
            write_file(path, lambda file: _write(file, version, position, arrays))
            same = [old for old in before if old.name.split("-", 1)[1] == path.name.split("-", 1)[1]]
            others = [*(old for old in before if old not in same), path]
            told = [(_written(one), _position(one)) for one in others]
            for old in same + [others[place] for place in stale(told, newest=self._newest, older=self._older)]:
                remove(old)

    def load(self, version: str, at_most: int | None = None) -> tuple[int, dict[str, NDArray[Any]]] | None:
        """Return the newest sound snapshot of this version at or before a position.

        A file that is cut short or altered is passed over, and removed where this process writes.
        """
        for path in sorted(self._files(version), key=_position, reverse=True):
            if at_most is not None and _position(path) > at_most:
                continue
            try:
                return _read(path, version)
            except FileNotFoundError:
                continue
            except Corrupt:
                if self._writable:
                    remove(path)
        return None

    def positions(self, version: str) -> list[int]:
        """Return the positions that have a snapshot, ascending."""
        return sorted(_position(path) for path in self._files(version))

    def drop(self) -> None:
        """Remove every snapshot of every version, and what a write that was cut off left behind."""
        if not self._writable:
            raise Invalid("snapshots were opened for reading only", remedy="Leave them to the writing process.")
        with self._lock:
            for path in (*self._files(), *self._folder.glob(f"{PREFIX}*")):
                remove(path)
            flush_folder(self._folder)

    def _files(self, version: str | None = None) -> list[Path]:
        return sorted(self._folder.glob(f"[0-9]*-{'*' if version is None else _label(version)}.snapshot"))


def _label(version: str) -> str:
    return blake2b(version.encode(), digest_size=8).hexdigest()


def _written(path: Path) -> str:
    """Return the label of the version a snapshot is of."""
    return path.stem.split("-")[2]


def _position(path: Path) -> int:
    return int(path.name.split("-")[1])


def _write(file: IO[bytes], version: str, position: int, arrays: Mapping[str, NDArray[Any]]) -> None:
    parts = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    places, start = [], 0
    for name, array in parts.items():
        places.append(_Array(name, array.dtype.str, arrays[name].shape, start))
        start += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
    head = msgspec.json.encode(_Head(version, position, tuple(places)))
    head += b" " * (-(PREAMBLE + len(head)) % ALIGNMENT)
    file.write(bytes(PREAMBLE))
    seal = sha256()
    blocks: list[Any] = [len(head).to_bytes(8, "little"), head]
    for array in parts.values():
        blocks += [array.reshape(-1).view(np.uint8), bytes(-array.nbytes % ALIGNMENT)]
    file.seek(len(MAGIC) + seal.digest_size)
    for block in blocks:
        seal.update(block)
        file.write(block)
    file.seek(0)
    file.write(MAGIC + seal.digest())


def _read(path: Path, version: str) -> tuple[int, dict[str, NDArray[Any]]]:
    with path.open("rb") as file:
        raw = np.empty(os.fstat(file.fileno()).st_size, np.uint8)
        size = file.readinto(raw.data)
    if size != len(raw) or len(raw) < PREAMBLE or raw[:8].tobytes() != MAGIC:
        raise Corrupt(f"{path} is no snapshot")
    if sha256(raw[40:].data).digest() != raw[8:40].tobytes():
        raise Corrupt(f"{path} does not match its hash")
    start = PREAMBLE + int.from_bytes(raw[40:48].tobytes(), "little")
    head = msgspec.json.decode(raw[PREAMBLE:start].tobytes(), type=_Head)
    if (head.version, head.position) != (version, _position(path)):
        raise Corrupt(f"{path} is not what its name says")
    return head.position, {array.name: _view(raw[start + array.start :], array) for array in head.arrays}


def _view(raw: NDArray[np.uint8], array: _Array) -> NDArray[Any]:
    dtype = np.dtype(array.dtype)
    size = math.prod(array.shape) * dtype.itemsize
    return raw[:size].view(dtype).reshape(array.shape)
