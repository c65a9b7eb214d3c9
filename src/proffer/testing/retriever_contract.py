"""What every Retriever must do."""

import json
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from proffer.models.base import DAY, HOUR, Family, Parameters, Partial, Retriever, Tunable
from proffer.testing.world import START, World, ask, tastes

AT = START + 21 * DAY
"""A day after the last event of `tastes`, in epoch seconds."""


class RetrieverContract:
    """Subclass it and give `make`: the class itself where it needs no arguments, else a method."""

    make: Callable[[], Retriever]
    """Return a new retriever that was not fitted."""

    def fitted(self, world: World) -> Retriever:
        """Return a retriever fitted on all that happened in a world."""
        return self.make().fit(world, at=AT, weights={})

    @pytest.fixture
    def world(self) -> World:
        """Users u0 to u19 and items p0 to p29, with titles and categories."""
        return tastes(3, users=20, items=30, each=5)[0]

    def test_scores_every_item_and_again_the_same(self, world: World) -> None:
        """One float64 per item of the catalogue, the same at each call and from each fit."""
        one, other = self.fitted(world), self.fitted(world)
        for user in ("u0", "u1", "nobody"):
            scores = one.scores(ask(user, at=AT), world)
            assert scores.shape == (30,)
            assert scores.dtype == np.float64
            np.testing.assert_array_equal(scores, one.scores(ask(user, at=AT), world))
            np.testing.assert_array_equal(scores, other.scores(ask(user, at=AT), world))

    def test_a_few_items_score_as_in_the_catalogue(self, world: World) -> None:
        """A retriever that can score a few items alone gives them the same bits, in any order."""
        retriever = self.fitted(world)
        if not isinstance(retriever, Partial):
            return
        for user in ("u0", "u1", "nobody"):
            for context in ({}, {"item": "p3"}):
                query = replace(ask(user, at=AT), context=context)
                for few in (np.array([7, 3, 29, 0]), np.empty(0, np.int64), np.arange(30)[::-1].copy()):
                    some = retriever.some(query, world, few)
                    np.testing.assert_array_equal(some, retriever.scores(query, world)[few])
                    assert some.dtype == np.float64

    def test_retrieves_what_a_full_sort_finds(self, world: World) -> None:
        """Exactly the best k, ties by id, with ordinals and scores."""
        retriever, query = self.fitted(world), ask("u2", at=AT)
        scores = retriever.scores(query, world)
        best = full_sort(scores, world, np.ones(30, np.bool_))
        for k in (0, 1, 7, 30, 500):
            found = retriever.retrieve(query, k, world)
            assert found.ids == tuple(world.ids[row] for row in best[:k])
            assert found.kind == "post"
            assert list(found.ordinals) == best[:k]
            assert found.scores is not None
            np.testing.assert_array_equal(found.scores, scores[best[:k]].astype(np.float32))

    def test_keeps_to_the_allowed(self, world: World) -> None:
        """Of the allowed items the best k, whatever the others score."""
        retriever, query, allowed = self.fitted(world), ask("u1", at=AT), np.arange(30) % 3 == 0
        best = full_sort(retriever.scores(query, world), world, allowed)
        for k in (3, 30):
            assert list(retriever.retrieve(query, k, world, allowed).ordinals) == best[:k]

    def test_leaves_deleted_items_out_by_default(self, world: World) -> None:
        """What is not available is not allowed where nothing else is said."""
        world.set("p3", {**world.posts["p3"], "deleted": True})
        assert "p3" not in self.fitted(world).retrieve(ask("u1", at=AT), 30, world).ids

    def test_an_unknown_user_is_answered(self, world: World) -> None:
        """A subject the state never saw gets at most k items, and no error."""
        found = self.fitted(world).retrieve(ask("nobody", at=AT), 5, world)
        assert len(found) <= 5

    def test_an_empty_catalogue_gives_nothing(self) -> None:
        """Fitting on nothing and asking of nothing works."""
        world = World([])
        assert len(self.fitted(world).retrieve(ask("u0"), 5, world)) == 0

    def test_one_item_and_one_event(self) -> None:
        """The smallest world that is not empty."""
        world = World([("u0", "p0", START, "view")])
        found = self.fitted(world).retrieve(ask("u0", at=START + HOUR), 5, world)
        assert found.ids in ((), ("p0",))

    def test_all_at_the_same_time(self) -> None:
        """No time between events, nor since them, makes no score infinite."""
        world = World([(f"u{row % 4}", f"p{row % 5}", START, "view") for row in range(20)])
        scores = self.fitted(world).scores(ask("u1", at=START), world)
        assert not np.isinf(scores).any()

    def test_only_unwanted_events(self) -> None:
        """Items that were only ever unwanted are scored, or not proposed."""
        world = World([("u0", f"p{row}", START + row, "hide") for row in range(4)])
        scores = self.fitted(world).scores(ask("u0", at=AT), world)
        assert scores.shape == (4,)

    def test_restored_parameters_give_the_same_scores(self, world: World) -> None:
        """What was learned passes through strict JSON and arrays, bit for bit."""
        fitted = self.fitted(world)
        values, arrays = fitted.parameters()
        again = self.make().restore(json.loads(json.dumps(values, allow_nan=False)), arrays)
        for user in ("u0", "u7"):
            query = ask(user, at=AT)
            np.testing.assert_array_equal(again.scores(query, world), fitted.scores(query, world))

    def test_learned_arrays_hold_plain_numbers(self, world: World) -> None:
        """No objects, which would need pickle."""
        for array in self.fitted(world).parameters()[1].values():
            assert array.dtype.kind in "iufb"

    def test_reads_and_does_not_write(self, world: World) -> None:
        """The arrays of the state are as they were after fitting and asking."""
        before = copies(world)
        retriever = self.fitted(world)
        retriever.retrieve(ask("u1", at=AT), 5, world)
        retriever.retrieve(ask("u1", at=AT, item="p2"), 5, world)
        for one, other in zip(before, copies(world), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_a_model_is_not_bound_to_one_state(self, world: World) -> None:
        """Asked of another state it answers from that one, whatever it kept of the first."""
        retriever, other = self.fitted(world), tastes(4, users=20, items=30, each=5)[0]
        query = ask("u1", at=AT)
        expected = self.make().restore(*retriever.parameters()).scores(query, other)
        retriever.scores(query, world)
        np.testing.assert_array_equal(retriever.scores(query, other), expected)

    def test_memory_grows_with_the_catalogue(self) -> None:
        """The estimate is positive, and larger for more."""
        retriever = self.make()
        assert 0 < retriever.memory(10, 10, 10) < retriever.memory(10_000, 10_000, 1_000_000)

    def test_tells_before_it_starts_how_long_a_fit_takes(self) -> None:
        """The estimate is positive, larger for more, and the same whenever it is asked for."""
        retriever = self.make()
        small, large = retriever.seconds(10, 10, 10), retriever.seconds(10_000, 10_000, 1_000_000)
        assert 0.0 < small < large
        assert retriever.seconds(10_000, 10_000, 1_000_000) == large

    def test_tells_what_it_goes_by(self, world: World) -> None:
        """A family that is known, before the fit and after."""
        assert self.make().family in get_args(Family)
        assert self.fitted(world).family in get_args(Family)

    def test_fits_to_the_same_bits(self, world: World) -> None:
        """Two fits on the same events learn the same parameters, and so does a second fit of one model."""
        one, other = self.fitted(world), self.fitted(world)
        assert_same(one.parameters(), other.parameters())
        assert_same(other.fit(world, at=AT, weights={}).parameters(), one.parameters())

    def test_settings_worth_trying(self, world: World) -> None:
        """Each makes another of the same name that fits, tells its settings, and passes them on when restored."""
        retriever = self.make()
        if not isinstance(retriever, Tunable):
            return
        assert 2 <= len(retriever.variants()) <= 6
        told = retriever.parameters()[0]
        for settings in retriever.variants():
            assert any(told[name] != value for name, value in settings.items())
            varied = retriever.varied(settings).fit(world, at=AT, weights={})
            assert (varied.name, type(varied)) == (retriever.name, type(retriever))
            values, arrays = varied.parameters()
            assert {name: values[name] for name in settings} == dict(settings)
            again = self.make().restore(json.loads(json.dumps(values, allow_nan=False)), arrays)
            assert_same(again.parameters(), (values, arrays))
            query = ask("u1", at=AT)
            np.testing.assert_array_equal(again.scores(query, world), varied.scores(query, world))

    def test_a_setting_nobody_has_is_refused(self) -> None:
        """A misspelt setting is an error, not a variant that is like the default."""
        retriever = self.make()
        if isinstance(retriever, Tunable):
            with pytest.raises(Exception, match="no_such_setting"):
                retriever.varied({"no_such_setting": 1})


def assert_same(one: Parameters, other: Parameters) -> None:
    """Check that two models learned the same values and the same arrays, bit for bit."""
    assert one[0] == other[0]
    assert sorted(one[1]) == sorted(other[1])
    for name, array in one[1].items():
        np.testing.assert_array_equal(array, other[1][name])


def full_sort(scores: NDArray[np.float64], world: World, allowed: NDArray[np.bool_]) -> list[int]:
    """Return the allowed rows that are proposed, best first, ties by id."""
    proposed = [row for row in range(len(scores)) if allowed[row] and not np.isnan(scores[row])]
    return sorted(proposed, key=lambda row: (-scores[row], world.ids[row]))


def copies(world: World) -> list[NDArray[Any]]:
    """Return copies of all arrays that a state hands out."""
    rows = world.interactions()
    columns = (rows.subject, rows.item, rows.at, rows.type, rows.weight, rows.by_subject, rows.by_item)
    return [array.copy() for array in (*columns, rows.subject_head, rows.item_head, world.published(), world.revised())]
