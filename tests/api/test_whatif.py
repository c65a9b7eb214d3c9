"""What if over a period, over HTTP: the report, what is kept of it, and who may ask."""

import pytest

from tests.engine.periods import house, later, readers

from .served import Site


@pytest.fixture(scope="module")
def period():
    """A site whose workspace `feed` has decisions of sixty readers and two versions."""
    made = []

    def make(name):
        engine, _, other = house()
        if name == "feed":
            readers(engine, 0, users=60)
            later(engine)
            made.append(other)
        return engine

    site = Site(make)
    yield site, made[0]
    site.close()


def test_the_report_is_given_and_kept(period: tuple[Site, str]) -> None:
    site, version = period
    found = site.post("/replay", {"model": version, "seed": 1})
    assert found.status_code == 200, found.text
    told = found.json()
    assert (told["version"], told["replayed"], told["verdicts"]) == (version, 240, {"exact": 240})
    assert told["clicks"]["places"] >= 1
    assert told["clicks"]["logged"]["low"] < told["clicks"]["logged"]["value"]
    reviews = site.get(f"/models/{version}").json()["reviews"]
    assert [(each["kind"], each["body"]) for each in reviews] == [("shadow", told)]


def test_a_part_of_it(period: tuple[Site, str]) -> None:
    site, version = period
    body = {"model": version, "from": "2026-01-19T00:00:11Z", "until": "2026-01-19T02:00:31+02:00", "sample": 5}
    told = site.post("/replay", body).json()
    assert (told["decisions"], told["replayed"]) == (20, 5)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "model"),
        ({"model": "m_nothing"}, 404, "no model version"),
        ({"model": 1}, 422, "model"),
        ({"sample": 0}, 422, "sample"),
        ({"sample": 10_001}, 422, "sample"),
        ({"seed": -1}, 422, "seed"),
        ({"from": "yesterday"}, 422, "from"),
        ({"from": "2026-01-19T00:00:11"}, 422, "from"),
        ({"from": "2027-01-01T00:00:00Z"}, 422, "no decisions of home in the period"),
        ({"from": "2026-01-19T00:00:11Z", "until": "2026-01-19T00:00:11Z"}, 422, "ends before it begins"),
        ({"at": "2026-01-19T00:00:11Z"}, 422, "at"),
    ],
)
def test_impossible_requests(period: tuple[Site, str], body: dict, status: int, said: str) -> None:
    site, version = period
    sent = body if "model" in body or not body else {"model": version, **body}
    answer = site.post("/replay", sent)
    assert answer.status_code == status, answer.text
    assert said in answer.text


def test_only_who_may_change_things_may_ask(period: tuple[Site, str]) -> None:
    site, version = period
    path = "/api/v1/feed/replay"
    assert site.send("POST", path, {"model": version}, token="reader").status_code == 403
    assert site.send("POST", path, {"model": version}, token=None).status_code == 401
    assert site.send("POST", path, {"model": version}, token="other").status_code == 404
    assert site.send("POST", "/api/v1/other/replay", {"model": version}, token="other").status_code in (404, 422)
