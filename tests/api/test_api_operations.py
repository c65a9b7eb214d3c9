"""Each operation: its happy path, and the ways it refuses."""

from urllib.parse import quote

import pytest

from .conftest import POSTS
from .served import Site

LIKE = {"type": "like", "actor": "u1", "target": "p1", "id": "e1", "at": "2026-01-31T12:00:00Z"}


def test_an_event_is_accepted_once(site: Site) -> None:
    first, again = site.post("/events", LIKE), site.post("/events", LIKE)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == {"verdict": "accepted", "id": "e1", "sequence": 1}
    assert again.json() == {"verdict": "duplicate", "id": "e1", "sequence": 1}


def test_the_same_id_with_another_body_is_a_conflict(site: Site) -> None:
    site.post("/events", LIKE)
    other = site.post("/events", {**LIKE, "target": "p2"})
    assert other.status_code == 409
    assert other.json()["field"] == "id"
    assert site.get("/events").json()["events"][0]["target"] == {"kind": "post", "id": "p1"}


def test_an_impossible_event_names_field_and_remedy_and_writes_nothing(site: Site) -> None:
    refused = site.post("/events", {**LIKE, "fields": {"seconds": 3}})
    assert refused.status_code == 422
    assert refused.json()["field"] == "fields.seconds"
    assert refused.json()["remedy"]
    assert site.get("/stats").json()["received"] == 0


def test_a_batch_has_a_receipt_per_row_in_order(site: Site) -> None:
    rows = [LIKE, LIKE, {**LIKE, "type": "view"}, {"type": "nothing"}, 7]
    answer = site.post("/events", rows).json()
    assert [receipt["verdict"] for receipt in answer["receipts"]] == [
        "accepted",
        "duplicate",
        "conflict",
        "quarantined",
        "quarantined",
    ]
    counts = [answer[name] for name in ("received", "accepted", "duplicates", "conflicts", "quarantined")]
    assert counts == [5, 1, 1, 1, 2]


def test_an_idempotency_key_becomes_the_id(site: Site) -> None:
    event = {"type": "like", "actor": "u1", "target": "p1"}
    headers = {"Idempotency-Key": "key-1"}
    assert site.post("/events", event, headers=headers).json()["id"] == "key-1"
    site.engines["feed"].clock.move(60)
    assert site.post("/events", event, headers=headers).json()["verdict"] == "duplicate"
    assert site.post("/events", [event, event], headers=headers).json()["accepted"] == 2
    assert site.post("/events", [event, event], headers=headers).json()["duplicates"] == 2


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "åäö"])
def test_a_malformed_idempotency_key_is_refused(site: Site, key: str) -> None:
    headers = {"Idempotency-Key": key.encode()}
    assert site.post("/events", LIKE, headers=headers).json()["field"] == "Idempotency-Key"
    assert site.get("/stats").json()["received"] == 0


def test_events_are_found_by_entity_type_time_and_page(filled: Site) -> None:
    filled.post("/events", {**LIKE, "query_id": "q1"})
    found = filled.get("/events?kind=user&id=u1").json()["events"]
    assert [event["id"] for event in found] == ["v1", "e1"]
    assert [event["id"] for event in filled.get("/events?query_id=q1").json()["events"]] == ["e1"]
    assert [event["id"] for event in filled.get("/events?type=view").json()["events"]] == ["v1"]
    assert [e["id"] for e in filled.get("/events?type=like&until=2026-01-31T12:00:00Z").json()["events"]] == []
    assert [e["id"] for e in filled.get("/events?type=like&since=2026-01-31T12:00:00Z").json()["events"]] == ["e1"]
    page, seen = filled.get("/events?limit=4").json(), []
    while page["next"] is not None:
        seen += page["events"]
        page = filled.get(f"/events?limit=4&after={page['next']}").json()
    assert [event["sequence"] for event in seen + page["events"]] == list(range(1, len(POSTS) + 3))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("kind=user", "id"),
        ("id=u1", "kind"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("since=2026-01-01", "since"),
        ("since=2026-01-01T00:00:00", "since"),
        ("until=yesterday", "until"),
        ("after=-1", "after"),
        ("after=1&after=2", "after"),
        ("nonsense=1", "nonsense"),
        ("limit=1e999", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("id=" + "x" * 10_000 + "&kind=user", "id"),
    ],
)
def test_a_query_string_that_makes_no_sense_names_its_field(site: Site, query: str, field: str) -> None:
    refused = site.get(f"/events?{query}")
    assert refused.status_code == 422
    assert refused.json()["field"] == field


def test_a_quarantined_row_is_mended_once(site: Site) -> None:
    site.post("/events", [{**LIKE, "type": "lik"}])
    row = site.get("/quarantine").json()["rows"][0]
    assert (row["event_id"], row["field"]) == ("e1", "type")
    mended = site.post(f"/quarantine/{row['number']}/repair", LIKE)
    assert mended.json()["verdict"] == "accepted"
    assert site.get("/quarantine").json()["rows"] == []
    assert site.get("/quarantine?all=true").json()["rows"][0]["repaired_by"] == "e1"
    assert site.post(f"/quarantine/{row['number']}/repair", LIKE).status_code == 409
    counts = site.get("/stats").json()
    assert (counts["received"], counts["accepted"], counts["quarantined"]) == (1, 1, 0)


@pytest.mark.parametrize("number", ["0", "7", "-1", "x", "9" * 40, "1.5", "²"])
def test_a_row_nobody_quarantined_is_not_found(site: Site, number: str) -> None:
    assert site.post(f"/quarantine/{quote(number)}/repair", LIKE).status_code == 404


def test_an_entity_is_replaced_read_and_deleted(site: Site) -> None:
    path = "/entities/post/p%2F1"
    assert site.get(path).status_code == 404
    assert site.put(path, {"title": "A", "tags": ["x"]}).json() == {"title": "A", "tags": ["x"]}
    assert site.put(path, {"title": "B"}).json() == {"title": "B"}
    assert site.get(path).json() == {"title": "B"}
    assert site.send("DELETE", "/api/v1/feed" + path).status_code == 204
    assert site.get(path).status_code == 404
    assert site.send("DELETE", "/api/v1/feed" + path).status_code == 404
    types = [event["type"] for event in site.get("/events?kind=post&id=p/1").json()["events"]]
    assert types == ["entity.set", "entity.set", "entity.delete"]


def test_putting_an_entity_again_with_its_key_writes_nothing_more(site: Site) -> None:
    headers = {"Idempotency-Key": "k1"}
    site.put("/entities/post/p1", {"title": "A", "tags": ["x"]}, headers=headers)
    site.engines["feed"].clock.move(60)
    assert site.put("/entities/post/p1", {"title": "A", "tags": ["x"]}, headers=headers).status_code == 200
    assert site.put("/entities/post/p1", {"title": "B"}, headers=headers).status_code == 409
    assert site.get("/stats").json()["accepted"] == 1


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/entities/post/p1", {"colour": "red"}, "fields.colour"),
        ("/entities/post/p1", {"title": 3}, "fields.title"),
        ("/entities/cat/p1", {}, "kind"),
        ("/entities/post/p1", [], "body"),
        ("/entities/post/a%00b", {}, "id"),
        ("/entities/post/" + "x" * 300, {}, "id"),
        ("/entities/post/p1", {"published_at": "2026-01-01"}, "fields.published_at"),
    ],
)
def test_an_impossible_entity_is_refused(site: Site, path: str, body: object, field: str) -> None:
    refused = site.put(path, body)
    assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert site.get("/stats").json()["received"] == 0


def test_a_slate_is_decided_logged_and_continued(filled: Site) -> None:
    first = filled.post("/recommend", {"subject": "u2", "n": 2}).json()
    assert [item["rank"] for item in first["items"]] == [1, 2]
    assert filled.get(f"/decisions/{first['decision']}").json()["query_id"] == first["query_id"]
    assert filled.get("/decisions?subject=u2").json()["decisions"][0]["id"] == first["decision"]
    assert filled.get("/decisions?subject=u3").json()["decisions"] == []
    second = filled.post("/recommend", {"subject": "u2", "n": 2, "after": first["decision"]}).json()
    assert not {item["id"] for item in first["items"]} & {item["id"] for item in second["items"]}


def test_the_page_before_must_exist(filled: Site) -> None:
    assert filled.post("/recommend", {"subject": "u2", "after": "d_none"}).status_code == 404


def test_reasons_speak_the_language_asked_for(filled: Site) -> None:
    told = {
        language: filled.post("/recommend", {"subject": "u2", "n": 1, "language": language}).json()["items"][0][
            "reasons"
        ]
        for language in ("en", "sv")
    }
    assert [reason["code"] for reason in told["en"]] == [reason["code"] for reason in told["sv"]]
    assert [reason["text"] for reason in told["en"]] != [reason["text"] for reason in told["sv"]]


def test_a_visitor_who_turns_out_to_be_a_known_user_brings_along_what_he_did(filled: Site) -> None:
    filled.post("/events", {"type": "hide", "actor": "visitor", "target": "p3"})
    shown = [item["id"] for item in filled.post("/recommend", {"subject": "u1"}).json()["items"]]
    assert "p3" in shown
    assert filled.post("/events", {"type": "entity.merge", "actor": "u1", "target": "visitor"}).status_code == 200
    shown = [item["id"] for item in filled.post("/recommend", {"subject": "u1"}).json()["items"]]
    assert "p3" not in shown


def test_candidates_are_put_in_order(filled: Site) -> None:
    slate = filled.post("/rank", {"subject": "u2", "candidates": list(POSTS)}).json()
    assert sorted(item["id"] for item in slate["items"]) == sorted(POSTS)
    assert len(filled.post("/rank", {"subject": "u2", "candidates": list(POSTS), "n": 1}).json()["items"]) == 1


def test_similar_items_leave_out_the_item(filled: Site) -> None:
    slate = filled.get("/similar/p%2F4?n=3&language=sv").json()
    assert slate["pipeline"] == "similar"
    assert "p/4" not in {item["id"] for item in slate["items"]}
    assert filled.get("/similar/p1?subject=u1").json()["subject"] == "u1"
    assert filled.get("/similar/unknown").status_code == 404


def test_pairs_are_predicted_in_order(filled: Site) -> None:
    pairs = [{"subject": "u1", "item": "p2"}, {"subject": "u9", "item": "p1"}]
    found = filled.post("/predict", {"pairs": pairs}).json()
    assert [{"subject": each["subject"], "item": each["item"]} for each in found] == pairs


def test_an_explanation_says_what_kept_an_item_out(filled: Site) -> None:
    filled.post("/events", {"type": "hide", "actor": "u1", "target": "p2"})
    found = filled.post("/explain", {"subject": "u1", "item": "p2"}).json()
    assert found["shown"] is False
    assert any(not step["passed"] for step in found["steps"])
    assert filled.post("/explain", {"subject": "u1", "item": "nothing"}).status_code == 404


def test_features_are_told_for_a_user_a_post_and_both(filled: Site) -> None:
    user, post = filled.get("/features/user/u1"), filled.get(f"/features/post/{quote('åäö 5')}")
    pair = filled.get("/features/interaction/u1/p%2F4")
    assert user.json()["features"]
    assert post.json()["features"]
    assert len(pair.json()["features"]) > len(user.json()["features"])
    assert filled.get("/features/post/nothing").status_code == 404
    assert filled.get("/features/user/nobody").status_code == 404
    assert filled.get("/features/cat/p1").status_code == 404


def test_settings_change_while_the_server_runs(filled: Site) -> None:
    weights = {"labels": {"like": 9.0}}
    assert filled.put("/settings", weights).json() == weights
    assert filled.get("/settings").json() == weights
    assert filled.put("/settings", {"diversity": {"home": 0.5}}).json() == {"diversity": {"home": 0.5}}
    for wrong in ({"labels": {"nothing": 1}}, {"labels": []}, {"diversity": {"home": 2}}, {"colour": 1}):
        assert filled.put("/settings", wrong).status_code == 422
    assert filled.get("/settings").json() == {"diversity": {"home": 0.5}}


def test_of_two_promotions_one_wins(filled: Site) -> None:
    registry, clock = filled.engines["feed"].stores.registry, filled.engines["feed"].clock
    saved = registry.save(
        "home",
        "toy",
        schema=filled.engines["feed"].app.view.version,
        position=1,
        parameters={"retrievers": {}, "weights": {}},
        metrics={},
        arrays={},
        at=clock.now(),
    )
    assert filled.get("/models").json()["pipelines"][0]["champion"] is None
    path = f"/models/{saved.id}/promote"
    assert filled.post(path, {"expected_revision": 0}).json()["revision"] == 1
    assert filled.post(path, {"expected_revision": 0}).status_code == 409
    assert filled.get("/models").json()["pipelines"][0]["champion"] == saved.id
    assert filled.post("/models/m_nothing/promote", {"expected_revision": 1}).status_code == 404


def test_health_metrics_and_descriptions(filled: Site) -> None:
    filled.post("/recommend", {"subject": "u1"})
    assert filled.send("GET", "/health/live", token=None).json() == {"status": "ok"}
    assert filled.send("GET", "/health/ready", token=None).json() == {"status": "ok"}
    assert list(filled.send("GET", "/health").json()) == ["feed"]
    text = filled.send("GET", "/metrics").text
    assert 'proffer_receipts_total{verdict="accepted",workspace="feed"} 6.0' in text
    assert 'operation="recordEvents"' in text
    assert "proffer_decisions_total{" in text
    assert 'workspace="other"' not in text
    assert [each["name"] for each in filled.send("GET", "/api/v1").json()["workspaces"]] == ["feed"]
    assert "<script" not in filled.send("GET", "/api/docs", token=None).text
