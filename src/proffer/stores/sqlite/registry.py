"""The model registry: folders for the models, SQLite for which there are and which serve."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from numpy.typing import NDArray

from proffer.core.ports import ModelVersion, Promotion, Review
from proffer.stores.artifacts import Artifacts, describe, no_version
from proffer.stores.reading import RegistryReading
from proffer.stores.reviews import encoded
from proffer.stores.revisions import check_revision
from proffer.stores.rows import micros
from proffer.stores.sqlite.fill import fill_registry
from proffer.stores.sqlite.readers import Readers
from proffer.stores.sqlite.writer import Writer

NONE = ""
"""What stands for no version, in a column that older workspaces declare without null."""

_decode = msgspec.json.Decoder(ModelVersion).decode


class SqliteRegistry(RegistryReading):
    """A ModelRegistry over a folder of artefacts and the workspace's database.

    A process that only reads may `save`: it writes the folder, and the writing process adopts the version by its id.
    """

    def __init__(self, readers: Readers, writer: Callable[[], Writer], artifacts: Artifacts, *, writable: bool) -> None:
        super().__init__(readers)
        self._writer = writer
        self._artifacts = artifacts
        self._writable = writable

    def save(
        self, pipeline: str, name: str, *, schema: str, position: int, parameters: Mapping[str, Any],
        metrics: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], at: datetime, code: str = "",
        since: datetime | None = None, until: datetime | None = None, events: int = 0,
    ) -> ModelVersion:  # fmt: skip
        """Write a content-addressed folder with a manifest, list it where this process writes, return the version."""
        version = describe(
            pipeline, name, schema=schema, position=position, parameters=parameters, metrics=metrics, arrays=arrays,
            at=at, code=code, since=since, until=until, events=events,
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

    def promote(self, version: str, *, expected_revision: int, at: datetime, back: bool = False) -> int:
        """Let a version serve from now on; return the new revision. Raises Conflict when somebody was faster."""

        def swap(connection: sqlite3.Connection) -> int:
            found = connection.execute("SELECT pipeline FROM versions WHERE id = ?", (version,)).fetchone()
            if found is None:
                raise no_version(version)
            how = "rollback" if back else "promote"
            return _swap(connection, found[0], version, expected_revision, at, how)

        return self._writer().run(swap)

    def retire(self, pipeline: str, *, expected_revision: int, at: datetime, back: bool = False) -> int:
        """Let no version serve from now on; return the new revision. Raises Conflict when somebody was faster."""
        how = "rollback" if back else "retire"
        return self._writer().run(lambda connection: _swap(connection, pipeline, NONE, expected_revision, at, how))

    def vouch(self, version: str, code: str, *, at: datetime) -> None:
        """Note that this code has loaded the version and found its golden rows right."""
        sql = "INSERT OR IGNORE INTO vouched VALUES (?, ?, ?)"
        self._writer().run(lambda connection: connection.execute(sql, (version, code, micros(at))))

    def review(self, review: Review) -> None:
        """Keep a review of a listed version. Raises NotFound."""
        row = (review.version, encoded(review))

        def insert(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT 1 FROM versions WHERE id = ?", row[:1]).fetchone() is None:
                raise no_version(review.version)
            connection.execute("INSERT INTO reviews (version, body) VALUES (?, ?)", row)

        self._writer().run(insert)

    def fill(
        self, versions: Sequence[ModelVersion], promotions: Sequence[Promotion], reviews: Sequence[Review]
    ) -> None:
        """Fill an empty registry with what another one listed, in order of saving; the folders are there already.

        A version whose folder the other one lacked is listed without. Raises Conflict when this one lists something.
        """
        self._writer().run(lambda connection: fill_registry(connection, versions, promotions, reviews, NONE))


def _swap(connection: sqlite3.Connection, pipeline: str, version: str, expected: int, at: datetime, how: str) -> int:
    row = connection.execute("SELECT revision FROM champions WHERE pipeline = ?", (pipeline,)).fetchone()
    revision = row[0] if row else 0
    check_revision(revision, expected)
    connection.execute("INSERT OR REPLACE INTO champions VALUES (?, ?, ?)", (pipeline, version, revision + 1))
    change = (pipeline, revision + 1, version, micros(at), how)
    connection.execute("INSERT INTO promotions VALUES (?, ?, ?, ?, ?)", change)
    return revision + 1
