"""Equal bit for bit, within rounding, or otherwise: what counts as which."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proffer.core.decisions import Considered, Decision, Placed, Reason
from proffer.engine.provenance import made
from proffer.engine.verdict import TOLERANCE, compare, ground
from tests.engine.worlds import asks

REASON = Reason(code="fresh", text="Published an hour ago", values={"value": 1.0})
SLATE = (
    Placed(id="a", rank=1, score=2.0, sources={"newest": 1.0}, reasons=(REASON,), propensity=0.5, explored=True),
    Placed(id="b", rank=2, score=1.0, sources={"newest": 0.5}, propensity=0.25),
)
CONSIDERED = Considered(
    sources=("newest", "content"), ids=("a", "b", "c"), scores=(2.0, 1.0, 0.0), proposed=(1, 3, 2)
)  # fmt: skip
LOGGED = Decision(id="d", query=asks(), as_of=1, considered=CONSIDERED, slate=SLATE, model="m", schema="v")
LITTLE = TOLERANCE / 4


def considered(**values):
    return replace(LOGGED, considered=replace(CONSIDERED, **values))


def first(**values):
    return replace(LOGGED, slate=(replace(SLATE[0], **values), SLATE[1]))


def swapped(scores=(2.0, 1.0)):
    one, other = SLATE
    slate = (replace(other, rank=1, score=scores[0]), replace(one, rank=2, score=scores[1]))
    return replace(LOGGED, slate=slate)


@pytest.mark.parametrize(
    ("again", "verdict", "where"),
    [
        (LOGGED, "exact", []),
        (replace(LOGGED, id="x", took_ms=9.0), "exact", []),
        (replace(LOGGED, model="newest"), "differs", ["model"]),
        (considered(ids=("a", "b"), scores=(2.0, 1.0), proposed=(1, 3)), "differs", ["candidates"]),
        (considered(ids=("a", "b", "d")), "differs", ["candidates"]),
        (considered(proposed=(1, 3, 3)), "differs", ["sources"]),
        (considered(sources=("content", "newest"), proposed=(2, 3, 1)), "exact", []),
        (considered(scores=(2.0, 1.0 + LITTLE, 0.0)), "close", ["scores"]),
        (considered(scores=(2.0, 1.0, -0.0)), "close", ["scores"]),
        (considered(scores=(2.0, 1.1, 0.0)), "differs", ["scores"]),
        (considered(ids=("b", "a", "c"), proposed=(3, 1, 2)), "differs", ["scores", "order"]),
        (first(score=2.0 + LITTLE), "close", ["slate"]),
        (first(score=2.1), "differs", ["slate"]),
        (first(sources={"newest": 1.0 - LITTLE}), "close", ["slate"]),
        (first(sources={"newest": 1.0, "content": 0.1}), "differs", ["slate"]),
        (first(propensity=0.5 + LITTLE), "close", ["propensities"]),
        (first(propensity=None), "differs", ["propensities"]),
        (first(explored=False), "differs", ["propensities"]),
        (first(reasons=()), "differs", ["reasons"]),
        (first(reasons=(replace(REASON, text="Published 59 minutes ago"),)), "close", ["reasons"]),
        (replace(LOGGED, slate=SLATE[:1]), "differs", ["slate"]),
        (swapped(), "differs", ["slate", "slate"]),
    ],
)  # fmt: skip
def test_what_counts_as_which(again, verdict, where):
    found, differences = compare(LOGGED, again)
    assert (found, [one.where for one in differences]) == (verdict, where)


def test_two_that_were_tied_may_change_places_within_rounding():
    tied = replace(LOGGED, slate=(replace(SLATE[0], score=1.0), SLATE[1]),
                   considered=replace(CONSIDERED, scores=(1.0, 1.0 - LITTLE, 0.0)))  # fmt: skip
    one, other = tied.slate
    again = replace(tied, slate=(replace(other, rank=1), replace(one, rank=2)),
                    considered=Considered(sources=CONSIDERED.sources, ids=("b", "a", "c"),
                                          scores=(1.0, 1.0 - LITTLE, 0.0), proposed=(3, 1, 2)))  # fmt: skip
    assert compare(tied, again)[0] == "close"


def test_what_is_no_number_equals_itself():
    unknown = considered(scores=(2.0, math.nan, math.nan))
    assert compare(unknown, unknown) == ("exact", ())
    assert compare(unknown, LOGGED)[0] == "differs"


scores = st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3)


@given(scores, st.sampled_from([0.0, 1e-9, 1e-5, 1.0]))
def test_a_verdict_is_as_strict_as_it_says(values, away):
    one = considered(scores=tuple(values))
    other = considered(scores=tuple(value + away * max(1.0, abs(value)) for value in values))
    found, _ = compare(one, other)
    # Bits, not values: 0.0 is not -0.0.
    assert (found == "exact") == (
        [*map(float.hex, one.considered.scores)] == [*map(float.hex, other.considered.scores)]
    )
    assert (found == "differs") == (away > TOLERANCE)


def test_the_ground_says_what_is_not_the_same():
    now = made()
    code, packages, processor = now.split(" ")
    assert ground(now).same
    assert ground(now).text() == "the same code, packages and processor"
    assert ground(f"{code} other {processor}").differs == ("packages",)
    assert ground(f"0.0 {packages} 386").differs == ("code", "processor")
    assert "386 then" in ground(f"0.0 {packages} 386").text()
    assert ground("").differs == ("code", "packages", "processor")
