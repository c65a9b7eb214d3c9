"""The model registry: folders for the models, SQLite for which there are and which serve."""

import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from numpy.typing import NDArray

from proffer.core.errors import Conflict, NotFound
from proffer.core.ports import ModelVersion
from proffer.stores.artifacts import Artifacts, describe
from proffer.stores.sqlite.readers import Readers
from proffer.stores.sqlite.writer import Writer

_decode = msgspec.json.Decoder(ModelVersion).decode


class SqliteRegistry:
    """A ModelRegistry over a folder of artefacts and the workspace's database.

    A process that only reads may `save`: it writes the folder, and the writing process adopts the version by its id.
    """

    def __init__(self, readers: Readers, writer: Callable[[], Writer], artifacts: Artifacts, *, writable: bool) -> None:
        self._readers = readers
        self._writer = writer
        self._artifacts = artifacts
        self._writable = writable

    def save(
        self, pipeline: str, name: str, *, schema: str, position: int, parameters: Mapping[str, Any],
        metrics: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], at: datetime,
    ) -> ModelVersion:  # fmt: skip
        """Write a content-addressed folder with a manifest, list it where this process writes, return the version."""
        version = describe(
            pipeline, name, schema=schema, position=position, parameters=parameters, metrics=metrics, arrays=arrays,
            at=at,
        )  # fmt: skip
        written = self._artifacts.write(version, arrays)
        return self.adopt(written.id) if self._writable else written

    def adopt(self, version: str) -> ModelVersion:
        """List a version whose folder another process wrote, after checking every hash. Raises NotFound or Corrupt."""
        found = self._artifacts.check(version)

        def insert(connection: sqlite3.Connection) -> None:
            row = (found.id, found.pipeline, msgspec.json.encode(found))
            connection.execute("INSERT OR IGNORE INTO versions (id, pipeline, body) VALUES (?, ?, ?)", row)

        self._writer().run(insert)
        return found

    def load(self, version: str) -> tuple[ModelVersion, dict[str, NDArray[Any]]]:
        """Return a version and its arrays after checking every hash. Raises NotFound or Corrupt."""
        return self._artifacts.read(version)

    def champion(self, pipeline: str) -> tuple[ModelVersion | None, int]:
        """Return what serves, and the revision to promote against (0 before the first)."""
        sql = "SELECT body, revision FROM champions c JOIN versions v ON v.id = c.version WHERE c.pipeline = ?"
        row = self._readers.first(sql, (pipeline,))
        return (None, 0) if row is None else (_decode(row[0]), row[1])

    def promote(self, version: str, *, expected_revision: int) -> int:
        """Let a version serve from now on; return the new revision. Raises Conflict when somebody was faster."""

        def swap(connection: sqlite3.Connection) -> int:
            found = connection.execute("SELECT pipeline FROM versions WHERE id = ?", (version,)).fetchone()
            if found is None:
                raise NotFound(
                    f"no model version {version[:40]!r}", field="version", remedy="See the list of versions."
                )
            row = connection.execute("SELECT revision FROM champions WHERE pipeline = ?", found).fetchone()
            revision = row[0] if row else 0
            if revision != expected_revision:
                message = f"the champion is at revision {revision}, not {expected_revision}"
                raise Conflict(message, field="expected_revision", remedy="Look at the new champion, then decide.")
            connection.execute("INSERT OR REPLACE INTO champions VALUES (?, ?, ?)", (*found, version, revision + 1))
            return revision + 1

        return self._writer().run(swap)

    def history(self, pipeline: str) -> list[ModelVersion]:
        """Return all versions, newest first."""
        sql = "SELECT body FROM versions WHERE pipeline = ? ORDER BY number DESC"
        return [_decode(body) for (body,) in self._readers.all(sql, (pipeline,))]
