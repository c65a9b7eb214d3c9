"""Features of a candidate against its group and its list, with values known by construction."""

import math

import numpy as np
import pytest

from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid
from proffer.core.events import ENTITY_SET, Event
from proffer.core.schema import Attribute, EntityKind, Schema
from proffer.features import context, derived, given, listwise, match, ratios
from proffer.features.ratios import Of
from proffer.features.state import State
from proffer.features.view import FeatureView

from .world import START

SCHEMA = Schema(
    (),
    (
        EntityKind("user"),
        EntityKind(
            "shelf",
            (
                Attribute("room", "number"), Attribute("takes", "list"), Attribute("topic", "text", role="category"),
            ),
        ),
        EntityKind(
            "book",
            (
                Attribute("shelf", "text", role="group", kind="shelf"), Attribute("size", "number"),
                Attribute("form", "text", role="code"), Attribute("topic", "text", role="category"),
            ),
        ),
    ),
)  # fmt: skip
BOOKS = (
    {"size": 4.0, "form": "tall", "topic": "food"}, {"size": 1.0, "form": "flat", "topic": "food"},
    {"size": -1.0, "topic": "music"}, {},
)  # fmt: skip


def told(*features, books=BOOKS, shelf=None, request=None):
    """Return the columns of the books of one shelf (columns, n)."""
    view = FeatureView("books", (), features)
    state = State(view, SCHEMA, subject="user", item="book")
    shelf = {"room": 8.0, "takes": ["tall", "Wide"], "topic": "food"} if shelf is None else shelf
    facts = [("shelf", "s", shelf), *(("book", f"b{n}", {"shelf": "s", **fields}) for n, fields in enumerate(books))]
    state.fold([Event(id=name, type=ENTITY_SET, at=START, actor=EntityRef(kind, name), fields=fields, sequence=place)
                for place, (kind, name, fields) in enumerate(facts, 1)])  # fmt: skip
    return view.matrix(state.batch(None, state.members("s"), START.timestamp(), request or {})).T


def same(found, expected):
    np.testing.assert_allclose(found, np.array(expected, np.float64), rtol=1e-6, equal_nan=True)


def test_parts_are_the_same_or_not_or_unknown():
    same(told(match.Same("m", "target.category", "group.category"))[0], [1, 1, 0, math.nan])
    same(told(match.Same("m", "target.category", "group.category"), shelf={"room": 1.0})[0], [math.nan] * 4)


def test_a_code_is_in_a_list_of_the_group():
    same(told(match.Member("m", "form", "takes"))[0], [1, 0, math.nan, math.nan])
    same(told(match.Members("m", "takes"))[0], [2] * 4)
    same(told(match.Members("m", "takes"), match.Member("n", "form", "takes"), shelf={})[0], [math.nan] * 4)
    same(told(match.Members("m", "takes"), shelf={"takes": []})[0], [0] * 4)


def test_ratios_need_something_above_nought_below_the_line():
    size, room = Of("size"), Of("room", "group")
    found = told(ratios.Ratio("a", size, room), ratios.Ratio("b", room, size), ratios.Portion("c", size, room),
                 ratios.Product("d", size, room), ratios.Logged("e", size))  # fmt: skip
    log = math.log1p
    same(found[0], [log(0.5), log(0.125), -log(0.125), math.nan])
    same(found[1], [log(2), log(8), math.nan, math.nan])
    same(found[2], [4 / 12, 1 / 9, 0, math.nan])
    same(found[3], [32, 8, -8, math.nan])
    same(found[4], [log(4), log(1), -log(1), math.nan])
    same(told(ratios.Ratio("a", size, room), shelf={"room": 0.0})[0], [math.nan] * 4)


def test_a_list_without_books_has_no_rows():
    features = (ratios.Ratio("a", Of("size"), Of("room", "group")), match.Same("m", "actor", "group"),
                match.GroupCosine("g"), match.Members("n", "takes"), listwise.ListMean("l", "a"),
                derived.MeanOf("d", ("a", "m")))  # fmt: skip
    assert told(*features, books=()).shape == (6, 0)


SIZE = given.Number("size", "size")


def test_the_lowest_ranks_first_where_less_is_better():
    same(told(SIZE, listwise.ListLow("low", "size"))[1], [0, 0.5, 1, math.nan])


def test_parts_of_the_lists_sum():
    same(told(SIZE, listwise.ListPart("part", "size"))[1], [0.8, 0.2, 0, math.nan])
    same(told(SIZE, listwise.ListPart("part", "size"), books=({"size": 0.0}, {}))[1], [math.nan] * 2)


def test_means_over_the_list_and_over_others_of_the_category():
    same(told(SIZE, listwise.ListMean("mean", "size"))[1], [4 / 3] * 4)
    same(told(SIZE, listwise.ListOthers("others", "size"))[1], [1, 4, math.nan, math.nan])
    same(told(SIZE, listwise.ListMean("mean", "size"), books=({}, {}))[1], [math.nan] * 2)


def test_means_of_columns_leave_the_unknown_out():
    found = told(SIZE, ratios.Logged("log", Of("room", "group")), derived.MeanOf("mean", ("size", "log")))
    same(found[2], [(4 + found[1][0]) / 2, (1 + found[1][1]) / 2, (-1 + found[1][2]) / 2, found[1][3]])


def test_a_member_of_the_context():
    said = context.Said("on_mobile", "device", "mobile")
    for device, expected in (("Mobile", 1), ("desktop", 0), (None, math.nan), (7, math.nan), ("", math.nan)):
        same(told(said, request={"device": device})[0], [expected] * 4)


@pytest.mark.parametrize("huge", [1e300, -1e300])
def test_a_number_beyond_float32_is_its_largest(huge):
    found = told(SIZE, books=({"size": huge}, {"size": 1.0}))[0]
    assert found[0] == (np.finfo(np.float32).max if huge > 0 else np.finfo(np.float32).min)
    assert found[1] == 1.0


@pytest.mark.parametrize("part", ["group.colour", "target.colour"])
def test_a_part_that_there_is_not_is_refused_when_the_state_is_made(part):
    with pytest.raises(Invalid, match="unknown part"):
        told(match.Same("m", part, "actor"))
