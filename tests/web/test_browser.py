"""The tracker in a real browser: what is told arrives, and counts once, whatever becomes of page and network."""

import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from .browser import CHROMIUM, FLAGS, missing
from .stub import Stub

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")


def opened(person, stub, path="cards"):
    page = person.new_page()
    page.goto(f"{stub.url}/{path}")
    return page


def test_cards_tell_of_sight_looks_clicks_and_actions(person, stub, until) -> None:
    page = opened(person, stub)
    until(lambda: stub.told("impression"), page)
    page.click("text=more")
    page.click("text=save")
    page.click("text=4")
    page.wait_for_timeout(1100)
    page.evaluate("document.querySelector('[data-proffer-item=r2]').scrollIntoView()")
    until(lambda: len(stub.told("impression")) == 2 and stub.told("view"), page)
    page.click("text=no")
    until(lambda: stub.told("dismiss"), page)
    assert stub.told("impression") == [("r1", None), ("r2", None)]
    assert stub.told("click") == [("r1", None)]
    assert (stub.told("save"), stub.told("rate"), stub.told("dismiss")) == ([("r1", None)], [("r1", 4)], [("r2", None)])
    ((item, seconds),) = stub.told("view")
    assert item == "r1"
    assert 1 <= seconds < 8
    assert len(stub.events) == len(stub.once)
    for event in stub.events:
        assert event["userId"] == "u1"
        assert event["properties"]["assessment"] == "a1"
        assert event["properties"]["query_id"] == "q1"
    assert {body["form"] for body in stub.batches} == {"text/plain;charset=UTF-8"}
    assert page.evaluate("errors") == []


def test_a_reload_at_once_loses_nothing_and_doubles_nothing(person, stub, until) -> None:
    page = opened(person, stub)
    for number in range(5):
        page.evaluate(f"proffer.track('x{number}', 'save')")
        page.reload()
    until(lambda: page.evaluate("proffer.state().waiting") == 0, page)
    assert sorted(stub.told("save")) == [(f"x{number}", None) for number in range(5)]


def test_what_is_told_without_a_network_arrives_when_it_is_back(person, stub, until) -> None:
    page = opened(person, stub)
    until(lambda: page.evaluate("proffer.state().sent") == 1, page)
    person.set_offline(True)
    page.evaluate("proffer.track('x1', 'save')")
    page.wait_for_timeout(600)
    assert stub.told("save") == []
    assert page.evaluate("proffer.state().waiting") == 1
    person.set_offline(False)
    until(lambda: stub.told("save") == [("x1", None)], page, seconds=4)
    until(lambda: page.evaluate("proffer.state().waiting") == 0, page)
    assert page.evaluate("errors") == []


def test_a_server_that_went_away_gets_everything_when_it_is_back(person, stub, until) -> None:
    page = opened(person, stub)
    stub.stop()
    for number in range(30):
        page.evaluate(f"proffer.track('x{number}', 'save')")
    page.wait_for_timeout(800)
    assert page.evaluate("proffer.state().waiting") >= 30
    stub.start()
    until(lambda: page.evaluate("proffer.state().waiting") == 0, page, seconds=15)
    assert sorted(stub.told("save")) == sorted((f"x{number}", None) for number in range(30))
    assert len(stub.events) == len(stub.once)
    assert page.evaluate("errors") == []


def test_an_overloaded_server_is_asked_again(person, stub, until) -> None:
    stub.status, stub.headers = 429, {"Retry-After": "1", "Access-Control-Expose-Headers": "Retry-After"}
    page = opened(person, stub)
    page.evaluate("proffer.track('x1', 'save')")
    page.wait_for_timeout(700)
    stub.status = 200
    until(lambda: stub.told("save") == [("x1", None)], page)


def test_a_tab_that_is_closed_tells_on_its_way_out(person, stub, until) -> None:
    page = opened(person, stub)
    page.evaluate("proffer.track('x1', 'save')")
    page.close()
    until(lambda: stub.told("save") == [("x1", None)])


def test_a_tab_closed_while_the_server_was_away_tells_at_the_next_visit(person, stub, until) -> None:
    page = opened(person, stub)
    until(lambda: page.evaluate("proffer.state().sent") == 1, page)
    stub.stop()
    page.evaluate("proffer.track('x1', 'save')")
    page.close()
    stub.start()
    page = opened(person, stub)
    until(lambda: stub.told("save") == [("x1", None)], page)


def test_two_tabs_send_nothing_twice(person, stub, until) -> None:
    pages = [opened(person, stub) for _ in range(2)]
    for number in range(60):
        pages[number % 2].evaluate(f"proffer.track('x{number}', 'save')")
    until(lambda: len(stub.told("save")) == 60, pages[0])
    until(lambda: all(page.evaluate("proffer.state().waiting") == 0 for page in pages), pages[0])
    assert set(Counter(event["messageId"] for event in stub.events).values()) == {1}


@pytest.mark.parametrize("signal", ["globalPrivacyControl: {value: true}", "doNotTrack: {value: '1'}"])
def test_a_privacy_signal_is_respected(person, stub, signal) -> None:
    person.add_init_script(f"Object.defineProperties(Navigator.prototype, {{{signal}}})")
    page = opened(person, stub, "private")
    page.click("text=save")
    page.wait_for_timeout(900)
    assert page.evaluate("[proffer.track('x1', 'save'), proffer.state().off]") == [False, "privacy signal"]
    page.close()
    assert stub.batches == []
    page = opened(person, stub, "plain")
    assert page.evaluate("localStorage.length") == 0


def test_who_opts_out_is_told_of_no_more_on_any_page(person, stub) -> None:
    page = opened(person, stub, "private")
    page.evaluate("proffer.optOut()")
    stub.batches.clear()
    page.click("text=save")
    page.wait_for_timeout(500)
    page.reload()
    page.click("text=save")
    page.wait_for_timeout(500)
    page.close()
    assert stub.batches == []


def test_a_policy_that_forbids_the_network_disturbs_nobody(person, stub) -> None:
    meta = "<meta http-equiv='Content-Security-Policy' content=\"connect-src 'none'\">"
    stub.pages["strict"] = meta + stub.pages["cards"]
    page = opened(person, stub, "strict")
    page.click("text=save")
    page.wait_for_timeout(700)
    assert stub.batches == []
    assert page.evaluate("errors") == []
    assert page.evaluate("proffer.state().waiting") >= 1


def test_a_frame_without_storage_tells_nevertheless(person, stub, until) -> None:
    cards = stub.pages["cards"].replace('"', "&quot;").replace("/tracker.js", f"{stub.url}/tracker.js")
    stub.pages["frame"] = (
        f'<!doctype html><iframe sandbox="allow-scripts" width=700 height=500 srcdoc="{cards}"></iframe>'
    )
    page = opened(person, stub, "frame")
    frame = page.frames[1]
    assert frame.evaluate("(() => { try { return !!localStorage } catch (e) { return e.name } })()") == "SecurityError"
    frame.click("text=save")
    until(lambda: stub.told("save") == [("r1", None)], page)
    assert frame.evaluate("errors") == []


def test_a_page_over_plain_http_tells_without_locks(person, stub, until) -> None:
    page = person.new_page()
    page.goto(f"http://insecure.test:{stub.port}/cards")
    assert page.evaluate("[isSecureContext, !!navigator.locks, !!crypto.randomUUID]") == [False, False, False]
    page.click("text=save")
    until(lambda: stub.told("save") == [("r1", None)], page)
    assert page.evaluate("errors") == []


def test_a_page_of_another_origin_can_use_the_module(person, stub, until) -> None:
    other = Stub({"plain": stub.pages["plain"].replace("'/tracker.mjs'", f"'{stub.url}/tracker.mjs'")})
    try:
        page = opened(person, other, "plain")
        page.wait_for_function("window.make")
        assert page.evaluate(f"(window.t = make({{endpoint: '{stub.url}'}})).track('x1', 'buy', 3, {{shop: 's1'}})")
        until(lambda: page.evaluate("t.state().sent") == 1, page)
    finally:
        other.stop()
    (event,) = stub.events
    assert event["event"] == "buy"
    assert event["properties"] | {"session": ""} == {"session": "", "shop": "s1", "target": "x1", "value": 3}
    assert len(event["anonymousId"]) == 36


def test_calls_before_the_script_has_come_are_kept(person, stub, until) -> None:
    early = "<script>(window.proffer = window.proffer || []).push(['track', 'x1', 'save'])</script>"
    stub.pages["early"] = stub.pages["cards"].replace("<script src", early + "<script async src")
    page = opened(person, stub, "early")
    until(lambda: stub.told("save") == [("x1", None)], page)


@contextmanager
def tabs(url: str) -> Iterator[str]:
    """Hold a browser with one tab, and tabs that really cover one another; return where tabs are opened and closed."""
    folder = Path(tempfile.mkdtemp())
    command = [CHROMIUM, "--headless=new", *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={folder}", url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port, deadline = folder / "DevToolsActivePort", time.monotonic() + 10
        while not port.exists() or not port.read_text():
            assert time.monotonic() < deadline, "the browser does not come up"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port.read_text().split()[0]}/json"
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def test_only_the_time_a_tab_is_in_front_counts(stub, until) -> None:
    with tabs(f"{stub.url}/cards") as control:
        until(lambda: stub.told("impression"))
        first = next(each["id"] for each in httpx.get(control).json() if each["type"] == "page")
        time.sleep(1.3)
        assert httpx.put(f"{control}/new?about:blank").status_code == 200
        until(lambda: stub.told("view"))
        behind = time.monotonic()
        time.sleep(2.5)
        httpx.get(f"{control}/activate/{first}")
        behind = time.monotonic() - behind
        time.sleep(1.3)
        httpx.get(f"{control}/close/{first}")
        until(lambda: len(stub.told("view")) == 2)
    looks = [seconds for _, seconds in stub.told("view")]
    assert [item for item, _ in stub.told("view")] == ["r1", "r1"]
    assert all(1 <= seconds < behind for seconds in looks), looks
