"""A site over memory with a client that checks every answer against the description."""

import asyncio
import json
import re
from datetime import UTC, datetime
from typing import Any

import httpx
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from proffer.api.app import create_app
from proffer.api.auth import digest
from proffer.api.limits import Limits
from proffer.core.clock import CountingIds, FixedClock
from proffer.core.ports import Token
from proffer.stores.memory import memory_stores

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
SCOPES = ("read", "write", "admin")
SECRETS = {"feed": "pf_feed", "other": "pf_other", "reader": "pf_reader", "none": "pf_none"}
DOCUMENT = "urn:proffer:openapi"


def engine(name: str):
    from proffer.apps.feed.app import app
    from proffer.engine.engine import Engine

    clock = FixedClock(NOW)
    return Engine(app, name, memory_stores(clock), clock=clock, ids=CountingIds())


class Site:
    """Two workspaces, `feed` and `other`, and tokens with and without scopes."""

    def __init__(self, make=engine, *, limits: Limits | None = None, local: dict[str, str] | None = None) -> None:
        self.engines = {name: make(name) for name in ("feed", "other")}
        for name, scopes in (("feed", SCOPES), ("reader", ("read",)), ("none", ())):
            self._token("feed", name, scopes)
        self._token("other", "other", SCOPES)
        self.app = create_app(self.engines, limits=limits, local=local)
        self.document = json.loads(self.app.state.site.document)
        self.schemas = Schemas(self.document)
        self.loop = asyncio.new_event_loop()
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://localhost")

    def _token(self, workspace: str, name: str, scopes: tuple[str, ...]) -> None:
        tokens = self.engines[workspace].stores.tokens
        tokens.add(Token(name=name, digest=digest(SECRETS[name]), scopes=scopes, created_at=NOW))

    def send(self, method: str, path: str, body: Any = None, *, token: str | None = "feed", raw: bytes | None = None,
             headers: dict[str, str] | None = None) -> httpx.Response:  # fmt: skip
        """Send one request; the answer is checked against the description."""
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {SECRETS.get(token, token)}")
        content = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        found = self.loop.run_until_complete(self.ask(method, path, content, sent))
        self.schemas.check(found)
        return found

    async def ask(self, method: str, path: str, content: Any, headers: dict[str, str]) -> httpx.Response:
        """Send one request without checking the answer."""
        return await self.client.request(method, path, content=content, headers=headers)

    def get(self, path: str, **rest: Any) -> httpx.Response:
        """Send GET to a path within the workspace feed."""
        return self.send("GET", f"/api/v1/feed{path}", **rest)

    def post(self, path: str, body: Any = None, **rest: Any) -> httpx.Response:
        """Send POST to a path within the workspace feed."""
        return self.send("POST", f"/api/v1/feed{path}", body, **rest)

    def put(self, path: str, body: Any = None, **rest: Any) -> httpx.Response:
        """Send PUT to a path within the workspace feed."""
        return self.send("PUT", f"/api/v1/feed{path}", body, **rest)

    def close(self) -> None:
        """Let go of the loop."""
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


class Schemas:
    """The description as a judge of answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        self.registry = Registry().with_resource(DOCUMENT, resource)
        self.patterns = [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), path) for path in document["paths"]]

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """Return what the description says of a method and path."""
        found = [self.document["paths"][declared] for pattern, declared in self.patterns if pattern.fullmatch(path)]
        return found[0].get(method.lower()) if found else None

    def validator(self, schema: Any) -> Draft202012Validator:
        """Return the judge of a schema, whose references point into the description."""
        return Draft202012Validator(_absolute(schema), registry=self.registry)

    def check(self, answer: httpx.Response) -> None:
        """Refuse an answer that the description does not allow."""
        path = answer.request.url.raw_path.decode().partition("?")[0]
        operation = self.operation(answer.request.method, path)
        form = answer.headers.get("content-type", "").partition(";")[0]
        if answer.status_code >= 400 and form == "application/problem+json":
            judge = self.validator({"$ref": "#/components/schemas/Problem"})
            judge.validate(answer.json())
            assert answer.json()["status"] == answer.status_code
            assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        if operation is None:
            assert answer.status_code in (404, 405)
            return
        declared = operation["responses"].get(str(answer.status_code))
        assert declared is not None, f"{operation['operationId']} does not declare {answer.status_code}: {answer.text}"
        if "content" not in declared:
            assert answer.content == b""
            return
        assert form in declared["content"], f"{form} is not declared"
        if form.endswith("json"):
            self.validator(declared["content"][form]["schema"]).validate(answer.json())


def _absolute(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {k: DOCUMENT + v if k == "$ref" else _absolute(v) for k, v in schema.items()}
    return [_absolute(each) for each in schema] if isinstance(schema, list) else schema
