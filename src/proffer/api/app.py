"""The ASGI application: the table of operations behind one door."""

import logging
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import partial
from importlib.metadata import version
from secrets import token_hex
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proffer.api import bodies, origins, problems
from proffer.api.auth import Access, Keyring, check_access, write_key
from proffer.api.limits import Limits
from proffer.api.openapi import document
from proffer.api.operations import PUBLIC, READ, REPLAY, WRITE, Answer, Call, Operation
from proffer.api.site import Site
from proffer.api.table import OPERATIONS
from proffer.engine.engine import Engine

SAFE = {
    b"x-content-type-options": b"nosniff",
    b"cache-control": b"no-store",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}
CLIENT_GONE = 499
logger = logging.getLogger("proffer.http")


def create_app(
    engines: Mapping[str, Engine],
    *,
    local: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    operations: Sequence[Operation] = OPERATIONS,
    page: bool = False,
) -> Starlette:
    """Return the application that serves these engines by name of workspace.

    `local` holds a secret per workspace that opens it for this run alone; `page` shows the demo's page. The site is
    `app.state.site`. Raises CannotStart for an operation without a scope.
    """
    stores = {name: engine.stores.tokens for name, engine in engines.items()}
    shared = [name for name, engine in engines.items() if engine.stores.shared]
    description = msgspec.json.encode(document(operations, version("proffer")))
    site = Site(
        engines=dict(engines),
        operations=tuple(operations),
        keyring=Keyring(stores, local or {}, {name: away_of(engines[name]) for name in shared}),
        limits=limits or Limits(),
        document=description,
        page=page,
    )
    paths: dict[str, dict[str, Operation]] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method] = each
    app = Starlette(
        routes=[Route(path, Resource(site, paths[path])) for path in paths],
        middleware=[Middleware(Door, site=site)],
        exception_handlers={HTTPException: _raise},
    )
    app.router.redirect_slashes = False
    app.state.site = site
    return app


def away_of(engine: Engine) -> Callable[[], bool]:
    """Return what tells whether the database of an engine cannot be reached at the moment."""
    return lambda: engine.tail.away


def _raise(_: Request, error: Exception) -> Response:
    raise error


class Door:
    """What every request passes: it gets an id, a count, safe headers, and a problem for every error."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self.app = app
        self.site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Matched as it was sent: an id may hold a slash as %2F.
        scope["path"] = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
        passage = scope["passage"] = Passage(token_hex(8))
        dress = partial(_dress, passage, send)
        try:
            await self.app(scope, receive, dress)
        except ClientDisconnect:
            # Nobody is there to be answered, and nothing of ours failed: counted as most servers do.
            passage.status = CLIENT_GONE
        except Exception as error:
            if passage.status:
                raise
            answer = problems.response(problems.of_error(error, passage.id), getattr(error, "headers", None))
            await answer(scope, receive, dress)
        self._count(scope["method"], passage)

    def _count(self, method: str, passage: "Passage") -> None:
        seconds = time.perf_counter() - passage.started
        workspace = passage.access.workspace if passage.access else ""
        self.site.metrics.answered(workspace, passage.operation, passage.status, seconds)
        logger.info(
            "%s %s %s %s %.1fms %s",
            method,
            passage.operation,
            workspace or "-",
            passage.status,
            seconds * 1000,
            passage.id,
        )


class Passage:
    """One request on its way through: its id, which operation it asks, who asks, headers to send."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.started = time.perf_counter()
        self.operation = "none"
        self.access: Access | None = None
        self.headers: dict[str, str] = {}
        self.status = 0


async def _dress(passage: Passage, send: Send, message: Message) -> None:
    if message["type"] == "http.response.start":
        passage.status = message["status"]
        sent = {name.lower() for name, _ in message["headers"]}
        extra = {**SAFE, b"x-request-id": passage.id.encode()}
        extra |= {name.lower().encode(): value.encode() for name, value in passage.headers.items()}
        message["headers"] = [*message["headers"], *((name, extra[name]) for name in extra if name not in sent)]
    await send(message)


class Resource:
    """One path with the operations its methods mean."""

    def __init__(self, site: Site, operations: Mapping[str, Operation]) -> None:
        self.site = site
        self.operations = operations
        self.methods = sorted({*operations, *(["HEAD"] if "GET" in operations else [])})

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Check who asks and what, call the operation, answer."""
        request = Request(scope, receive)
        operation = self.operations.get("GET" if request.method == "HEAD" else request.method)
        if operation is None:
            told = origins.preflight(request, self.operations, self.site.engines.values())
            if request.method == "OPTIONS" and told is not None:
                await told(scope, receive, send)
                return
            raise HTTPException(405, "this path has no such method", {"Allow": ", ".join(self.methods)})
        passage: Passage = scope["passage"]
        passage.operation = operation.name
        passage.headers |= origins.admission(request, operation, self.site.engines.values())
        # Who sends the token in the body has to be read before he is known.
        early = operation.foreign and request.headers.get("authorization") is None
        body = await bodies.read_body(request, operation) if early else None
        engines = await self._admit(request, operation, passage, body)
        if operation.lane in (READ, WRITE, REPLAY) and not operation.from_memory:
            # Before anybody stands in line for a database that does not answer, and keeps the others from memory.
            for engine in engines.values():
                engine.tail.check()
        call = Call(
            site=self.site,
            engines=engines,
            path=bodies.read_path(request),
            query=bodies.read_query(request, operation),
            key=bodies.read_key(request) if operation.method in ("POST", "PUT") else None,
            body=await bodies.read_body(request, operation) if operation.body is not None and not early else body,
            scopes=passage.access.scopes if passage.access else (),
        )
        work = partial(_work, operation, call)
        lane = self.site.lanes.get(operation.lane)
        answer = work() if lane is None else await lane.run(work)
        await answer(scope, receive, send)

    async def _admit(
        self, request: Request, operation: Operation, passage: Passage, body: Any
    ) -> Mapping[str, Engine]:  # fmt: skip
        """Return the engines the request may see. Raises Unauthorized, NotFound, Forbidden or TooMany."""
        if operation.scope == PUBLIC:
            return {}
        header, keyring = request.headers.get("authorization"), self.site.keyring
        sent = keyring.opened(write_key(header, body)) if operation.foreign else keyring.access(header)
        access = passage.access = await sent
        check_access(operation, access, request.path_params.get("workspace"))
        engine = self.site.engines[access.workspace]
        origins.check_origin(request, operation, engine)
        passage.headers |= self.site.rate.take((access.workspace, access.name))
        return {access.workspace: engine}


def _work(operation: Operation, call: Call) -> Response:
    found = operation.call(call)
    answer = found if isinstance(found, Answer) else Answer(value=found, status=operation.status)
    if answer.status == 204:
        return Response(status_code=204)
    content = answer.value if isinstance(answer.value, bytes) else msgspec.json.encode(answer.value)
    return Response(content, answer.status, dict(answer.headers), media_type=answer.media_type)
