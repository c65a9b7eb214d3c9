"""What every ModelRegistry must do."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proffer.core.errors import Conflict, Corrupt, Invalid, NotFound
from proffer.core.ports import ModelRegistry, ModelVersion, Promotion, Review
from proffer.testing.samples import START


class ModelRegistryContract:
    """Subclass it and give `open`."""

    def open(self, folder: Path) -> AbstractContextManager[ModelRegistry]:
        """Return the registry in a folder, opened for writing."""
        raise NotImplementedError

    def bring(self, source: Path, target: Path) -> None:
        """Bring the models' files of the registry in one folder into another that is not made yet, before `fill`."""
        if (source / "models").exists():
            shutil.copytree(source / "models", target / "models")

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

    def test_reviews(self, registry: ModelRegistry) -> None:
        """What was found out about a version is kept whole, newest first, and belongs to it alone."""
        version, other = save(registry, days=1), save(registry, days=2)
        assert registry.reviews(version.id) == []
        bodies = [
            {"sample": 12, "overlap": {"10": 0.5}, "note": "\u00e5", "none": None, "whole": True},
            {"sample": 13, "values": [1, 2.5, "x"]},
            {},
        ]
        for hour, body in enumerate(bodies):
            at = START + timedelta(hours=hour, microseconds=7)
            registry.review(Review(version=version.id, kind="shadow", at=at, body=body))
        registry.review(Review(version=other.id, kind="other", at=START, body={"n": np.float64(0.25)}))
        found = registry.reviews(version.id)
        assert [one.body for one in found] == bodies[::-1]
        assert {(one.version, one.kind) for one in found} == {(version.id, "shadow")}
        assert [one.at for one in found] == [
            START + timedelta(hours=hour, microseconds=7) for hour in range(len(bodies) - 1, -1, -1)
        ]
        assert [(one.kind, one.body) for one in registry.reviews(other.id)] == [("other", {"n": 0.25})]
        assert registry.history("main") == [other, version]

    def test_a_review_needs_a_listed_version_and_numbers_that_json_knows(self, registry: ModelRegistry) -> None:
        """Else nothing is kept."""
        for name in ("m_" + "0" * 32, "", "..", "m_1\x00"):
            with pytest.raises(NotFound):
                registry.review(Review(version=name, kind="shadow", at=START, body={}))
            assert registry.reviews(name) == []
        version = save(registry)
        with pytest.raises(Invalid):
            registry.review(Review(version=version.id, kind="shadow", at=START, body={"x": object()}))
        assert registry.reviews(version.id) == []

    def test_fill(self, registry: ModelRegistry, tmp_path: Path) -> None:
        """A filled registry lists what the other one does, in order, and goes on from there."""
        first, second, other = save(registry, days=1), save(registry, days=2), save(registry, "other")
        registry.promote(first.id, expected_revision=0, at=START)
        registry.promote(second.id, expected_revision=1, at=START + timedelta(microseconds=1))
        registry.retire("main", expected_revision=2, at=START, back=True)
        registry.promote(other.id, expected_revision=0, at=START)
        for note in ("a", "b"):
            registry.review(Review(version=first.id, kind="shadow", at=START, body={"note": note}))
        pipelines = ("main", "other")
        versions = [version for name in pipelines for version in registry.history(name)[::-1]]
        promotions = [one for name in pipelines for one in registry.promotions(name)[::-1]]
        self.bring(tmp_path / "registry", tmp_path / "filled")
        with self.open(tmp_path / "filled") as filled:
            filled.fill(versions, promotions, registry.reviews(first.id)[::-1])
            for name in pipelines:
                assert filled.history(name) == registry.history(name)
                assert filled.promotions(name) == registry.promotions(name)
                assert filled.champion(name) == registry.champion(name)
            assert filled.reviews(first.id) == registry.reviews(first.id)
            assert filled.promote(first.id, expected_revision=3, at=START) == 4
            assert filled.champion("main") == (first, 4)
            with pytest.raises(Conflict):
                filled.fill(versions, promotions, [])
            assert len(filled.history("main")) == 2
            if (tmp_path / "filled" / "models").exists():
                assert filled.load(first.id)[1]["w"].tolist() == [1.0, 1.0, 1.0]

    def test_a_filled_registry_may_begin_at_a_later_revision(self, registry: ModelRegistry, tmp_path: Path) -> None:
        """A workspace of before promotions were listed knows its last one alone."""
        version = save(registry)
        self.bring(tmp_path / "registry", tmp_path / "filled")
        change = Promotion(pipeline="main", revision=5, version=version.id, at=START, how="promote")
        with self.open(tmp_path / "filled") as filled:
            filled.fill([version], [change], [])
            assert (filled.champion("main"), filled.promotions("main")) == ((version, 5), [change])
            assert filled.retire("main", expected_revision=5, at=START) == 6

    def test_a_version_may_be_filled_in_without_its_files(self, registry: ModelRegistry, tmp_path: Path) -> None:
        """The other one had lost them: it is listed, and cannot be loaded here either."""
        version = save(registry)
        with self.open(tmp_path / "filled") as filled:
            filled.fill([version], [], [])
            assert filled.history("main") == [version]
            with pytest.raises((NotFound, Corrupt)):
                filled.load(version.id)

    def test_fill_takes_no_promotion_of_what_it_does_not_list(self, registry: ModelRegistry) -> None:
        """Then nothing is filled."""
        change = Promotion(pipeline="main", revision=1, version="m_" + "0" * 32, at=START, how="promote")
        with pytest.raises(Corrupt):
            registry.fill([], [change], [])
        assert registry.promotions("main") == []

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
