"""The files for browsers: their size, that they are what the source makes, and how they are served."""

import asyncio
import gzip
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from proffer.api.app import create_app

ROOT = Path(__file__).parents[2]
WEB, TRACKER = ROOT / "src" / "proffer" / "web", ROOT / "web" / "tracker"
NODE = shutil.which("node")
VERSION = int(subprocess.check_output([NODE, "-p", "process.versions.node.split('.')[0]"])) if NODE else 0
FILES = ("tracker.js", "tracker.mjs")
LARGEST = 5000


def asked(app, path: str, **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_small(name: str) -> None:
    assert len(gzip.compress((WEB / name).read_bytes(), 9)) < LARGEST


@pytest.mark.skipif(VERSION < 20, reason="node 20 or newer is not installed, whose test runner moves the clock")
def test_the_unit_tests_of_the_tracker_pass() -> None:
    tests = sorted(map(str, (TRACKER / "test").glob("*.test.mjs")))
    assert len(tests) >= 3
    found = subprocess.run([NODE, "--test", *tests], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stdout[-4000:]
    passed = next(line for line in found.stdout.splitlines() if line.startswith(("# pass", "ℹ pass")))
    assert int(passed.split()[-1]) >= 40


@pytest.mark.skipif(
    NODE is None or not (TRACKER / "node_modules" / "esbuild").exists(),
    reason="the packages of web/tracker are not installed: scripts/browser installs them",
)
def test_the_files_are_what_the_source_makes(tmp_path: Path) -> None:
    subprocess.run([NODE, str(TRACKER / "node_modules" / ".bin" / "tsc")], cwd=TRACKER, check=True, timeout=120)
    subprocess.run([NODE, "build.mjs", str(tmp_path)], cwd=TRACKER, check=True, timeout=60)
    for name in FILES:
        assert (tmp_path / name).read_text() == (WEB / name).read_text(), f"run npm run build in web/tracker: {name}"


def test_the_lock_names_no_registry_and_pins_with_hashes() -> None:
    lock = (TRACKER / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert lock.count('"integrity": "sha512-') > 10


@pytest.mark.parametrize("name", FILES)
def test_the_tracker_is_for_pages_of_any_origin(name: str) -> None:
    answer = asked(create_app({}), f"/{name}", Origin="https://shop.test")
    assert answer.status_code == 200
    assert answer.content == (WEB / name).read_bytes()
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "public, max-age=3600"


def test_the_page_is_served_only_where_it_was_asked_for() -> None:
    paths = ("/demo", "/demo/page.js", "/demo/page.css")
    refused = [asked(create_app({}), path) for path in paths]
    assert [answer.status_code for answer in refused] == [404] * 3
    assert "--page" in refused[0].json()["remedy"]
    app = create_app({}, page=True)
    assert [asked(app, path).status_code for path in paths] == [200] * 3
    policy = asked(app, "/demo").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "access-control-allow-origin" not in asked(app, "/demo").headers


def test_the_page_keeps_its_own_policy() -> None:
    page = (WEB / "advisor.html").read_text()
    assert "<style" not in page
    assert " style=" not in page
    assert " on" not in [part[:3] for part in page.split("<")]
    assert page.count("<script") == 1
    assert 'src="/demo/page.js"></script>' in page
    assert "innerHTML" not in (WEB / "advisor.js").read_text()
