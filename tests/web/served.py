"""A real server of the advisor with its demo page, over a small world."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from proffer.api.auth import digest, mint
from proffer.bootstrap import SQLITE, create, open_engine
from proffer.core.events import Verdict
from proffer.core.ports import Token

SERVING = str(Path(__file__).with_name("serving.py"))
SCOPES = {"read": ("read",), "track": ("track",), "admin": ("read", "write", "admin")}


def world() -> list[dict[str, Any]]:
    """Return two assessments, of twelve and of no recommendations, of which every third is about security."""
    categories = ("cost_optimization", "performance", "security")
    made = {"created": "2026-01-05T00:00:00Z"}
    rows = [
        {"type": "entity.set", "actor": {"kind": "user", "id": "u1"}, "fields": {"name": "Ada", "role": "engineer"}}
    ]
    for id, title in (("a1", "Web shop"), ("a2", "Nothing yet")):
        about = {"title": title, "owner": "u1", "industry": "retail", "company_size": "small", "budget": 5000, **made}
        rows.append({"type": "entity.set", "actor": {"kind": "assessment", "id": id}, "fields": about})
    for number in range(1, 13):
        category = categories[number % 3]
        about = {
            "assessment": "a1", "title": f"Step {number}", "text": f"What to do about {category}.",
            "category": category, "action": f"{category}_{number}", "confidence": 0.9 - number / 50,
            "saving": 100, "cost": 50, "effort": 5,
            "risk": 0.2, **made,
        }  # fmt: skip
        rows.append({"type": "entity.set", "actor": {"kind": "recommendation", "id": f"r{number}"}, "fields": about})
    return rows


def posts() -> list[dict[str, Any]]:
    """Return two posts of a feed."""
    return [
        {"type": "entity.set", "actor": {"kind": "post", "id": id}, "fields": {"title": f"Post {id}"}}
        for id in ("p1", "p2")
    ]


class Advisor:
    """Workspaces `advisor` and `feed` and their server; `tokens` and those of `feed` are secrets by scope."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.tokens = self._filled("advisor", world())
        self.feed = self._filled("feed", posts())
        self.url = ""
        self.start()

    def _filled(self, name: str, rows: list[dict[str, Any]]) -> dict[str, str]:
        create(self.home, name, name, store=SQLITE)
        secrets = {scope: mint() for scope in SCOPES}
        engine = open_engine(self.home, name)
        try:
            for scope, scopes in SCOPES.items():
                made = Token(name=scope, digest=digest(secrets[scope]), scopes=scopes, created_at=engine.clock.now())
                engine.stores.tokens.add(made)
            assert [each for each in engine.record(rows) if each.verdict is not Verdict.ACCEPTED] == []
        finally:
            engine.close()
        return secrets

    def start(self) -> None:
        """Start the server, at the port it had if it was stopped."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
        port = self.url.rsplit(":", 1)[1] if self.url else "0"
        command = [sys.executable, SERVING, str(self.home), port]
        self._log = (self.home / "server.log").open("a")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._log, text=True, env=environment
        )  # fmt: skip
        for line in self.process.stdout:
            if line.startswith("Operations:"):
                self.url = line.split()[1].removesuffix("/api/docs.")
                return
        raise AssertionError((self.home / "server.log").read_text())

    def stop(self, sent: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(sent)
        self.process.wait(20)
        self.process.stdout.close()
        self._log.close()

    def get(self, path: str, workspace: str = "advisor", **query: Any) -> Any:
        """Return what the server answers to who may do everything."""
        secret = (self.feed if workspace == "feed" else self.tokens)["admin"]
        headers = {"Authorization": f"Bearer {secret}"}
        answer = httpx.get(f"{self.url}/api/v1/{workspace}{path}", params=query, headers=headers, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def told(self, type: str, workspace: str = "advisor") -> list[dict[str, Any]]:
        """Return the logged events of a type."""
        return self.get("/events", workspace, type=type, limit=1000)["events"]

    def page(self, **more: str) -> str:
        """Return the address of the demo page, as the demo shows it."""
        members = {"workspace": "advisor", "read": self.tokens["read"], "track": self.tokens["track"], **more}
        return f"{self.url}/demo#" + "&".join(f"{name}={value}" for name, value in members.items())
