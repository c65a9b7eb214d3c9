"""The model registry in PostgreSQL: which versions there are, which serve, and their files; a local folder as cache."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from numpy.typing import NDArray

from proffer.core.errors import Corrupt, NotFound, ProfferError
from proffer.core.ports import ModelVersion, Promotion, Review
from proffer.stores.artifacts import ARRAYS, Artifacts, checked, describe, is_id, no_version, unpack
from proffer.stores.filling import check_empty, check_listed
from proffer.stores.postgres.database import Connection, Database
from proffer.stores.postgres.files import keep_files, kept_files
from proffer.stores.postgres.texts import can_hold
from proffer.stores.read_only import read_only
from proffer.stores.reading import RegistryReading
from proffer.stores.reviews import encoded
from proffer.stores.revisions import check_revision
from proffer.stores.rows import micros

NONE = ""
"""What stands for no version."""

_VERSION = "INSERT INTO versions (id, pipeline, body) VALUES (%s, %s, %s) ON CONFLICT (id) DO NOTHING"
_LISTED = "SELECT body FROM versions WHERE id = %s"
_CHANGE = "INSERT INTO promotions (pipeline, revision, version, at, how) VALUES (%s, %s, %s, %s, %s)"
_REVIEW = "INSERT INTO reviews (version, body) VALUES (%s, %s)"

_decode = msgspec.json.Decoder(ModelVersion).decode
T = TypeVar("T")

logger = logging.getLogger("proffer.stores")


class PostgresRegistry(RegistryReading):
    """A ModelRegistry in the workspace's schema, with the files of its versions in the table `artifacts`.

    A version that the local folder lacks, or holds damaged, is fetched from the database and checked. A process that
    only reads may `save`: it writes the folder, and a writing process of the same machine adopts the version.
    """

    def __init__(self, database: Database, artifacts: Artifacts, *, writable: bool = True) -> None:
        super().__init__(database)
        self._database = database
        self._artifacts = artifacts
        self._writable = writable
        self._listed: dict[str, ModelVersion] = {}

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
        # Saved on another machine already, at another time: that one stands.
        row = self._database.first(_LISTED, (version.id,))
        written = self._artifacts.write(version if row is None else _decode(row[0]), arrays)
        return self.adopt(written.id) if self._writable else written

    def adopt(self, version: str) -> ModelVersion:
        """List a version that another process saved, with its files, after checking every hash.

        Raises NotFound or Corrupt.
        """
        found, files = self._files(version)
        if version not in self._listed:
            self._listed[version] = self._change(lambda connection, _: _list(connection, found, files))
        return self._listed[version]

    def load(self, version: str) -> tuple[ModelVersion, dict[str, NDArray[Any]]]:
        """Return a version and its arrays after checking every hash. Raises NotFound or Corrupt."""
        found, files = self._files(version)
        return found, unpack(files[ARRAYS])

    def promote(self, version: str, *, expected_revision: int, at: datetime, back: bool = False) -> int:
        """Let a version serve from now on; return the new revision. Raises Conflict when somebody was faster."""
        how = "rollback" if back else "promote"

        def swap(connection: Connection, first: bool) -> int:
            found = connection.execute("SELECT pipeline FROM versions WHERE id = %s", (version,)).fetchone()
            if found is None:
                raise no_version(version)
            return _swap(connection, found[0], version, expected_revision, at, how, first=first)

        if not is_id(version):
            raise no_version(version)
        return self._change(swap)

    def retire(self, pipeline: str, *, expected_revision: int, at: datetime, back: bool = False) -> int:
        """Let no version serve from now on; return the new revision. Raises Conflict when somebody was faster."""
        how = "rollback" if back else "retire"
        return self._change(
            lambda connection, first: _swap(connection, pipeline, NONE, expected_revision, at, how, first=first)
        )

    def vouch(self, version: str, code: str, *, at: datetime) -> None:
        """Note that this code has loaded the version and found its golden rows right."""
        sql = "INSERT INTO vouched (version, code, at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
        self._change(lambda connection, _: connection.execute(sql, (version, code, micros(at))))

    def review(self, review: Review) -> None:
        """Keep a review of a listed version. Raises NotFound."""
        row = (review.version, encoded(review))

        def insert(connection: Connection, first: bool) -> None:
            if connection.execute("SELECT 1 FROM versions WHERE id = %s", row[:1]).fetchone() is None:
                raise no_version(review.version)
            known = connection.execute("SELECT 1 FROM reviews WHERE (version, body) = (%s, %s)", row).fetchone()
            if first or known is None:
                connection.execute(_REVIEW, row)

        if not is_id(review.version):
            raise no_version(review.version)
        self._change(insert)

    def reviews(self, version: str) -> list[Review]:
        """Return the reviews of a version, newest first."""
        return super().reviews(version) if can_hold(version) else []

    def fill(
        self, versions: Sequence[ModelVersion], promotions: Sequence[Promotion], reviews: Sequence[Review]
    ) -> None:
        """Fill an empty registry with what another one listed, in order of saving; the folders are there already.

        A version whose folder the other one lacked is listed without. Raises Conflict when this one lists something.
        """
        check_listed(versions, promotions, reviews)

        def insert(connection: Connection, _: bool) -> None:
            connection.execute("LOCK TABLE versions, champions, promotions, reviews IN SHARE ROW EXCLUSIVE MODE")
            sql = "SELECT 1 FROM versions UNION ALL SELECT 1 FROM promotions UNION ALL SELECT 1 FROM reviews LIMIT 1"
            check_empty(connection.execute(sql).fetchone())
            for version in versions:
                _list(connection, version, self._held(version.id))
            for one in sorted(promotions, key=lambda one: one.revision):
                _note(connection, one.pipeline, one.revision, one.version or NONE, one.at, one.how)
            for review in reviews:
                connection.execute(_REVIEW, (review.version, encoded(review)))

        self._change(insert, again=False)

    def _held(self, version: str) -> dict[str, bytes]:
        try:
            return self._artifacts.files(version)
        except (NotFound, Corrupt):
            return {}

    def _files(self, version: str) -> tuple[ModelVersion, dict[str, bytes]]:
        """Return a version and its files: those of the folder, else those of the database, put into the folder."""
        try:
            return self._artifacts.whole(version)
        except (NotFound, Corrupt) as error:
            files = self._database.run(lambda connection: kept_files(connection, version)) if is_id(version) else {}
            if not files:
                raise error from None
        try:
            return self._artifacts.put(version, files), files
        except Corrupt as error:
            message = f"the files of {version} in the database are damaged: {error.message}"
            raise Corrupt(message, remedy="Train again, or go back to another version.") from None
        except ProfferError as error:
            # Its hashes are right: a folder that takes nothing must not keep a model from serving.
            logger.warning("model %s is not kept in the folder: %s", version, error.message)
            return checked(version, files, self._artifacts.place(version))[0], files

    def _change(self, work: Callable[[Connection, bool], T], *, again: bool = True) -> T:
        """Do the work in one transaction; its second argument says whether it is the first attempt.

        A later one may find done what it is about to do: the connection was lost after the commit.
        """
        if not self._writable:
            raise read_only()
        attempts = 0

        def attempt(connection: Connection) -> T:
            nonlocal attempts
            attempts += 1
            return work(connection, attempts == 1)

        return self._database.run(attempt, again=again)


def _list(connection: Connection, version: ModelVersion, files: Mapping[str, bytes]) -> ModelVersion:
    """List a version with its files and return it as it is listed: the first of two saved at different times stands."""
    connection.execute(_VERSION, (version.id, version.pipeline, msgspec.json.encode(version)))
    row = connection.execute(_LISTED, (version.id,)).fetchone()
    listed = version if row is None else _decode(row[0])
    if listed == version or not _sound(version.id, kept_files(connection, version.id)):
        keep_files(connection, version.id, files)
    return listed


def _sound(version: str, files: Mapping[str, bytes]) -> bool:
    try:
        checked(version, files, Path())
    except Corrupt:
        return False
    return True


def _swap(
    connection: Connection, pipeline: str, version: str, expected: int, at: datetime, how: str, *, first: bool
) -> int:
    # Made where it is missing, so that of two first promotions one waits for the other here.
    sql = "INSERT INTO champions (pipeline, version, revision) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING"
    connection.execute(sql, (pipeline, NONE))
    row = connection.execute("SELECT revision FROM champions WHERE pipeline = %s FOR UPDATE", (pipeline,)).fetchone()
    revision = row[0] if row else 0
    if not first and revision == expected + 1 and _done(connection, (pipeline, revision, version, micros(at), how)):
        return int(revision)
    check_revision(revision, expected)
    _note(connection, pipeline, revision + 1, version, at, how)
    return int(revision) + 1


def _done(connection: Connection, change: tuple[str, int, str, int, str]) -> bool:
    sql = "SELECT 1 FROM promotions WHERE (pipeline, revision, version, at, how) = (%s, %s, %s, %s, %s)"
    return connection.execute(sql, change).fetchone() is not None


def _note(connection: Connection, pipeline: str, revision: int, version: str, at: datetime, how: str) -> None:
    sql = (
        "INSERT INTO champions (pipeline, version, revision) VALUES (%s, %s, %s) "
        "ON CONFLICT (pipeline) DO UPDATE SET version = EXCLUDED.version, revision = EXCLUDED.revision"
    )
    connection.execute(sql, (pipeline, version, revision))
    connection.execute(_CHANGE, (pipeline, revision, version, micros(at), how))
