import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .browser import chromium, missing
from .stub import Stub

CARDS = """<!doctype html><meta charset="utf-8"><title>Cards</title>
<style>article {{ height: 300px; margin-bottom: 900px }}</style>
<script>window.errors = []; addEventListener("error", (e) => errors.push(e.message));
addEventListener("unhandledrejection", (e) => errors.push(String(e.reason)));</script>
<section data-proffer-query="q1">
<article data-proffer-item="r1" data-proffer-position="1"><a href="#more">more</a>
<button data-proffer-action="save">save</button><button data-proffer-action="rate" data-proffer-value="4">4</button></article>
<article data-proffer-item="r2" data-proffer-position="2"><button data-proffer-action="dismiss">no</button></article>
</section>
<script src="/tracker.js" data-write-key="pf_key" data-user="u1" data-interval="150" data-context='{{"assessment": "a1"}}' {more}></script>
"""  # noqa: E501


# Not for the whole session: while Playwright is open no other event loop can run in this process.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with chromium() as found:
        yield found


@pytest.fixture
def person(browser: Any) -> Iterator[Any]:
    """A browser window with a storage of its own."""
    context = browser.new_context(viewport={"width": 800, "height": 600})
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A server with the page `cards`; `plain` holds a tracker as a module that no script tag starts."""
    module = "<!doctype html><title>Plain</title><script type=module>import { createTracker } from '/tracker.mjs'; "
    module += "window.make = (options) => createTracker({writeKey: 'pf_key', interval: 150, ...options}); </script>"
    served = Stub({"cards": CARDS.format(more=""), "private": CARDS.format(more='data-minimum="0.3"'), "plain": module})
    yield served
    served.stop()


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait until something holds, and fail where it does not within a few seconds."""

    def wait(holds: Callable[[], Any], page: Any = None, seconds: float = 8.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "waited in vain"
            # Playwright answers the browser only while one of its own calls runs.
            page.wait_for_timeout(30) if page is not None else time.sleep(0.03)

    return wait
