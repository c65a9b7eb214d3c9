"""Export and erasure over HTTP, and a log and metrics that name nobody."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from proffer.api.discreet import Discreet
from proffer.api.table import OPERATIONS
from proffer.core.errors import StorageFull
from proffer.engine import serve

from .served import Site

CANARY = "canary-5d1e0b7c"


@pytest.fixture
def known(filled: Site) -> Site:
    rows = [
        {"type": "entity.set", "actor": {"kind": "user", "id": CANARY}, "fields": {"language": "sv"}},
        {"type": "like", "actor": CANARY, "target": "p2", "id": "c1", "fields": {"context": {"page": "start"}}},
        {"type": "follow", "actor": "u2", "target": {"kind": "user", "id": CANARY}, "id": "f1"},
        {"type": "entity.set", "actor": {"kind": "post", "id": "p9"}, "fields": {"author": CANARY, "title": "Nine"}},
    ]
    assert filled.post("/events", rows).json()["accepted"] == 4
    filled.post("/events", [{"type": "nope", "actor": CANARY}])
    filled.post("/recommend", {"subject": CANARY})
    return filled


def test_an_export_has_everything_of_one_and_nobody_else(known: Site) -> None:
    found = known.get(f"/entities/user/{CANARY}/export").json()
    assert (found["kind"], found["id"], found["attributes"]) == ("user", CANARY, {"language": "sv"})
    assert found["entities"] == ["post/p9"]
    assert [event["type"] for event in found["events"]] == ["entity.set", "like", "follow"]
    assert found["events"][1]["fields"] == {"context": {"page": "start"}}
    other = found["events"][2]["actor"]["id"]
    assert (other, "u2" in json.dumps(found)) == (known.engines["feed"].pseudonyms.of(("user", "u2")), False)
    assert found["features"]["u_events"] > 0
    assert {row["scope"] for row in found["rows"]} >= {"user"}
    assert [decision["query"]["subject"] for decision in found["decisions"]] == [["user", CANARY]]
    assert [row["reject"]["field"] for row in found["quarantined"]] == ["type"]
    item = known.get("/entities/post/p2/export").json()
    assert CANARY not in json.dumps(item)


def test_an_erasure_is_told_and_can_be_repeated(known: Site) -> None:
    found = known.post(f"/entities/user/{CANARY}/erase").json()
    assert (found["events"], found["decisions"], found["quarantined"]) == (4, 1, 1)
    assert known.post(f"/entities/user/{CANARY}/erase?texts=true").json()["again"]
    assert known.get(f"/entities/user/{CANARY}").status_code == 404
    assert known.get(f"/entities/user/{CANARY}/export").status_code == 404
    for path in ("/events?limit=1000", "/quarantine", "/decisions", "/entities/post/p9"):
        assert CANARY not in known.get(path).text
    assert known.post("/events", {"type": "like", "actor": CANARY, "target": "p2", "id": "c1"}).json() == {
        "verdict": "duplicate", "id": "c1", "sequence": 8,
    }  # fmt: skip
    assert known.send("GET", "/health").json()["feed"]["parts"]["log"]["status"] == "ok"


@pytest.mark.parametrize(("path", "status"), [("user/nobody", 404), ("tree/x", 422), ("user/%00", 422)])
def test_what_cannot_be_exported_or_erased(filled: Site, path: str, status: int) -> None:
    last = filled.engines["feed"].stores.log.last()
    assert filled.get(f"/entities/{path}/export").status_code == status
    refused = filled.post(f"/entities/{path}/erase")
    assert refused.status_code == status
    assert refused.json()["remedy"]
    assert filled.engines["feed"].stores.log.last() == last
    assert filled.post(f"/entities/{path}/erase?text=1").status_code == 422


def test_it_takes_an_admin(known: Site) -> None:
    for token, status in (("reader", 403), ("none", 403), ("other", 404), (None, 401)):
        assert known.get(f"/entities/user/{CANARY}/export", token=token).status_code == status
        assert known.post(f"/entities/user/{CANARY}/erase", token=token).status_code == status
    assert known.get(f"/entities/user/{CANARY}").status_code == 200


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the server would write to stderr."""
    stream, logger = io.StringIO(), logging.getLogger("proffer")
    shown = logging.StreamHandler(stream)
    shown.setFormatter(Discreet("%(asctime)s %(message)s", open=False))
    level = logger.level
    logger.addHandler(shown)
    logger.setLevel(logging.DEBUG)
    yield stream
    logger.removeHandler(shown)
    logger.setLevel(level)


BODIES: dict[str, Any] = {
    "subject": CANARY, "item": CANARY, "context": {"who": CANARY}, "candidates": [CANARY], "type": "like",
    "actor": CANARY, "target": CANARY, "id": CANARY, "pairs": [{"subject": CANARY, "item": CANARY}], "rules": [],
    "model": CANARY, "expected_revision": 0, "pipeline": CANARY,
}  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_no_route_writes_an_id_to_the_log_or_the_metrics(known: Site, log: io.StringIO, operation: Any) -> None:
    path = operation.path.replace("{workspace}", "feed").replace("{kind}", "user")
    for part in ("{id}", "{number}", "{version}", "{subject}", "{item}", "{name}"):
        path = path.replace(part, quote(CANARY))
    bodies = [None] if operation.body is None else [BODIES, [BODIES], *operation.examples.values()]
    bodies += [{name: BODIES[name]} for name in BODIES] if operation.body is not None else []
    for body in bodies:
        for query in ("", f"?subject={CANARY}&after={CANARY}", f"?kind=user&id={CANARY}&query_id={CANARY}"):
            answer = known.send(operation.method, f"{path}{query}", body, headers={"X-Request-Id": CANARY})
            assert answer.status_code < 500, answer.text
    assert operation.name in log.getvalue()
    assert CANARY not in log.getvalue()
    assert CANARY not in known.send("GET", "/metrics").text


def test_errors_are_logged_without_what_they_say(known: Site, log: io.StringIO, monkeypatch: Any) -> None:
    def break_down(*_: object, **__: object) -> None:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise ValueError(f"no {CANARY}") from error

    monkeypatch.setattr(serve, "recommend", break_down)
    answer = known.post("/recommend", {"subject": CANARY})
    assert answer.status_code == 500
    text = log.getvalue()
    assert CANARY not in text + answer.text
    assert answer.json()["request_id"] in text
    for told in ("ValueError at test_privacy.py", "KeyError at test_privacy.py", "break_down"):
        assert told in text


def test_a_source_that_fails_is_logged_without_what_it_says(known: Site, log: io.StringIO, monkeypatch: Any) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise RuntimeError(f"no row for {CANARY}")

    for retriever in known.engines["feed"].fitted["home"].retrievers.values():
        if retriever.name != "newest":
            monkeypatch.setattr(retriever, "scores", break_down)
    assert known.post("/recommend", {"subject": CANARY}).status_code == 200
    assert "RuntimeError at test_privacy.py" in log.getvalue()
    assert CANARY not in log.getvalue()


def test_proffers_own_words_and_on_demand_everybodys(log: io.StringIO) -> None:
    logger = logging.getLogger("proffer.test")
    logger.warning("no snapshot: %s", StorageFull("the disk is full", remedy="Free space."))
    assert "the disk is full. Free space." in log.getvalue()
    record = logging.LogRecord("proffer", logging.ERROR, "x.py", 1, "it failed: %s", (KeyError(CANARY),), None)
    assert CANARY in Discreet("%(message)s", open=True).format(record)
    assert CANARY not in Discreet("%(message)s", open=False).format(record)
