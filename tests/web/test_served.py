"""The tracker and the demo page in a real browser against a real server."""

import signal
from collections import Counter

import httpx
import pytest

from .browser import missing
from .served import Advisor
from .stub import Stub

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")


@pytest.fixture(scope="module")
def advisor(tmp_path_factory):
    served = Advisor(tmp_path_factory.mktemp("served"))
    yield served
    served.stop(signal.SIGKILL)


def site(advisor, path="shop") -> Stub:
    """A site of another origin whose page loads the tracker from the server."""
    key = advisor.tokens["track"]
    tag = f'<script src="{advisor.url}/tracker.js" data-write-key="{key}" data-user="u1" data-interval="150"></script>'
    return Stub({path: f"<!doctype html><title>Shop</title>{tag}"})


def allow(advisor, *origins: str, workspace: str = "advisor") -> None:
    secret = (advisor.feed if workspace == "feed" else advisor.tokens)["admin"]
    url = f"{advisor.url}/api/v1/{workspace}/settings"
    answer = httpx.put(url, json={"origins": list(origins)}, headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200, answer.text


def test_events_of_a_site_count_once_through_reload_crash_and_closed_tab(advisor, person, until) -> None:
    shop = site(advisor)
    try:
        allow(advisor, shop.url)
        page = person.new_page()
        page.goto(f"{shop.url}/shop")
        page.evaluate("proffer.track('r1', 'rate', 5, {note: 'reload'})")
        page.reload()
        until(lambda: len(advisor.told("rate")) == 1, page)
        until(lambda: page.evaluate("proffer.state().waiting") == 0, page)
        advisor.stop(signal.SIGKILL)
        page.evaluate("proffer.track('r2', 'rate', 4)")
        page.wait_for_timeout(500)
        assert page.evaluate("proffer.state().waiting") == 1
        advisor.start()
        until(lambda: page.evaluate("proffer.state().waiting") == 0, page, seconds=20)
        page.evaluate("proffer.track('r3', 'rate', 3)")
        page.close()
        until(lambda: len(advisor.told("rate")) == 3)
        page = person.new_page()
        page.goto(f"{shop.url}/shop")
        until(lambda: page.evaluate("proffer.state().sent") == 1, page)
        found = advisor.told("rate")
        assert [(each["target"]["id"], each["fields"]["stars"]) for each in found] == [("r1", 5), ("r2", 4), ("r3", 3)]
        assert found[0]["fields"]["context"]["note"] == "reload"
        assert all(len(each["fields"]["session"]) == 36 and each["actor"]["id"] == "u1" for each in found)
    finally:
        shop.stop()


def test_a_site_that_is_not_listed_records_nothing_and_is_not_disturbed(advisor, person) -> None:
    shop = site(advisor)
    try:
        allow(advisor)
        page = person.new_page()
        failures = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(f"{shop.url}/shop")
        page.evaluate("proffer.track('r4', 'share')")
        page.wait_for_timeout(800)
        assert advisor.told("share") == []
        assert failures == []
    finally:
        shop.stop()


def test_a_feed_is_told_of_in_its_own_words(advisor, person, until) -> None:
    tag = f'<script src="{advisor.url}/tracker.js" data-write-key="{advisor.feed["track"]}" data-user="u1"'
    post = '<article data-proffer-item="p1" data-proffer-position="2"><button data-proffer-action="like">like</button>'
    shop = Stub({"posts": f"<!doctype html><title>Posts</title>{post}</article>{tag} data-interval=150></script>"})
    try:
        allow(advisor, shop.url, workspace="feed")
        page = person.new_page()
        page.goto(f"{shop.url}/posts")
        page.click("text=like")
        page.wait_for_timeout(1100)
        page.close()
        until(lambda: advisor.told("view", "feed"))
        ((like,), (view,), (seen,)) = (advisor.told(type, "feed") for type in ("like", "view", "impression"))
        assert {each["target"]["id"] for each in (like, view, seen)} == {"p1"}
        assert view["fields"]["seconds"] >= 1
        assert seen["fields"]["position"] == 2
        assert advisor.get("/quarantine", "feed")["rows"] == []
    finally:
        shop.stop()


def ids(page) -> list[str]:
    return page.eval_on_selector_all("#cards > li", "cards => cards.map((card) => card.dataset.profferItem)")


def test_the_demo_page_learns_from_what_is_done_on_it(advisor, person, until) -> None:
    page = person.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(advisor.page(user="u9", assessments="a1,a2"))
    until(lambda: len(ids(page)) == 12, page)
    assert "A toy world" in page.inner_text("header")
    until(lambda: "Web shop" in page.inner_text("#about"), page)
    before = ids(page)
    last = next(id for id in reversed(before) if int(id[1:]) % 3 == 2)
    card = page.locator(f"[data-proffer-item={last}]")
    card.locator("summary").click()
    for name in ("Save for later", "Share", "4 of 5", "Mark as implemented"):
        card.get_by_role("button", name=name).click()
        page.wait_for_selector("#cards[aria-busy=false]")
    until(lambda: last not in ids(page), page)
    after = ids(page)
    security = {f"r{number}" for number in range(1, 13) if number % 3 == 2} - {last}
    assert sum(map(after.index, security)) < sum(map([id for id in before if id != last].index, security))
    assert page.locator(".moved.up").count() > 0
    first = after[0]
    page.locator(f"[data-proffer-item={first}]").get_by_role("button", name="Dismiss").click()
    until(lambda: first not in ids(page), page)
    page.wait_for_timeout(1100)
    page.close()
    until(lambda: [each for each in advisor.told("view") if each["actor"]["id"] == "u9"])
    mine = {}
    for type in ("impression", "view", "click", "save", "share", "rate", "implement", "dismiss"):
        mine[type] = [each for each in advisor.told(type) if each["actor"]["id"] == "u9"]
    told = {type: len(found) for type, found in mine.items() if type not in ("impression", "view")}
    assert told == {"click": 1, "save": 1, "share": 1, "rate": 1, "implement": 1, "dismiss": 1}
    assert mine["rate"][0]["fields"]["stars"] == 4
    assert {each["target"]["id"] for each in mine["dismiss"]} == {first}
    assert {each["fields"]["position"] for each in mine["impression"]} <= set(range(1, 13))
    assert all(each["fields"]["seconds"] >= 1 for each in mine["view"])
    decisions = {each["id"] for each in advisor.get("/decisions", subject="u9", limit=100)["decisions"]}
    assert len(decisions) >= 5
    assert all(each["query_id"].startswith("q_") for found in mine.values() for each in found)
    assert set(Counter(each["id"] for found in mine.values() for each in found).values()) == {1}
    assert complaints == []


def test_the_demo_page_says_so_where_there_is_nothing_to_show(advisor, person, until) -> None:
    page = person.new_page()
    page.goto(advisor.page(user="u1", assessments="a2"))
    until(lambda: "no recommendations" in page.inner_text("#ranked"), page)
    page.goto("about:blank")
    page.goto(f"{advisor.url}/demo")
    until(lambda: "make demo" in page.inner_text("#ranked"), page)
    page.goto("about:blank")
    page.goto(advisor.page(assessments="a9"))
    until(lambda: "No order" in page.inner_text("#ranked"), page)


def test_an_opt_out_on_the_demo_page_holds(advisor, person, until) -> None:
    page = person.new_page()
    page.goto(advisor.page(user="u8", assessments="a1"))
    until(lambda: len(ids(page)) == 12, page)
    page.click("#out")
    before = len(advisor.told("save"))
    page.locator("#cards > li").first.get_by_role("button", name="Save for later").click()
    page.wait_for_timeout(1200)
    assert "opt-out" in page.inner_text("#told")
    assert len(advisor.told("save")) == before
