"""Pages of other origins: what browsers are told, and who may record interactions."""

from collections.abc import Iterator

import httpx
import pytest

from .advised import Advised
from .test_segment import SAVE

SHOP, OTHER = "https://shop.example", "https://evil.example"
BODY = {"batch": [SAVE], "writeKey": "pf_track"}


@pytest.fixture
def site() -> Iterator[Advised]:
    served = Advised()
    assert served.put("/settings", {"origins": [SHOP]}).json() == {"origins": [SHOP]}
    yield served
    served.close()


def preflight(site: Advised, path: str, origin: str = SHOP, method: str = "POST") -> httpx.Response:
    """Ask as a browser does before a request of a page."""
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    return site.loop.run_until_complete(site.ask("OPTIONS", path, None, headers))


def test_a_browser_is_told_that_a_listed_page_may_track(site: Advised) -> None:
    for path in ("/v1/batch", "/v1/track", "/api/v1/advisor/recommendations/interact/r1"):
        answer = preflight(site, path)
        assert answer.status_code == 204, path
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert answer.headers["access-control-allow-methods"] == "POST"
        assert "Content-Type" in answer.headers["access-control-allow-headers"]
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("path", "origin", "method"),
    [
        ("/v1/batch", OTHER, "POST"),
        ("/v1/batch", "null", "POST"),
        ("/v1/batch", f"{SHOP}.evil.example", "POST"),
        ("/v1/batch", SHOP, "DELETE"),
        ("/api/v1/advisor/events", SHOP, "POST"),
        ("/api/v1/advisor/recommend", SHOP, "POST"),
        ("/api/v1/advisor/settings", SHOP, "PUT"),
        ("/api/v1/advisor/recommendations/a1", SHOP, "GET"),
    ],
)
def test_no_other_page_and_no_other_operation_is_let_in(site: Advised, path: str, origin: str, method: str) -> None:
    answer = preflight(site, path, origin, method)
    assert answer.status_code == 405
    assert "access-control-allow-origin" not in answer.headers


def test_a_listed_page_records_and_reads_the_answer(site: Advised) -> None:
    answer = site.send("POST", "/v1/batch", BODY, token=None, headers={"Origin": SHOP})
    assert answer.json()["accepted"] == 1
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    refused = site.send("POST", "/v1/batch", {**BODY, "writeKey": "x"}, token=None, headers={"Origin": SHOP})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, SHOP)


@pytest.mark.parametrize(
    "origin", [OTHER, "null", "", "https://localhost.evil.example", "http://[", "http://[]localhost"]
)
def test_a_page_that_is_not_listed_records_nothing(site: Advised, origin: str) -> None:
    answer = site.send("POST", "/v1/batch", BODY, token=None, headers={"Origin": origin, "Content-Type": "text/plain"})
    assert answer.status_code == 403
    assert answer.json()["field"] == "Origin"
    assert "access-control-allow-origin" not in answer.headers
    assert site.events() == []


def test_pages_of_the_server_itself_and_programs_need_no_listing(site: Advised) -> None:
    own = site.send("POST", "/v1/batch", BODY, token=None, headers={"Origin": "http://localhost"})
    assert own.status_code == 200
    assert site.send("POST", "/v1/batch", BODY, token=None).json()["duplicates"] == 1


def test_an_origin_is_listed_by_the_workspace_of_the_key(site: Advised) -> None:
    key = {**BODY, "writeKey": "pf_feed"}
    answer = site.send("POST", "/v1/batch", key, token=None, headers={"Origin": SHOP})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "origin", ["*", "shop.example", "https://shop.example/", "https://Shop.example", "ftp://x", "null", "https://"]
)
def test_what_is_no_origin_is_refused(site: Advised, origin: str) -> None:
    answer = site.put("/settings", {"origins": [origin]})
    assert (answer.status_code, answer.json()["field"]) == (422, "origins")
