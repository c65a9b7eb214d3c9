"""What every ModelRegistry must do."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proffer.core.errors import Conflict, Invalid, NotFound
from proffer.core.ports import ModelRegistry, ModelVersion
from proffer.testing.samples import START


class ModelRegistryContract:
    """Subclass it and give `open`."""

    def open(self, folder: Path) -> AbstractContextManager[ModelRegistry]:
        """Return the registry in a folder, opened for writing."""
        raise NotImplementedError

    @pytest.fixture
    def registry(self, tmp_path: Path) -> Iterator[ModelRegistry]:
        """An empty registry."""
        with self.open(tmp_path / "registry") as registry:
            yield registry

    def test_empty(self, registry: ModelRegistry) -> None:
        """Nothing serves, and an unknown id, however shaped, is not found."""
        assert (registry.champion("main"), registry.history("main")) == ((None, 0), [])
        for name in ("m_" + "0" * 32, "", ".", "..", "../x", "m_1\x00", "x" * 5000):
            with pytest.raises(NotFound):
                registry.load(name)
            with pytest.raises(NotFound):
                registry.adopt(name)
            with pytest.raises(NotFound):
                registry.promote(name, expected_revision=0, at=START)

    def test_save_and_load(self, registry: ModelRegistry) -> None:
        """All that was said of a model and every array comes back."""
        arrays = {"w": np.arange(6.0).reshape(2, 3), "ids": np.array(["a", "\u00e5"]), "none": np.zeros(0, np.int64)}
        saved = registry.save(
            "main", "blend", schema="v1", position=7, parameters={"days": 3.5, "of": {"x": [1, 2]}},
            metrics={"ndcg": np.float64(0.25), "n": np.int64(4)}, arrays=arrays, at=START,
        )  # fmt: skip
        version, found = registry.load(saved.id)
        assert version == saved
        assert (version.pipeline, version.name, version.schema, version.position) == ("main", "blend", "v1", 7)
        assert (version.parameters, version.metrics) == ({"days": 3.5, "of": {"x": [1, 2]}}, {"ndcg": 0.25, "n": 4})
        assert version.created_at == START
        assert {name: (a.dtype, a.tolist()) for name, a in found.items()} == {
            name: (a.dtype, a.tolist()) for name, a in arrays.items()
        }

    def test_same_content_same_id(self, registry: ModelRegistry) -> None:
        """The same content is the same version, listed once; any other content is another."""
        first = save(registry, days=3)
        assert save(registry, days=3, at=START + timedelta(days=1)) == first
        others = [save(registry, days=4), save(registry, "other", days=3), save(registry, days=3, weight=2.0)]
        assert len({first.id, *(other.id for other in others)}) == 4
        assert [version.id for version in registry.history("main")] == [others[2].id, others[0].id, first.id]
        assert registry.adopt(first.id) == first

    def test_promotion(self, registry: ModelRegistry) -> None:
        """Each promotion raises the revision; one against an old revision is refused and changes nothing."""
        first, second = save(registry, days=1), save(registry, days=2)
        assert registry.promote(first.id, expected_revision=0, at=START) == 1
        assert registry.champion("main") == (first, 1)
        with pytest.raises(Conflict):
            registry.promote(second.id, expected_revision=0, at=START)
        assert registry.champion("main") == (first, 1)
        assert registry.promote(second.id, expected_revision=1, at=START) == 2
        assert registry.promote(first.id, expected_revision=2, at=START) == 3
        assert registry.champion("main") == (first, 3)
        assert registry.champion("other") == (None, 0)

    def test_of_concurrent_promotions_one_wins(self, registry: ModelRegistry) -> None:
        """Of eight at once exactly one succeeds, and it is the one that serves."""
        versions = [save(registry, days=days) for days in range(8)]

        def promote(version: ModelVersion) -> bool:
            try:
                return registry.promote(version.id, expected_revision=0, at=START) == 1
            except Conflict:
                return False

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(promote, versions))
        assert won.count(True) == 1
        assert registry.champion("main") == (versions[won.index(True)], 1)

    def test_where_it_comes_from(self, registry: ModelRegistry) -> None:
        """The code that fitted it and the range of what it was fitted on come back, and are part of its content."""
        days: dict[str, Any] = {"since": START - timedelta(days=9), "until": START - timedelta(days=1), "events": 70}
        told, other, untold = (
            save(registry, code="1.0+a", **days), save(registry, code="1.0+b", **days), save(registry),
        )  # fmt: skip
        assert registry.load(told.id)[0] == told
        assert (told.code, told.since, told.until, told.events) == ("1.0+a", *days.values())
        assert (untold.code, untold.since, untold.until, untold.events) == ("", None, None, 0)
        assert len({told.id, other.id, untold.id}) == 3

    def test_promotions_are_kept(self, registry: ModelRegistry) -> None:
        """Every change of what serves is listed, newest first, with its time and why it came about."""
        first, second = save(registry, days=1), save(registry, days=2)
        hours = [START + timedelta(hours=hour) for hour in range(4)]
        assert registry.promotions("main") == []
        registry.promote(first.id, expected_revision=0, at=hours[0])
        registry.promote(second.id, expected_revision=1, at=hours[1])
        registry.promote(first.id, expected_revision=2, at=hours[2], back=True)
        with pytest.raises(Conflict):
            registry.promote(second.id, expected_revision=2, at=hours[3])
        registry.retire("main", expected_revision=3, at=hours[3])
        assert [(one.revision, one.version, one.at, one.how) for one in registry.promotions("main")] == [
            (4, None, hours[3], "retire"), (3, first.id, hours[2], "rollback"), (2, second.id, hours[1], "promote"),
            (1, first.id, hours[0], "promote"),
        ]  # fmt: skip
        assert {one.pipeline for one in registry.promotions("main")} == {"main"}
        assert registry.promotions("other") == []

    def test_retiring(self, registry: ModelRegistry) -> None:
        """Then nothing serves, the revision goes on, and retiring is compare-and-set as promoting is."""
        version = save(registry)
        registry.promote(version.id, expected_revision=0, at=START)
        with pytest.raises(Conflict):
            registry.retire("main", expected_revision=0, at=START)
        assert registry.champion("main") == (version, 1)
        assert registry.retire("main", expected_revision=1, at=START) == 2
        assert registry.champion("main") == (None, 2)
        with pytest.raises(Conflict):
            registry.promote(version.id, expected_revision=0, at=START)
        assert registry.promote(version.id, expected_revision=2, at=START) == 3
        assert registry.champion("main") == (version, 3)
        assert registry.retire("empty", expected_revision=0, at=START, back=True) == 1
        assert registry.promotions("empty")[0].how == "rollback"

    def test_vouching(self, registry: ModelRegistry) -> None:
        """A check is noted for one version and one code, as often as one likes."""
        version, other = save(registry, days=1), save(registry, days=2)
        assert not registry.vouched(version.id, "1.0+a")
        registry.vouch(version.id, "1.0+a", at=START)
        registry.vouch(version.id, "1.0+a", at=START + timedelta(days=1))
        assert registry.vouched(version.id, "1.0+a")
        assert not registry.vouched(version.id, "1.0+b")
        assert not registry.vouched(other.id, "1.0+a")

    def test_objects_are_refused(self, registry: ModelRegistry) -> None:
        """What would need pickle is refused, in arrays and in parameters."""
        with pytest.raises(Invalid):
            save(registry, days=object())
        with pytest.raises(Invalid):
            registry.save(
                "main", "x", schema="v1", position=1, parameters={}, metrics={}, at=START,
                arrays={"w": np.array([object()])},
            )  # fmt: skip
        assert registry.history("main") == []


def save(
    registry: ModelRegistry, pipeline: str = "main", *, days: Any = 1, weight: float = 1.0, at: Any = START, **rest: Any
) -> ModelVersion:
    """Save a small model."""
    arrays = {"w": np.full(3, weight)}
    return registry.save(
        pipeline, "popularity", schema="v1", position=1, parameters={"days": days}, metrics={}, arrays=arrays, at=at,
        **rest,
    )  # fmt: skip
