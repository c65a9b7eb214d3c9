"""Whatever is sent: a 4xx problem and nothing written, a receipt per row, or the text kept as it came; never a 5xx."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from proffer.api.operations import Operation
from proffer.api.table import OPERATIONS

from . import naughty
from .served import Site
from .test_api_auth import FILL

BODIED = [each for each in OPERATIONS if each.body]
LIKE = {"type": "like", "actor": "u1", "target": "p1"}
FOREVER = 10**9


def send(site: Site, operation: Operation, raw: bytes) -> httpx.Response:
    return site.send(operation.method, operation.path.format(**FILL), raw=raw)


@pytest.mark.parametrize("operation", BODIED, ids=lambda each: each.name)
def test_unreadable_json_is_a_400_everywhere(site: Site, operation: Operation) -> None:
    for raw in naughty.UNREADABLE:
        answer = send(site, operation, raw)
        assert answer.status_code == 400, (raw[:50], answer.text)
        assert answer.json()["field"] == "body"
        assert answer.json()["remedy"]
    assert site.get("/stats").json()["received"] == 0


@pytest.mark.parametrize("operation", BODIED, ids=lambda each: each.name)
def test_impossible_json_is_a_4xx_everywhere(site: Site, operation: Operation) -> None:
    for raw in naughty.IMPOSSIBLE:
        answer = send(site, operation, raw)
        if answer.status_code == 200:
            # A batch of rows, or clients that would send the same again for ever: kept aside with the reason.
            assert operation.name == "recordEvents" or operation.foreign
            assert answer.json()["accepted"] == 0
        else:
            assert 400 <= answer.status_code < 500, (raw[:50], answer.text)
    assert site.get("/stats").json()["accepted"] == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"type": "lik"}, "type"),
        ({"type": None}, "type"),
        ({"type": 1}, "type"),
        ({"actor": None}, "actor"),
        ({"actor": 7}, "actor"),
        ({"actor": {"kind": "post", "id": "p1"}}, "actor.kind"),
        ({"actor": {"kind": "user", "id": "u1", "x": 1}}, "actor.x"),
        ({"target": None}, "target"),
        ({"target": "p\x00"}, "target"),
        ({"target": "x" * 10_000}, "target"),
        ({"target": ""}, "target"),
        ({"id": "a\nb"}, "id"),
        ({"id": "x" * 257}, "id"),
        ({"id": 7}, "id"),
        ({"query_id": ["q"]}, "query_id"),
        ({"at": "2026-01-01T00:00:00"}, "at"),
        ({"at": "2026-01-01"}, "at"),
        ({"at": "0000-01-01T00:00:00Z"}, "at"),
        ({"at": "10000-01-01T00:00:00Z"}, "at"),
        ({"at": "1960-01-01T00:00:00Z"}, "at"),
        ({"at": "2026-02-03T00:00:00Z"}, "at"),
        ({"at": "2026-01-01T24:00:00Z"}, "at"),
        ({"at": "2026-01-01T23:59:60Z"}, "at"),
        ({"at": 1767225600}, "at"),
        ({"at": "2026-02-30T00:00:00Z"}, "at"),
        ({"at": True}, "at"),
        ({"fields": {"seconds": 1}}, "fields.seconds"),
        ({"fields": [1]}, "fields"),
        ({"fields": "x"}, "fields"),
        ({"fields": {"context": []}}, "fields.context"),
        ({"fields": {"context": {"a": 2**54}}}, "fields.context.a"),
        ({"type": "view", "fields": {"seconds": -1}}, "fields.seconds"),
        ({"type": "view", "fields": {"seconds": "12"}}, "fields.seconds"),
        ({"type": "view", "fields": {"seconds": True}}, "fields.seconds"),
        ({"type": "view", "fields": {"seconds": 1e300}}, "fields.seconds"),
        ({"type": "view", "fields": {"seconds": 10**18}}, "fields.seconds"),
        ({"type": "entity.set", "target": None, "actor": {"kind": "cat", "id": "x"}}, "actor.kind"),
        ({"type": "entity.merge", "actor": "u1", "target": "u1"}, "target"),
        ({"type": "settings.set", "target": None}, "type"),
    ],
)
def test_an_impossible_event_names_its_field(site: Site, change: dict[str, Any], field: str) -> None:
    row = {**LIKE, **change}
    single = site.post("/events", row)
    assert (single.status_code, single.json()["field"]) == (422, field)
    assert single.json()["remedy"]
    assert site.get("/stats").json()["received"] == 0
    batch = site.post("/events", [LIKE, row]).json()
    assert (batch["accepted"], batch["quarantined"]) == (1, 1)
    assert batch["receipts"][1]["field"] == field


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/recommend", {}, "subject"),
        ("/recommend", {"subject": ""}, "subject"),
        ("/recommend", {"subject": "u\x00"}, "subject"),
        ("/recommend", {"subject": "x" * 10_000}, "subject"),
        ("/recommend", {"subject": None}, "subject"),
        ("/recommend", {"subject": "u1", "n": 0}, "n"),
        ("/recommend", {"subject": "u1", "n": FOREVER}, "n"),
        ("/recommend", {"subject": "u1", "n": -1}, "n"),
        ("/recommend", {"subject": "u1", "n": "12"}, "n"),
        ("/recommend", {"subject": "u1", "n": True}, "n"),
        ("/recommend", {"subject": "u1", "n": 1.5}, "n"),
        ("/recommend", {"subject": "u1", "n": 2**63}, "n"),
        ("/recommend", {"subject": "u1", "diversity": 1.1}, "diversity"),
        ("/recommend", {"subject": "u1", "diversity": -0.1}, "diversity"),
        ("/recommend", {"subject": "u1", "language": "xx"}, "language"),
        ("/recommend", {"subject": "u1", "pipeline": "nothing"}, "pipeline"),
        ("/recommend", {"subject": "u1", "pipeline": "\x00"}, "pipeline"),
        ("/recommend", {"subject": "u1", "colour": 1}, "colour"),
        ("/recommend", {"subject": "u1", "context": []}, "context"),
        ("/recommend", {"subject": "u1", "context": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {}}}}}}}}}}, None),
        ("/recommend", {"subject": "u1", "context": {"a": 2**60}}, "context.a"),
        ("/recommend", {"subject": "u1", "context": {"a": "\x00"}}, "context.a"),
        ("/recommend", {"subject": "u1", "after": ""}, "after"),
        ("/recommend", {"subject": "u1", "candidates": ["p1"]}, "candidates"),
        ("/rank", {"subject": "u1"}, "candidates"),
        ("/rank", {"subject": "u1", "candidates": []}, "candidates"),
        ("/rank", {"subject": "u1", "candidates": ["p1", "p1"]}, "candidates"),
        ("/rank", {"subject": "u1", "candidates": ["p1", "nope"]}, "candidates"),
        ("/rank", {"subject": "u1", "candidates": ["p1", 2]}, "candidates[1]"),
        ("/rank", {"subject": "u1", "candidates": "p1"}, "candidates"),
        ("/rank", {"subject": "u1", "candidates": [f"p{n}" for n in range(1001)]}, "candidates"),
        ("/rank", {"subject": "u1", "candidates": ["p1"], "n": 0}, "n"),
        ("/rank", {"subject": "u1", "candidates": ["p\x00"]}, "candidates"),
        ("/predict", {}, "pairs"),
        ("/predict", {"pairs": []}, "pairs"),
        ("/predict", {"pairs": [{"subject": "u1"}]}, "pairs[0].item"),
        ("/predict", {"pairs": [{"subject": "u1", "item": "nope"}]}, "pairs"),
        ("/predict", {"pairs": [{"subject": "u1", "item": "p1"}] * 1001}, "pairs"),
        ("/predict", {"pairs": [{"subject": "u1", "item": "p1", "x": 1}]}, "pairs[0].x"),
        ("/explain", {"subject": "u1"}, "item"),
        ("/events", [], "body"),
        ("/events", "x", "body"),
        ("/events", None, "body"),
    ],
)
def test_an_impossible_question_names_its_field(filled: Site, path: str, body: Any, field: str | None) -> None:
    answer = filled.post(path, raw=json.dumps(body).encode())
    assert answer.status_code == 422
    told = answer.json()
    assert told["field"].startswith("context") if field is None else told["field"] == field
    assert told["remedy"]
    assert filled.get("/decisions").json()["decisions"] == []


def test_a_text_of_a_megabyte_is_refused(site: Site) -> None:
    assert site.put("/entities/post/p1", {"text": "x" * 1_000_000}).status_code == 422
    assert site.put("/entities/post/p1", {"text": "x" * 100_000}).status_code == 200


def texts_into(site: Site) -> list[Callable[[str], httpx.Response]]:
    """Return every place of the API that takes a text, as a call."""

    def event(name: str) -> Callable[[str], httpx.Response]:
        return lambda text: site.post("/events", {**LIKE, name: text})

    def ask(path: str, **body: Any) -> Callable[[str, str], httpx.Response]:
        return lambda name, text: site.post(path, {"subject": "u1", **body, name: text})

    def path(template: str) -> Callable[[str], httpx.Response]:
        return lambda text: site.get(template.format(quote(text, safe="")))

    return [
        *(event(name) for name in ("id", "type", "at", "actor", "target", "query_id", "fields")),
        lambda text: site.post("/events", {**LIKE, text: 1}),
        lambda text: site.post("/events", {**LIKE, "actor": {"kind": text, "id": text}}),
        lambda text: site.post("/events", {**LIKE, "fields": {"context": {text: text}}}),
        lambda text: site.post("/events", LIKE, headers={"Idempotency-Key": text.encode("utf-8", "replace")}),
        lambda text: site.put("/entities/post/p1", {"extra": {text: [text]}}),
        lambda text: site.put("/entities/post/p1", {text: text}),
        lambda text: site.put(f"/entities/{quote(text, safe='')}/x", {}),
        lambda text: ask("/recommend")("subject", text),
        lambda text: ask("/recommend")("pipeline", text),
        lambda text: ask("/recommend")("language", text),
        lambda text: ask("/recommend")("after", text),
        lambda text: ask("/recommend", context={text: text})("subject", "u1"),
        lambda text: ask("/rank", candidates=["p1", text])("subject", "u1"),
        lambda text: ask("/explain")("item", text),
        lambda text: site.post(
            "/predict", {"pairs": [{"subject": text, "item": "p1"}, {"subject": "u1", "item": text}]}
        ),
        lambda text: site.put(
            "/settings", {"labels": {text: 1}, "rules": {"home": [{"do": "filter", "where": {"title": text}}]}}
        ),
        *map(
            path, ("/similar/{}", "/similar/p1?subject={}", "/features/user/{}", "/features/post/{}", "/features/{}/x")
        ),
        *map(path, ("/features/interaction/u1/{}", "/decisions/{}", "/decisions?subject={}", "/decisions?after={}")),
        *map(
            path,
            ("/events?kind=user&id={}", "/events?type={}", "/events?query_id={}", "/events?since={}", "/events?{}=1"),
        ),
        lambda text: site.post(f"/models/{quote(text, safe='')}/promote", {"expected_revision": 0}),
    ]


def check_texts(site: Site, texts: list[str]) -> int:
    asked = 0
    for call in texts_into(site):
        for text in texts:
            answer = call(text)
            assert answer.status_code < 500, (text[:60], answer.request.url, answer.text)
            asked += 1
    return asked


def check_kept(site: Site, texts: list[str]) -> None:
    """Every text that was taken comes back as it was sent."""
    for place, text in enumerate(texts):
        for name, value in (("title", text), ("text", text), ("category", text), ("author", text), ("tags", [text])):
            path = f"/entities/post/kept{place}"
            if site.put(path, {name: value}).status_code == 200:
                assert site.get(path).json() == {name: value}
        shared = {**LIKE, "target": text, "query_id": f"kept{place}", "fields": {"context": {"text": text}}}
        if site.post("/events", shared).status_code == 200:
            event = site.get(f"/events?query_id=kept{place}").json()["events"][0]
            assert (event["target"]["id"], event["fields"]["context"]["text"]) == (text, text)
            if text not in (".", ".."):  # a client takes these out of a path before it sends it
                assert site.get(f"/features/post/{quote(text, safe='')}").status_code == 200


def test_naughty_texts_are_kept_as_they_came_or_refused(filled: Site) -> None:
    check_kept(filled, list(naughty.TEXTS))


def test_naughty_texts_break_nothing_anywhere(filled: Site) -> None:
    assert check_texts(filled, list(naughty.TEXTS)) > 2000


@pytest.fixture
def collections() -> Path:
    folder = os.environ.get("PROFFER_DATA")
    if not folder:
        pytest.skip("PROFFER_DATA names no data folder")
    return Path(folder) / "bad_input"


@pytest.mark.data
def test_the_big_list_of_naughty_strings(filled: Site, collections: Path) -> None:
    found = json.loads(next(collections.glob("blns/*.json")).read_text())
    assert len(found) > 500
    check_kept(filled, found)
    assert check_texts(filled, found) > 15_000


@pytest.mark.data
@pytest.mark.parametrize("operation", BODIED, ids=lambda each: each.name)
def test_the_json_test_suite(filled: Site, collections: Path, operation: Operation) -> None:
    cases = sorted(collections.glob("jsontestsuite/test_parsing/*.json"))
    assert len(cases) > 300
    for case in cases:
        answer = send(filled, operation, case.read_bytes())
        assert answer.status_code < 500, (case.name, answer.text)
        if case.name.startswith("n_"):
            assert answer.status_code == 400, (case.name, answer.text)
        elif case.name.startswith("y_"):
            assert answer.status_code in (200, 404, 422, *operation.also), (case.name, answer.text)
