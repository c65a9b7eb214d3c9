"""Text of a file: unpacked, decoded, and cut into lines of bounded length."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from proffer.core.errors import Corrupt, Malformed

LINE = 1_000_000
SAMPLE = 1 << 16
GZIP = b"\x1f\x8b"
MISTAKEN = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a SQLite database",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"\x89PNG": "a picture",
}
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_BROKEN = (EOFError, gzip.BadGzipFile, zlib.error)


def first_bytes(path: Path) -> bytes:
    """Return the beginning of a file after unpacking. Raises Corrupt when it cannot be unpacked."""
    with path.open("rb") as file:
        try:
            return _unpacked(file).read(SAMPLE)
        except _BROKEN:
            raise _broken(path, 0) from None


class Text:
    """The lines of a text file, with their ends; `position` of `size` bytes of the file have been read.

    A line beyond a million characters is cut there, and the rest of it skipped. In UTF-8, bytes that are none become
    lone surrogates; in other encodings, U+FFFD: see `undecoded`. Raises Malformed for what is no text.
    """

    def __init__(self, path: Path, encoding: str | None) -> None:
        self.path = path
        self.encoding = encoding or guess_encoding(first_bytes(path), path.name)
        self.size = path.stat().st_size
        self.position = 0
        self._mark = "" if self.encoding.lower().replace("_", "-").startswith("utf-8") else "\ufffd"

    def lines(self) -> Iterator[str]:
        """Yield each line. Raises Corrupt where the file breaks off."""
        errors = "replace" if self._mark else "surrogateescape"
        number = 0
        with self.path.open("rb") as file:
            try:
                text = io.TextIOWrapper(_unpacked(file), self.encoding, errors, newline="")
                while line := text.readline(LINE):
                    number += 1
                    if not number & 1023:
                        self.position = file.tell()
                    yield line
                    while len(line) == LINE and line[-1] not in "\r\n":
                        line = text.readline(LINE)
            except _BROKEN:
                raise _broken(self.path, number) from None
            except LookupError:
                remedy = "Use a name like utf-8, cp1252 or utf-16."
                raise Malformed(f"unknown encoding {self.encoding!r}", field="--encoding", remedy=remedy) from None
            except UnicodeError:
                remedy = "Name the right one."
                raise Malformed(f"{self.path.name} is not {self.encoding}", field="--encoding", remedy=remedy) from None
        self.position = self.size

    def fault(self, line: str) -> str | None:
        """Return why a line cannot be used at all, None when it can."""
        if "\x00" in line:
            return "the row holds a NUL character"
        if len(line) >= LINE:
            return f"the line is longer than {LINE:,} characters"
        if not line.isascii() and self._undecoded(line):
            return f"the row is not {self.encoding} text"
        return None

    def _undecoded(self, line: str) -> bool:
        if self._mark:
            return self._mark in line
        try:
            line.encode()
        except UnicodeEncodeError:
            return True
        return False


def guess_encoding(head: bytes, name: str) -> str:
    """Return the encoding that the beginning of a file speaks for. Raises Malformed for binary and for other bytes.

    >>> guess_encoding("a,b".encode("utf-16"), "x.csv"), guess_encoding(b"a,b", "x.csv")
    ('utf-16', 'utf-8')
    """
    found = next((encoding for bom, encoding in _BOMS if head.startswith(bom)), None)
    if found:
        return found
    half = len(head) // 2 or 1
    if head[1::2].count(0) > 0.6 * half > 10 * head[::2].count(0):
        return "utf-16-le"
    if head[::2].count(0) > 0.6 * half > 10 * head[1::2].count(0):
        return "utf-16-be"
    odd = sum(head.count(byte) for byte in range(32) if byte not in b"\t\r\n\f\x1b")
    if odd > max(8, 0.02 * len(head)):
        raise Malformed(f"{name} is binary, not a table", field="file", remedy="Give CSV, JSON lines or Parquet.")
    lines = head.splitlines()[:-1] or [head]
    if sum(not _is_utf8(line) for line in lines) > max(1, len(lines) // 20):
        remedy = "Name its encoding, for example --encoding cp1252."
        raise Malformed(f"{name} is not UTF-8 text", field="--encoding", remedy=remedy)
    return "utf-8"


def printable(raw: str) -> str:
    """Return a raw row as text that any store keeps: bytes that are no text, and NUL, become escapes."""
    return raw.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def _unpacked(file: BinaryIO) -> BinaryIO:
    packed = file.read(2) == GZIP
    file.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _broken(path: Path, lines: int) -> Corrupt:
    remedy = "Nothing was imported. Fetch the file again."
    return Corrupt(f"{path.name} is damaged: it cannot be unpacked beyond line {lines:,}", field="file", remedy=remedy)
