"""Bodies, paths and query strings made from the description, fitting and nearly fitting: never a 5xx."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proffer.api.operations import Operation
from proffer.api.table import OPERATIONS

from .served import Site
from .shapes import ANYTHING, KNOWN, fitting, mutated

MODEST = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    """One site for every example: what one leaves behind must not break the next."""
    site = Site()
    rows = [
        {"type": "entity.set", "actor": {"kind": "post", "id": f"p{n}"}, "fields": {"title": f"T {n}"}}
        for n in range(4)
    ]
    site.post("/events", [*rows, {"type": "view", "actor": "u1", "target": "p1"}])
    yield site
    counts, log = site.get("/stats").json(), site.engines["feed"].stores.log
    assert counts["received"] == sum(counts[name] for name in ("accepted", "duplicates", "conflicts", "quarantined"))
    assert counts["folded"] == log.last()
    site.close()


def described(site: Site, operation: Operation) -> dict[str, Any]:
    return site.document["paths"][operation.path][operation.method.lower()]


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.body], ids=lambda each: each.name)
def test_bodies(shared: Site, operation: Operation) -> None:
    content = described(shared, operation)["requestBody"]["content"]["application/json"]
    good = fitting(content["schema"], shared.document["components"]["schemas"])

    @MODEST
    @given(good | mutated(good) | ANYTHING, KNOWN | st.text(min_size=1, max_size=20))
    def ask(body: Any, text: str) -> None:
        path = operation.path.replace("{workspace}", "feed").replace("{kind}", "post")
        for name in ("{id}", "{number}", "{version}"):
            path = path.replace(name, quote(text, safe=""))
        answer = shared.send(operation.method, path, raw=json.dumps(body).encode())
        assert answer.status_code < 500, answer.text

    ask()


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.method == "GET"], ids=lambda each: each.name)
def test_paths_and_query_strings(shared: Site, operation: Operation) -> None:
    parameters = described(shared, operation).get("parameters", [])
    named = {each["name"]: fitting(each["schema"], {}) for each in parameters if each["in"] == "query"}
    text = KNOWN | st.text(max_size=20)

    @MODEST
    @given(
        st.fixed_dictionaries({}, optional=named) | st.dictionaries(text, text, max_size=3),
        st.lists(text, min_size=4, max_size=4),
    )
    def ask(query: dict[str, Any], texts: list[str]) -> None:
        path = operation.path.replace("{workspace}", "feed")
        for name in ("{kind}", "{id}", "{item}", "{subject}"):
            path = path.replace(name, quote(texts.pop(), safe="") or "x")
        told = "&".join(f"{quote(name, safe='')}={quote(str(value), safe='')}" for name, value in query.items())
        answer = shared.send("GET", f"{path}?{told}")
        assert answer.status_code < 500, answer.text

    ask()


@MODEST
@given(st.sampled_from([each for each in OPERATIONS if each.body]), st.binary(max_size=200))
def test_bytes(shared: Site, operation: Operation, raw: bytes) -> None:
    path = operation.path
    for name in ("workspace", "kind", "id", "number", "version"):
        path = path.replace(f"{{{name}}}", {"workspace": "feed", "kind": "post"}.get(name, "1"))
    assert 400 <= shared.send(operation.method, path, raw=raw).status_code < 500 or raw.strip()[:1] in (b"{", b"[")
