"""What rows mean: mapping, guesses, times, ratings, attributes, ids."""

import json
from pathlib import Path
from typing import Any

import pytest

from proffer.core.errors import Invalid, Malformed, NotFound
from proffer.engine.imports.mapping import load_mapping

from .conftest import NOW, Desk, four

DESK = """timestamp,eventType,contentId,personId,sessionId,userRegion,userCountry
1457963676,VIEW,p1,u1,s1,SP,BR
1457964607,COMMENT CREATED,p1,u2,s2,,BR
1457966363,LIKE,p2,u1,s3,TX,US
"""


def test_columns_of_common_names_need_no_mapping(desk: Desk) -> None:
    report = desk.bring(DESK)
    assert four(report) == (3, 0, 0, 0)
    assert report.mapping == {
        "actor": "personId", "target": "contentId", "target_kind": "post", "type": "eventType", "time": "timestamp",
        "time_unit": "s", "types": {"VIEW": "view", "COMMENT CREATED": "comment", "LIKE": "like"},
        "actor_attributes": {"country": "userCountry", "region": "userRegion"},
    }  # fmt: skip
    assert report.types == {"view": 1, "comment": 1, "like": 1}
    assert report.period == ("2016-03-14T13:54:36+00:00", "2016-03-14T14:39:23+00:00")


def test_attributes_are_facts_where_they_appear_or_change(desk: Desk) -> None:
    report = desk.bring(DESK)
    facts = [(event.actor.id, dict(event.fields)) for event in desk.events("entity.set")]
    assert facts == [
        ("u1", {"country": "BR", "region": "SP"}),
        ("u2", {"country": "BR"}),
        ("u1", {"country": "US", "region": "TX"}),
    ]
    assert report.facts.accepted == 3
    assert [event.type for event in desk.events()][:2] == ["entity.set", "view"]


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("1457963676", {}),
        ("1457963676000", {}),
        ("1457963676000000", {}),
        ("2016-03-14T13:54:36Z", {}),
        ("2016-03-14 14:54:36+01:00", {}),
        ("2016-03-14 13:54:36", {}),
        ("2016-03-14 14:54:36", {"time_zone": "Europe/Stockholm"}),
        ("14/03/2016 13:54:36", {"time_format": "%d/%m/%Y %H:%M:%S"}),
    ],
)
def test_times(desk: Desk, text: str, given: dict[str, Any]) -> None:
    desk.bring(f"ts,user,item\n{text},u1,p1\n", fixed_type="view", **given)
    assert desk.events()[0].at.isoformat() == "2016-03-14T13:54:36+00:00"


def test_times_that_cannot_be_guessed_are_asked_for(desk: Desk) -> None:
    with pytest.raises(Invalid, match="--time-format"):
        desk.bring("ts,user,item\n14/03/2016,u1,p1\n", fixed_type="view")


@pytest.mark.parametrize("bad", ["never", "", "1e300", "nan", "-5", "99999999999999999", "2016-13-01"])
def test_a_bad_time_is_quarantined(desk: Desk, bad: str) -> None:
    report = desk.bring(f"ts,user,item\n{bad},u1,p1\n1457963676,u1,p1\n1457963677,u1,p1\n", fixed_type="view")
    assert four(report) == (2, 0, 0, 1)


def test_future_times_are_quarantined(desk: Desk) -> None:
    ahead = int(NOW.timestamp()) + 100_000
    assert four(desk.bring(f"ts,user,item\n{ahead},u1,p1\n1457963676,u1,p1\n", fixed_type="view")) == (1, 0, 0, 1)


def test_ratings_become_types_by_threshold(desk: Desk) -> None:
    text = "userId,movieId,rating,timestamp\n1,31,2.0,1260759144\n1,32,3.0,1260759145\n1,33,4.0,1260759146\n"
    report = desk.bring(text)
    assert [event.type for event in desk.events()] == ["hide", "view", "like"]
    assert report.mapping["grades"] == {"4": "like", "2.5": "view", "below": "hide"}


def test_declared_grades_and_decimal_comma(desk: Desk) -> None:
    text = "userId;movieId;rating;timestamp\n1;31;3,5;1260759144\n1;32;3,0;1260759145\n"
    report = desk.bring(text, grades={"3.5": "bookmark"})
    assert [event.type for event in desk.events()] == ["bookmark"]
    assert four(report) == (1, 0, 0, 1)
    assert "lies below every grade" in report.causes[0].reason


def test_unknown_types_and_missing_actors_are_quarantined(desk: Desk) -> None:
    text = "ts,user,item,event\n1,u1,p1,view\n2,u1,p1,teleport\n3,,p1,view\n4,u1,p1,\n"
    report = desk.bring(text)
    assert four(report) == (1, 0, 0, 3)
    assert {cause.example for cause in report.causes} == {3, 4, 5}


def test_types_can_be_translated(desk: Desk) -> None:
    text = "ts,user,item,event\n1,u1,p1,BUY\n2,u1,p2,VIEW\n"
    assert four(desk.bring(text, types={"BUY": "share"})) == (2, 0, 0, 0)
    with pytest.raises(Invalid, match="unknown event type"):
        desk.bring(text, types={"BUY": "nothing"})


def test_no_value_of_the_type_column_is_known(desk: Desk) -> None:
    with pytest.raises(Invalid, match="--types"):
        desk.bring("ts,user,item,event\n1,u1,p1,foo\n")


def test_fields_go_to_the_types_that_take_them(desk: Desk) -> None:
    text = "ts,user,item,event,dwell,device\n1,u1,p1,view,12,phone\n2,u1,p1,like,13,phone\n3,u1,p1,view,soon,phone\n"
    report = desk.bring(text, fields={"seconds": "dwell", "context.device": "device"})
    assert [dict(event.fields) for event in desk.events()] == [
        {"seconds": 12.0, "context": {"device": "phone"}}, {"context": {"device": "phone"}},
    ]  # fmt: skip
    assert four(report) == (2, 0, 0, 1)
    assert report.notes == {"values of seconds of like, which it does not take (not used)": 1}


def test_entities_with_lists(desk: Desk) -> None:
    text = "movieId,title,genres\n1,Toy Story,Adventure|Comedy\n2,,\n"
    report = desk.bring(text, entities="post", attributes={"tags": "genres:|"})
    assert four(report) == (2, 0, 0, 0)
    assert desk.engine.reader.entity("post", "1") == {"title": "Toy Story", "tags": ["Adventure", "Comedy"]}
    assert desk.engine.reader.entity("post", "2") == {}


def test_entities_that_did_not_change_are_duplicates_and_a_change_back_is_not(desk: Desk) -> None:
    def row(title: str) -> str:
        return f"id,title\n1,{title}\n"

    assert four(desk.bring(row("A"), entities="post")) == (1, 0, 0, 0)
    assert four(desk.bring(row("A"), entities="post")) == (0, 1, 0, 0)
    desk.engine.clock.move(60)  # type: ignore[attr-defined]
    assert four(desk.bring(row("B"), entities="post")) == (1, 0, 0, 0)
    assert desk.engine.reader.entity("post", "1")["title"] == "B"


def test_ids_of_rows(desk: Desk) -> None:
    text = "event_id,ts,user,item,event\ne1,1,u1,p1,view\ne1,1,u1,p1,view\ne1,2,u1,p1,view\n"
    assert four(desk.bring(text)) == (1, 1, 1, 0)
    assert desk.events()[0].id == "e1"


def test_identical_rows_are_one_event_or_several(desk: Desk) -> None:
    text = "ts,user,item,event\n" + "1,u1,p1,view\n" * 3
    assert four(desk.bring(text)) == (1, 2, 0, 0)
    assert four(desk.bring(text, ids="row")) == (2, 1, 0, 0)
    assert four(desk.bring(text, ids="row")) == (0, 3, 0, 0)


def test_rows_out_of_order_enter_the_log_by_time(desk: Desk) -> None:
    report = desk.bring("ts,user,item,event\n3,u1,p3,view\n1,u1,p1,view\n2,u1,p2,view\n1,u1,p0,view\n")
    assert [event.target.id for event in desk.events() if event.target] == ["p1", "p0", "p2", "p3"]
    assert not report.sorted


def test_missing_texts(desk: Desk) -> None:
    text = "id,title\n1,Select\n2,Good\n"
    desk.bring(text, entities="post", missing=["Select"])
    assert desk.engine.reader.entity("post", "1") == {}


@pytest.mark.parametrize(
    ("text", "given", "flag"),
    [
        ("a,b\n1,2\n", {}, "--actor"),
        ("user,b\n1,2\n", {}, "--type COLUMN"),
        ("user,event\n1,view\n", {}, "--time COLUMN"),
        ("user,event,ts\n1,view,1\n", {"target": "nowhere"}, "no column 'nowhere'"),
        ("a,b\n1,2\n", {"entities": "post"}, "--id"),
        ("id,b\n1,2\n", {"entities": "post"}, "--attribute"),
        ("id,b\n1,2\n", {"entities": "ghost", "attributes": {"title": "b"}}, "unknown kind"),
        ("id,b\n1,2\n", {"entities": "post", "attributes": {"colour": "b"}}, "not declared"),
        ("user,event,ts,x\n1,view,1,2\n", {"fields": {"colour": "x"}}, "not declared"),
        ("user,rating,ts\n1,3,1\n", {"grades": {"high": "like"}}, "--grades"),
        ("user,event,ts\n1,view,1\n", {"time_zone": "Mars/Base"}, "time zone"),
        ("user,event,ts\n1,view,1\n", {"colour": "x"}, "unknown field"),
        ("user,event,ts\n1,view,1\n", {"at": "yesterday"}, "expected a time"),
        ("user,event,ts\n1,view,1\n", {"outcome": "nowhere"}, "--outcome"),
    ],
)
def test_mappings_that_do_not_fit_say_what_to_do(desk: Desk, text: str, given: dict[str, Any], flag: str) -> None:
    with pytest.raises(Invalid) as caught:
        desk.bring(text, **given)
    assert flag in str(caught.value)
    assert caught.value.remedy
    assert desk.engine.stores.log.counts().received == 0


def test_mapping_files(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('actor = "who"\n[fields]\nseconds = "dwell"\n')
    assert load_mapping(tmp_path / "m.toml") == {"actor": "who", "fields": {"seconds": "dwell"}}
    (tmp_path / "m.json").write_text(json.dumps({"actor": "who"}))
    assert load_mapping(tmp_path / "m.json") == {"actor": "who"}
    (tmp_path / "bad").write_text("= =")
    with pytest.raises(Malformed):
        load_mapping(tmp_path / "bad")
    with pytest.raises(NotFound):
        load_mapping(tmp_path / "none")
