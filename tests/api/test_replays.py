"""Decisions made again over HTTP."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engine.releases import EVENTS, FIRST, SECOND, saved

from .served import Site
from .test_api_models import toy_engine


@pytest.fixture
def toy():
    site = Site(toy_engine)
    yield site
    site.close()


@pytest.fixture
def decided(toy: Site) -> dict:
    engine = toy.engines["feed"]
    engine.release(saved(engine, FIRST).id, 0)
    return toy.post("/recommend", {"subject": "u5", "n": 10}).json()


def replayed(toy: Site, decided: dict, body: dict, status: int = 200) -> dict:
    answer = toy.post(f"/decisions/{decided['decision']}/replay", body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_decision_is_equal_bit_for_bit_whatever_happened_since(toy: Site, decided: dict) -> None:
    for item in decided["items"][:5]:
        toy.post("/events", {"type": "hide", "actor": "u5", "target": item["id"]})
    toy.put("/settings", {"diversity": {"home": 0.3}})
    found = replayed(toy, decided, {})
    assert (found["verdict"], found["otherwise"], found["differences"]) == ("exact", None, [])
    assert found["text"] == "equal bit for bit, on the same code, packages and processor"
    assert found["again"] == {**decided, "took_ms": 0.0}
    assert found["logged"] == decided
    logged = toy.get(f"/decisions/{decided['decision']}").json()
    assert logged["made"] == found["ground"]["then"] == found["ground"]["now"]
    assert (logged["version"], logged["asked"]) == (decided["model"], ["newest"])
    assert len(toy.get("/decisions").json()["decisions"]) == 1


def test_what_would_have_been_shown(toy: Site, decided: dict) -> None:
    other = saved(toy.engines["feed"], SECOND).id
    instead = replayed(toy, decided, {"model": other})["otherwise"]
    assert instead["slate"]["model"] == other
    assert instead["change"] == {"model": other}
    then, now = ([item["id"] for item in slate["items"]] for slate in (decided, instead["slate"]))
    for move in instead["moves"]:
        assert move["before"] == (then.index(move["item"]) + 1 if move["item"] in then else None)
        assert move["after"] == (now.index(move["item"]) + 1 if move["item"] in now else None)
        assert move["why"]
    rules = [{"do": "filter", "where": {"category": {"exists": False}}, "name": "without a category"}]
    nothing = replayed(toy, decided, {"rules": rules})["otherwise"]
    assert nothing["slate"]["items"] == []
    assert {move["why"] for move in nothing["moves"]} == {"left: it fails the condition: without a category"}
    earlier = replayed(toy, decided, {"at": EVENTS[600].at.isoformat(), "diversity": 0.5})["otherwise"]
    assert earlier["slate"]["as_of"] < decided["as_of"]


def test_bad_changes_and_ids(toy: Site, decided: dict) -> None:
    assert replayed(toy, decided, {"diversity": 2}, 422)["field"] == "diversity"
    assert replayed(toy, decided, {"at": "2026-01-01T00:00:00"}, 422)["field"] == "at"
    assert replayed(toy, decided, {"at": "soon"}, 422)["field"] == "at"
    assert replayed(toy, decided, {"rules": [{"do": "cap"}]}, 422)["field"] == "rules.per"
    assert replayed(toy, decided, {"rules": [{"do": "zap"}]}, 422)
    assert replayed(toy, decided, {"rules": [{"do": "seen_out"}] * 51}, 422)
    assert replayed(toy, decided, {"lambda": 0.5}, 422)
    gone = replayed(toy, decided, {"model": "m_nope"}, 409)
    assert "m_nope cannot be loaded" in gone["detail"]
    assert "Give another version" in gone["remedy"]
    elsewhere = toy.send("POST", "/api/v1/other/recommend", {"subject": "u1"}, token="other").json()
    for _ in range(3):
        elsewhere = toy.send("POST", "/api/v1/other/recommend", {"subject": "u1"}, token="other").json()
    unknown, foreign = replayed(toy, {"decision": "d_nope"}, {}, 404), replayed(toy, elsewhere, {}, 404)
    same = {"request_id", "instance"}
    assert {k: v for k, v in unknown.items() if k not in same} == {k: v for k, v in foreign.items() if k not in same}


def test_who_may_read_may_replay(toy: Site, decided: dict) -> None:
    path = f"/decisions/{decided['decision']}/replay"
    assert toy.post(path, {}, token="reader").status_code == 200
    assert toy.post(path, {}, token="none").status_code == 403
    assert toy.post(path, {}, token="other").status_code == 404


def test_the_present_does_not_wait_for_the_past(toy: Site, decided: dict) -> None:
    """Replays have a thread of their own: while one holds it, slates are made."""
    engine = toy.engines["feed"]
    with ThreadPoolExecutor(1) as pool, engine.past.held():
        waiting = pool.submit(engine.replay, decided["decision"])
        assert toy.post("/recommend", {"subject": "u5", "n": 10}).status_code == 200
        assert not waiting.done()
    assert waiting.result().verdict == "exact"
    assert toy.app.state.site.lanes["replay"].limiter.total_tokens == 1
