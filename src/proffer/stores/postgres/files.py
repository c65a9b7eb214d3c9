"""The files of model versions in the table `artifacts`, in parts: one value may not be larger than a gigabyte."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from hashlib import sha256

from proffer.stores.postgres.database import Connection

PART = 1 << 24


def keep_files(connection: Connection, version: str, files: Mapping[str, bytes]) -> None:
    """Store the files of a version, or only those parts that are missing or differ, in the open transaction."""
    sql = "SELECT name, part, sha256(body) FROM artifacts WHERE version = %s"
    rows = connection.execute(sql, (version,), binary=True)
    known = {(name, part): bytes(digest) for name, part, digest in rows}
    for name, number, part in _parts(files):
        if known.pop((name, number), None) != sha256(part).digest():
            connection.execute(
                "INSERT INTO artifacts (version, name, part, body) VALUES (%s, %s, %s, %b) "
                "ON CONFLICT (version, name, part) DO UPDATE SET body = EXCLUDED.body",
                (version, name, number, part),
            )
    for name, number in known:
        connection.execute("DELETE FROM artifacts WHERE (version, name, part) = (%s, %s, %s)", (version, name, number))


def kept_files(connection: Connection, version: str) -> dict[str, bytes]:
    """Return the files of a version as they are stored, unchecked; none for a version that is not."""
    sql = "SELECT name, body FROM artifacts WHERE version = %s ORDER BY name, part"
    parts: dict[str, list[bytes]] = defaultdict(list)
    for name, body in connection.execute(sql, (version,), binary=True):
        parts[name].append(body)
    return {name: b"".join(each) for name, each in parts.items()}


def _parts(files: Mapping[str, bytes]) -> Iterator[tuple[str, int, bytes]]:
    for name, body in files.items():
        for number, start in enumerate(range(0, max(len(body), 1), PART)):
            yield name, number, body[start : start + PART]
