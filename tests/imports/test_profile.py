"""What is suspicious about columns."""

import pytest

from .conftest import Desk

HEADER = "ts,user,item,event,{0}\n"


def suspicions(desk: Desk, name: str, values: list[str], **given: str) -> str:
    rows = [f"{1_400_000_000 + n},u{n % 7},p{n % 5},view,{value}" for n, value in enumerate(values)]
    report = desk.bring(HEADER.format(name) + "\n".join(rows) + "\n", dry=True, **given)
    return "; ".join(next(column for column in report.columns if column.name == name).suspicious)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["x"] * 30, "constant: x"),
        ([f"s{n}" for n in range(30)], "every value is different"),
        (["Select"] * 10 + ["a", "b"] * 10, "'Select' on 10 rows looks like a missing value"),
        (["1", "2", "3"] * 10 + ["n.a.x"], "numbers, but 1 rows hold other text, such as 'n.a.x'"),
        ([""] * 30, "always missing"),
        (["a", " a"] * 15, "blanks around the value on 15 rows"),
    ],
)
def test_columns(desk: Desk, values: list[str], expected: str) -> None:
    assert expected in suspicions(desk, "more", values)


def test_an_ordinary_column_is_not_suspicious(desk: Desk) -> None:
    assert suspicions(desk, "more", ["a", "b", "c"] * 10) == ""


def test_near_duplicates_among_keys(desk: Desk) -> None:
    report = desk.bring("ts,user,item,event\n1,Ann,p1,view\n2,ann,p1,view\n3, ann,p1,view\n4,bob,p1,view\n", dry=True)
    user = next(column for column in report.columns if column.name == "user")
    assert "1 ids differ only in case or blanks" in "; ".join(user.suspicious)


def test_columns_that_tell_the_outcome(desk: Desk) -> None:
    rows = [f"{n},u{n},p1,view,{n % 2},{'won' if n % 2 else 'lost'},{'xyz'[n % 3]}" for n in range(60)]
    text = "ts,user,item,event,outcome,status,other\n" + "\n".join(rows) + "\n"
    report = desk.bring(text, dry=True, outcome="outcome")
    found = {column.name: "; ".join(column.suspicious) for column in report.columns}
    assert found["status"] == "determines outcome"
    assert found["other"] == ""
    assert "outcome" not in found["user"]


def test_missing_values_and_months_are_counted(desk: Desk) -> None:
    report = desk.bring("ts,user,item,event,x\n2016-01-05T00:00:00Z,u1,p1,view,\n2016-03-05T00:00:00Z,u1,p2,view,1\n")
    assert report.months == {"2016-01": 1, "2016-02": 0, "2016-03": 1}
    assert {column.name: column.missing for column in report.columns}["x"] == 1
    assert (report.actors, report.targets, report.top) == (1, 2, [("p1", 1), ("p2", 1)])
