"""The advisor's own paths: the list of an assessment, interactions, statistics, histories."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proffer.models.rankers.linear import LinearRanker

from .advised import CATEGORIES, RECOMMENDATIONS, Advised, fact, learned
from .served import NOW
from .shapes import ANYTHING

COUNTS = ("accepted", "duplicates", "conflicts", "quarantined")
ACT = "/recommendations/interact"


@pytest.fixture
def site() -> Iterator[Advised]:
    served = Advised()
    yield served
    served.close()


def act(site: Advised, item: str, type: str, value: float | None = None, user: str | None = "u1", **rest: Any) -> Any:
    """Record an interaction and return the answer."""
    body = {"interaction_type": type, "interaction_value": value, "user": user, **rest}
    return site.post(f"{ACT}/{item}", {name: value for name, value in body.items() if value is not None})


def test_an_assessment_answers_with_its_recommendations_in_order(site: Advised) -> None:
    answer = site.get("/recommendations/a1?user=u1").json()
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4]
    assert {item["recommendation_id"] for item in answer["items"]} == set(RECOMMENDATIONS)
    assert (answer["assessment_id"], answer["user"]) == ("a1", "u1")
    assert answer["items"][0]["attributes"]["title"].startswith("Step")
    summary = answer["summary"]
    assert (summary["ml_ranking_applied"], summary["candidates"], summary["lambda"]) == (False, 4, 1.0)
    assert "no model" in summary["reason"]
    assert summary["diversity_score"] is None or 0 <= summary["diversity_score"] <= 1
    logged = site.get(f"/decisions/{answer['decision_id']}").json()
    assert (logged["query_id"], logged["subject"]["id"]) == (answer["query_id"], "u1")


def test_without_a_model_confidence_orders(site: Advised) -> None:
    answer = site.get("/recommendations/a1").json()
    assert answer["model"] == "confidence"
    assert [item["recommendation_id"] for item in answer["items"]] == list(RECOMMENDATIONS)


def test_with_a_model_it_orders_and_says_so(site: Advised) -> None:
    version = learned(site.engine)
    answer = site.get("/recommendations/a1?language=sv").json()
    assert answer["model"] == version
    summary = answer["summary"]
    assert (summary["ml_ranking_applied"], summary["reason"], summary["lambda"]) == (True, None, 0.7)
    assert 0 <= summary["diversity_score"] <= 1
    assert all(item["reasons"] for item in answer["items"])
    site.put("/settings", {"diversity": {"assessment": 0.9}})
    assert site.get("/recommendations/a1").json()["summary"]["lambda"] == 0.9


def test_a_model_that_fails_leaves_the_order_to_confidence(site: Advised, monkeypatch: pytest.MonkeyPatch) -> None:
    learned(site.engine)
    monkeypatch.setattr(LinearRanker, "predict", lambda *_: 1 / 0)
    answer = site.get("/recommendations/a1").json()
    assert [item["recommendation_id"] for item in answer["items"]] == list(RECOMMENDATIONS)
    summary = answer["summary"]
    assert (summary["ml_ranking_applied"], "ZeroDivisionError" in summary["reason"]) == (False, True)


def test_the_owner_is_meant_where_nobody_is_named(site: Advised) -> None:
    assert site.get("/recommendations/a1").json()["user"] == "u1"
    assert site.get("/recommendations/nobody").json()["user"].startswith("anonymous")


def test_n_language_weights_and_the_next_page(site: Advised) -> None:
    first = site.get("/recommendations/a1?n=3&language=sv&diversity=0.5&objectives=cost:2,risk:0.5").json()
    assert first["summary"]["lambda"] == 0.5
    assert first["summary"]["objectives"] == {"cost": 2.0, "risk": 0.5}
    assert first["summary"]["tradeoff"]["aims"]["cost"]["weight"] == 2.0
    more = site.get(f"/recommendations/a1?n=3&after={first['decision_id']}").json()
    shown = [item["recommendation_id"] for item in first["items"] + more["items"]]
    assert sorted(shown) == sorted(RECOMMENDATIONS)


def test_numbers_in_swedish_reasons_are_written_as_swedish_does(site: Advised) -> None:
    site.put("/entities/recommendation/r4", {"assessment": "a1", "saving": 12500.0})

    def words(language: str) -> str:
        items = site.get(f"/recommendations/a1?language={language}").json()["items"]
        reasons = next(item["reasons"] for item in items if item["recommendation_id"] == "r4")
        return next(reason["text"] for reason in reasons if reason["code"] == "big_saving")

    assert words("en") == "Saves more than most here: 12,500 a month"
    assert words("sv") == "Sparar mer än de flesta här: 12\N{NO-BREAK SPACE}500 i månaden"


def test_an_assessment_without_recommendations_says_so(site: Advised) -> None:
    answer = site.get("/recommendations/empty").json()
    assert answer["items"] == []
    assert answer["summary"]["ml_ranking_applied"] is False
    assert "no recommendations" in answer["summary"]["reason"]
    assert answer["summary"]["diversity_score"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("diversity=1.1", "diversity"),
        ("diversity=-0.1", "diversity"),
        ("diversity=nan", "diversity"),
        ("diversity=x", "diversity"),
        ("n=0", "n"),
        ("n=501", "n"),
        ("objectives=cost", "objectives"),
        ("objectives=cost:1,cost:2", "objectives"),
        ("objectives=gold:1", "objectives"),
        ("objectives=cost:-1", "objectives.cost"),
        ("objectives=cost:nan", "objectives.cost"),
        ("objectives=cost:0", "objectives"),
        ("objectives=", "objectives"),
        ("language=de", "language"),
        ("pipeline=home", "pipeline"),
        ("user=", "user"),
        ("top=3", "top"),
    ],
)
def test_an_impossible_question_is_refused(site: Advised, query: str, field: str) -> None:
    answer = site.get(f"/recommendations/a1?{query}")
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert answer.json()["remedy"]


def test_an_unknown_assessment_is_not_found(site: Advised) -> None:
    for id in ("a9", "r1", "u1"):
        answer = site.get(f"/recommendations/{id}")
        assert (answer.status_code, answer.json()["field"]) == (404, "id")
    assert site.get("/decisions").json()["decisions"] == []


def test_a_recommendation_without_category_or_text_is_ranked(site: Advised) -> None:
    site.engine.record([fact("recommendation", "bare", assessment="a1")])
    answer = site.get("/recommendations/a1?diversity=0.3").json()
    assert "bare" in [item["recommendation_id"] for item in answer["items"]]


def test_the_routes_of_every_application_are_there(site: Advised) -> None:
    act(site, "r1", "view", 3, query_id=site.get("/recommendations/a1").json()["query_id"])
    listed = site.get("/recommendations/a1?user=u1").json()
    replayed = site.post(f"/decisions/{listed['decision_id']}/replay", {}).json()
    assert replayed["verdict"] == "exact"
    body = {"subject": "u1", "group": "a1", "n": 3}
    shown = [item["id"] for item in site.post("/recommend", body).json()["items"]]
    assert shown == [item["recommendation_id"] for item in listed["items"]][:3]
    explained = site.post("/explain", {**body, "item": "r1"}).json()
    assert explained["shown"] is True
    assert site.post("/predict", {"pairs": [{"subject": "u1", "item": "r1"}]}).json()[0]["estimate"]["value"] > 0
    paths = ["models", "model/status", "jobs", "stats", "settings", "decisions", "events", "quarantine"]
    paths += ["features/user/u1", "features/recommendation/r1", "features/interaction/u1/r1"]
    assert [path for path in paths if site.get(f"/{path}").status_code != 200] == []
    assert len(site.get("/features/interaction/u1/r1").json()["features"]) > 20


def test_applications_without_groups_say_so(site: Advised) -> None:
    body = {"interaction_type": "view"}
    asked = [
        ("GET", "/a1", None), ("GET", "/stats/p1", None), ("GET", "/user/history?user=u1", None),
        ("POST", "/interact/p1", body), ("POST", "/interact", [{"recommendation_id": "p1", **body}]),
    ]  # fmt: skip
    for method, path, sent in asked:
        answer = site.send(method, f"/api/v1/feed/recommendations{path}", sent, token="feed")
        assert answer.status_code == 404
        assert "feed has no assessments" in answer.json()["detail"]


def test_an_interaction_is_recorded_once(site: Advised) -> None:
    first = act(site, "r1", "view", 12.5, id="i1", query_id="q1", context={"session": "s1", "card": 2})
    assert first.json() == {"status": "accepted", "message": "view of r1 recorded", "id": "i1"}
    site.engine.clock.move(60)
    again = act(site, "r1", "view", 12.5, id="i1", query_id="q1", context={"session": "s1", "card": 2})
    assert again.json()["status"] == "duplicate"
    [event] = site.events()
    assert (event["query_id"], event["actor"]["id"]) == ("q1", "u1")
    assert event["fields"] == {"seconds": 12.5, "session": "s1", "context": {"card": 2}}
    other = act(site, "r2", "view", 12.5, id="i1")
    assert (other.status_code, other.json()["field"]) == (409, "id")
    assert len(site.events()) == 1


def test_an_idempotency_key_makes_a_retry_count_once(site: Advised) -> None:
    headers = {"Idempotency-Key": "k1"}
    bodies = [{"interaction_type": "save"}, {"interaction_type": "save"}]
    found = [site.post(f"{ACT}/r1", body, headers=headers).json()["status"] for body in bodies]
    assert found == ["accepted", "duplicate"]
    rows = [{"recommendation_id": id, "interaction_type": "click"} for id in ("r1", "r2")]
    assert site.post(ACT, rows, headers={"Idempotency-Key": "k2"}).json()["accepted"] == 2
    assert site.post(ACT, rows, headers={"Idempotency-Key": "k2"}).json()["duplicates"] == 2


def test_who_acted_is_named_or_owns_the_assessment(site: Advised) -> None:
    act(site, "r1", "click", user="u2")
    act(site, "r1", "click", user=None, context={"user": "u3"})
    act(site, "r1", "click", user=None)
    assert [event["actor"]["id"] for event in site.events()] == ["u2", "u3", "u1"]
    refused = act(site, "r9", "click", user=None)
    assert (refused.status_code, refused.json()["field"]) == (422, "user")
    assert len(site.events()) == 3


@pytest.mark.parametrize(
    ("item", "body", "status", "field"),
    [
        ("r1", {"interaction_type": "buy"}, 422, "interaction_type"),
        ("r1", {"interaction_type": "entity.delete"}, 422, "interaction_type"),
        ("r1", {}, 422, "interaction_type"),
        ("r1", {"interaction_type": "rate"}, 422, "interaction_value"),
        ("r1", {"interaction_type": "rate", "interaction_value": 0}, 422, "interaction_value"),
        ("r1", {"interaction_type": "rate", "interaction_value": 5.5}, 422, "interaction_value"),
        ("r1", {"interaction_type": "rate", "interaction_value": "5"}, 422, "interaction_value"),
        ("r1", {"interaction_type": "rate", "interaction_value": True}, 422, "interaction_value"),
        ("r1", {"interaction_type": "view", "interaction_value": -1}, 422, "interaction_value"),
        ("r1", {"interaction_type": "view", "interaction_value": 1e300}, 422, "interaction_value"),
        ("r1", {"interaction_type": "view", "context": {"session": 7}}, 422, "context.session"),
        ("r1", {"interaction_type": "view", "context": [1]}, 422, "context"),
        ("r1", {"interaction_type": "view", "context": {"user": 7}}, 422, "user"),
        ("r1", {"interaction_type": "view", "at": "2027-01-01T00:00:00Z"}, 422, "at"),
        ("r1", {"interaction_type": "view", "at": "yesterday"}, 422, "at"),
        ("r1", {"interaction_type": "view", "stars": 5}, 422, "stars"),
        ("r99", {"interaction_type": "view"}, 404, "recommendation_id"),
        ("a1", {"interaction_type": "view"}, 404, "recommendation_id"),
    ],
)
def test_an_impossible_interaction_is_refused_and_writes_nothing(
    site: Advised, item: str, body: Any, status: int, field: str
) -> None:
    before = site.get("/stats").json()["received"]
    answer = site.post(f"{ACT}/{item}", body)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    assert answer.json()["remedy"]
    assert site.get("/stats").json()["received"] == before


@pytest.mark.parametrize("raw", [b"Infinity", b"-Infinity", b"NaN", b"1e999", b"1" * 400])
def test_a_value_that_is_no_number_is_refused(site: Advised, raw: bytes) -> None:
    body = b'{"interaction_type": "view", "interaction_value": ' + raw + b"}"
    assert site.post(f"{ACT}/r1", raw=body).status_code in (400, 422)
    assert site.events() == []


def test_a_batch_has_a_receipt_per_row(site: Advised) -> None:
    good = {"recommendation_id": "r1", "interaction_type": "save", "id": "i1"}
    rows = [
        good, good, {**good, "interaction_type": "click"}, {**good, "id": "i2", "recommendation_id": "r99"},
        {"recommendation_id": "r1", "interaction_type": "rate", "interaction_value": 9, "id": "i3"}, 7,
        {**good, "id": "i4", "colour": "red"}, {"interaction_type": "save"}, {},
    ]  # fmt: skip
    answer = site.post(ACT, rows).json()
    assert [answer[name] for name in ("received", *COUNTS)] == [9, 1, 1, 1, 6]
    assert [one.get("field") for one in answer["receipts"]][3:] == [
        "recommendation_id", "interaction_value", "body", "colour", "recommendation_id", "interaction_type",
    ]  # fmt: skip
    assert answer["receipts"][-1]["reason"].startswith("missing. Use one of")
    kept = site.get("/quarantine").json()["rows"]
    assert [row["event_id"] for row in kept] == ["i2", "i3", None, "i4", None, None]
    mended = {"type": "rate", "actor": "u1", "target": "r1", "fields": {"stars": 4}}
    assert site.post(f"/quarantine/{kept[1]['number']}/repair", mended).json()["verdict"] == "accepted"


@pytest.mark.parametrize(("body", "status"), [([], 422), ({}, 422), ("x", 422), ([{}] * 1001, 413)])
def test_what_is_no_batch_is_refused(site: Advised, body: Any, status: int) -> None:
    assert site.post(ACT, body).status_code == status


def test_what_has_no_upper_bound_is_told_its_lower_one(site: Advised) -> None:
    answer = act(site, "r1", "impression", context={"position": 0})
    assert (answer.status_code, answer.json()["remedy"]) == (422, "Send a number of 1 or more.")


def test_what_another_process_set_a_moment_ago_is_known(site: Advised) -> None:
    row = fact("recommendation", "late", assessment="a1")
    event = site.engine.app.schema.read(row, id="late-1", latest=NOW, now=NOW)
    site.engine.stores.log.append([event])
    assert act(site, "late", "click", user="u1").json()["status"] == "accepted"
    assert site.get("/recommendations/stats/late").json()["total_interactions"] == 1


def test_tracking_is_all_a_page_needs_to_record(site: Advised) -> None:
    body = {"interaction_type": "save", "user": "u2"}
    assert site.post(f"{ACT}/r1", body, token="track").status_code == 200
    assert site.post(ACT, [{**body, "recommendation_id": "r2"}], token="track").json()["accepted"] == 1
    for path in ("/recommendations/a1", "/recommendations/stats/r1", "/recommendations/user/history?user=u2"):
        assert site.get(path, token="track").status_code == 403
    assert site.post(f"{ACT}/r1", body, token="reader").status_code == 403


def test_an_interaction_shows_in_the_features_and_the_next_list(site: Advised) -> None:
    before = site.get("/recommendations/a1").json()["as_of"]
    act(site, "r4", "implement")
    after = site.get("/recommendations/a1").json()
    assert after["as_of"] > before
    assert site.get("/features/interaction/u1/r4").json()["as_of"] == after["as_of"]


def test_stats_of_an_item_never_shown_are_null_with_a_reason(site: Advised) -> None:
    answer = site.get("/recommendations/stats/r1").json()
    assert answer["total_interactions"] == answer["impressions"] == answer["users"] == 0
    assert set(answer["type_counts"].values()) == {0}
    rate = answer["click_through_rate"]
    assert (rate["value"], rate["low"], rate["high"], rate["why"]) == (None, None, None, "no view yet")
    assert answer["implementation_rate"]["why"] == "no click yet"
    assert (answer["avg_label"]["value"], answer["avg_label"]["why"]) == (None, "no graded interaction yet")


def test_stats_count_and_name_what_they_are_of(site: Advised) -> None:
    for user in ("u1", "u2", "u3", "u4"):
        act(site, "r1", "view", 1, user=user)
    act(site, "r1", "click", user="u1")
    act(site, "r1", "click", user="u2")
    act(site, "r1", "implement", user="u1")
    act(site, "r1", "dismiss", user="u4")
    act(site, "r1", "impression", user="u9")
    act(site, "r2", "view", 1, user="u1")
    answer = site.get("/recommendations/stats/r1").json()
    assert answer["total_interactions"] == 8
    assert (answer["impressions"], answer["users"]) == (1, 4)
    counts = {"view": 4, "click": 2, "implement": 1, "save": 0, "share": 0, "rate": 0, "dismiss": 1}
    assert answer["type_counts"] == counts
    rate = answer["click_through_rate"]
    assert (rate["value"], rate["numerator"], rate["denominator"], rate["counts"]) == (0.5, 2, 4, "click / view")
    assert (round(rate["low"], 4), round(rate["high"], 4), rate["level"]) == (0.15, 0.85, 0.95)
    assert answer["implementation_rate"]["value"] == 0.5
    # implement 1, click 0.4, view of a second 0.1, and a dismissal that outweighs the view.
    assert math.isclose(answer["avg_label"]["value"], (1.0 + 0.4 + 0.1 - 1.0) / 4)
    assert answer["avg_label"]["denominator"] == 4


def test_labels_in_force_grade_the_statistics(site: Advised) -> None:
    act(site, "r1", "rate", 3)
    assert site.get("/recommendations/stats/r1").json()["avg_label"]["value"] == pytest.approx(0.6)
    scale = {"field": "stars", "points": [[1, -1.0], [5, 0.8]]}
    site.put("/settings", {"grading": {"scales": {"rate": scale}}})
    assert site.get("/recommendations/stats/r1").json()["avg_label"]["value"] == pytest.approx(-0.1)


def test_more_clicks_than_views_have_no_interval(site: Advised) -> None:
    for type in ("click", "click", "view"):
        act(site, "r1", type)
    rate = site.get("/recommendations/stats/r1").json()["click_through_rate"]
    assert (rate["value"], rate["low"], rate["why"]) == (2.0, None, "more click than view")


def test_stats_of_an_unknown_recommendation_are_not_found(site: Advised) -> None:
    for id in ("r99", "a1", "%00"):
        assert site.get(f"/recommendations/stats/{id}").status_code in (404, 422)


def test_a_history_counts_and_prefers(site: Advised) -> None:
    assert CATEGORIES[:2] == ("security", "cost_optimization")
    act(site, "r1", "view", 1, id="i1")
    act(site, "r1", "click", id="i2")
    act(site, "r3", "implement", id="i3")
    act(site, "r2", "dismiss", id="i4", context={"why": "no budget"})
    act(site, "r4", "save", id="i5")
    act(site, "r1", "view", 1, user="u2")
    answer = site.get("/recommendations/user/history?user=u1&limit=2").json()
    assert answer["totals"]["interactions"] == 5
    assert answer["totals"]["recommendations"] == 4
    assert answer["type_counts"]["dismiss"] == 1
    preferences = answer["category_preferences"]
    assert [one["category"] for one in preferences] == [None, "security", "cost_optimization"]
    assert [one["avg_label"]["value"] for one in preferences] == pytest.approx([0.8, 0.7, -1.0])
    assert [one["interactions"] for one in preferences] == [1, 3, 1]
    assert math.isclose(sum(one["share"] for one in preferences), 1.0)
    assert (answer["implementation_rate"]["numerator"], answer["implementation_rate"]["denominator"]) == (1, 1)
    assert math.isclose(answer["avg_engagement"]["value"], (0.4 + 1.0 - 1.0 + 0.8) / 4)
    newest = [(one["recommendation_id"], one["interaction_type"]) for one in answer["interactions"]]
    assert newest == [("r4", "save"), ("r2", "dismiss")]
    assert answer["interactions"][1]["fields"] == {"context": {"why": "no budget"}}


def test_a_history_of_nobody_is_empty(site: Advised) -> None:
    answer = site.get("/recommendations/user/history?user=stranger").json()
    assert answer["totals"]["interactions"] == 0
    assert (answer["totals"]["first_at"], answer["category_preferences"], answer["interactions"]) == (None, [], [])
    assert answer["avg_engagement"]["why"]
    assert site.get("/recommendations/user/history").json()["field"] == "user"
    assert site.get("/recommendations/user/history?user=u1&limit=0").json()["field"] == "limit"


def test_statistics_follow_who_was_merged(site: Advised) -> None:
    act(site, "r1", "view", 1, user="visitor")
    act(site, "r1", "click", user="u1")
    merge = {"type": "entity.merge", "actor": {"kind": "user", "id": "u1"}, "target": {"kind": "user", "id": "visitor"}}
    site.post("/events", merge)
    assert site.get("/recommendations/user/history?user=u1").json()["totals"]["interactions"] == 2
    assert site.get("/recommendations/user/history?user=visitor").json()["totals"]["interactions"] == 2
    assert site.get("/recommendations/stats/r1").json()["users"] == 1


@pytest.fixture(scope="module")
def shared() -> Iterator[Advised]:
    served = Advised()
    yield served
    counts = served.get("/stats").json()
    assert counts["received"] == sum(counts[name] for name in COUNTS)
    assert counts["folded"] == served.engine.stores.log.last()
    served.close()


BODIES = st.fixed_dictionaries(
    {},
    optional={
        "interaction_type": st.sampled_from(["view", "rate", "save", "dismiss", "impression"]) | ANYTHING,
        "interaction_value": st.sampled_from([1, 5, 6, -1, 0.5]) | ANYTHING,
        "context": st.dictionaries(st.sampled_from(["session", "user", "position", "x"]), ANYTHING) | ANYTHING,
        "user": st.sampled_from(["u1", "u2"]) | ANYTHING, "id": st.text(max_size=3) | ANYTHING,
        "query_id": ANYTHING, "at": st.sampled_from(["2026-02-01T11:00:00Z", "9999-12-31T23:59:59Z"]) | ANYTHING,
        "recommendation_id": st.sampled_from(["r1", "r2", "r9", "r77"]) | ANYTHING, "more": ANYTHING,
    },
)  # fmt: skip
MODEST = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@MODEST
@given(BODIES | ANYTHING, st.sampled_from(["r1", "r9", "r77"]))
def test_any_interaction_is_answered(shared: Advised, body: Any, item: str) -> None:
    log = shared.engine.stores.log
    before = log.counts().received
    answer = shared.post(f"{ACT}/{item}", body if body is not None else {})
    assert answer.status_code in (200, 400, 404, 409, 422), answer.text
    assert log.counts().received == before + (answer.status_code in (200, 409))


@MODEST
@given(st.lists(BODIES | ANYTHING, min_size=1, max_size=6))
def test_any_batch_of_interactions_is_accounted_for(shared: Advised, rows: list[Any]) -> None:
    before = shared.engine.stores.log.counts().received
    answer = shared.post(ACT, rows).json()
    assert answer["received"] == len(rows) == sum(answer[name] for name in COUNTS)
    assert shared.engine.stores.log.counts().received == before + len(rows)
