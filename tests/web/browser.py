"""A headless Chromium, where one is installed; what it needs is looked for once."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # A name that is not localhost, so that pages of it are not trusted with what browsers keep for https.
    "--host-resolver-rules=MAP insecure.test 127.0.0.1",
)
CHROMIUM = os.environ.get("PROFFER_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def missing() -> str | None:
    """Return why no browser test can run, None where they can."""
    if CHROMIUM is None:
        return "Chromium is not installed: scripts/browser installs it where it may"
    if importlib.util.find_spec("playwright") is None:
        return "the package playwright is not installed"
    return None


@contextmanager
def chromium() -> Iterator[Any]:
    """Hold a browser; its windows are contexts of its own, each a person with a storage of his own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()
