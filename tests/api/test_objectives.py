"""Objectives over HTTP: weighed per request, told with what they gain and cost, refused where they cannot be."""

import pytest

from .served import Site


def test_a_slate_tells_what_weighing_gained_and_cost(filled: Site) -> None:
    plain = filled.post("/recommend", {"subject": "u2"}).json()
    assert (plain["tradeoff"], plain["diversity_score"]) == (None, None)
    found = filled.post("/recommend", {"subject": "u2", "objectives": {"fresh": 2, "relevance": 0.5}, "diversity": 0.5})
    slate = found.json()
    assert 0.0 <= slate["diversity_score"] <= 1.0
    trade = slate["tradeoff"]
    assert (trade["entered"], trade["why"]) == (0, None)
    assert 0.0 <= trade["relevance"] <= 1.0
    fresh = trade["aims"]["fresh"]
    assert (fresh["weight"], fresh["text"], fresh["column"], fresh["better"]) == (2.0, "fresh", "i_freshness", "more")
    assert fresh["mean"] is not None
    assert trade["aims"]["relevance"]["column"] is None
    logged = filled.get(f"/decisions/{slate['decision']}").json()
    assert logged["objectives"] == {"fresh": 2.0, "relevance": 0.5}
    assert (logged["tradeoff"], logged["diversity_score"]) == (trade, slate["diversity_score"])


WRONG = [
    ({"beauty": 1}, "unknown name 'beauty'. Use one of fresh, relevance."),
    ({"fresh": -1}, "out of range"),
    ({"fresh": 0}, "no weight is above 0"),
    ({}, "no weight is above 0"),
    ({"fresh": "much"}, "expected a number"),
    (["fresh"], "expected `object"),
    ({f"o{number}": 1 for number in range(51)}, "length <= 50"),
]


@pytest.mark.parametrize(("weights", "why"), WRONG)
@pytest.mark.parametrize("path", ["/recommend", "/rank", "/explain"])
def test_weights_that_cannot_be_weighed_are_answered_clearly(filled: Site, path: str, weights: object, why: str):
    body = {"subject": "u2", "objectives": weights}
    body |= {"candidates": ["p1", "p2"]} if path == "/rank" else {"item": "p1"} if path == "/explain" else {}
    answer = filled.post(path, body)
    assert answer.status_code in (400, 422)
    assert why.partition(". ")[0] in answer.json()["detail"]


def test_no_number_is_no_weight(filled: Site) -> None:
    for value in ("NaN", "Infinity", "1e999"):
        sent = f'{{"subject": "u2", "objectives": {{"fresh": {value}}}}}'.encode()
        answer = filled.post("/recommend", raw=sent)
        assert answer.status_code in (400, 422), answer.text


def test_settings_weigh_and_are_checked(filled: Site) -> None:
    assert filled.put("/settings", {"objectives": {"home": {"beauty": 1}}}).status_code == 422
    assert filled.put("/settings", {"objectives": {"similar": {"fresh": 1}}}).status_code == 422
    assert filled.put("/settings", {"objectives": {"home": {"fresh": 1}}}).status_code == 200
    slate = filled.post("/recommend", {"subject": "u2"}).json()
    assert slate["tradeoff"]["aims"]["fresh"]["weight"] == 1.0


def test_a_replay_under_other_objectives(filled: Site) -> None:
    decided = filled.post("/recommend", {"subject": "u2"}).json()
    path = f"/decisions/{decided['decision']}/replay"
    found = filled.post(path, {"objectives": {"fresh": 1}}).json()
    assert found["verdict"] == "exact"
    assert found["otherwise"]["change"] == {"objectives": {"fresh": 1.0}}
    assert found["otherwise"]["slate"]["tradeoff"]["aims"]["fresh"]["weight"] == 1.0
    assert filled.post(path, {"objectives": {"beauty": 1}}).status_code == 422
