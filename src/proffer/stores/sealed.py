"""Folders whose every byte is vouched for: a list of files with their hashes, and the hash of that list."""

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import msgspec

from proffer.core.errors import CannotStart, Corrupt, NotFound
from proffer.stores.durable import refusal, write_file

MANIFEST = "backup.json"
SEAL = "backup.sha256"
FORMAT = 1
PIECE = 1 << 20
REMEDY = "Take another backup: this one is damaged."


class File(msgspec.Struct, frozen=True):
    """A file of a sealed folder: its size and the SHA-256 of its content."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a sealed folder says of itself: its files by path, and what its writer wanted told."""

    format: int
    files: dict[str, File]
    told: dict[str, Any]


def seal(folder: Path, told: Mapping[str, Any]) -> Manifest:
    """Write the list of all files below a folder, with what else is told, and its hash as `sha256sum --check` reads it.

    Raises StorageFull when the disk refuses.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): _hashed(path) for path in paths}
    manifest = Manifest(format=FORMAT, files=files, told=msgspec.to_builtins(dict(told)))
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    write_file(folder / MANIFEST, lambda file: file.write(text))
    write_file(folder / SEAL, lambda file: file.write(_line(text)))
    return manifest


def manifest(folder: Path) -> Manifest:
    """Return what a sealed folder says of itself, its hash checked, its files not.

    Raises NotFound where there is no such folder, Corrupt for a damaged list, CannotStart for one of a newer format.
    """
    if not (folder / MANIFEST).is_file():
        raise NotFound(f"no backup in {folder}: {MANIFEST} is missing", field="backup", remedy="Name its folder.")
    text, line = _read(folder / MANIFEST), _read(folder / SEAL)
    if line != _line(text):
        raise Corrupt(f"{folder / MANIFEST} does not match {SEAL}", field="backup", remedy=REMEDY)
    try:
        format = msgspec.json.decode(text, type=_Format).format
        if format > FORMAT:
            message = f"{folder / MANIFEST} has format {format}, this Proffer knows formats up to {FORMAT}"
            raise CannotStart(message, field="backup", remedy="Restore it with the newer Proffer that made it.")
        told = msgspec.json.decode(text, type=Manifest)
        for name in told.files:
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise Corrupt(f"{folder / MANIFEST} names {name}, outside of it", field="backup", remedy=REMEDY)
        return told
    except msgspec.DecodeError as error:
        raise Corrupt(f"{folder / MANIFEST} cannot be read: {error}", field="backup", remedy=REMEDY) from error


def check(folder: Path) -> Manifest:
    """Return what a sealed folder says of itself after reading every file. Raises Corrupt naming one that differs."""
    found = manifest(folder)
    for name, file in found.files.items():
        _check(folder, name, file, None)
    return found


def carry(folder: Path, target: Path) -> Manifest:
    """Copy every listed file into another folder and return the list; what is written is what was checked.

    Raises Corrupt naming a file that is missing or differs, StorageFull when the disk refuses.
    """
    found = manifest(folder)
    for name, file in found.files.items():
        try:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(target / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
                _check(folder, name, file, copy)
        except OSError as error:
            raise refusal(target / name, error) from error
    return found


class _Format(msgspec.Struct):
    format: int


def _check(folder: Path, name: str, file: File, copy: IO[bytes] | None) -> None:
    path = folder / name
    found = _hashed(path, copy)
    if found != file:
        what = f"has {found.bytes} bytes, not {file.bytes}" if found.bytes != file.bytes else "does not match its hash"
        raise Corrupt(f"{path} {what}", field="backup", remedy=REMEDY)


def _hashed(path: Path, copy: IO[bytes] | None = None) -> File:
    digest, size = sha256(), 0
    try:
        opened = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    with opened as file:
        while piece := _piece(file, path):
            digest.update(piece)
            size += len(piece)
            if copy is not None:
                copy.write(piece)
    return File(size, digest.hexdigest())


def _piece(file: IO[bytes], path: Path) -> bytes:
    try:
        return file.read(PIECE)
    except OSError as error:
        raise _unreadable(path, error) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> Corrupt:
    what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
    return Corrupt(f"{path} {what}", field="backup", remedy=REMEDY)


def _line(text: bytes) -> bytes:
    return f"{sha256(text).hexdigest()}  {MANIFEST}\n".encode()
