"""Clients that write events and ask for slates while something breaks, and keep what they were told."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from proffer.testing.deployments import NAME, Deployment

WRITERS, ASKERS, BATCH = 4, 2, 20
TIMEOUT, PAUSE = 10.0, 0.02
BASE = f"/api/v1/{NAME}"

Ask = Callable[..., Any]
"""Asks a server: method, path, body, and what goes into the query."""


@dataclass
class Told:
    """What clients sent and were told: ids with their sequences, decisions with the moment of the answer."""

    sent: set[str] = field(default_factory=set)
    acknowledged: dict[str, int] = field(default_factory=dict)
    decided: dict[str, float] = field(default_factory=dict)
    resent: int = 0
    wrong: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)


@contextmanager
def at_work(deployment: Deployment, told: Told, name: str, askers: int) -> Iterator[None]:
    """Let clients write and ask until the end of the block."""
    threads = [
        threading.Thread(
            target=writing if number < WRITERS else asking, name=f"{name}-{number}", daemon=True,
            args=(deployment.urls[number % len(deployment.urls)], deployment.headers, f"{name}-{number}", told),
        )
        for number in range(WRITERS + askers)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        told.stop.set()
        for thread in threads:
            thread.join(2 * TIMEOUT)
            told.wrong += [f"a request of {thread.name} never ended"] if thread.is_alive() else []


def asker(deployment: Deployment, place: int = 0) -> Ask:
    """Return what asks a server of a deployment and gives the answer. Raises httpx.HTTPStatusError."""
    base = deployment.urls[place] + BASE

    def ask(method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = httpx.request(
            method, base + path, json=body, params=query, headers=deployment.headers, timeout=60, trust_env=False
        )
        return answer.raise_for_status().json()

    return ask


def writing(url: str, headers: Mapping[str, str], name: str, told: Told) -> None:
    """Send single events and batches; send again with the same ids what was not acknowledged."""
    place = 0
    with httpx.Client(base_url=url + BASE, headers=headers, timeout=TIMEOUT, trust_env=False) as client:
        while not told.stop.is_set():
            size = 1 if place % 3 else BATCH
            rows = [liked(f"{name}-{place}-{row}", name, f"p{row}") for row in range(size)]
            told.sent.update(row["id"] for row in rows)
            while not told.stop.is_set() and not send(client, rows, told):
                told.resent += 1
                told.stop.wait(PAUSE)
            place += 1


def liked(id: str, user: str, post: str) -> dict[str, str]:
    """Return an event that says when it happened: sent again without that it would be another one of the same id."""
    return {"id": id, "type": "like", "actor": user, "target": post, "at": datetime.now(UTC).isoformat()}


def asking(url: str, headers: Mapping[str, str], name: str, told: Told) -> None:
    """Ask for slates and keep the ids of their decisions."""
    number = 17 * int(name.rpartition("-")[2])
    with httpx.Client(base_url=url + BASE, headers=headers, timeout=TIMEOUT, trust_env=False) as client:
        while not told.stop.is_set():
            number += 1
            answer = _post(client, "/recommend", {"subject": f"u{number % 50}", "n": 10}, told)
            if answer is None:
                told.stop.wait(PAUSE)
                continue
            told.decided[answer["decision"]] = time.monotonic()


def send(client: httpx.Client, rows: list[dict[str, str]], told: Told) -> bool:
    """Send events, keep what is acknowledged, and return whether there was an answer."""
    answer = _post(client, "/events", rows if len(rows) > 1 else rows[0], told)
    if answer is None:
        return False
    receipts = answer.get("receipts", [answer])
    told.wrong += [f"event {one['id']}: {one['verdict']}" for one in receipts
                   if one["verdict"] not in ("accepted", "duplicate")]  # fmt: skip
    told.acknowledged.update({one["id"]: one["sequence"] for one in receipts})
    return True


def _post(client: httpx.Client, path: str, body: Any, told: Told) -> Any:
    """Return the answer, None where there was none or it says that work is not taken now."""
    try:
        answer = client.post(path, json=body)
    except httpx.HTTPError:
        return None
    if answer.status_code == 200:
        return answer.json()
    if answer.status_code != 503:
        told.wrong.append(f"{path} answered {answer.status_code}: {answer.text[:200]}")
    return None
