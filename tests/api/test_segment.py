"""Segment's protocol: shapes, keys, gzip, clocks, and what is not understood."""

import base64
import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proffer.api.segment_rows import row_of
from proffer.apps.advisor.app import app as advisor
from proffer.core.errors import Invalid

from .advised import Advised
from .served import NOW
from .shapes import ANYTHING

SAVE = {
    "type": "track", "event": "save", "messageId": "m1", "userId": "u1", "timestamp": "2026-02-01T11:59:00Z",
    "properties": {"target": "r1"},
}  # fmt: skip
COUNTS = ("accepted", "duplicates", "conflicts", "quarantined")


@pytest.fixture
def site() -> Iterator[Advised]:
    served = Advised()
    yield served
    served.close()


def test_a_tracked_message_becomes_an_event_once(site: Advised) -> None:
    first, again = site.batch(SAVE, sentAt="2026-02-01T12:00:00Z"), site.batch(SAVE, sentAt="2026-02-01T12:00:30Z")
    assert first == {"success": True, "received": 1, "accepted": 1, "duplicates": 0, "conflicts": 0, "quarantined": 0,
                     "refused": []}  # fmt: skip
    assert (again["accepted"], again["duplicates"]) == (0, 1)
    [event] = site.events()
    assert (event["id"], event["type"], event["at"]) == ("m1", "save", "2026-02-01T11:59:00Z")
    assert event["actor"] == {"kind": "user", "id": "u1"}
    assert event["target"] == {"kind": "recommendation", "id": "r1"}


@pytest.mark.parametrize("name", ["save", "Save", "saved", "Recommendation Saved", "recommendationSave", "SAVED"])
def test_an_event_goes_by_the_ways_its_name_is_written(name: str) -> None:
    assert row_of(advisor, {**SAVE, "event": name})["type"] == "save"


@pytest.mark.parametrize(
    "properties",
    [{"recommendation_id": "r1"}, {"recommendationId": "r1"}, {"target": "r1"}, {"item_id": "r1"}, {"id": "r1"}],
)
def test_a_target_goes_by_its_names(properties: dict[str, str]) -> None:
    row = row_of(advisor, {**SAVE, "properties": properties})
    assert row["target"] in ("r1", {"kind": "recommendation", "id": "r1"})
    assert row["fields"] == {}


def test_values_fields_query_and_context_find_their_places(site: Advised) -> None:
    properties = {"target": "r1", "value": 12.5, "query_id": "q1", "plan": "b", "context": {"card": 3}, "empty": None}
    context = {"session": "s1", "assessment": "a1", "library": {"name": "x"}, "ip": "10.0.0.1"}
    site.batch({**SAVE, "event": "view", "properties": properties, "context": context})
    [event] = site.events()
    assert event["query_id"] == "q1"
    assert event["fields"] == {
        "seconds": 12.5,
        "session": "s1",
        "context": {"assessment": "a1", "card": 3, "plan": "b"},
    }
    site.batch({**SAVE, "messageId": "m2", "properties": {"target": "r1", "value": 7}})
    assert site.events()[1]["fields"] == {"context": {"value": 7}}


def test_visitors_and_numbers_are_somebody(site: Advised) -> None:
    site.batch({**SAVE, "userId": 17}, {**SAVE, "messageId": "m2", "userId": None, "anonymousId": "visitor-1"})
    assert [event["actor"]["id"] for event in site.events()] == ["17", "visitor-1"]


def test_identify_sets_attributes_and_alias_merges(site: Advised) -> None:
    site.batch(
        {"type": "identify", "userId": "u7", "messageId": "i1", "traits": {"Name": "Bo", "plan": "gold", "role": "cto"}}
    )
    found = site.get("/entities/user/u7").json()
    assert found == {"name": "Bo", "role": "cto", "extra": {"plan": "gold"}}
    site.batch({**SAVE, "userId": None, "anonymousId": "v1"})
    site.batch({"type": "alias", "userId": "u7", "previousId": "v1", "messageId": "a1"})
    assert site.engine.state.registry.numbers[("user", "v1")] == site.engine.state.registry.numbers[("user", "u7")]


def test_what_is_not_understood_is_kept_with_its_reason(site: Advised) -> None:
    answer = site.batch(
        {**SAVE, "event": "Cart Viewed"},
        {**SAVE, "messageId": "m2", "properties": {}},
        {**SAVE, "messageId": "m3", "event": "rate", "properties": {"target": "r1", "value": 6}},
        {"type": "page", "userId": "u1", "messageId": "m4", "name": "Home"},
        {"type": "nothing"},
        17,
        {**SAVE, "messageId": "m5", "userId": None},
        {**SAVE, "messageId": "m6", "timestamp": "yesterday"},
        {**SAVE, "messageId": "m7"},
    )
    assert (answer["received"], answer["accepted"], answer["quarantined"]) == (9, 1, 8)
    fields = [one["field"] for one in answer["refused"]]
    assert fields == ["event", "properties.recommendation_id", "fields.stars", "type", "type", "batch", "anonymousId",
                      "timestamp"]  # fmt: skip
    rows = site.get("/quarantine").json()["rows"]
    assert [json.loads(row["raw"]) for row in rows][:1] == [{**SAVE, "event": "Cart Viewed"}]
    assert all(row["reason"] for row in rows)
    mended = {"type": "rate", "actor": "u1", "target": "r1", "fields": {"stars": 5}}
    assert site.post(f"/quarantine/{rows[2]['number']}/repair", mended).json()["verdict"] == "accepted"


def test_a_token_in_the_body_is_never_kept(site: Advised) -> None:
    message = {**SAVE, "event": "nothing", "writeKey": "pf_write"}
    answer = site.send("POST", "/v1/track", message, token=None)
    assert answer.json()["quarantined"] == 1
    assert "pf_write" not in site.get("/quarantine").text


def test_track_records_interactions_with_known_items_and_no_facts(site: Advised) -> None:
    identify = {"type": "identify", "userId": "u1", "messageId": "i1", "traits": {"role": "root"}}
    alias = {"type": "alias", "userId": "u1", "previousId": "u2", "messageId": "a1"}
    unknown = {**SAVE, "messageId": "m2", "properties": {"target": "r77"}}
    answer = site.batch(identify, alias, unknown, SAVE, token="track")
    assert (answer["accepted"], answer["quarantined"]) == (1, 3)
    assert [one["field"] for one in answer["refused"]] == ["type", "type", "target"]
    assert site.get("/entities/user/u1").json()["role"] == "engineer"
    assert "r77" not in site.engine.state.ids
    assert site.batch(unknown, token="write")["accepted"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/events", None),
        ("GET", "/features/user/u1", None),
        ("GET", "/decisions", None),
        ("GET", "/entities/user/u1", None),
        ("PUT", "/entities/user/u1", {}),
        ("POST", "/events", {"type": "save", "actor": "u1", "target": "r1"}),
        ("POST", "/recommend", {"subject": "u1"}),
        ("GET", "/settings", None),
        ("PUT", "/settings", {}),
    ],
)
def test_track_opens_nothing_else(site: Advised, method: str, path: str, body: Any) -> None:
    assert site.send(method, f"/api/v1/advisor{path}", body, token="track").status_code == 403


def test_a_key_is_taken_from_the_header_or_the_body(site: Advised) -> None:
    def post(**headers: str) -> int:
        body = {"batch": [SAVE], "writeKey": "pf_track"}
        return site.send("POST", "/v1/batch", body, token=None, headers=headers).status_code

    basic = {name: base64.b64encode(f"{name}:".encode()).decode() for name in ("pf_track", "pf_wrong")}
    assert post() == post(Authorization=f"Basic {basic['pf_track']}") == post(Authorization="Bearer pf_track") == 200
    refused = [f"Basic {basic['pf_wrong']}", "Basic ?", "Basic " + "A" * 5000, "Bearer pf_wrong", "Digest pf_track", ""]
    assert [post(Authorization=header) for header in refused] == [401] * 6
    for body in ({"batch": [SAVE]}, {"batch": [SAVE], "writeKey": 7}, [], 1, {"writeKey": "pf_wrong"}):
        assert site.send("POST", "/v1/batch", body, token=None).status_code == 401
    assert site.send("POST", "/v1/batch", {"batch": [SAVE], "writeKey": "pf_reader"}, token=None).status_code == 403


def test_bodies_come_gzipped_and_as_plain_text(site: Advised) -> None:
    body = json.dumps({"batch": [SAVE], "writeKey": "pf_track"}).encode()

    def post(raw: bytes, **headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return site.send("POST", "/v1/batch", raw=raw, token=None, headers=sent).status_code

    assert post(body, Content_Type="text/plain;charset=UTF-8") == 200
    assert post(gzip.compress(body), Content_Encoding="gzip") == 200
    assert post(body, Content_Encoding="gzip") == 400
    assert post(gzip.compress(body)[:-9], Content_Encoding="gzip") == 400
    assert post(gzip.compress(b" " * 10_000_000), Content_Encoding="gzip") == 413
    assert post(b'{"a":"' + b"x" * 600_000 + b'"}') == 413
    assert post(body, Content_Type="text/html") == 415
    assert post(body, Content_Encoding="br") == 415
    assert post(b"{", Content_Type="text/plain") == 400
    # Nothing but Segment's protocol takes these.
    raw = site.send("POST", "/api/v1/advisor/events", raw=body, headers={"Content-Type": "text/plain"})
    assert raw.status_code == 415


@pytest.mark.parametrize("body", [{}, {"batch": []}, {"batch": {}}, {"batch": None}, [], "x", {"batch": [1] * 1001}])
def test_a_body_without_a_batch_is_refused(site: Advised, body: Any) -> None:
    answer = site.send("POST", "/v1/batch", body)
    assert answer.status_code in (413, 422)
    assert answer.json()["field"] == "batch"


def test_a_clock_that_is_wrong_is_set_right_and_a_retry_stays_the_same(site: Advised) -> None:
    late = {**SAVE, "timestamp": "2026-02-01T09:59:50Z"}
    site.batch(late, sentAt="2026-02-01T10:00:00Z")
    assert site.events()[0]["at"] == "2026-02-01T11:59:50Z"
    site.engine.clock.move(5)
    assert site.batch(late, sentAt="2026-02-01T10:00:05Z")["duplicates"] == 1
    site.engine.clock.move(5)
    assert site.batch(late, sentAt="2026-02-01T10:03:00Z")["duplicates"] == 1
    slow = {**SAVE, "messageId": "m4"}
    sent = [(site.engine.clock.now() - timedelta(seconds=seconds)).isoformat() for seconds in (59, 61)]
    assert [site.batch(slow, sentAt=at)["duplicates"] for at in sent] == [0, 1]
    exact = {**SAVE, "messageId": "m2", "timestamp": "2026-01-01T00:00:00Z"}
    site.batch(exact, sentAt=(NOW + timedelta(seconds=40)).isoformat())
    assert site.events()[2]["at"] == "2026-01-01T00:00:00Z"
    without = {name: value for name, value in SAVE.items() if name != "timestamp"} | {"messageId": "m3"}
    assert site.batch(without)["accepted"] == 1
    site.engine.clock.move(60)
    assert site.batch(without)["duplicates"] == 1


def test_a_time_beyond_the_calendar_is_kept_aside(site: Advised) -> None:
    answer = site.batch({**SAVE, "timestamp": "9999-12-31T23:59:59Z"}, sentAt="2026-02-01T10:00:00Z")
    assert answer["refused"][0]["field"] == "timestamp"


def test_the_single_calls_do_the_same(site: Advised) -> None:
    message = {name: value for name, value in SAVE.items() if name != "type"}
    assert site.send("POST", "/v1/track", message).json()["accepted"] == 1
    assert site.send("POST", "/v1/track", message).json()["duplicates"] == 1
    assert site.send("POST", "/v1/identify", {"userId": "u9", "traits": {"role": "x"}}).json()["accepted"] == 1
    assert site.send("POST", "/v1/page", {"userId": "u9"}).json()["quarantined"] == 1
    assert site.send("POST", "/v1/alias", []).status_code == 422


def test_the_key_names_the_workspace(site: Advised) -> None:
    like = {**SAVE, "event": "like", "properties": {"post_id": "p1"}}
    assert site.batch(like, token="feed")["accepted"] == 1
    assert site.engines["feed"].stores.log.last() == 1
    assert site.batch(like, token="write")["quarantined"] == 1


@pytest.fixture(scope="module")
def shared() -> Iterator[Advised]:
    served = Advised()
    yield served
    counts = served.get("/stats").json()
    assert counts["received"] == sum(counts[name] for name in COUNTS)
    served.close()


MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["track", "identify", "alias", "page", "group"]) | ANYTHING,
        "event": st.sampled_from(["save", "rate", "view", "impression"]) | ANYTHING,
        "messageId": st.text(max_size=4) | ANYTHING, "userId": st.sampled_from(["u1", "u2"]) | ANYTHING,
        "anonymousId": ANYTHING, "previousId": st.sampled_from(["v1", "v2"]) | ANYTHING,
        "timestamp": st.sampled_from(["2026-02-01T11:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
        | ANYTHING,
        "sentAt": st.sampled_from(["2026-02-01T11:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]),
        "properties": st.fixed_dictionaries({"target": st.sampled_from(["r1", "r2"])}, optional={"value": ANYTHING})
        | ANYTHING,
        "traits": ANYTHING, "context": ANYTHING,
    },
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(MESSAGES | ANYTHING, min_size=1, max_size=5), st.sampled_from(["write", "track"]))
def test_any_message_is_accounted_for(shared: Advised, sent: list[Any], token: str) -> None:
    before = shared.engine.stores.log.counts().received
    answer = shared.batch(*sent, token=token)
    assert answer["received"] == len(sent) == sum(answer[name] for name in COUNTS)
    assert shared.engine.stores.log.counts().received == before + len(sent)
    assert len(answer["refused"]) == answer["conflicts"] + answer["quarantined"]


def test_a_name_that_means_nothing_is_refused() -> None:
    with pytest.raises(Invalid, match="unknown event"):
        row_of(advisor, {**SAVE, "event": "entity.set"})
