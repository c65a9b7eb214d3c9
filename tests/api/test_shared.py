"""A server of several: tokens that are kept, readiness and writes while the database is away."""

import asyncio
import time

import msgspec
import pytest

from proffer.api import auth
from proffer.api.auth import Keyring, digest
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.errors import Busy, Unauthorized
from proffer.core.ports import Token
from proffer.stores.memory import MemoryTokens, memory_stores

from .served import NOW, Site

HEADER = "Bearer pf_one"


class Away(MemoryTokens):
    """Tokens whose database can be cut off, or hang; counts how often it is asked."""

    def __init__(self, secret: str = "pf_one") -> None:
        super().__init__()
        self.asked, self.off, self.hangs = 0, False, 0.0
        self.add(Token(name="one", digest=digest(secret), scopes=("read",), created_at=NOW))

    def by_digest(self, digest: str) -> Token | None:
        self.asked += 1
        time.sleep(self.hangs)
        if self.off:
            raise Busy("the database cannot be reached")
        return super().by_digest(digest)


def opens(keyring: Keyring, header: str = HEADER) -> str:
    async def access() -> str:
        return (await keyring.access(header)).workspace

    return asyncio.run(access())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "KEPT_SECONDS", 0.2)
    monkeypatch.setattr(auth, "ASKED_SECONDS", 0.3)


def test_a_token_is_asked_for_once_in_a_while_and_taken_away_soon():
    tokens = Away()
    keyring = Keyring({"feed": tokens}, {}, {"feed": lambda: False})
    assert [opens(keyring) for _ in range(20)] == ["feed"] * 20
    assert tokens.asked <= 2
    tokens.remove("one")
    time.sleep(0.25)
    with pytest.raises(Unauthorized):
        opens(keyring)
    with pytest.raises(Unauthorized):
        opens(keyring)


def test_who_was_let_in_goes_on_while_the_database_is_away():
    tokens, away = Away(), [False]
    keyring = Keyring({"feed": tokens}, {}, {"feed": lambda: away[0]})
    opens(keyring)
    tokens.off = True
    time.sleep(0.25)
    assert opens(keyring) == "feed"
    with pytest.raises(Busy):
        opens(keyring, "Bearer pf_new")
    away[0], before = True, tokens.asked
    assert opens(keyring) == "feed"
    assert tokens.asked == before


def test_a_database_that_says_nothing_holds_nobody_for_long():
    tokens = Away()
    keyring = Keyring({"feed": tokens}, {}, {"feed": lambda: False})
    opens(keyring)
    tokens.hangs = 3.0
    time.sleep(0.25)

    async def many() -> float:
        loop = asyncio.get_running_loop()
        started = loop.time()
        found = await asyncio.gather(*(keyring.access(HEADER) for _ in range(10)))
        assert {access.workspace for access in found} == {"feed"}
        with pytest.raises(Busy):
            await keyring.access("Bearer pf_new")
        return loop.time() - started

    async def timed() -> float:
        return await many()

    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(timed()) < 2.0
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def test_a_workspace_whose_database_is_away_does_not_shut_out_the_others():
    lost, here = Away(), Away("pf_two")
    lost.off = True
    keyring = Keyring({"feed": lost, "other": here}, {}, {"feed": lambda: True, "other": lambda: False})
    assert opens(keyring, "Bearer pf_two") == "other"
    with pytest.raises(Busy):
        opens(keyring, "Bearer pf_three")


def shared_engine(name: str):
    from proffer.apps.feed.app import app
    from proffer.engine.engine import Engine

    clock = FixedClock(NOW)
    stores = msgspec.structs.replace(memory_stores(clock), shared=True)
    return Engine(app, name, stores, clock=clock, ids=CountingIds())


def test_while_the_database_is_away_slates_go_on_and_writes_are_told_to_come_again():
    site = Site(shared_engine)
    feed = site.engines["feed"]
    try:
        assert site.post("/events", {"type": "view", "actor": "u1", "target": "p1"}).status_code == 200
        feed.tail._threads = [object()]  # type: ignore[list-item]
        feed.tail._lost["the log"] = "the database cannot be reached"
        assert site.send("GET", "/health/ready", token=None).json() == {"status": "degraded"}
        assert [item["id"] for item in site.post("/recommend", {"subject": "u2", "n": 3}).json()["items"]] == ["p1"]
        refused = [
            site.post("/events", {"type": "view", "actor": "u1", "target": "p1"}),
            site.put("/entities/post/p1", {"title": "t"}),
            site.put("/settings", {"diversity": {"home": 0.5}}),
            site.post("/train", {}),
            site.get("/events"),
            site.get("/stats"),
        ]
        assert {(answer.status_code, answer.headers.get("retry-after")) for answer in refused} == {(503, "1")}
        assert feed.stores.log.last() == 1
        assert site.get("/settings").status_code == site.get("/features/post/p1").status_code == 200
        assert 'proffer_log_reached{workspace="feed"} 0.0' in site.send("GET", "/metrics").text
        assert site.send("GET", "/health").json()["feed"]["parts"]["tail"]["status"] == "degraded"
        feed.tail.touch()
        assert site.send("GET", "/health/ready", token=None).json() == {"status": "ok"}
        assert site.post("/events", {"type": "view", "actor": "u1", "target": "p1"}).status_code == 200
    finally:
        feed.tail._threads = []
        site.close()
