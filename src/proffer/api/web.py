"""Files for browsers: the tracker, and the page of the demo."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

from proffer.api.operations import LOOP, PUBLIC, Answer, Call, Operation
from proffer.core.errors import NotFound

SCRIPT, HTML, STYLE = "text/javascript", "text/html", "text/css"
FRESH_SECONDS = 3600
# A page of any origin may load the tracker; what it may record is the business of its token and of `origins`.
TRACKER = {"Cache-Control": f"public, max-age={FRESH_SECONDS}", "Access-Control-Allow-Origin": "*"}
PAGE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}


@cache
def read(name: str) -> bytes:
    """Return a file of the folder `web`."""
    return (files("proffer") / "web" / name).read_bytes()


def script(_: Call) -> Answer:
    """Return the tracker for a script tag, whose data attributes start it."""
    return _file("tracker.js", SCRIPT, TRACKER)


def module(_: Call) -> Answer:
    """Return the tracker as an ES module with `createTracker`."""
    return _file("tracker.mjs", SCRIPT, TRACKER)


def demo(call: Call) -> Answer:
    """Return the page of the demo; 404 where the server was not started with it."""
    return _page(call, "advisor.html", HTML)


def demo_script(call: Call) -> Answer:
    """Return the script of the demo's page."""
    return _page(call, "advisor.js", SCRIPT)


def demo_style(call: Call) -> Answer:
    """Return the looks of the demo's page."""
    return _page(call, "advisor.css", STYLE)


def _page(call: Call, name: str, form: str) -> Answer:
    if not call.site.page:
        raise NotFound("the demo page is not served here", field="path", remedy="Start with: proffer serve --page")
    return _file(name, form, PAGE)


def _file(name: str, form: str, headers: dict[str, str]) -> Answer:
    return Answer(value=read(name), headers=headers, media_type=f"{form}; charset=utf-8")


def _operation(
    name: str, path: str, summary: str, form: str, call: Callable[[Call], Answer], also: Mapping[int, str] | None = None
) -> Operation:
    return Operation(
        name=name, method="GET", path=path, scope=PUBLIC, tag="browser", summary=summary, returns=str, media_type=form,
        also=also or {}, lane=LOOP, call=call,
    )  # fmt: skip


ABSENT = {404: "The server was started without the page."}
OPERATIONS = (
    _operation("trackerScript", "/tracker.js", "Return the browser tracker for a script tag.", SCRIPT, script),
    _operation("trackerModule", "/tracker.mjs", "Return the browser tracker as an ES module.", SCRIPT, module),
    _operation(
        "demoPage", "/demo", "Return the demo's page, where the server was started with it.", HTML, demo, ABSENT
    ),
    _operation("demoScript", "/demo/page.js", "Return the script of the demo's page.", SCRIPT, demo_script, ABSENT),
    _operation("demoStyle", "/demo/page.css", "Return the looks of the demo's page.", STYLE, demo_style, ABSENT),
)
