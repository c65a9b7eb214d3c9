"""Segment's own clients, as they are published, pointed at a server of ours."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from proffer.bootstrap import create, open_stores
from proffer.cli.workspaces import new_token
from proffer.core.clock import SystemClock

from .advised import FACTS
from .process import ServerProcess

PACKAGES = Path(__file__).parents[2] / "web" / "tracker" / "node_modules"
NODE = """
const { Analytics } = require(process.argv[1] + '/@segment/analytics-node');
(async () => {
  const client = new Analytics({ writeKey: process.argv[3], host: process.argv[2], flushAt: 3, maxRetries: 1 });
  const failed = [];
  client.on('error', (error) => failed.push(String(error.reason || error.code)));
  client.track({ userId: 'u1', event: 'Recommendation Viewed', messageId: 'n1',
                 properties: { recommendationId: 'r1', value: 12.5, card: 'b' } });
  client.track({ userId: 'u1', event: 'save', messageId: 'n2', properties: { target: 'r2' } });
  client.track({ anonymousId: 'v1', event: 'rate', messageId: 'n3', properties: { target: 'r1', value: 5 } });
  client.track({ anonymousId: 'v1', event: 'rate', messageId: 'n3', properties: { target: 'r1', value: 5 } });
  client.track({ userId: 'u1', event: 'Cart Filled', messageId: 'n4', properties: {} });
  client.identify({ userId: 'u5', messageId: 'n5', traits: { role: 'engineer' } });
  client.alias({ userId: 'u5', previousId: 'v1', messageId: 'n6' });
  await client.closeAndFlush({ timeout: 10000 });
  console.log(JSON.stringify(failed));
})();
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[ServerProcess, str]]:
    """Hold a server of an advisor that knows some recommendations, and a write key."""
    create(tmp_path, "advisor", "advisor")
    stores = open_stores(tmp_path / "advisor")
    key = new_token(stores.tokens, SystemClock(), "clients", ("read", "write"))
    stores.log.close()
    server = ServerProcess(tmp_path, key, app="advisor")
    try:
        with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}) as client:
            assert client.post("/api/v1/advisor/events", json=FACTS).json()["accepted"] == len(FACTS)
        yield server, key
    finally:
        server.kill()


def logged(server: ServerProcess, key: str, wanted: int) -> list[dict[str, Any]]:
    """Return what was recorded beside the facts, once so much is there."""
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}) as client:
        for _ in range(200):
            found = client.get("/api/v1/advisor/events", params={"after": len(FACTS)}).json()["events"]
            if len(found) >= wanted:
                return found
            time.sleep(0.05)
    raise AssertionError(found)


def checked(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return events by id after a look that none is there twice."""
    by_id = {event["id"]: event for event in found}
    assert len(by_id) == len(found)
    return by_id


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_the_python_client_records(served: tuple[ServerProcess, str], packed: bool) -> None:
    analytics = pytest.importorskip("segment.analytics.client", reason="segment-analytics-python is not installed")
    server, key = served
    failed: list[Any] = []
    client = analytics.Client(key, host=server.url, gzip=packed, on_error=lambda error, _: failed.append(error))
    viewed = {"recommendation_id": "r1", "value": 12.5, "card": "b"}
    client.track("u1", "Recommendation Viewed", viewed, message_id="p1")
    client.track("u1", "save", {"target": "r2"}, message_id="p2")
    for _ in range(2):
        client.track(anonymous_id="v1", event="rate", properties={"target": "r1", "value": 5}, message_id="p3")
    client.track("u1", "Cart Filled", {}, message_id="p4")
    client.identify("u5", {"role": "engineer"}, message_id="p5")
    client.alias("v1", "u5", message_id="p6")
    client.flush()
    client.join()
    assert failed == []
    _check(checked(logged(server, key, 5)), "p")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.skipif(not (PACKAGES / "@segment").exists(), reason="the npm packages of web/tracker are not installed")
def test_the_node_client_records(served: tuple[ServerProcess, str]) -> None:
    server, key = served
    asked = ["node", "-e", NODE, str(PACKAGES), server.url, key]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
    _check(checked(logged(server, key, 5)), "n")


def _check(found: dict[str, dict[str, Any]], prefix: str) -> None:
    one, two, three, _, five, six = (found.get(f"{prefix}{number}", {}) for number in range(1, 7))
    assert (one["type"], one["target"]["id"], one["actor"]["id"]) == ("view", "r1", "u1")
    assert one["fields"] == {"seconds": 12.5, "context": {"card": "b"}}
    assert (two["type"], three["fields"]) == ("save", {"stars": 5.0})
    assert f"{prefix}4" not in found
    assert (five["type"], five["fields"]) == ("entity.set", {"role": "engineer"})
    assert (six["type"], six["target"]["id"]) == ("entity.merge", "v1")


def test_a_tracked_event_changes_the_next_rankings_features_within_a_second(served: tuple[ServerProcess, str]) -> None:
    """Through HTTP, for each way in: what was recorded is in the features and in what the next list is made of."""
    server, key = served
    with httpx.Client(base_url=f"{server.url}/api/v1/advisor", headers={"Authorization": f"Bearer {key}"}) as client:
        batch = {"batch": [{"type": "track", "event": "click", "userId": "u1", "properties": {"target": "r1"}}]}
        ways: list[Callable[[], httpx.Response]] = [
            lambda: client.post("/recommendations/interact/r1", json={"interaction_type": "save"}),
            lambda: client.post(f"{server.url}/v1/batch", json={**batch, "writeKey": key}),
        ]
        for way in ways:
            before = client.get("/features/interaction/u1/r1").json()
            shown = client.get("/recommendations/a1?user=u1").json()
            columns = explained(client)
            started = time.perf_counter()
            assert way().status_code == 200
            after = client.get("/features/interaction/u1/r1").json()
            again, reread = client.get("/recommendations/a1?user=u1").json(), explained(client)
            seconds = time.perf_counter() - started
            assert after["features"] != before["features"]
            assert reread != columns
            assert again["as_of"] > shown["as_of"]
            assert seconds < 1


def explained(client: httpx.Client) -> dict[str, float | None]:
    """Return the columns that the ranking of the assessment reads for a recommendation now."""
    return client.post("/explain", json={"subject": "u1", "item": "r1", "group": "a1"}).json()["columns"]
