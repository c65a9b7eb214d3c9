"""Model versions in memory, and which of them serve."""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import NotFound
from proffer.core.ports import ModelVersion, Promotion, Review
from proffer.stores.artifacts import describe, no_version
from proffer.stores.filling import check_empty, check_listed
from proffer.stores.reviews import written
from proffer.stores.revisions import check_revision


class MemoryRegistry:
    """A ModelRegistry in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions: dict[str, tuple[ModelVersion, dict[str, NDArray[Any]] | None]] = {}
        self._promotions: dict[str, list[Promotion]] = {}
        self._vouched: set[tuple[str, str]] = set()
        self._reviews: dict[str, list[Review]] = {}

    def save(
        self, pipeline: str, name: str, *, schema: str, position: int, parameters: Mapping[str, Any],
        metrics: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], at: datetime, code: str = "",
        since: datetime | None = None, until: datetime | None = None, events: int = 0,
    ) -> ModelVersion:  # fmt: skip
        """Keep a version and return it; the same content, the same id."""
        version = describe(
            pipeline, name, schema=schema, position=position, parameters=parameters, metrics=metrics, arrays=arrays,
            at=at, code=code, since=since, until=until, events=events,
        )  # fmt: skip
        copies = {key: np.array(array) for key, array in arrays.items()}
        return self._versions.setdefault(version.id, (version, copies))[0]

    def adopt(self, version: str) -> ModelVersion:
        """Return a version: what is saved in memory is listed already. Raises NotFound."""
        return self.load(version)[0]

    def load(self, version: str) -> tuple[ModelVersion, dict[str, NDArray[Any]]]:
        """Return a version and its arrays. Raises NotFound."""
        found, arrays = self._listed(version)
        if arrays is None:
            raise NotFound(f"the arrays of {version} are not here", field="version", remedy="Train again.")
        return found, {name: array.copy() for name, array in arrays.items()}

    def champion(self, pipeline: str) -> tuple[ModelVersion | None, int]:
        """Return what serves, and the revision to promote against (0 before the first)."""
        last = next(iter(self.promotions(pipeline)), None)
        if last is None or last.version is None:
            return None, last.revision if last else 0
        return self._versions[last.version][0], last.revision

    def promote(self, version: str, *, expected_revision: int, at: datetime, back: bool = False) -> int:
        """Let a version serve from now on; return the new revision. Raises Conflict when somebody was faster."""
        pipeline = self._listed(version)[0].pipeline
        return self._swap(pipeline, version, expected_revision, at, "rollback" if back else "promote")

    def retire(self, pipeline: str, *, expected_revision: int, at: datetime, back: bool = False) -> int:
        """Let no version serve from now on; return the new revision. Raises Conflict when somebody was faster."""
        return self._swap(pipeline, None, expected_revision, at, "rollback" if back else "retire")

    def _swap(self, pipeline: str, version: str | None, expected: int, at: datetime, how: Any) -> int:
        with self._lock:
            changes = self._promotions.setdefault(pipeline, [])
            last = changes[-1].revision if changes else 0
            check_revision(last, expected)
            revision = last + 1
            changes.append(Promotion(pipeline=pipeline, revision=revision, version=version, at=at, how=how))
            return revision

    def promotions(self, pipeline: str) -> list[Promotion]:
        """Return every change of what serves, newest first."""
        return self._promotions.get(pipeline, [])[::-1]

    def vouch(self, version: str, code: str, *, at: datetime) -> None:  # noqa: ARG002
        """Note that this code has loaded the version and found its golden rows right."""
        self._vouched.add((version, code))

    def vouched(self, version: str, code: str) -> bool:
        """Return whether that was noted before."""
        return (version, code) in self._vouched

    def history(self, pipeline: str) -> list[ModelVersion]:
        """Return all versions, newest first."""
        return [version for version, _ in reversed(self._versions.values()) if version.pipeline == pipeline]

    def review(self, review: Review) -> None:
        """Keep a review of a listed version. Raises NotFound."""
        self._listed(review.version)
        with self._lock:
            self._reviews.setdefault(review.version, []).append(written(review))

    def reviews(self, version: str) -> list[Review]:
        """Return the reviews of a version, newest first."""
        return self._reviews.get(version, [])[::-1]

    def fill(
        self, versions: Sequence[ModelVersion], promotions: Sequence[Promotion], reviews: Sequence[Review]
    ) -> None:
        """Fill an empty registry with what another one listed, in order of saving.

        Arrays stay where they are: a version that is filled in cannot be loaded here. Raises Conflict when this one
        lists something.
        """
        with self._lock:
            check_empty(self._versions or self._promotions or self._reviews)
            check_listed(versions, promotions, reviews)
            self._versions = {version.id: (version, None) for version in versions}
            for change in sorted(promotions, key=lambda one: one.revision):
                self._promotions.setdefault(change.pipeline, []).append(change)
            for review in reviews:
                self._reviews.setdefault(review.version, []).append(written(review))

    def _listed(self, version: str) -> tuple[ModelVersion, dict[str, NDArray[Any]] | None]:
        if version not in self._versions:
            raise no_version(version)
        return self._versions[version]
