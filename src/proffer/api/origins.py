"""Pages of other origins: which may record interactions, and what a browser is told (CORS)."""

from collections.abc import Iterable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from proffer.api.operations import TRACK, Operation
from proffer.core.errors import Forbidden
from proffer.engine.engine import Engine

PREFLIGHT_SECONDS = 600
SHOWN = "Retry-After, RateLimit, RateLimit-Policy, X-Request-Id"
SENT = "Authorization, Content-Type, Content-Encoding, Idempotency-Key"


def foreign_origin(request: Request) -> str | None:
    """Return the origin of the page that asks, None where it is ours or no browser's page asks."""
    origin = request.headers.get("origin")
    if origin is None or origin.partition("://")[2] == request.headers.get("host"):
        return None
    return origin


def listed(origin: str, engines: Iterable[Engine]) -> bool:
    """Return whether any of these workspaces lets pages of an origin record interactions."""
    return any(origin in engine.settings.origins for engine in engines)


def admission(request: Request, operation: Operation, engines: Iterable[Engine]) -> dict[str, str]:
    """Return the headers that let a page of a listed origin read the answer; none for any other page or operation."""
    origin = foreign_origin(request) if operation.scope == TRACK else None
    if origin is None or not listed(origin, engines):
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": SHOWN, "Vary": "Origin"}


def check_origin(request: Request, operation: Operation, engine: Engine) -> None:
    """Raise Forbidden where a page of an origin that the workspace does not list wants to record interactions."""
    origin = foreign_origin(request) if operation.scope == TRACK else None
    if origin is not None and not listed(origin, (engine,)):
        message = f"pages of {origin[:80]} may not record interactions"
        raise Forbidden(message, field="Origin", remedy="Add the origin to settings.origins.")


def preflight(request: Request, operations: Mapping[str, Operation], engines: Iterable[Engine]) -> Response | None:
    """Return the answer to a browser's question before a request of a listed page; None: it gets none."""
    methods = [method for method, each in operations.items() if each.scope == TRACK]
    origin, wanted = request.headers.get("origin"), request.headers.get("access-control-request-method")
    if origin is None or wanted not in methods or not listed(origin, engines):
        return None
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": origin, "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": SENT, "Access-Control-Max-Age": str(PREFLIGHT_SECONDS), "Vary": "Origin",
        },
    )  # fmt: skip
