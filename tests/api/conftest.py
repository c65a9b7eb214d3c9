from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .process import ServerProcess
from .served import Site

POSTS = ("p1", "p2", "p3", "p/4", "åäö 5")


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()
    yield served
    served.close()


@pytest.fixture
def filled(site: Site) -> Site:
    rows = [
        {
            "type": "entity.set",
            "actor": {"kind": "post", "id": id},
            "fields": {"title": f"Title {id}", "category": "farm"},
        }
        for id in POSTS
    ]
    rows += [{"type": "view", "actor": "u1", "target": "p1", "fields": {"seconds": 3}, "id": "v1"}]
    assert site.post("/events", rows).json()["accepted"] == len(rows)
    return site


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Start servers over one home, one after another; none outlives the test."""
    started: list[ServerProcess] = []

    def begin(token: str | None = None) -> ServerProcess:
        started.append(ServerProcess(tmp_path, token))
        return started[-1]

    yield begin
    for each in started:
        each.kill()
