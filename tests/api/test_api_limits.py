"""How much at once, how often, how large, in what form; and what happens when something breaks."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator

import pytest

from proffer.api import bodies
from proffer.api.bodies import BODY_BYTES
from proffer.api.limits import Lane, Limits, Rate
from proffer.api.problems import TooMany
from proffer.core.errors import Busy, CannotStart, StorageFull

from .served import SECRETS, Site

LIKE = {"type": "like", "actor": "u1", "target": "p1", "id": "e1"}
HEADERS = {"Authorization": f"Bearer {SECRETS['feed']}", "Content-Type": "application/json"}


def test_a_bucket_empties_and_fills_again() -> None:
    now = [0.0]
    rate = Rate(60, lambda: now[0])
    left = [rate.take(("feed", "a"))["RateLimit"] for _ in range(60)]
    assert left[0].startswith('"token";r=59;')
    with pytest.raises(TooMany):
        rate.take(("feed", "a"))
    rate.take(("feed", "b"))
    now[0] = 1.0
    rate.take(("feed", "a"))
    with pytest.raises(TooMany):
        rate.take(("feed", "a"))


def test_too_many_requests_are_told_to_wait() -> None:
    site = Site(limits=Limits(requests_per_minute=2))
    answers = [site.get("/stats") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2].headers["retry-after"]) >= 1
    assert site.get("/stats", token="reader").status_code == 200
    site.close()


def test_a_full_queue_is_busy_and_drains() -> None:
    async def play() -> None:
        lane, open_gate = Lane(1, 1), threading.Event()
        running = [asyncio.create_task(lane.run(open_gate.wait)) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(Busy):
            await lane.run(open_gate.wait)
        open_gate.set()
        assert await asyncio.gather(*running) == [True, True]
        assert await lane.run(lambda: 1) == 1

    asyncio.run(play())


def test_health_answers_while_every_other_request_waits() -> None:
    site = Site(limits=Limits(readers=1, waiting=1))
    gate = threading.Event()

    def hang(query: object) -> None:
        gate.wait(10)
        raise Busy("took too long")

    site.engines["feed"].recommend = hang

    async def play() -> tuple[list[int], int]:
        body = json.dumps({"subject": "u1"}).encode()
        asks = [asyncio.create_task(site.ask("POST", "/api/v1/feed/recommend", body, HEADERS)) for _ in range(5)]
        await asyncio.sleep(0.1)
        alive = [
            await site.ask("GET", path, None, HEADERS)
            for path in ("/health/live", "/health/ready", "/health", "/metrics")
        ]
        busy = [answer for answer in [task.result() for task in asks if task.done()] if answer.status_code == 503]
        assert all(answer.headers["retry-after"] for answer in busy)
        gate.set()
        await asyncio.gather(*asks)
        return [answer.status_code for answer in alive], len(busy)

    alive, busy = site.loop.run_until_complete(play())
    assert alive == [200, 200, 200, 200]
    assert busy == 3
    site.close()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_ten_megabytes_is_refused_before_it_is_read(site: Site, chunked: bool) -> None:
    sent = []

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(160):
            sent.append(65_536)
            yield b" " * 65_536

    headers = HEADERS if chunked else HEADERS | {"Content-Length": str(160 * 65_536)}
    answer = site.loop.run_until_complete(site.ask("POST", "/api/v1/feed/events", parts(), headers))
    assert answer.status_code == 413
    assert answer.json()["remedy"]
    assert sum(sent) <= (BODY_BYTES + 2 * 65_536 if chunked else 65_536)


def test_a_body_that_trickles_in_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)

    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(100):
            await asyncio.sleep(0.02)
            yield b" "

    answer = site.loop.run_until_complete(site.ask("POST", "/api/v1/feed/events", trickle(), HEADERS))
    assert answer.status_code == 408


def test_a_batch_of_a_thousand_fits_and_one_more_does_not(site: Site) -> None:
    rows = [{**LIKE, "id": f"e{place}", "fields": {"context": {"note": "x" * 3000}}} for place in range(1000)]
    assert site.post("/events", rows).json()["accepted"] == 1000
    refused = site.post("/events", [{**row, "id": f"f{place}"} for place, row in enumerate([*rows, LIKE])])
    assert refused.status_code == 413
    assert site.get("/stats").json()["received"] == 1000


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Encoding": "gzip"}, {"Content-Encoding": "br"},
        {"Content-Type": "multipart/form-data; boundary=x"},
    ],
)  # fmt: skip
def test_only_plain_json_is_taken(site: Site, headers: dict[str, str]) -> None:
    assert site.post("/events", LIKE, headers=headers).status_code == 415
    assert site.get("/stats").json()["received"] == 0


def test_what_is_not_there_is_a_problem_too(site: Site) -> None:
    for path in ("/", "/api", "/api/v1/feed", "/api/v1/feed/events/", "/api/v1/feed/nothing", "//", "/%00", "/%ff"):
        assert site.send("GET", path).status_code == 404
    wrong = site.send("PATCH", "/api/v1/feed/events")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, POST")
    assert site.send("OPTIONS", "/api/v1/feed/events").status_code == 405
    assert "access-control-allow-origin" not in site.send("GET", "/health/live", headers={"Origin": "http://x"}).headers


def test_a_broken_engine_shows_nothing_of_its_inside(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    def broken(query: object) -> None:
        raise RuntimeError("secret path /home/x")

    site.engines["feed"].recommend = broken
    answer = site.post("/recommend", {"subject": "u1"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["request_id"] in caplog.text
    assert "secret path" in caplog.text


def test_a_full_disk_is_told_and_reading_goes_on(filled: Site) -> None:
    def full(*rows: object, **rest: object) -> None:
        raise StorageFull("the disk is full", remedy="Make room.")

    filled.engines["feed"].stores.log.append = full
    assert filled.post("/events", LIKE).status_code == 507
    assert filled.put("/entities/post/p1", {"title": "x"}).status_code == 507
    assert filled.post("/recommend", {"subject": "u1"}).status_code == 200


def test_a_right_taken_away_is_told_and_reading_goes_on(filled: Site, caplog: pytest.LogCaptureFixture) -> None:
    def refused(*rows: object, **rest: object) -> None:
        raise CannotStart("the database does not allow it: permission denied", remedy="Grant it.")

    filled.engines["feed"].stores.log.append = refused
    answer = filled.post("/events", LIKE)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    told = answer.json()
    assert (told["detail"], told["remedy"]) == ("the database does not allow it: permission denied", "Grant it.")
    assert told["request_id"] in caplog.text
    assert filled.post("/recommend", {"subject": "u1"}).status_code == 200


def test_a_missing_model_is_no_error(filled: Site) -> None:
    slate = filled.post("/recommend", {"subject": "u1"}).json()
    assert slate["items"]
    assert slate["fallback"]


def test_a_client_that_leaves_in_the_middle_is_no_failure_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()
    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/feed/events", "raw_path": b"/api/v1/feed/events",
        "query_string": b"", "headers": [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()],
    }  # fmt: skip
    said = iter([{"type": "http.request", "body": b"[", "more_body": True}, {"type": "http.disconnect"}])
    answered: list[object] = []

    async def receive() -> dict[str, object]:
        return next(said)

    async def send(message: object) -> None:
        answered.append(message)

    asyncio.run(site.app(scope, receive, send))
    assert answered == []
    assert 'status="499"' in site.send("GET", "/metrics").text
    assert "failed" not in caplog.text
    site.close()
