"""What every retriever must do, whoever wrote it: subclass `RetrieverContract` and give `make`."""

import json

import numpy as np
import pytest

from proffer.models.base import Retriever

from .world import DAY, HOUR, START, World, ask
from .worlds import tastes

AT = START + 21 * DAY


def _copies(world: World):
    rows = world.interactions()
    columns = (rows.subject, rows.item, rows.at, rows.type, rows.weight, rows.by_subject, rows.by_item)
    return [array.copy() for array in (*columns, rows.subject_head, rows.item_head, world.published())]


class RetrieverContract:
    def make(self) -> Retriever:
        raise NotImplementedError

    def fitted(self, world: World) -> Retriever:
        return self.make().fit(world, at=AT, weights={})

    @pytest.fixture
    def world(self) -> World:
        return tastes(3, users=20, items=30, each=5)[0]

    def test_scores_every_item_of_the_catalogue_and_is_deterministic(self, world):
        one, other = self.fitted(world), self.fitted(world)
        for user in ("u0", "u1", "nobody"):
            scores = one.scores(ask(user, at=AT), world)
            assert scores.shape == (30,)
            assert scores.dtype == np.float64
            np.testing.assert_array_equal(scores, one.scores(ask(user, at=AT), world))
            np.testing.assert_array_equal(scores, other.scores(ask(user, at=AT), world))

    def test_retrieves_what_a_full_sort_finds(self, world):
        retriever, query = self.fitted(world), ask("u2", at=AT)
        scores = retriever.scores(query, world)
        proposed = [row for row in range(30) if not np.isnan(scores[row])]
        best = sorted(proposed, key=lambda row: (-scores[row], world.ids[row]))
        for k in (0, 1, 7, 30, 500):
            found = retriever.retrieve(query, k, world)
            assert found.ids == tuple(world.ids[row] for row in best[:k])
            assert found.kind == "post"
            assert list(found.ordinals) == best[:k]
            np.testing.assert_array_equal(found.scores, scores[best[:k]].astype(np.float32))

    def test_keeps_to_the_allowed(self, world):
        allowed = np.arange(30) % 3 == 0
        found = self.fitted(world).retrieve(ask("u1", at=AT), 30, world, allowed)
        assert all(allowed[row] for row in found.ordinals)

    def test_leaves_deleted_items_out_by_default(self, world):
        world.set("p3", {**world.posts["p3"], "deleted": True})
        assert "p3" not in self.fitted(world).retrieve(ask("u1", at=AT), 30, world).ids

    def test_an_unknown_user_is_answered(self, world):
        found = self.fitted(world).retrieve(ask("nobody", at=AT), 5, world)
        assert len(found) <= 5

    def test_an_empty_catalogue_gives_nothing(self):
        world = World([])
        assert len(self.fitted(world).retrieve(ask("u0"), 5, world)) == 0

    def test_one_item_and_one_event(self):
        world = World([("u0", "p0", START, "view")])
        found = self.fitted(world).retrieve(ask("u0", at=START + HOUR), 5, world)
        assert found.ids in ((), ("p0",))

    def test_all_at_the_same_time(self):
        world = World([(f"u{row % 4}", f"p{row % 5}", START, "view") for row in range(20)])
        scores = self.fitted(world).scores(ask("u1", at=START), world)
        assert not np.isinf(scores).any()

    def test_only_unwanted_events(self):
        world = World([("u0", f"p{row}", START + row, "hide") for row in range(4)])
        scores = self.fitted(world).scores(ask("u0", at=AT), world)
        assert scores.shape == (4,)

    def test_restored_parameters_give_the_same_scores(self, world):
        fitted = self.fitted(world)
        values, arrays = fitted.parameters()
        again = self.make().restore(json.loads(json.dumps(values, allow_nan=False)), arrays)
        for user in ("u0", "u7"):
            query = ask(user, at=AT)
            np.testing.assert_array_equal(again.scores(query, world), fitted.scores(query, world))

    def test_learned_arrays_hold_plain_numbers(self, world):
        for array in self.fitted(world).parameters()[1].values():
            assert array.dtype.kind in "iufb"

    def test_reads_and_does_not_write(self, world):
        before = _copies(world)
        retriever = self.fitted(world)
        retriever.retrieve(ask("u1", at=AT), 5, world)
        retriever.retrieve(ask("u1", at=AT, item="p2"), 5, world)
        for one, other in zip(before, _copies(world), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_a_model_is_not_bound_to_one_state(self, world):
        retriever, other = self.fitted(world), tastes(4, users=20, items=30, each=5)[0]
        query = ask("u1", at=AT)
        expected = self.make().restore(*retriever.parameters()).scores(query, other)
        retriever.scores(query, world)
        np.testing.assert_array_equal(retriever.scores(query, other), expected)

    def test_memory_grows_with_the_catalogue(self):
        retriever = self.make()
        assert 0 < retriever.memory(10, 10, 10) < retriever.memory(10_000, 10_000, 1_000_000)
