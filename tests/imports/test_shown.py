"""Lists that were shown, with their answers, come in whole, in order, once."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proffer.app import App
from proffer.apps.advisor.app import app as advisor
from proffer.apps.feed.app import app as feed
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.entities import EntityRef
from proffer.core.events import Event
from proffer.engine.engine import Engine
from proffer.engine.imports.report import Report
from proffer.engine.imports.run import Import
from proffer.engine.imports.shown import ShownTable, is_shown
from proffer.engine.imports.targets import Direct, Known
from proffer.stores.memory import memory_stores

from .conftest import four

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LIST = {"query_id": "q1", "user": "u1", "at": "2026-05-01T08:00:00Z", "assessment": "a1", "items": ["r1", "r2"]}


class Shelf:
    def __init__(self, folder: Path, app: App = advisor) -> None:
        self.engine = Engine(app, "w", memory_stores(FixedClock(NOW)), clock=FixedClock(NOW), ids=CountingIds())
        self.folder, self.app = folder, app

    def bring(self, *lines: Mapping[str, Any] | str) -> Report:
        path = self.folder / "shown.jsonl"
        path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines) + "\n")
        attribute = self.app.schema.entities[self.app.item].role("group")

        def belongs(item: str) -> str | None:
            return (self.engine.state.attributes(EntityRef(self.app.item, item)) or {}).get(attribute)

        run = Import(ShownTable(path, self.app, belongs), {}, Known.by(self.engine), NOW)
        run.read()
        run.send(Direct(self.engine))
        return run.report()

    def events(self) -> list[Event]:
        return [event for chunk in self.engine.stores.log.scan() for event in chunk]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_a_list_becomes_an_impression_for_each_place_and_its_answers(shelf: Shelf) -> None:
    answers = [
        {"item": "r2", "type": "view", "value": 12},
        {"item": "r2", "type": "save", "at": "2026-05-01T08:01:00Z"},
    ]
    assert four(shelf.bring({**LIST, "interactions": answers})) == (6, 0, 0, 0)
    kept = [(e.type, e.actor.id, e.target.id if e.target else "", e.query_id, dict(e.fields)) for e in shelf.events()]
    assert kept == [
        ("entity.set", "r1", "", None, {"assessment": "a1"}),
        ("entity.set", "r2", "", None, {"assessment": "a1"}),
        ("impression", "u1", "r1", "q1", {"position": 1.0}),
        ("impression", "u1", "r2", "q1", {"position": 2.0}),
        ("view", "u1", "r2", "q1", {"seconds": 12.0}),
        ("save", "u1", "r2", "q1", {}),
    ]


def test_a_repeat_brings_nothing_and_a_list_without_a_name_gets_the_same_one(shelf: Shelf) -> None:
    line = {name: value for name, value in LIST.items() if name != "query_id"}
    shelf.bring(line)
    before = shelf.events()
    assert four(shelf.bring(line))[0] == 0
    assert shelf.events() == before
    names = {event.query_id for event in before if event.type == "impression"}
    assert len(names) == 1
    assert names.pop().startswith("list_")  # type: ignore[union-attr]


def test_the_groups_of_items_are_told_before_anything_was_shown_whatever_the_order_of_the_file(shelf: Shelf) -> None:
    later = {**LIST, "query_id": "q2", "at": "2026-05-02T08:00:00Z"}
    shelf.bring(later, LIST)
    first = next(place for place, event in enumerate(shelf.events()) if event.type == "impression")
    assert {event.actor.id for event in shelf.events()[:first]} == {"r1", "r2"}
    assert [e.query_id for e in shelf.events() if e.type == "impression"] == ["q1", "q1", "q2", "q2"]


def test_an_item_of_another_group_refuses_its_list_also_when_only_the_workspace_knows(shelf: Shelf) -> None:
    shelf.bring(LIST)
    other = {**LIST, "query_id": "q2", "assessment": "a2"}
    report = shelf.bring(other)
    assert four(report) == (0, 0, 0, 1)
    assert "belongs to 'a1'" in report.causes[0].reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"items": []}, "items"), ({"items": ["r1", "r1"]}, "twice"), ({"items": "r1"}, "items"),
        ({"items": [1]}, "items.0"), ({"at": None}, "at"), ({"at": "yesterday"}, "at"), ({"user": None}, "user"),
        ({"user": "u1", "subject": "u2"}, "both"), ({"place": 1}, "place"), ({"interactions": {}}, "interactions"),
        ({"interactions": [{"item": "r9", "type": "click"}]}, "was not shown"),
        ({"interactions": [{"item": "r1", "type": "click", "at": "2026-04-01T00:00:00Z"}]}, "before it was shown"),
        ({"interactions": [{"item": "r1", "type": "click", "value": 3}]}, "no value"),
        ({"interactions": ["click"]}, "interactions.0"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_kept_whole_with_its_reason(shelf: Shelf, change: dict, reason: str) -> None:
    report = shelf.bring({**LIST, **change}, "not json", "[1]")
    assert four(report) == (0, 0, 0, 3)
    assert shelf.events() == []
    kept = shelf.engine.stores.log.quarantined()
    assert any(reason in f"{row.reject.field} {row.reject.reason}" for row in kept), [r.reject.reason for r in kept]


def test_an_answer_that_breaks_the_declaration_is_refused_alone(shelf: Shelf) -> None:
    answers = [
        {"item": "r1", "type": "rate", "value": 9},
        {"item": "r1", "type": "fly"},
        {"item": "r2", "type": "click"},
    ]
    assert four(shelf.bring({**LIST, "interactions": answers})) == (5, 0, 0, 2)


def test_the_feed_takes_them_too(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, feed)
    line = {
        "user": "u1",
        "at": "2026-05-01T08:00:00Z",
        "items": ["p1", "p2"],
        "interactions": [{"item": "p2", "type": "like"}],
    }
    assert four(shelf.bring(line)) == (3, 0, 0, 0)
    refused = four(shelf.bring({**line, "assessment": "a1"}))
    assert refused == (0, 0, 0, 1)


def test_what_is_such_a_file(tmp_path: Path) -> None:
    for text, expected in ((json.dumps(LIST), True), ('{"type": "view", "actor": "u"}', False), ("a,b\n1,2", False)):
        path = tmp_path / "x.jsonl"
        path.write_text(text + "\n")
        assert is_shown(path) is expected


LINES = st.fixed_dictionaries(
    {
        "user": st.sampled_from(["u1", "u2", "", None]),
        "at": st.sampled_from(["2026-05-01T08:00:00Z", "2026-05-02T08:00:00Z", "x"]),
        "assessment": st.sampled_from(["a1", "a2", None]),
        "items": st.lists(st.sampled_from(["r1", "r2", "r3"]), max_size=3),
        "interactions": st.lists(
            st.fixed_dictionaries(
                {"item": st.sampled_from(["r1", "r2"]), "type": st.sampled_from(["click", "rate", "fly"])},
                optional={"value": st.sampled_from([3, 9, "x"])},
            ),
            max_size=2,
        ),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(LINES, st.sampled_from(["[", "{}", '{"items": 3}'])), max_size=8))
def test_counts_add_up_and_lists_have_no_holes(tmp_path_factory: pytest.TempPathFactory, lines: list) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("shown"))
    four(shelf.bring(*lines))
    places: dict[str, list[float]] = {}
    for event in shelf.events():
        if event.type == "impression":
            places.setdefault(str(event.query_id), []).append(event.fields["position"])
    assert all(found == list(range(1, len(found) + 1)) for found in places.values())
    before = shelf.events()
    assert four(shelf.bring(*lines))[0] == 0
    assert shelf.events() == before
